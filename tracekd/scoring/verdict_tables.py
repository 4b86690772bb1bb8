"""Verdict tables under both rule sets: of our own students' outputs, and of the authors' released ones."""

import gzip
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.data.load_marco import NO_ANSWER
from tracekd.data.problem import Problem
from tracekd.io.records import read_jsonl, replacing, sha256, write_csv
from tracekd.scoring import outputs, release_rules
from tracekd.scoring.aligned import VERDICT, passes_check, usable, verdicts
from tracekd.scoring.release_rules import FLAGS
from tracekd.text import normalise, repetition
from tracekd.traces.corruption import drawn_reveals

SOURCES, DATASETS = "released_sources.csv", release_rules.DATASETS
RELEASED = (
    "adapter", "student", "condition", "row", "id", "category", "joined", "status", *FLAGS,
    "retrieval_precision", "retrieval_recall", "retrieval_any", "answer_f1", "answer_contains", "cell",
    *(f"pub_{name}" for name in release_rules.BESIDE),
)  # fmt: skip
# Columns of a verdict that hold text of a problem or an output; no committed table has them.
TEXT = ("classification_stated", "facts_stated", "answer_stated")


def verdict_frame(
    problems: Iterable[Problem], paths: Iterable[Path], asked: Mapping[str, Iterable[Problem]] | None = None,
    seed: int = 121,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Score outputs files of our own students, ``DATASET/CONDITION-SEED.jsonl``.

    ``problems`` are all that an output may belong to; ``asked`` are those that each file of a data set should answer
    (None: the test problems). Returns one row per output (``aligned.VERDICT``), and one row per file: file, dataset,
    condition, outputs, malformed, unknown, duplicate, missing: problems asked without an output.
    """
    known, rows, files = {p.id: p for p in problems}, [], []
    expected = [p for part in asked.values() for p in part] if asked else known.values()
    for path in paths:
        faults, written = {}, list(read_jsonl(path))
        first = {output["id"]: output for output in reversed([*filter(usable, written)])}
        found = [_of_student(known[row["id"]], first[row["id"]], row) for row in verdicts(known, written, faults)]
        dataset = found[0]["dataset"] if found else path.parent.name
        missing = {p.id for p in expected if p.dataset == dataset and p.split == "test"} - {row["id"] for row in found}
        counts = {kind: len(names) for kind, names in faults.items()} | {"missing": len(missing)}
        name = {"file": f"{path.parent.name}/{path.name}", "dataset": dataset}
        files.append({**name, "condition": path.name.rsplit("-", 1)[0], "outputs": len(found), **counts})
        rows += found
    if not rows:
        raise ValueError(f"no output on a known problem in {[str(path) for path in paths]}: generate outputs first")
    frame = pd.DataFrame(rows)
    frame["drawn_reveals"] = frame.id.map({name: drawn_reveals(known[name], seed) for name in frame.id.unique()})
    return frame.astype(dict.fromkeys(["passes_check", "pub_answer_correct"], "boolean")), pd.DataFrame(files)


def _of_student(problem: Problem, output: Mapping, row: dict) -> dict:
    theirs = release_rules.answer_metric(problem, output["text"]) if problem.dataset in DATASETS else {}
    return row | {
        **{name: output.get(name) for name in ("student", "condition", "seed", "n_tokens")},
        "joined": "test", "repetition": repetition(output["text"]),
        "n_facts": len(problem.evidence), "n_context": len(problem.context),
        "answerable": problem.answers != (NO_ANSWER,),
        "declined": [normalise(answer) for answer in row["answer_stated"]] == [normalise(NO_ANSWER)],
        "passes_check": passes_check(problem, row), "pub_answer_correct": theirs.get("acc"),
    }  # fmt: skip


def without_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as it may be committed: ids, flags, counts and status, no text of problems or outputs."""
    return frame.drop(columns=[c for c in TEXT if c in frame])


def table_name(dataset: str) -> str:
    """File name of a released set's verdict table."""
    return f"released_verdicts_{dataset}.csv.gz"


def build(folder: str | Path, dataset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every released file of a set (``cotempqa`` or ``babi``) below ``folder`` under both rule sets.

    Returns the verdict table (``RELEASED``; see ``aligned.VERDICT``), one row per output, and the files with sha256.
    """
    folder = Path(folder)
    problems = outputs.test_problems(dataset, folder)
    known, gold_rows, rows, sources = {p.id: p for p in problems}, release_rules.GoldRows(problems), [], []
    for path in sorted((folder / "released" / dataset).glob("*.jsonl*")):
        if (adapter := outputs.adapter_of(path)) is None:
            raise ValueError(f"{path}: no name of a released file, expected ADAPTER_default.jsonl.gz")
        about, number = dict(zip(("adapter", "student", "condition"), adapter, strict=False)), 0
        for number, output in enumerate(outputs.read(path, known), 1):
            row = release_rules.beside(gold_rows, output["problem"], output["text"])
            rows.append({**row, **about, "file": path.name, "row": number})
        sources.append({"dataset": dataset, "file": path.name, **about, "rows": number, "sha256": sha256(path)})
    if not rows:
        raise ValueError(f"{folder / 'released' / dataset}: no released outputs there, expected *.jsonl or *.jsonl.gz")
    table = pd.DataFrame(rows)
    again = table.duplicated(["file", "id"])
    table["joined"] = np.select([~table.id.isin(list(known)), again], ["other", "repeat"], "test")
    return table[[*RELEASED]], pd.DataFrame(sources)


def as_csv(table: pd.DataFrame) -> str:
    """A verdict table as CSV text; flags as 0 and 1, empty where missing."""
    flags = table.select_dtypes(["bool", "boolean"]).columns
    return table.astype(dict.fromkeys(flags, "Int8")).to_csv(index=False, float_format="%.6g", lineterminator="\n")


def write_table(path: Path, table: pd.DataFrame) -> Path:
    """Write a verdict table to ``path``, a ``.csv.gz``, and its data dictionary; same table, same bytes."""
    with replacing(path) as temporary, temporary.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as file:
        file.write(as_csv(table).encode())
    if "answer_correct" in table:
        write_csv(path.with_name("verdict_columns.csv"), VERDICT)
    return path


def read(folder: str | Path, dataset: str) -> pd.DataFrame:
    """Read a released set's verdict table; flags as booleans."""
    table = pd.read_csv(Path(folder) / table_name(dataset))
    flags = [c for c in table if c.endswith(("_correct", "_any", "_contains", "evaluated", "other_row"))]
    return table.astype(dict.fromkeys(flags, bool))


def moved(table: pd.DataFrame, recorded: str | Path) -> int:
    """How many rows of a fresh table differ from those of the recorded file, in the columns of the fresh one."""
    old = pd.read_csv(recorded, dtype=str, keep_default_na=False).reindex(columns=table.columns)
    lines = zip_longest(as_csv(table).splitlines(), as_csv(old).splitlines())
    return sum(new != recorded for new, recorded in lines)
