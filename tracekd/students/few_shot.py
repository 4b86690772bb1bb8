"""Students that are asked without training: by the question alone, or after worked examples of the training split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracekd.data.problem import Problem
from tracekd.data.problems import kept as kept_problems
from tracekd.traces import templates

SHOTS = 4
# Condition to the condition whose targets its worked examples show; None: no example.
UNTRAINED: Mapping[str, str | None] = {"prompted": None, "few_shot": "vanilla", "few_shot_traces": "correct"}
Turns = Sequence[Mapping[str, str]]


def examples(problems: Sequence[Problem], rng) -> list[Problem]:
    """Draw ``SHOTS`` training problems as worked examples, of different categories where possible.

    They are drawn from the shorter half of the prompts, so that all fit into a small student's context.

    Args:
        problems: of one data set; only its training problems are looked at.
        rng: a ``numpy`` Generator.

    Raises:
        ValueError: fewer than ``SHOTS`` training problems.
    """
    train = [p for p in problems if p.split == "train"]
    lengths = sorted(len(templates.prompt(p)) for p in train)
    short = [p for p in train if len(templates.prompt(p)) <= lengths[len(lengths) // 2]]
    if len(short) < SHOTS:
        raise ValueError(f"{len(short)} training problems, expected at least {SHOTS} for the worked examples")
    drawn = [short[i] for i in rng.permutation(len(short))]
    first = {p.category: p for p in reversed(drawn)}  # of each category the one that was drawn first
    fresh = sorted(first.values(), key=drawn.index)
    return (fresh + [p for p in drawn if p not in fresh])[:SHOTS]


def turns(run, dataset: str, condition: str, problems: Sequence[Problem] | None = None) -> list[dict[str, str]]:
    """The chat turns before the question, the same for every question; none for a condition without worked examples."""
    if not (shown := UNTRAINED.get(condition)):
        return []
    chosen = examples(kept_problems(run)[dataset] if problems is None else problems, run.rng(f"{dataset}/few_shot"))
    made = []
    for p in chosen:
        made.append({"role": "user", "content": templates.prompt(p)})
        made.append({"role": "assistant", "content": templates.target(p, templates.build(p, shown))})
    return made
