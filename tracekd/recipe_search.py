"""Recipe search: try recipes on a validation split of the training problems; the test split stays closed."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tracekd import freeform, lengths, profiles, run_texts, sft, students
from tracekd.command_line import Parser, each_of, profile_name
from tracekd.problems import Problem, check_source, label_of, load, select
from tracekd.profiles import Recipe
from tracekd.records import append_jsonl
from tracekd.score import verdict
from tracekd.stats import share

TRIED = ("learning_rate", "batch", "warmup", "epochs")


def split(problems: Sequence[Problem], train: int, validation: int, run) -> tuple[list[Problem], list[Problem]]:
    """Draw training and validation problems, apart from each other, out of the source's training split alone.

    Args:
        problems: of one data set, all splits.
        train: how many to learn from.
        validation: how many to hold out.
        run: whose seed the draw follows.

    Returns:
        ``(training, validation)``: validation is drawn first, so that it is the same whatever ``train`` is.

    Raises:
        ValueError: the training split has fewer problems than both take together.
    """
    pool = [p for p in problems if p.split == "train"]
    if len(pool) < train + validation:
        raise ValueError(
            f"{train} + {validation} problems asked for, but the training split has {len(pool)}: ask for fewer"
        )
    held = select(pool, validation, run.rng("validation"))
    ids = {p.id for p in held}
    return select([p for p in pool if p.id not in ids], train, run.rng("search/train")), held


def recipes(base: Recipe, tried: dict[str, Sequence[float]]) -> Iterator[Recipe]:
    """Every combination of the tried values, on top of ``base``."""
    for values in itertools.product(*tried.values()):
        yield replace(base, **dict(zip(tried, values, strict=True)))


def with_texts(run, dataset: str, problems: Sequence[Problem], train: int, validation: int):
    """As ``split``, for a run with a teacher's texts: learn from problems that have one, hold out some that have none.

    Returns:
        ``(training, validation, texts)``; None where the run has no such texts.
    """
    if not (found := run_texts.texts_of(run, dataset, problems)):
        return None
    covered = run_texts.covered(found, problems)
    have = {p.id for p in covered}
    rest = [p for p in problems if p.split == "train" and p.id not in have]
    held = select(rest, validation, run.rng("validation"))
    return select(covered, train, run.rng("search/train")), held, found.texts


def attempt(
    student: str, recipe: Recipe, seed: int, train: Sequence[Problem], held: Sequence[Problem], condition: str, texts=()
):
    """Train one adapter on ``train`` (free-form conditions: with ``texts``) and count its exactly right answers.

    Returns:
        A dictionary: condition, seed, the recipe's tried values, n_train, n, exact share with its Wilson interval,
        truncated outputs, mean loss (nats a token) and seconds of training.
    """
    from tracekd.generate import Asker
    from tracekd.train import train as train_adapter

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "adapter")
        given = {"texts": texts} if texts and freeform.takes_texts(condition) else {}
        examples = sft.build(train, condition, seed=seed, **given)
        sets = lengths.fitting({(train[0].dataset, condition): examples}, student, recipe)
        record = train_adapter(student, *sets.values(), recipe, seed=seed, folder=folder)
        about = {"dataset": train[0].dataset, "condition": condition, "seed": seed}
        Asker(student, recipe).complete(Path(scratch, "outputs.jsonl"), held, folder, about)
        texts = {r["id"]: r for r in map(json.loads, Path(scratch, "outputs.jsonl").read_text().splitlines())}
    judged = [verdict(p, texts[p.id]["text"], texts[p.id]["finished"]) for p in held]
    exact = share(sum(v["answer_correct"] for v in judged), len(judged))
    return {
        "condition": condition, "seed": seed, **{name: getattr(recipe, name) for name in TRIED},
        "n_train": len(train), "n": len(held), "exact": exact,
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
    """Try every combination of the given recipe values on a validation split; one JSON line a try."""
    options = parser().parse_args(argv)
    settings = profiles.load(options.profile)
    source = check_source(options.data or settings.data)
    run = profiles.Run("tune", settings, 121, source, texts=run_texts.find_texts("", settings, source))
    size = settings.generated.get(options.dataset)
    problems = load(options.dataset, source, size=size, seed=run.seed)
    train, held, texts = with_texts(run, options.dataset, problems, options.train, options.validation) or (
        *split(problems, options.train, options.validation, run), (),
    )  # fmt: skip
    tried = {name: values for name in TRIED if (values := getattr(options, name))}
    about = {"student": students.identity(settings.student), "source": label_of(options.dataset, source)}
    for recipe in recipes(settings.recipe, tried):
        for condition, seed in itertools.product(options.conditions.split(","), options.seeds):
            row = {**attempt(settings.student, recipe, seed, train, held, condition, texts), **about}
            print(json.dumps(row), flush=True)
            if options.out:
                append_jsonl(options.out, [{**row, "recipe": asdict(recipe)}])
    return 0
