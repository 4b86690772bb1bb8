"""The rating survey: who sees which trace of which problem when, written into one page that needs no server.

The page is ``survey.html`` with three things put in: jsPsych and one of its plugins (fetched from npm by
``survey_build``, with their licence), and the plan as JSON. Within: each participant sees every kind of trace, each on
another problem. Between: one kind on several problems.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tracekd.problems import Problem
from tracekd.study import LABELS, TRACE_TYPES, latin_square, questionnaire

DESIGNS = ("within", "between")
TEMPLATE = Path(__file__).with_name("survey.html")


@dataclass(frozen=True)
class Shown:
    """One problem with one trace, as a participant sees it.

    Attributes:
        problem: id.
        trace_type: one of ``TRACE_TYPES``.
        context: the facts, in order.
        question: the question.
        trace: the text to be rated.
        answer: what the trace leads to.
        source: where the trace comes from: ``rules``, a teacher's name or ``teacher``, or ``templated``.
        data: where the problem comes from, such as ``generated``.
    """

    problem: str
    trace_type: str
    context: tuple[str, ...]
    question: str
    trace: str
    answer: str
    source: str
    data: str


def show(problem: Problem, trace_type: str, text: str, source: str, data: str) -> Shown:
    """Put a problem and the text of a trace together.

    Raises:
        ValueError: an unknown kind of trace, or an empty text.
    """
    if trace_type not in TRACE_TYPES:
        raise ValueError(f"trace type {trace_type!r} is not one of {', '.join(TRACE_TYPES)}")
    if not text.strip():
        raise ValueError(f"{problem.id}: the {trace_type} trace is empty; there is nothing to rate")
    answer = ", ".join(problem.answers)
    return Shown(problem.id, trace_type, problem.context, problem.question, text.strip(), answer, source, data)


def sequences(problems: Sequence[str], kinds: Sequence[str], design: str) -> list[list[tuple[str, str]]]:
    """Orders of (problem, kind of trace), one list a sequence; participants are spread over the sequences.

    Within, with k kinds and m problems (m a multiple of k): k * k sequences. The kinds follow a Williams square in each
    block of k pages; the problems are shifted by one from one group of k sequences to the next, so that over all
    sequences each problem meets each kind, and stands at each place of its block, equally often. Between: one kind a
    sequence, on all problems; the problems' order follows a Latin square.

    Raises:
        ValueError: an unknown design, or too few problems for the design.
    """
    k, m = len(kinds), len(problems)
    if design not in DESIGNS:
        raise ValueError(f"design {design!r} is unknown: {' or '.join(DESIGNS)}")
    if m < 1 or (design == "within" and m % k):
        raise ValueError(
            f"{m} problems do not fit: within a participant, {k} kinds of trace need {k}, {2 * k}, ... problems"
        )
    if design == "between":
        rows = latin_square(m)
        return [[(problems[i], kind) for i in row] for row in rows for kind in kinds]
    found = []
    for shift in range(k):
        for row in latin_square(k):
            blocks = [problems[start : start + k] for start in range(0, m, k)]
            found.append([(block[(j + shift) % k], kinds[c]) for block in blocks for j, c in enumerate(row)])
    return found


def plan(
    shown: Sequence[Shown], design: str = "within", *, items: Path | None = None, post: str = "", study: str = "study"
) -> dict:
    """Everything the page needs, as one JSON object.

    Args:
        shown: every problem with every kind of trace that takes part.
        design: ``within`` or ``between``.
        items: another questionnaire file; None for ``survey_items.toml``.
        post: address that finished answers are sent to; "" for download only.
        study: short name; keeps two surveys in one browser apart.

    Raises:
        ValueError: a problem lacks a kind of trace, or the design does not fit.
    """
    by_key = {(s.problem, s.trace_type): s for s in shown}
    problems = list(dict.fromkeys(s.problem for s in shown))
    kinds = [k for k in TRACE_TYPES if any(s.trace_type == k for s in shown)]
    missing = [f"{p} {k}" for p in problems for k in kinds if (p, k) not in by_key]
    if missing:
        raise ValueError(f"each problem needs each kind of trace; missing: {', '.join(missing[:5])}")
    if post and not post.startswith(("https://", "http://")):
        raise ValueError(f"post address {post!r} must begin with https:// (or http:// for a trial)")
    index = {key: i for i, key in enumerate(by_key)}
    orders = sequences(problems, kinds, design)
    made = {
        "study": study, "design": design, "post": post, "questionnaire": dict(questionnaire(items)),
        "shown": [asdict(s) for s in by_key.values()],
        "sequences": [[index[key] for key in order] for order in orders],
    }  # fmt: skip
    # Answers kept in a browser belong to this very plan: another one of the same name starts afresh.
    made["version"] = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:8]
    return made


def page(the_plan: dict, scripts: Sequence[str], licences: str) -> str:
    """The finished page.

    Args:
        the_plan: what ``plan`` gives.
        scripts: JavaScript to inline, in order.
        licences: licence texts of what is inlined.

    Raises:
        ValueError: a script would end the page's script element early.
    """
    if any("</script" in script.lower() for script in scripts):
        raise ValueError("a script contains '</script': it cannot be inlined as it stands")
    # In JSON, < may be written \u003c, so that no text of a trace can end the element or start another.
    content = json.dumps(the_plan, ensure_ascii=False).replace("<", "\\u003c")
    parts = {
        "<!--LICENCES-->": "<!--\n" + licences.replace("--", "- -") + "\n-->",
        "<!--SCRIPTS-->": "\n".join(f"<script>\n{script}\n</script>" for script in scripts),
        "<!--PLAN-->": f'<script type="application/json" id="plan">{content}</script>',
        "<!--TITLE-->": the_plan["questionnaire"]["study"]["title"],
    }
    html = TEMPLATE.read_text(encoding="utf-8")
    for mark, text in parts.items():
        if html.count(mark) != 1:
            raise ValueError(f"survey.html must hold {mark} exactly once, it does {html.count(mark)} times")
        html = html.replace(mark, text)
    return html


def choose(problems: Sequence[Problem], count: int, rng: np.random.Generator) -> list[Problem]:
    """``count`` problems with evidence, spread over the categories as evenly as they allow.

    Raises:
        ValueError: not so many problems have evidence.
    """
    able = [p for p in problems if p.evidence]
    if len(able) < count:
        raise ValueError(f"{count} problems asked for, {len(able)} of {len(problems)} have evidence (and all traces)")
    groups: dict[str, list[Problem]] = {}
    for i in rng.permutation(len(able)):
        groups.setdefault(able[i].category, []).append(able[i])
    turns = [p for turn in range(max(map(len, groups.values()))) for g in groups.values() for p in g[turn : turn + 1]]
    return turns[:count]


def describe(the_plan: dict) -> str:
    """A few lines on a plan for the command line."""
    shown = the_plan["shown"]
    sources = sorted({f"{LABELS[s['trace_type']]}: {s['source']}" for s in shown})
    data = ", ".join(sorted({s["data"] for s in shown}))
    return (
        f"{the_plan['design']} design, {len({s['problem'] for s in shown})} problems ({data}), "
        f"{len(the_plan['sequences'])} sequences of {len(the_plan['sequences'][0])} pages\ntraces: {'; '.join(sources)}"
    )
