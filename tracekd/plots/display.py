"""Views for a notebook: tables and marked text that show one problem, one corruption, one example."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import product

import pandas as pd

from tracekd.data.problem import Problem
from tracekd.decompose.derive import Derivation
from tracekd.traces.corruption import STYLES
from tracekd.traces.templates import build
from tracekd.traces.verify import verify

_BORDER = {0: "#EEEEEE", 1: "#F8DCC0", 2: "#BFE0F0"}  # no loss, loss on the trace, loss on the answer
_NAMES = {0: "read, no loss", 1: "learned: trace", 2: "learned: answer and end token"}


def story_table(problem: Problem, derivation: Derivation) -> pd.DataFrame:
    """A bAbI story sentence by sentence with what the reader makes of it.

    Returns:
        Columns ``sentence``, ``what follows`` and ``supports the answer`` (a mark), one row per sentence.
    """
    notes: dict[int, list[str]] = {i: [] for i in range(len(problem.context))}
    for step in derivation.steps:
        if step.kind != "answer":
            for i in step.facts:
                notes[i].append(step.text)
    follows = [" ".join(dict.fromkeys(texts)) for texts in notes.values()]
    supports = ["●" if i in derivation.evidence else "" for i in notes]
    return pd.DataFrame({"sentence": problem.context, "what follows": follows, "supports the answer": supports})


def step_table(derivation: Derivation) -> pd.DataFrame:
    """The steps of a derivation: columns ``step``, ``in words`` and ``facts`` (indices)."""
    rows = [(step.kind, step.text, ", ".join(map(str, step.facts))) for step in derivation.steps]
    return pd.DataFrame(rows, columns=["step", "in words", "facts"])


def corruptions(problem: Problem, seed: int = 0) -> pd.DataFrame:
    """Every way to make this problem's trace wrong, side by side.

    Returns:
        One row per trace: ``trace``; ``label``, ``facts`` as stated; ``classification``, ``retrieval`` as verified.
    """
    made = {"correct": build(problem, "correct", seed=seed)}
    for style, step in product(STYLES, ("classification", "retrieval", "both")):
        made[f"{style}: {step}"] = build(problem, "incorrect", seed=seed, style=style, corrupt=step)
    rows = []
    for name, trace in made.items():
        seen = verify(trace, problem)
        words = ["right" if right else "wrong" for right in (seen.classification, seen.retrieval)]
        rows.append((name, trace.classification, trace.text.split("question: ", 1)[1], *words))
    return pd.DataFrame(rows, columns=["trace", "label", "facts", "classification", "retrieval"])


def token_view(prompt_ids: Sequence[int], target_ids: Sequence[int], parts: Sequence[int], tokenizer) -> str:
    """One training example token by token as HTML, coloured by where the loss falls.

    ``prompt_ids`` are only read; of each learned token in ``target_ids``, ``parts`` says 1 (trace) or 2 (answer), as in
    ``sft.Encoded``.
    """
    legend = " ".join(_span(name, kind) for kind, name in _NAMES.items())
    marked = [(token, 0) for token in prompt_ids] + list(zip(target_ids, parts, strict=True))
    body = "".join(_span(tokenizer.decode([token]), kind) for token, kind in marked)
    return f'<p style="font-size:85%">{legend}</p><div style="font-family:monospace;font-size:85%">{body}</div>'


def _span(text: str, kind: int) -> str:
    shown = html.escape(text).replace("\n", "↵<br>").replace(" ", "&nbsp;")
    style = f"background:{_BORDER[kind]};border:1px solid white;border-radius:2px;color:black"
    return f'<span style="{style}">{shown or "&nbsp;"}</span><wbr>'
