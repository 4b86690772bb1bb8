"""How many verdicts on the released outputs moved with a change of the reading rules, why, and whether claims did."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from tracekd import published, released_claims, released_verdicts, tables
from tracekd import released_tables as rt
from tracekd.lists import first_list, read_list
from tracekd.reading import LEAD
from tracekd.records import read_jsonl

MOVES, CLAIMS = "verdict_moves.csv", "verdict_moves_claims.csv"
STEPS = ("classification", "retrieval", "answer")
_LISTS = re.compile(r"(?=\[['\"])")


def count(folder: str | Path, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Count the verdicts that moved.

    Args:
        folder: the folder with ``released/``: the causes are told from the texts.
        before: of ``released_tables.verdict_tables``, under the old rules.
        after: the same under the new rules, rows in the same order.

    Returns:
        One row per data set, adapter and cause with moved verdicts: dataset, cause (step, then why), adapter,
        n_outputs (of the adapter), moved_to_right, moved_to_wrong, and moved_status (outputs that are read under
        another status). An adapter without any has one row, cause "none".

    Raises:
        ValueError: the two tables are not about the same outputs.
    """
    keys = ["dataset", "adapter", "row", "id"]
    if len(before) != len(after) or not (before[keys].to_numpy() == after[keys].to_numpy()).all():
        raise ValueError("the tables before and after are not about the same outputs, row by row")
    texts = [text for dataset in released_verdicts.DATASETS for text in _texts(Path(folder), dataset)]
    rows = []
    for step in STEPS:
        old, new = before[f"{step}_correct"].to_numpy(), after[f"{step}_correct"].to_numpy()
        for i in (old != new).nonzero()[0]:
            about = {"dataset": after.dataset[i], "adapter": after.adapter[i], "cause": f"{step}: {_cause(texts[i])}"}
            rows.append({**about, "moved_to_right": int(new[i]), "moved_to_wrong": int(old[i]), "moved_status": 0})
    for i in (before.status != after.status).to_numpy().nonzero()[0]:
        cause = f"status: {before.status[i]} to {after.status[i]}"
        about = {"dataset": after.dataset[i], "adapter": after.adapter[i], "cause": cause}
        rows.append({**about, "moved_to_right": 0, "moved_to_wrong": 0, "moved_status": 1})
    moved = pd.DataFrame(rows).groupby(["dataset", "adapter", "cause"]).sum()
    sizes = after.groupby(["dataset", "adapter"], sort=False).size().rename("n_outputs").reset_index()
    found = sizes.merge(moved.reset_index(), how="left", on=["dataset", "adapter"])
    counts = ["moved_to_right", "moved_to_wrong", "moved_status"]
    found = found.fillna({"cause": "none", **dict.fromkeys(counts, 0)}).astype(dict.fromkeys(counts, int))
    return found[["dataset", "cause", "adapter", "n_outputs", *counts]]


def _texts(folder: Path, dataset: str) -> list[str]:
    paths = sorted((folder / "released" / dataset).glob("*.jsonl*"))
    return [row["prediction"] for path in paths for row in read_jsonl(path)]


def _cause(text: str) -> str:
    """Which of the reader's rules the text needs to be read as it is now."""
    rest = text.rpartition("</think>")[2]
    if LEAD.match(rest.removeprefix("assistant")):
        return "'Answer:' or 'The answer is:' begins the answer"
    if re.search(r"\banswer is\s*:", rest, re.IGNORECASE):
        return "a sentence leads to the answer"
    lists = (first_list(text[match.start() :]) for match in _LISTS.finditer(text))
    if any(found and re.search(r"\w'\w|s' ", found) and len(read_list(found)) for found in lists):
        return "an unescaped apostrophe in a list"
    return "other"


def claims(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The paper's statements with the verdict on each before and after: statement, before, after, moved."""
    old, new = (_claims(table) for table in (before, after))
    found = pd.DataFrame({"statement": new.statement, "before": old.verdict, "after": new.verdict})
    return found.assign(moved=found.before != found.after)


def _claims(table: pd.DataFrame) -> pd.DataFrame:
    numbers, frame = published.load(), rt.both_rules(table)
    compared = rt.compared(numbers, frame, tables.associations)
    test = table[(table.joined == "test") & (table.condition != "prompted")]
    options = {"within": ("dataset", "student"), "order": ("vanilla", "correct", "incorrect")}
    contrasts = pd.concat(
        tables.contrasts(test, 0.05, column, **options).assign(rules=rules)
        for rules, column in ((rt.THEIRS, "pub_answer_correct"), (rt.OURS, "answer_correct"))
    )
    return released_claims.claims(compared, contrasts, rt.r1_conditions(numbers), numbers)
