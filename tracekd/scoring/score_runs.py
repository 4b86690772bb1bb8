"""Verdicts of our own students' outputs files in one frame, under both rule sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from tracekd.data.load_marco import NO_ANSWER
from tracekd.data.problem import Problem
from tracekd.io.records import read_jsonl
from tracekd.scoring import release_rules
from tracekd.scoring.aligned import passes_check, verdict, verdicts
from tracekd.text import normalise, repetition
from tracekd.traces.corruption import drawn_reveals

PUBLISHED_FLAGS = (
    "pub_evaluated", "pub_other_row", "pub_classification_correct", "pub_retrieval_correct", "pub_trace_correct",
    "pub_answer_correct",
)  # fmt: skip
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
        One row per output, columns as in ``schema.VERDICT``; those of ``release_rules.verdict`` have the prefix
        ``pub_`` and are missing for sets that the release has no rules for. ``joined`` is always ``test``. And one
        row per file: file, dataset, condition, outputs, malformed, unknown, duplicate, missing: problems
        asked without an output.
    """
    known, rows, files = {p.id: p for p in problems}, [], []
    test = [p for p in known.values() if p.split == "test"]
    expected = [p for part in asked.values() for p in part if p.split == "test"] if asked else test
    judge = partial(_judge, release_rules.GoldRows(test))
    for path in paths:
        faults, outputs, about = {}, list(read_jsonl(path)), {}
        for output in outputs:
            about.setdefault(output.get("id"), {k: output.get(k) for k in ("student", "condition", "seed", "n_tokens")})
        found = list(verdicts(known, outputs, faults, judge))
        rows += [{**row, **about[row["id"]], "joined": "test"} for row in found]
        dataset = found[0]["dataset"] if found else path.parent.name
        missing = len({p.id for p in expected if p.dataset == dataset} - {row["id"] for row in found})
        counts = {kind: len(names) for kind, names in faults.items()}
        name = {"file": f"{path.parent.name}/{path.name}", "dataset": dataset}
        name["condition"] = path.name.rsplit("-", 1)[0]
        files.append({**name, "outputs": len(found), **counts, "missing": missing})
    frame = pd.DataFrame(rows)
    revealed = {name: drawn_reveals(known[name], seed) for name in dict.fromkeys(row["id"] for row in rows)}
    frame["drawn_reveals"] = [revealed[row["id"]] for row in rows]
    # Flags that can be missing: under the release's rules a set that these do not cover has none.
    flags = {c: "boolean" for c in frame if c in (*PUBLISHED_FLAGS, "passes_check")}
    return frame.astype(flags), pd.DataFrame(files)


def _judge(gold_rows: release_rules.GoldRows, problem: Problem, text: str, finished: bool) -> dict:
    row, theirs = verdict(problem, text, finished), {}
    if problem.dataset in release_rules.DATASETS:
        theirs = release_rules.verdict(problem, text, gold_rows)
    row |= {
        "repetition": repetition(text),
        "n_facts": len(problem.evidence),
        "answerable": problem.answers != (NO_ANSWER,),
        "declined": [normalise(answer) for answer in row["answer_stated"]] == [normalise(NO_ANSWER)],
        "passes_check": passes_check(problem, row),
    }
    return row | {name: theirs.get(name.removeprefix("pub_")) for name in (*PUBLISHED_FLAGS, "pub_cell")}


def without_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as it may be committed: ids, flags, counts and status, no text of problems or outputs."""
    return frame.drop(columns=[c for c in TEXT if c in frame])
