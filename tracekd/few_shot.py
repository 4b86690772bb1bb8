"""Students that are asked without training: by the question alone, or after worked examples of the training split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracekd import traces
from tracekd.problems import Problem
from tracekd.problems import kept as kept_problems

SHOTS = 4
# Condition to the condition whose targets its worked examples show; None: no example.
UNTRAINED: Mapping[str, str | None] = {"prompted": None, "few_shot": "vanilla", "few_shot_traces": "correct"}
Turns = Sequence[Mapping[str, str]]


def examples(problems: Sequence[Problem], rng) -> list[Problem]:
    """Draw the ``SHOTS`` training problems that serve as worked examples, of different categories where there are.

    Only problems whose prompt is no longer than the training split's median are drawn, so that four of them and a
    question fit into a small student's context.

    Args:
        problems: of one data set; only its training problems are looked at.
        rng: a ``numpy`` Generator.

    Raises:
        ValueError: fewer than ``SHOTS`` training problems.
    """
    train = [p for p in problems if p.split == "train"]
    lengths = sorted(len(traces.prompt(p)) for p in train)
    short = [p for p in train if len(traces.prompt(p)) <= lengths[len(lengths) // 2]] if train else []
    if len(short) < SHOTS:
        raise ValueError(f"{len(short)} training problems to draw {SHOTS} worked examples from: give the set more")
    drawn = [short[i] for i in rng.permutation(len(short))]
    first = {p.category: p for p in reversed(drawn)}  # of each category the one that was drawn first
    fresh = sorted(first.values(), key=drawn.index)
    return (fresh + [p for p in drawn if p not in fresh])[:SHOTS]


def turns(run, dataset: str, condition: str, problems: Sequence[Problem] | None = None) -> list[dict[str, str]]:
    """The chat turns before the question: a user and an assistant turn for each worked example; none for others.

    The examples are the same for every question of a data set, and the same with and without traces.
    """
    if not (shown := UNTRAINED.get(condition)):
        return []
    chosen = examples(kept_problems(run)[dataset] if problems is None else problems, run.rng(f"{dataset}/few_shot"))
    pairs = [(traces.prompt(p), traces.target(p, traces.build(p, shown))) for p in chosen]
    return [{"role": role, "content": text}
            for pair in pairs for role, text in zip(("user", "assistant"), pair, strict=True)]  # fmt: skip
