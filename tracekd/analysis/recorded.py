"""The recorded replication, read: verdicts, costs and forced answers of a whole grid, and words for its captions.

``training_problems`` says how many problems were drawn for a training, 0 for a student without one. Only students of
one size are compared. An adapter's ``n`` can be a little smaller: not every problem has a trace of every kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tracekd.config import ROOT
from tracekd.students.records import UNTRAINED
from tracekd.traces.freeform import CONDITIONS as FREEFORM

FOLDER = ROOT / "figures" / "data"
VERDICTS, ADAPTERS = "replication_verdicts.csv.gz", "replication_adapters.csv"
INTERVENTIONS = "replication_interventions.csv.gz"
FILES = (VERDICTS, ADAPTERS, INTERVENTIONS)
FLAGS = (
    "classification_correct", "retrieval_correct", "trace_correct", "answer_correct", "answer_contains", "answerable",
    "declined",
)  # fmt: skip
JOB = ("dataset", "condition", "seed")
SIZE = "training_problems"
KEY = ("student", *JOB, SIZE)  # of a recorded job
COLUMNS = (
    "student", "source", *JOB, "teacher", SIZE, "id", "category", "status", *FLAGS, "answer_f1", "n_tokens",
    "repetition",
)  # fmt: skip
# What the first edition did not record.
LATER = ("n_facts", "reveals", "drawn_reveals", "answer_rouge_l", "passes_check", "profile")
COST = (
    "student", "source", *JOB, "teacher", "n", "supervised_tokens", "total_tokens", "epochs", "steps", "seconds",
    "mean_loss", "target_repetition", "peak_gib", "processes", "hardware", "commit", "weights",
)  # fmt: skip
CORE = ("vanilla", "correct", "incorrect")
ORDER = (*UNTRAINED, *CORE, *FREEFORM)  # of the paper's conditions


class Recorded(NamedTuple):
    """The recorded replication, as ``replication.record`` writes it; ``interventions`` may be empty."""

    verdicts: pd.DataFrame
    adapters: pd.DataFrame
    interventions: pd.DataFrame


def load(folder: Path = FOLDER) -> Recorded:
    """Read the recorded replication.

    Raises:
        FileNotFoundError: nothing has been recorded there.
        ValueError: a column is missing.
    """
    if not (folder / VERDICTS).exists():
        raise FileNotFoundError(f"no replication is recorded in {folder}: `python -m tracekd replication --record`")
    verdicts, adapters, rows = (read(folder / name) for name in FILES)
    for name, made, wanted in ((VERDICTS, verdicts, COLUMNS), (ADAPTERS, adapters, COST)):
        if missing := sorted({*wanted} - {*made}):
            raise ValueError(f"{folder / name} has no column {missing[0]!r}: record it anew, `replication --record`")
    if len(rows):
        rows = rows.assign(**{flag: rows[flag].fillna(0).astype(bool) for flag in ("answer_correct", "trace_correct")})
    return Recorded(verdicts.astype(dict.fromkeys(FLAGS, bool)), adapters, rows)


def read(path: Path) -> pd.DataFrame:
    """Read one of ``FILES`` as it is."""
    table = pd.read_csv(path, dtype={"teacher": str, "profile": str})
    return table.assign(teacher=table.teacher.fillna("")) if "teacher" in table else table


def main_sizes(frame: pd.DataFrame) -> dict[str, int]:
    """The size to speak of for each data set: the largest with all of ``CORE`` on a common seed, else the largest."""
    found = {}
    for dataset, part in frame.groupby("dataset"):
        seeds = {(s, c): set(rows.seed) for (s, c), rows in part.groupby([SIZE, "condition"])}
        sizes = sorted(part[SIZE].unique())
        whole = [s for s in sizes if set.intersection(*(seeds.get((s, c), set()) for c in CORE))]
        found[dataset] = int((whole or sizes)[-1])
    return found


def of_sizes(frame: pd.DataFrame, sizes: Mapping[str, int]) -> pd.DataFrame:
    """The rows of each data set's size in ``sizes``, with those of the students without training."""
    if frame.empty:
        return frame
    return frame[(frame[SIZE] == 0) | (frame[SIZE] == frame.dataset.map(sizes))]


def teachers(frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Who wrote the traces of each (data set, condition) of ``verdicts``, one size: two would be named together."""
    named = frame.groupby(["dataset", "condition"]).teacher
    return {key: " and ".join(sorted(set(part) - {""})) for key, part in named}


def marked(frame: pd.DataFrame, verdicts: pd.DataFrame | None = None) -> pd.DataFrame:
    """``frame`` with its generated sets named so, ``marco (GENERATED)``, by its ``source`` or that of ``verdicts``."""
    if frame.empty:
        return frame
    where = frame.source if verdicts is None else frame.dataset.map(verdicts.groupby("dataset").source.first())
    generated = where.astype(str).str.contains("GENERATED") & ~frame.dataset.str.contains("GENERATED")
    return frame.assign(dataset=frame.dataset.where(~generated, frame.dataset + " (GENERATED)"))


def sources(frame: pd.DataFrame) -> str:
    """Where the problems of a frame come from, in words: by data set where that differs."""
    found = frame.groupby("dataset").source.agg(lambda names: " and ".join(sorted(set(names))))
    by_source = {source: ", ".join(part.index) for source, part in found.groupby(found, sort=False)}
    if len(by_source) == 1:
        return next(iter(by_source))
    return "; ".join(f"{names}: {source}" for source, names in by_source.items())


def counted(frame: pd.DataFrame) -> str:
    """How many problems of which set a frame has, for captions: ``375 problems of babi, 218 of cotempqa``."""
    parts = [f"{n} of {dataset}" for dataset, n in frame.groupby("dataset").id.nunique().items()]
    return ", ".join(parts).replace(" of", " problems of", 1)
