"""The rating survey: who sees which trace of which problem when, written into one page that needs no server.

Within: each participant sees every trace type, each on another problem. Between: one trace type on several problems.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.data.problem import Problem
from tracekd.study.ratings import DESIGNS, LABELS, TRACE_TYPES, latin_square, questionnaire

TEMPLATE = Path(__file__).with_name("survey.html")


def show(problem: Problem, trace_type: str, text: str, source: str, data: str) -> dict:
    """One problem with one trace, as a participant sees it.

    ``source`` of the trace: ``rules``, a teacher's name or ``client``, or ``templated``; ``data`` of the problem: such
    as ``generated``.

    Raises:
        ValueError: an unknown trace type, or an empty text.
    """
    if trace_type not in TRACE_TYPES:
        raise ValueError(f"trace type {trace_type!r} is not one of {', '.join(TRACE_TYPES)}")
    if not text.strip():
        raise ValueError(f"{problem.id}: the {trace_type} trace is empty; there is nothing to rate")
    return {
        "problem": problem.id, "trace_type": trace_type, "context": list(problem.context), "question": problem.question,
        "trace": text.strip(), "answer": ", ".join(problem.answers), "source": source, "data": data,
    }  # fmt: skip


def sequences(problems: Sequence[str], kinds: Sequence[str], design: str) -> list[list[tuple[str, str]]]:
    """Orders of (problem, trace type), one list per sequence; participants are spread over the sequences.

    Within, k kinds and a multiple of k problems: k * k sequences. The kinds follow a Williams square in each block of k
    pages; the problems shift by one from one group of k sequences to the next, so that over all sequences each problem
    meets each kind, and comes at each place of its block, equally often. Between: one kind per sequence, on all
    problems, whose order follows a Latin square.

    Raises:
        ValueError: an unknown design, or too few problems for the design.
    """
    k, m = len(kinds), len(problems)
    if design not in DESIGNS:
        raise ValueError(f"design {design!r} is unknown: {' or '.join(DESIGNS)}")
    if m < 1 or (design == "within" and m % k):
        raise ValueError(
            f"{m} problems do not fit: within a participant, {k} trace types need {k}, {2 * k}, ... problems"
        )
    if design == "between":
        return [[(problems[i], kind) for i in row] for row in latin_square(m) for kind in kinds]
    blocks = [problems[start : start + k] for start in range(0, m, k)]
    return [
        [(block[(j + shift) % k], kinds[c]) for block in blocks for j, c in enumerate(row)]
        for shift in range(k)
        for row in latin_square(k)
    ]


def plan(
    shown: Sequence[dict], design: str = "within", *, items: Path | None = None, post: str = "", study: str = "study"
) -> dict:
    """Everything the page needs, as one JSON object.

    Args:
        shown: what ``show`` gives, for every problem with every trace type that takes part.
        design: ``within`` or ``between``.
        items: another questionnaire file; None for ``survey_items.toml``.
        post: address that finished answers are sent to; "" for download only.
        study: short name, kept in each answer.

    Raises:
        ValueError: a problem lacks a trace type, or the design does not fit.
    """
    keys = [(s["problem"], s["trace_type"]) for s in shown]
    problems = list(dict.fromkeys(problem for problem, _ in keys))
    kinds = [kind for kind in TRACE_TYPES if kind in {kind for _, kind in keys}]
    missing = [f"{p} {kind}" for p in problems for kind in kinds if (p, kind) not in keys]
    if missing:
        raise ValueError(f"each problem needs each trace type; missing: {', '.join(missing[:5])}")
    if post and not post.startswith(("https://", "http://")):
        raise ValueError(f"post address {post!r} must begin with https:// (or http:// for a trial)")
    made = {
        "study": study, "design": design, "post": post, "questionnaire": dict(questionnaire(items)),
        "shown": list(shown),
        "sequences": [[keys.index(key) for key in order] for order in sequences(problems, kinds, design)],
    }  # fmt: skip
    # Answers stored in a browser belong to this very plan: another one of the same name starts afresh.
    made["version"] = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:8]
    return made


def page(the_plan: dict, scripts: Sequence[str], licences: str) -> str:
    """The finished page: ``survey.html`` with the plan, the scripts and their licences put in.

    Raises:
        ValueError: a script would end the page's script element early.
    """
    if any("</script" in script.lower() for script in scripts):
        raise ValueError("a script contains '</script': it cannot be inlined as it is")
    # In JSON, < may be written \u003c, so that no text of a trace can end the element or start another.
    content = json.dumps(the_plan, ensure_ascii=False).replace("<", "\\u003c")
    html = TEMPLATE.read_text(encoding="utf-8")
    for mark, text in {
        "<!--LICENCES-->": "<!--\n" + licences.replace("--", "- -") + "\n-->",
        "<!--SCRIPTS-->": "\n".join(f"<script>\n{script}\n</script>" for script in scripts),
        "<!--PLAN-->": f'<script type="application/json" id="plan">{content}</script>',
        "<!--TITLE-->": the_plan["questionnaire"]["study"]["title"],
    }.items():
        html = html.replace(mark, text, 1)
    return html


def choose(problems: Sequence[Problem], count: int, rng: np.random.Generator) -> list[Problem]:
    """``count`` problems with evidence, spread over the categories as evenly as they allow.

    Raises:
        ValueError: fewer problems have evidence.
    """
    able = [p for p in problems if p.evidence]
    if len(able) < count:
        raise ValueError(f"{count} problems asked for, {len(able)} of {len(problems)} have evidence (and all traces)")
    shuffled = [able[i] for i in rng.permutation(len(able))]
    turn = pd.Series([p.category for p in shuffled], dtype=str).groupby(lambda i: shuffled[i].category).cumcount()
    return [shuffled[i] for i in turn.sort_values(kind="stable").index[:count]]


def describe(the_plan: dict) -> str:
    """Two lines on a plan for the command line."""
    shown, orders = the_plan["shown"], the_plan["sequences"]
    sources = sorted({f"{LABELS[s['trace_type']]}: {s['source']}" for s in shown})
    data = f"{len({s['problem'] for s in shown})} problems ({', '.join(sorted({s['data'] for s in shown}))})"
    pages = f"{len(orders)} sequences of {len(orders[0])} pages"
    return f"{the_plan['design']} design, {data}, {pages}\ntraces: {'; '.join(sources)}"
