"""Views for a notebook: tables and marked text that show one problem, one corruption, one example."""

from __future__ import annotations

import html
from collections.abc import Sequence

import pandas as pd

from tracekd.corrupt import STYLES
from tracekd.derive import Derivation
from tracekd.problems import Problem
from tracekd.traces import build

_BORDER = {0: "#EEEEEE", 1: "#F8DCC0", 2: "#BFE0F0"}  # no loss, loss on the trace, loss on the answer
_NAMES = {0: "read, no loss", 1: "learned: trace", 2: "learned: answer and end token"}


def story_table(problem: Problem, derivation: Derivation) -> pd.DataFrame:
    """A bAbI story sentence by sentence with what the reader makes of it.

    Returns:
        Columns ``sentence``, ``what follows`` and ``supports the answer`` (a mark), one row a sentence.
    """
    notes: dict[int, list[str]] = {i: [] for i in range(len(problem.context))}
    for step in derivation.steps:
        if step.kind != "answer":
            for i in step.facts:
                notes[i].append(step.text)
    return pd.DataFrame(
        {
            "sentence": problem.context,
            "what follows": [" ".join(dict.fromkeys(texts)) for texts in notes.values()],
            "supports the answer": ["●" if i in derivation.evidence else "" for i in notes],
        }
    )


def step_table(derivation: Derivation) -> pd.DataFrame:
    """The steps of a derivation: columns ``step``, ``in words`` and ``facts`` (indices)."""
    return pd.DataFrame(
        {
            "step": [step.kind for step in derivation.steps],
            "in words": [step.text for step in derivation.steps],
            "facts": [", ".join(map(str, step.facts)) for step in derivation.steps],
        }
    )


def corruptions(problem: Problem, seed: int = 0) -> pd.DataFrame:
    """Every way to make this problem's trace wrong, side by side.

    Returns:
        One row a trace: ``trace``, ``label`` and ``facts`` as stated, ``classification`` and ``retrieval`` as verified.
    """
    from tracekd.verify import verify

    wanted = [("correct", {})]
    for style in STYLES:
        for step in ("classification", "retrieval", "both"):
            wanted.append(("incorrect", {"style": style, "corrupt": step}))
    rows = []
    for condition, options in wanted:
        trace = build(problem, condition, seed=seed, **options)
        seen = verify(trace, problem)
        stated = trace.text.split("question: ", 1)[1]
        rows.append(
            {
                "trace": condition if not options else f"{options['style']}: {options['corrupt']}",
                "label": trace.classification,
                "facts": stated,
                "classification": "right" if seen.classification else "wrong",
                "retrieval": "right" if seen.retrieval else "wrong",
            }
        )
    return pd.DataFrame(rows)


def token_view(prompt_ids: Sequence[int], target_ids: Sequence[int], parts: Sequence[int], tokenizer) -> str:
    """One training example token by token as HTML, coloured by where the loss falls.

    Args:
        prompt_ids: tokens that are read only.
        target_ids: tokens that are learned.
        parts: for each learned token 1 (trace) or 2 (answer), as in ``sft.Encoded``.
        tokenizer: the student's.
    """
    legend = " ".join(_span(name, kind) for kind, name in _NAMES.items())
    marked = [(token, 0) for token in prompt_ids] + list(zip(target_ids, parts, strict=True))
    body = "".join(_span(tokenizer.decode([token]), kind) for token, kind in marked)
    return f'<p style="font-size:85%">{legend}</p><div style="font-family:monospace;font-size:85%">{body}</div>'


def _span(text: str, kind: int) -> str:
    shown = html.escape(text).replace("\n", "↵<br>").replace(" ", "&nbsp;")
    style = f"background:{_BORDER[kind]};border:1px solid white;border-radius:2px;color:black"
    return f'<span style="{style}">{shown or "&nbsp;"}</span><wbr>'
