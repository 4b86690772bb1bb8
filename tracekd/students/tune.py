"""`python -m tracekd tune`: try recipes on a validation split of the training problems; the test split stays closed."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tracekd import config
from tracekd.command_line import Parser, profile_name
from tracekd.config import Recipe
from tracekd.data.problem import Problem
from tracekd.data.problems import check_source, label_of, load
from tracekd.data.splits import select
from tracekd.io.records import read_jsonl
from tracekd.run import Run
from tracekd.scoring.aligned import verdict
from tracekd.stats.intervals import share
from tracekd.students import sft

TRIED = ("learning_rate", "batch", "warmup", "epochs")


def split(run, problems: Sequence[Problem], train: int, validation: int) -> tuple[list[Problem], list[Problem]]:
    """Disjoint training and validation problems from the training split, by the run's seed.

    The validation problems are drawn first, so that they are the same whatever ``train`` is.

    Raises:
        ValueError: the training split has fewer problems than both take together.
    """
    pool = [p for p in problems if p.split == "train"]
    if len(pool) < train + validation:
        raise ValueError(f"{train} + {validation} problems, but the training split has {len(pool)}: ask for fewer")
    held = select(pool, validation, run.rng("validation"))
    ids = {p.id for p in held}
    return select([p for p in pool if p.id not in ids], train, run.rng("search/train")), held


def attempt(
    student: str, recipe: Recipe, seed: int, train: Sequence[Problem], held: Sequence[Problem], condition: str
) -> dict:
    """Train one adapter on ``train`` and count its exactly right answers on ``held``.

    Returns:
        A row of ``recipe_search.csv``: exact is a share with its Wilson interval low and high, mean_loss in nats per
        token.
    """
    from tracekd.students import generate  # loads torch
    from tracekd.students import train as trainer

    key = train[0].dataset, condition
    examples = sft.fitting({key: sft.build(train, condition, seed=seed)}, student, recipe)[key]
    with tempfile.TemporaryDirectory() as scratch:
        folder, outputs = Path(scratch, "adapter"), Path(scratch, "outputs.jsonl")
        record = trainer.train(student, examples, recipe, seed=seed, folder=folder)
        about = {"dataset": key[0], "condition": condition, "seed": seed}
        generate.Asker(student, recipe).complete(outputs, held, folder, about)
        said = {row["id"]: row for row in read_jsonl(outputs)}
    judged = [verdict(p, said[p.id]["text"], said[p.id]["finished"]) for p in held]
    exact = share(sum(v["answer_correct"] for v in judged), len(judged))
    return {
        "condition": condition, "seed": seed, **{name: getattr(recipe, name) for name in TRIED},
        "n_train": len(train), "n": len(held), "exact": exact["value"], "low": exact["low"], "high": exact["high"],
        "truncated": sum(v["status"] == "truncated" for v in judged), "mean_loss": round(record["mean_loss"], 4),
    }  # fmt: skip


def main(argv: list[str]) -> int:
    """Try every combination of the given recipe values on validation problems; one JSON line per attempt."""
    made = Parser("tune", main.__doc__, "python -m tracekd tune --dataset babi --learning-rate 3e-4 1e-3 --train 256")
    made.add_argument("--profile", type=profile_name, default="cpu", help="whose student and recipe are the base")
    made.add_argument("--data", default="", help="generated, hub or a folder (default: the profile's)")
    made.add_argument("--dataset", default="babi")
    made.add_argument("--conditions", choices=sft.CONDITIONS, nargs="+", default=["correct"])
    made.add_argument("--train", type=int, default=256, help="training problems")
    made.add_argument("--validation", type=int, default=128, help="validation problems")
    made.add_argument("--seed", type=int, default=121)
    for name in TRIED:
        kind = int if name == "batch" else float
        made.add_argument("--" + name.replace("_", "-"), type=kind, nargs="+", help="values to try")
    options = made.parse_args(argv)
    profile = config.load(options.profile)
    run = Run("tune", profile, options.seed, check_source(options.data or profile.data))
    size = profile.generated.get(options.dataset)
    problems = load(options.dataset, run.source, size=size, seed=run.seed, **profile.marco)
    train, held = split(run, problems, options.train, options.validation)
    about = {"student": profile.student, "dataset": options.dataset, "source": label_of(options.dataset, run.source)}
    tried = {name: values for name in TRIED if (values := getattr(options, name))}
    for condition, *values in itertools.product(options.conditions, *tried.values()):
        recipe = replace(profile.recipe, **dict(zip(tried, values, strict=True)))
        row = attempt(profile.student, recipe, run.seed, train, held, condition)
        print(json.dumps({**about, **row}), flush=True)
    return 0
