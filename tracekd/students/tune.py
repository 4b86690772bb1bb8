"""Recipe search: try recipes on a validation split of the training problems; the test split stays closed."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tracekd import config
from tracekd.command_line import Parser, each_of, profile_name
from tracekd.config import Recipe
from tracekd.data.problem import Problem
from tracekd.data.problems import check_source, label_of, load
from tracekd.data.splits import select
from tracekd.io.records import append_jsonl, read_jsonl
from tracekd.run import Run
from tracekd.scoring.aligned import verdict
from tracekd.stats.intervals import share
from tracekd.students import lengths, registry, sft
from tracekd.teacher import run_texts
from tracekd.traces import freeform

TRIED = ("learning_rate", "batch", "warmup", "epochs")


def split(
    run, dataset: str, problems: Sequence[Problem], train: int, validation: int
) -> tuple[list[Problem], list[Problem], Sequence]:
    """Draw disjoint training and validation problems from the source's training split.

    Args:
        run: whose seed the draw follows. If it has a teacher's texts for the data set, training problems are drawn
            from those with a text, and validation problems from the others.
        dataset: the data set.
        problems: of it, all splits.
        train: training problems.
        validation: held-out problems, drawn first, so that they are the same whatever ``train`` is.

    Returns:
        ``(training, validation, texts)``.

    Raises:
        ValueError: the training split has fewer problems than both take together.
    """
    pool = [p for p in problems if p.split == "train"]
    found = run_texts.texts_of(run, dataset, problems)
    covered = run_texts.covered(found, problems) if found else pool
    with_text = {p.id for p in covered} if found else set()
    rest = [p for p in pool if p.id not in with_text]
    if len(rest) < validation or len(covered) < train or len(pool) < train + validation:
        raise ValueError(
            f"{train} + {validation} problems asked for, but the training split has {len(pool)}: ask for fewer"
        )
    held = select(rest, validation, run.rng("validation"))
    ids = {p.id for p in held}
    chosen = select([p for p in covered if p.id not in ids], train, run.rng("search/train"))
    return chosen, held, found.texts if found else ()


def attempt(
    student: str, recipe: Recipe, seed: int, train: Sequence[Problem], held: Sequence[Problem], condition: str, texts=()
) -> dict:
    """Train one adapter on ``train`` (free-form conditions: with ``texts``) and count its exactly right answers.

    Returns:
        A dictionary: condition, seed, the recipe's tried values, n_train, n, exact share with its Wilson interval,
        truncated outputs, mean loss (nats per token) and seconds of training.
    """
    from tracekd.students import generate  # loads torch
    from tracekd.students import train as trainer

    given = {"texts": texts} if texts and freeform.takes_texts(condition) else {}
    examples = sft.build(train, condition, seed=seed, **given)
    dataset = train[0].dataset
    ((_, examples),) = lengths.fitting({(dataset, condition): examples}, student, recipe).items()
    with tempfile.TemporaryDirectory() as scratch:
        folder, outputs = Path(scratch, "adapter"), Path(scratch, "outputs.jsonl")
        record = trainer.train(student, examples, recipe, seed=seed, folder=folder)
        about = {"dataset": dataset, "condition": condition, "seed": seed}
        generate.Asker(student, recipe).complete(outputs, held, folder, about)
        texts_of = {row["id"]: row for row in read_jsonl(outputs)}
    judged = [verdict(p, texts_of[p.id]["text"], texts_of[p.id]["finished"]) for p in held]
    return {
        "condition": condition, "seed": seed, **{name: getattr(recipe, name) for name in TRIED},
        "n_train": len(train), "n": len(held), "exact": share(sum(v["answer_correct"] for v in judged), len(judged)),
        "truncated": sum(v["status"] == "truncated" for v in judged),
        "mean_loss": round(record["mean_loss"], 4), "seconds": record["seconds"],
    }  # fmt: skip


def _numbers(text: str) -> list[float]:
    return [int(x) if x.strip().isdigit() else float(x) for x in text.split(",")]


def parser() -> Parser:
    """The command's options."""
    made = Parser("tune", main.__doc__, "python -m tracekd tune --dataset babi --learning-rate 3e-4,1e-3 --train 256")
    made.add_argument("--profile", type=profile_name, default="cpu", help="whose student and recipe are the base")
    made.add_argument("--data", default="", help="generated, hub or a folder (default: the profile's)")
    made.add_argument("--dataset", default="babi")
    made.add_argument("--conditions", type=each_of(sft.CONDITIONS), default="correct", help="comma-separated")
    made.add_argument("--train", type=int, default=256, help="training problems")
    made.add_argument("--validation", type=int, default=128, help="validation problems")
    made.add_argument("--seeds", type=_numbers, default=[121])
    made.add_argument("--out", type=Path, help="append each line to this file as well")
    for name in TRIED:
        made.add_argument("--" + name.replace("_", "-"), type=_numbers, help="values to try, comma-separated")
    return made


def main(argv: list[str]) -> int:
    """Try every combination of the given recipe values on a validation split; one JSON line per attempt."""
    options = parser().parse_args(argv)
    settings = config.load(options.profile)
    source = check_source(options.data or settings.data)
    run = Run("tune", settings, 121, source, texts=run_texts.find_texts("", settings, source))
    problems = load(options.dataset, source, size=settings.generated.get(options.dataset), seed=run.seed)
    train, held, texts = split(run, options.dataset, problems, options.train, options.validation)
    tried = {name: values for name in TRIED if (values := getattr(options, name))}
    about = {"student": registry.identity(settings.student), "source": label_of(options.dataset, source)}
    for values in itertools.product(*tried.values()):
        recipe = replace(settings.recipe, **dict(zip(tried, values, strict=True)))
        for condition, seed in itertools.product(options.conditions.split(","), options.seeds):
            row = {**attempt(settings.student, recipe, seed, train, held, condition, texts), **about}
            print(json.dumps(row), flush=True)
            if options.out:
                append_jsonl(options.out, [{**row, "recipe": asdict(recipe)}])
    return 0
