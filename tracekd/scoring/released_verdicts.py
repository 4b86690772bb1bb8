"""Verdict tables of the authors' released outputs: ids, flags and counts under both rule sets, none of their text."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from tracekd.data.problem import CATEGORIES, Problem
from tracekd.io.records import replacing, sha256
from tracekd.schema import write_dictionary
from tracekd.scoring import author_outputs, release_rules
from tracekd.scoring.aligned import verdict
from tracekd.text import normalise

DATASETS = ("cotempqa", "babi")
SOURCES = "released_sources.csv"
FLAGS = ("classification_correct", "retrieval_correct", "trace_correct", "answer_correct")
ALIGNED = (
    *FLAGS, "retrieval_precision", "retrieval_recall", "retrieval_any", "answer_f1", "answer_contains", "trace_words",
    "cell",
)  # fmt: skip
PUBLISHED = ("evaluated", "gold_row", "other_row", *FLAGS, "cell", "f1", "p", "r")


def table_name(dataset: str) -> str:
    """File name of a set's verdict table."""
    return f"released_verdicts_{dataset}.csv.gz"


def build(folder: str | Path, dataset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every released file of a set (``cotempqa`` or ``babi``) under both rule sets.

    ``folder`` holds ``released/`` and the set's own folder, such as ``../shared/data``.

    Returns:
        The verdict table, one row per output: adapter, ``row`` (number in the file), ``id``, ``joined`` (``test``;
        ``repeat`` of a row before; ``other``: asks no test problem), ``label_stated`` (a known label or ``other``), the
        id-aligned flags, and the release's with the prefix ``pub_``. And the sources: one row per file, with sha256.
    """
    folder = Path(folder)
    problems = author_outputs.test_problems(dataset, folder)
    gold_rows, tables, sources = release_rules.GoldRows(problems), [], []
    for path in sorted((folder / "released" / dataset).glob("*.jsonl*")):
        if (adapter := author_outputs.adapter_of(path)) is None:
            raise ValueError(f"{path}: no name of a released file, expected ADAPTER_default.jsonl.gz")
        about = {"adapter": adapter.name, "student": adapter.student, "condition": adapter.condition}
        table = pd.DataFrame({**about, **row} for row in _rows(path, problems, gold_rows))
        tables.append(table)
        sources.append({"dataset": dataset, "file": path.name, **about, "rows": len(table), "sha256": sha256(path)})
    if not tables:
        raise ValueError(f"{folder / 'released' / dataset}: no released outputs there, expected *.jsonl or *.jsonl.gz")
    return pd.concat(tables, ignore_index=True), pd.DataFrame(sources)


def _rows(path: Path, problems: list[Problem], gold_rows: release_rules.GoldRows) -> Iterator[dict]:
    by_id, seen = {p.id: p for p in problems}, set()
    for number, output in enumerate(author_outputs.read(path, by_id), 1):
        problem = output["problem"]
        joined = "other" if problem.id not in by_id else "repeat" if problem.id in seen else "test"
        seen.add(problem.id)
        ours = verdict(problem, output["text"])
        theirs = release_rules.verdict(problem, output["text"], gold_rows)
        label = ours["classification_stated"]
        stated, gold = set(map(normalise, ours["answer_stated"])), set(map(normalise, problem.answers))
        yield {
            "row": number, "id": problem.id, "category": problem.category, "joined": joined, "status": ours["status"],
            "label_stated": label if label is None or label in CATEGORIES[problem.dataset] else "other",
            **{name: ours[name] for name in ALIGNED},
            "answers_given": len(stated), "answers_wrong": len(stated - gold),
            **{f"pub_{name}": theirs[name] for name in PUBLISHED},
        }  # fmt: skip


def as_csv(table: pd.DataFrame) -> str:
    """A verdict table as CSV text; flags as 0 and 1, empty where missing."""
    flags = table.select_dtypes(["bool", "boolean"]).columns
    return table.astype(dict.fromkeys(flags, "Int8")).to_csv(index=False, float_format="%.6g", lineterminator="\n")


def write_table(path: Path, table: pd.DataFrame) -> Path:
    """Write a verdict table to ``path``, a ``.csv.gz``, and its data dictionary; same table, same bytes."""
    with replacing(path) as temporary, temporary.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as file:
        file.write(as_csv(table).encode())
    if "answer_correct" in table:
        write_dictionary(path)
    return path


def read(folder: str | Path, dataset: str) -> pd.DataFrame:
    """Read a set's verdict table; flags as booleans."""
    table = pd.read_csv(Path(folder) / table_name(dataset))
    flags = [c for c in table if c.endswith(("_correct", "_any", "_contains", "evaluated", "other_row"))]
    return table.astype(dict.fromkeys(flags, bool))


def moved(table: pd.DataFrame, recorded: str | Path) -> int:
    """How many rows of a fresh table differ from those of the recorded file, in the columns of the fresh one."""
    fresh = as_csv(table).splitlines()
    old = pd.read_csv(recorded, dtype=str, keep_default_na=False).reindex(columns=table.columns)
    old = old.to_csv(index=False, lineterminator="\n").splitlines()
    return sum(a != b for a, b in zip(fresh, old, strict=False)) + abs(len(fresh) - len(old))
