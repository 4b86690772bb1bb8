"""Verdict tables of the authors' released outputs: ids, flags and counts under both rule sets, none of their text."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from tracekd.data.problem import CATEGORIES, Problem
from tracekd.io.records import read_jsonl, replacing, sha256
from tracekd.schema import write_dictionary
from tracekd.scoring import author_outputs, release_rules
from tracekd.scoring.aligned import passes_check, verdict
from tracekd.scoring.answer_source import agreement
from tracekd.text import normalise

DATASETS = ("cotempqa", "babi")
SOURCES = "released_sources.csv"
FLAGS = ("classification_correct", "retrieval_correct", "trace_correct", "answer_correct")
KEPT = (
    *FLAGS, "retrieval_precision", "retrieval_recall", "retrieval_any", "answer_f1", "answer_contains", "trace_words",
    "cell",
)  # fmt: skip
AGREED = ("answer_in_facts", "agreement", "masked_retrieval_correct", "masked_trace_correct")
PUBLISHED = ("evaluated", "gold_row", "other_row", *FLAGS, "cell", "f1", "p", "r")


def table_name(dataset: str) -> str:
    """File name of a set's verdict table."""
    return f"released_verdicts_{dataset}.csv.gz"


def build(folder: str | Path, dataset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every released file of a set under both rule sets.

    Args:
        folder: the folder with ``released/`` and the set's own folder, such as ``../shared/data``.
        dataset: ``cotempqa`` or ``babi``.

    Returns:
        The verdict table, one row per output: adapter, ``row`` (number in the file), ``id``, ``joined`` (``test``;
        ``repeat`` of a row before; ``other``: asks no test problem), ``label_stated`` (a known label or ``other``), the
        id-aligned flags, and the release's with the prefix ``pub_``. And the sources: one row per file, with sha256.
    """
    folder = Path(folder)
    problems = author_outputs.test_problems(dataset, folder)
    gold_rows, tables, sources = release_rules.GoldRows(problems), [], []
    for path in sorted((folder / "released" / dataset).glob("*.jsonl*")):
        adapter = author_outputs.adapter_of(path)
        table = pd.DataFrame(_rows(path, dataset, problems, gold_rows))
        about = {"adapter": adapter.name, "student": adapter.student, "condition": adapter.condition}
        tables.append(table.assign(**about))
        sources.append({"dataset": dataset, "file": path.name, **about, "rows": len(table), "sha256": sha256(path)})
    if not tables:
        raise ValueError(f"{folder / 'released' / dataset}: no released outputs there, expected *.jsonl or *.jsonl.gz")
    joined = pd.concat(tables, ignore_index=True).astype({"passes_check": "boolean"})
    first = ["adapter", "student", "condition"]
    return joined[[*first, *joined.columns.drop(first)]], pd.DataFrame(sources)


def _rows(path: Path, dataset: str, problems: list[Problem], gold_rows: release_rules.GoldRows) -> Iterator[dict]:
    by_id, joiner, seen = {p.id: p for p in problems}, author_outputs.Joiner(problems), set()
    adapter = author_outputs.adapter_of(path)
    for number, row in enumerate(read_jsonl(path), 1):
        output = joiner.output(row, adapter, number)
        known = by_id.get(output["id"])
        problem = known or author_outputs.problem_of(row, dataset, number)
        joined = "other" if known is None else "repeat" if problem.id in seen else "test"
        seen.add(problem.id)
        aligned = verdict(problem, output["text"])
        theirs = release_rules.verdict(problem, output["text"], gold_rows)
        agreed = agreement(problem, aligned)
        label = aligned["classification_stated"]
        stated, gold = set(map(normalise, aligned["answer_stated"])), set(map(normalise, problem.answers))
        known_label = label if label is None or label in CATEGORIES[dataset] else "other"
        yield {
            "row": number, "id": problem.id, "category": problem.category, "joined": joined,
            "status": aligned["status"], "label_stated": known_label,
            **{name: aligned[name] for name in KEPT},
            "answers_given": len(stated), "answers_wrong": len(stated - gold),
            **{name: agreed[name] for name in AGREED},
            "passes_check": passes_check(problem, aligned),
            **{f"pub_{name}": theirs[name] for name in PUBLISHED},
        }  # fmt: skip


def as_bytes(table: pd.DataFrame) -> bytes:
    """A verdict table as gzipped CSV; flags as 0 and 1 (empty where missing), the same bytes for the same table."""
    flags = table.select_dtypes(["bool", "boolean"]).columns
    text = table.astype(dict.fromkeys(flags, "Int8")).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as file:
        file.write(text.encode())
    return buffer.getvalue()


def write_table(path: Path, table: pd.DataFrame) -> Path:
    """Write a verdict table to ``path`` (``.csv.gz``) in one piece, and its data dictionary beside it."""
    with replacing(path) as temporary:
        temporary.write_bytes(as_bytes(table))
    if "answer_correct" in table:
        write_dictionary(path)
    return path


def write(folder: str | Path, out: str | Path) -> None:
    """Build and write the verdict tables of both sets and the table of sources into ``out``."""
    made = {dataset: build(folder, dataset) for dataset in DATASETS}
    for dataset, (table, _) in made.items():
        write_table(Path(out) / table_name(dataset), table)
    with replacing(Path(out) / SOURCES) as temporary:
        pd.concat(sources for _, sources in made.values()).to_csv(temporary, index=False, lineterminator="\n")


def read(folder: str | Path, dataset: str) -> pd.DataFrame:
    """Read a set's verdict table; flags as booleans."""
    table = pd.read_csv(Path(folder) / table_name(dataset), keep_default_na=True)
    flags = [c for c in table if c.endswith(("_correct", "_any", "_contains", "_in_facts", "evaluated", "other_row"))]
    return table.astype(dict.fromkeys(flags, bool) | {"passes_check": "boolean"})


def moved(table: pd.DataFrame, recorded: bytes) -> int:
    """How many rows of a fresh table differ from the recorded file's."""
    fresh = gzip.decompress(as_bytes(table)).decode().splitlines()
    old = gzip.decompress(recorded).decode().splitlines()
    return sum(a != b for a, b in zip(fresh, old, strict=False)) + abs(len(fresh) - len(old))
