"""Verdict tables under both rule sets: of our own students' outputs, and of the authors' released ones."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.data.load_marco import NO_ANSWER
from tracekd.data.problem import CATEGORIES, Problem
from tracekd.io.records import read_jsonl, replacing, sha256, write_csv
from tracekd.scoring import author_outputs, release_rules
from tracekd.scoring.aligned import VERDICT, passes_check, verdicts
from tracekd.scoring.release_rules import FLAGS
from tracekd.text import normalise, repetition
from tracekd.traces.corruption import drawn_reveals

SOURCES, DATASETS = "released_sources.csv", release_rules.DATASETS
RELEASED = (
    "adapter", "student", "condition", "row", "id", "category", "joined", "status", "label_stated", *FLAGS,
    "retrieval_precision", "retrieval_recall", "retrieval_any", "answer_f1", "answer_contains", "trace_words", "cell",
    "answers_given", "answers_wrong", *(f"pub_{name}" for name in release_rules.BESIDE),
)  # fmt: skip
PUBLISHED = [f"pub_{name}" for name in ("evaluated", "other_row", *FLAGS)]
# Columns of a verdict that hold text of a problem or an output; no committed table has them.
TEXT = ("classification_stated", "facts_stated", "answer_stated")


def verdict_frame(
    problems: Iterable[Problem], paths: Iterable[Path], asked: Mapping[str, Iterable[Problem]] | None = None,
    seed: int = 121,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Score outputs files of our own students, ``DATASET/CONDITION-SEED.jsonl``.

    ``problems`` are all that an output may belong to; ``asked`` are those that each file of a data set should answer
    (None: the test problems); ``drawn_reveals`` is of the wrong trace that ``templates.build`` draws with ``seed``.

    Returns:
        One row per output, columns as in ``aligned.VERDICT``; ``joined`` is always ``test``. And one row per file:
        file, dataset, condition, outputs, malformed, unknown, duplicate, missing: problems asked without an output.
    """
    known, rows, files = {p.id: p for p in problems}, [], []
    test = [p for p in known.values() if p.split == "test"]
    expected = [p for part in asked.values() for p in part if p.split == "test"] if asked else test
    judge = partial(_judged, release_rules.GoldRows(test))
    for path in paths:
        faults, outputs, about = {}, list(read_jsonl(path)), {}
        for output in outputs:
            about.setdefault(output.get("id"), {k: output.get(k) for k in ("student", "condition", "seed", "n_tokens")})
        found = list(verdicts(known, outputs, faults, judge))
        rows += [{**row, **about[row["id"]], "joined": "test"} for row in found]
        name = {
            "file": f"{path.parent.name}/{path.name}",
            "dataset": found[0]["dataset"] if found else path.parent.name,
        }
        missing = {p.id for p in expected if p.dataset == name["dataset"]} - {row["id"] for row in found}
        counts = {kind: len(names) for kind, names in faults.items()} | {"missing": len(missing)}
        files.append({**name, "condition": path.name.rsplit("-", 1)[0], "outputs": len(found), **counts})
    if not rows:
        raise ValueError(f"no output on a known problem in {[str(path) for path in paths]}: generate outputs first")
    frame = pd.DataFrame(rows)
    frame["drawn_reveals"] = frame.id.map({name: drawn_reveals(known[name], seed) for name in frame.id.unique()})
    # Flags that can be missing: under the release's rules a set that these do not cover has none.
    return frame.astype(dict.fromkeys((*PUBLISHED, "passes_check"), "boolean")), pd.DataFrame(files)


def _judged(gold_rows: release_rules.GoldRows, problem: Problem, text: str, finished: bool) -> dict:
    row = release_rules.beside(gold_rows, problem, text, finished)
    theirs = {name: row.pop(name) for name in list(row) if name.startswith("pub_")}
    return row | {
        "repetition": repetition(text),
        "n_facts": len(problem.evidence),
        "answerable": problem.answers != (NO_ANSWER,),
        "declined": [normalise(answer) for answer in row["answer_stated"]] == [normalise(NO_ANSWER)],
        "passes_check": passes_check(problem, row),
        **{name: theirs[name] for name in (*PUBLISHED, "pub_cell")},
    }


def without_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as it may be committed: ids, flags, counts and status, no text of problems or outputs."""
    return frame.drop(columns=[c for c in TEXT if c in frame])


def table_name(dataset: str) -> str:
    """File name of a released set's verdict table."""
    return f"released_verdicts_{dataset}.csv.gz"


def build(folder: str | Path, dataset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every released file of a set (``cotempqa`` or ``babi``) under both rule sets.

    ``folder`` holds ``released/`` and the set's own folder, such as ``../shared/data``.

    Returns:
        The verdict table (``RELEASED``; see ``aligned.VERDICT``), one row per output, and the sources: one row per
        file, with sha256.
    """
    folder = Path(folder)
    problems = author_outputs.test_problems(dataset, folder)
    known, gold_rows, rows, sources = {p.id: p for p in problems}, release_rules.GoldRows(problems), [], []
    for path in sorted((folder / "released" / dataset).glob("*.jsonl*")):
        if (adapter := author_outputs.adapter_of(path)) is None:
            raise ValueError(f"{path}: no name of a released file, expected ADAPTER_default.jsonl.gz")
        about = {"adapter": adapter.name, "student": adapter.student, "condition": adapter.condition}
        outputs = list(author_outputs.read(path, known))
        for number, output in enumerate(outputs, 1):
            row = release_rules.beside(gold_rows, output["problem"], output["text"])
            stated, gold = (set(map(normalise, a)) for a in (row["answer_stated"], output["problem"].answers))
            counts = {"answers_given": len(stated), "answers_wrong": len(stated - gold)}
            rows.append({**row, **about, "file": path.name, "row": number, **counts})
        sources.append({"dataset": dataset, "file": path.name, **about, "rows": len(outputs), "sha256": sha256(path)})
    if not rows:
        raise ValueError(f"{folder / 'released' / dataset}: no released outputs there, expected *.jsonl or *.jsonl.gz")
    table = pd.DataFrame(rows)
    again = table.duplicated(["file", "id"])
    table["joined"] = np.select([~table.id.isin(list(known)), again], ["other", "repeat"], "test")
    label = table.classification_stated
    table["label_stated"] = label.where(label.isna() | label.isin(CATEGORIES[dataset]), "other")
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
    fresh = as_csv(table).splitlines()
    old = pd.read_csv(recorded, dtype=str, keep_default_na=False).reindex(columns=table.columns)
    old = old.to_csv(index=False, lineterminator="\n").splitlines()
    return sum(a != b for a, b in zip(fresh, old, strict=False)) + abs(len(fresh) - len(old))
