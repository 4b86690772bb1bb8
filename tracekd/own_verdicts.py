"""Verdicts of our own students' outputs files in one frame, under both rule sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from tracekd import as_published
from tracekd.agreement import agreement
from tracekd.corrupt import drawn_reveals
from tracekd.generated_marco import NO_ANSWER
from tracekd.gold_free import passes_check
from tracekd.problems import Problem
from tracekd.records import read_jsonl
from tracekd.score import Faults, verdict, verdicts
from tracekd.text import normalise, repetition

STEPS = ("classification", "retrieval", "trace", "answer")
PUBLISHED_FLAGS = (
    "pub_evaluated", "pub_other_row", *(f"pub_{step}_correct" for step in STEPS),
)  # fmt: skip
# Columns of a verdict that hold text of a problem or an output; no committed table has them.
TEXT = ("classification_stated", "facts_stated", "answer_stated")


def verdict_frame(
    problems: Iterable[Problem], paths: Iterable[Path], asked: Mapping[str, Iterable[Problem]] | None = None,
    seed: int = 121,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Score outputs files of our own students, ``DATASET/CONDITION-SEED.jsonl``.

    Args:
        problems: all that an output may belong to.
        paths: the files.
        asked: data set to the problems that each of its files should answer; None: the test problems among
            ``problems``.
        seed: of the wrong traces, see ``traces.build``: ``drawn_reveals`` is of the one that it draws for a problem.

    Returns:
        One row an output, the columns in ``schema.VERDICT``: those of ``score.verdict`` and ``agreement.agreement``,
        ``repetition``, ``n_facts``, ``answerable``, ``declined``, ``passes_check``, ``drawn_reveals``, those of
        ``as_published.verdict`` with prefix ``pub_`` (missing for sets that the release has no rules for),
        ``student``, ``condition``, ``seed``, ``n_tokens``, and ``joined`` (always ``test``, as in the tables of the
        released outputs). And one row a file:
        file, dataset, condition, outputs, malformed, unknown, duplicate, missing (problems asked without an output).
    """
    known, rows, files = {p.id: p for p in problems}, [], []
    gold_rows = as_published.GoldRows(p for p in known.values() if p.split == "test")
    expected: dict[str, set[str]] = {}
    for problem in (p for part in asked.values() for p in part) if asked else known.values():
        if problem.split == "test":
            expected.setdefault(problem.dataset, set()).add(problem.id)
    for path in paths:
        faults, about = Faults(), {}

        def noted(path: Path = path, about: dict = about):
            for output in read_jsonl(path):
                about.setdefault(
                    output.get("id"), {k: output.get(k) for k in ("student", "condition", "seed", "n_tokens")}
                )
                yield output

        found = list(verdicts(known, noted(), faults, partial(_judge, gold_rows)))
        rows += [{**row, **about[row["id"]], "joined": "test"} for row in found]
        dataset = found[0]["dataset"] if found else path.parent.name
        missing = len(expected.get(dataset, set()) - {row["id"] for row in found})
        name = {"file": f"{path.parent.name}/{path.name}", "dataset": dataset}
        name["condition"] = path.name.rsplit("-", 1)[0]
        files.append({**name, "outputs": len(found), **faults.counts, "missing": missing})
    frame = pd.DataFrame(rows)
    revealed = {name: drawn_reveals(known[name], seed) for name in dict.fromkeys(row["id"] for row in rows)}
    frame["drawn_reveals"] = [revealed[row["id"]] for row in rows]
    # Flags that can be missing: under the release's rules a set that these do not cover has none.
    flags = {c: "boolean" for c in frame if c in (*PUBLISHED_FLAGS, "passes_check")}
    return frame.astype(flags), pd.DataFrame(files)


def _judge(gold_rows: as_published.GoldRows, problem: Problem, text: str, finished: bool) -> dict:
    row, theirs = verdict(problem, text, finished), {}
    if problem.dataset in as_published.DATASETS:
        theirs = as_published.verdict(problem, text, gold_rows)
    kept = (*PUBLISHED_FLAGS, "pub_cell")
    row["repetition"] = repetition(text)
    row["n_facts"] = len(problem.evidence)
    row["answerable"] = problem.answers != (NO_ANSWER,)
    row["declined"] = [normalise(answer) for answer in row["answer_stated"]] == [normalise(NO_ANSWER)]
    row["passes_check"] = passes_check(problem, row)
    return row | agreement(problem, row) | {name: theirs.get(name.removeprefix("pub_")) for name in kept}


def under_published_rules(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the data sets that the release has rules for, with plain flags."""
    part = frame[frame.dataset.isin(as_published.DATASETS)]
    return part.astype(dict.fromkeys(PUBLISHED_FLAGS, bool))


def without_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as it may be committed: ids, flags, counts and status, no text of problems or outputs."""
    return frame.drop(columns=[c for c in TEXT if c in frame])
