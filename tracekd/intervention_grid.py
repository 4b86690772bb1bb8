"""The interventions of a whole run: every trained student after given traces, its own outputs as its own traces."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tracekd import interventions, progress, students
from tracekd.adapters import adapter_path, read_record
from tracekd.artefacts import hardware
from tracekd.interventions import Reply
from tracekd.locks import locked
from tracekd.outputs import evaluation_problems, outputs_path
from tracekd.problems import Problem, label_of
from tracekd.records import read_jsonl, recover_jsonl
from tracekd.variants import VARIANTS, Variant

if TYPE_CHECKING:
    from tracekd.generate import Asker

log = logging.getLogger(__name__)
# An answer alone is written after a given trace: a student that has not closed it by then rambles. The recipe's limit
# counts where it is lower.
ANSWER_TOKENS = 96
# Columns of a row that may hold words of a problem or an output; no committed table has them.
TEXT = ("trace_label", "implied", "no_implied", "answer", "left_out", "key", "identity", "adapter")

FLAGS = (
    "classification_correct", "retrieval_correct", "trace_correct", "names_gold", "names_any", "disagrees",
    "answer_in_trace", "answer_correct",
)  # fmt: skip


def rows_path(run, dataset: str, condition: str, seed: int) -> Path:
    """Where a run keeps the rows of one adapter (see ``interventions.row``)."""
    return run.path("interventions", dataset, f"{condition}-{seed}.jsonl")


def chosen(run) -> dict[str, list[Problem]]:
    """The problems of a run's interventions by data set: the first of its test problems, which are in a drawn order."""
    sizes, problems = run.profile.interventions, evaluation_problems(run)
    return {d: part if sizes.get(d, "all") == "all" else part[: int(sizes[d])] for d, part in problems.items()}


def complete(run, asker: Asker, problems: Sequence[Problem], dataset: str, condition: str, seed: int) -> Path:
    """Fill the rows file of one student, from where it stopped; rows of another adapter or output are replaced."""
    path, adapter = rows_path(run, dataset, condition, seed), adapter_path(run, dataset, condition, seed)
    record = read_record(adapter)
    if record is None:
        raise FileNotFoundError(f"no finished adapter at {adapter}: run notebook 03_qlora_train first")
    about, outputs = _about(run, problems, record, dataset, condition, seed)
    with locked(path), Student(asker, adapter, problems, f"{dataset}/{condition}/{seed}") as student:
        interventions.run(student, problems, outputs, path, about=about, seed=run.seed)
    return path


def _about(run, problems, record: dict, dataset: str, condition: str, seed: int) -> tuple[dict, list[dict]]:
    """What ``interventions.run`` is told of a student, and the student's own outputs on the problems."""
    about = {"student": run.student, "dataset": dataset, "condition": condition, "seed": seed}
    about |= {"source": label_of(dataset, run.source), "adapter": record["key"]}
    about["identity"] = students.identity(run.student)
    asked = {problem.id for problem in problems}
    return about, [out for out in read_jsonl(outputs_path(run, dataset, condition, seed)) if out["id"] in asked]


def limit(recipe) -> int:
    """Most tokens of an answer after a given trace."""
    return min(ANSWER_TOKENS, recipe.max_new_tokens)


def answered(run, problems: Sequence[Problem], dataset: str, condition: str, seed: int) -> bool:
    """Whether the rows file of a job is whole, made of the adapter and the outputs that are there now."""
    path, record = rows_path(run, dataset, condition, seed), read_record(adapter_path(run, dataset, condition, seed))
    if record is None or not path.exists() or not outputs_path(run, dataset, condition, seed).exists():
        return False
    about, own = _about(run, problems, record, dataset, condition, seed)
    key = interventions.row_key(problems, own, about, limit(run.profile.recipe), run.seed)
    rows = Counter(row["id"] for row in recover_jsonl(path) if row["key"] == key)
    return rows == Counter({problem.id: len(VARIANTS) for problem in problems})


class Student:
    """An ``interventions.Answerer`` that is loaded at the first question, and reports how far it is and how fast.

    A context manager: its end closes the progress bar and writes the log line.
    """

    def __init__(self, asker: Asker, adapter: Path, problems: Sequence[Problem], label: str):
        """Remember whom to ask; ``problems`` in the order of asking, of which the first ones may be done already."""
        self.asker, self.adapter, self.label = asker, adapter, label
        self.max_new_tokens = limit(asker.recipe)
        self.place = {problem.id: i for i, problem in enumerate(problems)}
        self.prefill = self.bar = None
        self.asked, self.seconds = 0, 0.0

    def __enter__(self) -> Student:
        """Nothing is loaded yet."""
        return self

    def __call__(self, problem: Problem, given: Sequence[Variant]) -> list[Reply]:
        """One reply a variant, in their order."""
        if self.prefill is None:
            self._load(problem)
        started = time.perf_counter()
        replies = self.prefill(problem, given)
        self.seconds += time.perf_counter() - started
        self.asked += 1
        self.bar.at(self.place[problem.id] + 1)
        return replies

    def _load(self, first: Problem) -> None:
        from tracekd.prefill import Prefill

        model = self.asker.with_adapter(self.adapter)
        self.prefill = Prefill(model, self.asker.tokenizer, max_new_tokens=self.max_new_tokens)
        self.bar = progress.Bar(self.label, len(self.place), done=self.place[first.id], unit="problem")

    def __exit__(self, *_) -> None:
        """Close the bar and log what was done; nothing where nobody asked."""
        if self.bar is not None:
            self.bar.close()
            rate, where = self.asked / max(self.seconds, 1e-9), hardware()
            log.info(
                "%s: %d problems in %.1f s, %.2f problems/s on %s", self.label, self.asked, self.seconds, rate, where
            )


def read(paths: Iterable[Path]) -> list[dict]:
    """All rows of rows files, in the order given."""
    return [row for path in paths for row in read_jsonl(path)]


def without_text(table: pd.DataFrame) -> pd.DataFrame:
    """The rows as they may be committed: ids, flags, counts and log-probabilities, no text of problems or outputs."""
    kept = table.drop(columns=[name for name in TEXT if name in table])
    return kept.astype(dict.fromkeys(FLAGS, "boolean"))
