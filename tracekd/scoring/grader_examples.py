"""The grader's examples: invented problems and outputs with the verdict that each must get (``grader_examples.toml``).

They define what "correct" means here: notebook 04 shows them and the tests check them.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tracekd.data.problem import Problem
from tracekd.scoring.aligned import verdict

_FILE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
PROBLEMS = {
    name: Problem(**{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()})
    for name, row in _FILE["problems"].items()
}


def cases() -> list[tuple[Problem, str, bool, tuple, str]]:
    """Problem, output, whether it was finished, expected status and three flags (as in the table), and the reason."""
    found = []
    for case in _FILE["cases"]:
        problem = PROBLEMS[case["problem"]]
        problem = replace(problem, answers=(case["gold"],)) if "gold" in case else problem
        expected = (case["status"], *case["right"])
        found.append((problem, case["text"], case.get("finished", True), expected, case["note"]))
    return found


def table() -> pd.DataFrame:
    """The examples with their verdicts: note, text, finished, status, classification, retrieval, answer, contains."""
    rows = []
    for problem, text, finished, _, note in cases():
        got = verdict(problem, text, finished)
        found = {step: got[f"{step}_correct"] for step in ("classification", "retrieval", "answer")}
        about = {"note": note, "text": text, "finished": finished, "status": got["status"]}
        rows.append(about | found | {"contains": got["answer_contains"]})
    return pd.DataFrame(rows)
