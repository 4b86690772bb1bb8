"""Let the ``correct`` students of one profile answer fresh training problems, for the natural conditions of another.

A profile called ``NAME-natural`` reads the adapters of profile ``NAME`` in the folder beside its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from tracekd.config import load
from tracekd.data import splits
from tracekd.data.problem import Problem
from tracekd.data.problems import kept as kept_problems
from tracekd.data.problems import training_set
from tracekd.io.records import read_jsonl, write_jsonl
from tracekd.run import Run
from tracekd.scoring.aligned import verdict
from tracekd.scoring.reading import split_output
from tracekd.students import records, sft
from tracekd.traces import freeform

SUFFIX = "-natural"
TAUGHT = "correct"


def base_of(run: Run) -> Run:
    """The run whose ``correct`` students answer; ValueError where the profile's name does not say whose."""
    name = run.profile.name.removesuffix(SUFFIX)
    if name == run.profile.name:
        raise ValueError(
            f"profile {name!r} has natural conditions: expected a name NAME{SUFFIX}, NAME trains the student"
        )
    profile = replace(load(name), seeds=run.profile.seeds)
    return replace(run, profile=profile, folder=run.folder.with_name(name), texts="")


def fresh_problems(run: Run, dataset: str, problems: Sequence[Problem]) -> list[Problem]:
    """The training problems to answer: as many as the profile's ``train`` says, of those the student has not seen.

    A problem with the question and the set of sentences of a seen one counts as seen. ValueError where none is left.
    """
    base = base_of(run)
    seen = {splits.key(p) for p in training_set(base, dataset, list(problems))}
    rest = [p for p in problems if p.split == "train" and splits.key(p) not in seen]
    if not rest:
        raise ValueError(
            f"{dataset}: profile {base.profile.name!r} trains on all {len(seen)} training problems and leaves none to "
            "answer: give its `train` a smaller number in profiles.toml"
        )
    chosen = splits.select(rest, run.profile.train.get(dataset, "all"), run.rng(f"{dataset}/natural"))
    chosen = records.answerable(base, dataset, chosen)
    print(f"{dataset}: {len(chosen)} training problems to answer, of {len(rest)} that no {TAUGHT} student has seen")
    return chosen


def prepare(run: Run) -> None:
    """Write the wrong traces of every seed's student (``freeform.natural_path``), where the run has natural conditions.

    Whatever was answered before is kept; a kill loses at most a batch. A student that is not trained on just the
    present examples is a FileNotFoundError with the command, one without a wrong trace a ValueError.
    """
    if not (wanted := [d for d in run.live if freeform.NATURAL.keys() & run.profile.conditions_of(d)]):
        return
    from tracekd.students.generate import Asker  # loads torch

    base, problems = base_of(run), kept_problems(run)
    asker = Asker(run.student, base.profile.recipe)
    for dataset in wanted:
        asked = fresh_problems(run, dataset, problems[dataset])
        examples = _taught(base, dataset, problems[dataset])
        for seed in run.profile.seeds:
            job = dataset, TAUGHT, seed
            if not records.finished(base, examples, *job):
                raise FileNotFoundError(
                    f"no {TAUGHT} student of {dataset} with seed {seed} and just these {len(examples)} training "
                    f"problems in {base.folder}: make it with\n    python -m tracekd train "
                    f"--profile {base.profile.name} --dataset {dataset} --condition {TAUGHT}"
                )
            path = run.path("natural", dataset, f"outputs-{seed}.jsonl")
            asker.complete(path, asked, records.adapter_path(base, *job), records.about(run, *job))
            wrong, counts = wrong_traces(asked, list(read_jsonl(path)))
            said = ", ".join(f"{n} {name}" for name, n in counts.items())
            print(f"{dataset}, seed {seed}: {said}; the {len(wrong)} wrong traces train the natural conditions")
            if not wrong:
                raise ValueError(f"{path}: none of {len(asked)} outputs has a wrong trace to train on: raise `train`")
            write_jsonl(freeform.natural_path(run, dataset, seed), wrong)


def wrong_traces(problems: Sequence[Problem], outputs: Sequence[dict]) -> tuple[list[dict], Counter]:
    """Outputs that can be read (status ``ok``) and whose trace is not correct, as rows ``id`` and ``trace``.

    Also how many outputs are ``correct``, ``wrong``, or of another status.
    """
    said, rows, counts = {row["id"]: row for row in outputs}, [], Counter()
    for problem in problems:
        text, finished = said[problem.id]["text"], said[problem.id]["finished"]
        found = verdict(problem, text, finished)
        kind = ("correct" if found["trace_correct"] else "wrong") if found["status"] == "ok" else found["status"]
        counts[kind] += 1
        if kind == "wrong":
            rows.append({"id": problem.id, "trace": freeform.clean(split_output(text, finished)[1])})
    return rows, counts


def _taught(base: Run, dataset: str, problems: Sequence[Problem]) -> list[sft.Example]:
    """What the ``correct`` students of the other profile were trained on: without the problems too long for any."""
    chosen = training_set(base, dataset, list(problems))
    rules = [c for c in base.profile.conditions_of(dataset) if c in ("vanilla", "correct", "incorrect")]
    sets = {(dataset, c): sft.build(chosen, c, seed=base.seed) for c in rules}
    return sft.fitting(sets, base.student, base.profile.recipe)[dataset, TAUGHT]
