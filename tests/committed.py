"""The committed tables, row by row, for tests that compare sentences with them."""

import pandas as pd

from tracekd.analysis import paper_check, recorded, tables
from tracekd.pipeline.artefacts import RECORDED, table_path

CORRECT = "Incorrect traces do not lower accuracy, compared with correct ones"  # claims
NONE = "Incorrect traces do not lower accuracy, compared with no traces"
R1_AND = ("no traces", "their summaries", "correct ones", "explanations")  # what R1 traces are compared with
AFTER = "Answers are as often right after wrong traces as after right ones"


def rows(stem: str, **where: object) -> pd.DataFrame:
    path = table_path(stem)
    frame = pd.read_csv(path if path.exists() else RECORDED / f"{stem}.csv")
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame), f"{stem} has no row {where}"
    return frame


def row(stem: str, **where: object) -> pd.Series:
    found = rows(stem, **where)
    assert len(found) == 1, f"{stem} has {len(found)} rows {where}"
    return found.iloc[0]


def cell(stem: str, column: str, **where: object):
    return row(stem, **where)[column]


def forced(condition: str, effect: str = "total_all", reveals: str = "all", dataset: str = "babi") -> pd.Series:
    found = recorded.largest(rows("08_effects", dataset=dataset)).set_index(["condition", "effect", "reveals"])
    return found.loc[(condition, effect, reveals)]


def replicates(other: str) -> list[tuple[str, int]]:
    """Incorrect minus ``other`` in the printed CoTempQA replicates, in points, and seeds: Llama-3.2-1B, Qwen3-1.7B."""
    found = paper_check.replicates(paper_check.load(recorded.FOLDER)).query("other == @other")
    return [(tables.points(one.value, one.low, one.high), one.seeds) for one in found.itertuples()]


def claim_of(claim: str, dataset: str = "babi") -> pd.Series:
    return rows("08_claims", dataset=dataset, claim=claim, reveals="all").sort_values("training_problems").iloc[-1]
