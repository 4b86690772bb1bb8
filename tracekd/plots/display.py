"""Views for a notebook: tables and marked text that show one problem, one corruption, one example."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import product

import pandas as pd

from tracekd.data.problem import Problem
from tracekd.traces.corruption import STYLES
from tracekd.traces.templates import build, verify

_BORDER = {0: "#EEEEEE", 1: "#F8DCC0", 2: "#BFE0F0"}  # no loss, loss on the trace, loss on the answer
_NAMES = {0: "read, no loss", 1: "learned: trace", 2: "learned: answer and end token"}


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
