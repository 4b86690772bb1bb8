"""Interventions at inference: traces of our choosing put before the answer, one row per (problem, variant)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tracekd.data.problem import Problem
from tracekd.interventions.variants import VARIANTS, Variant, variants
from tracekd.io.records import append_jsonl, recover_jsonl, sha256, write_jsonl
from tracekd.scoring.aligned import judge_answer, verdict
from tracekd.scoring.reading import split_output
from tracekd.text import fact_set, normalise
from tracekd.traces import templates

VERSION = 4  # raise it when a change here or in ``prefill`` changes what a row says
_REST = (
    "trace_label", "classification_correct", "retrieval_correct", "trace_correct", "reveals", "names_gold",
    "names_any", "implied", "implied_by", "no_implied", "disagrees", "answer", "answer_in_trace", "status",
    "answer_correct", "follows", "n_tokens", "logp_gold", "logp_gold_token", "n_gold", "logp_implied",
    "logp_implied_token", "n_implied",
)  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """What a student does after a given trace: ``text`` is the whole turn, ``n_tokens`` the student wrote.

    ``finished``: the answer was closed or the turn ended before the token limit. ``logp_*`` are log-probabilities
    (nats, summed) of the gold and the implied answer (None: there is none) with closing tag, ``n_*`` their tokens.
    """

    text: str
    finished: bool
    n_tokens: int
    logp_gold: float
    n_gold: int
    logp_implied: float | None = None
    n_implied: int | None = None


# Answers after given traces, to several problems at once: one reply per variant, in their order; all variants exist.
Answerer = Callable[[Sequence[tuple[Problem, Sequence[Variant]]]], list[list[Reply]]]


def follows(stated: Sequence[str], gold: Sequence[str], implied_answers: Sequence[str] | None) -> str | None:
    """What an answer follows, by equality of normalised sets; None where the trace implies nothing.

    ``trace``: the implied answer, which is not the gold one. ``context``: the gold answer, which is not the implied
    one. ``both``: the answer that trace and context alike imply. ``neither``: none of the two.
    """
    if implied_answers is None:
        return None
    said, right, implied = map(fact_set, (stated, gold, implied_answers))
    if said not in (right, implied):
        return "neither"
    return "both" if right == implied else "trace" if said == implied else "context"


def row(problem: Problem, variant: Variant, reply: Reply | None, about: Mapping) -> dict:
    """One JSON-ready row: ``about``, ``id``, ``category``, ``variant`` and what follows.

    ``left_out``: why the variant does not exist, else empty; where it does not, all but ``donor`` are None.
    Of the given trace: ``donor``, ``trace_label``, the verdicts on its steps, ``reveals`` (``leakage.reveals``),
    ``names_gold`` and ``names_any`` (every, or one, gold answer stands in it), ``implied`` with ``implied_by`` or
    ``no_implied`` (why not), ``disagrees`` (implied and gold differ). Of the answer: ``answer``, ``answer_in_trace``
    (all of it stands there), ``status``, ``answer_correct``, ``follows``; see ``Reply`` (``logp_*_token``: a token).
    """
    head = {**about, "id": problem.id, "category": problem.category, "variant": variant.name}
    head |= {"left_out": variant.left_out, "donor": variant.donor}
    if reply is None:
        return {**head, **dict.fromkeys(_REST)}
    judged = verdict(problem, reply.text, reply.finished)
    implied, said = variant.implied.answers, judged["answer_stated"]
    given = f" {normalise(variant.text)} "
    named = [f" {normalise(answer)} " in given for answer in problem.answers]
    made = {
        **judged,
        "trace_label": judged["classification_stated"],
        "names_gold": all(named),
        "names_any": any(named),
        "implied": None if implied is None else list(implied),
        "implied_by": variant.implied.by,
        "no_implied": variant.implied.reason,
        "disagrees": None if implied is None else fact_set(implied) != fact_set(problem.answers),
        "answer": split_output(reply.text, reply.finished)[2],
        "answer_in_trace": bool(said) and all(f" {normalise(answer)} " in given for answer in said),
        "follows": follows(said, *(_reached(problem, said, answers) for answers in (problem.answers, implied))),
        **asdict(reply),
        "logp_gold_token": reply.logp_gold / reply.n_gold,
        "logp_implied_token": None if reply.logp_implied is None else reply.logp_implied / reply.n_implied,
    }
    return head | {name: made[name] for name in _REST}


def _reached(problem: Problem, said: tuple[str, ...], answers: Sequence[str] | None) -> Sequence[str] | None:
    """What was said, where it is right by these answers (MS MARCO's are alternatives), else the answers."""
    return said if answers and judge_answer(replace(problem, answers=tuple(answers)), said)[0] else answers


def row_key(
    problems: Sequence[Problem], outputs: Iterable[Mapping], about: Mapping, limit: int | None, seed: int
) -> str:
    """A hash of what decides the rows of ``run``; ``limit`` is the most tokens of a reply."""
    written = {out["id"]: (out["text"], bool(out.get("finished", True)), out.get("key")) for out in outputs}
    asked = sorted((p.id, templates.prompt(p), templates.answer_text(p), *written.get(p.id, ())) for p in problems)
    return sha256([VERSION, dict(about), limit, seed, [list(map(str, item)) for item in asked]])[:16]


def run(
    answerer: Answerer, problems: Sequence[Problem], outputs: Iterable[Mapping], path: str | Path, *, about: Mapping,
    seed: int, limit: int | None = None, at_once: int = 1,
) -> list[dict]:  # fmt: skip
    """Fill ``path`` until it has the nine rows of every problem; rows of other keys are replaced.

    ``problems`` are of one data set, and the pool of ``other``; ``outputs`` are the student's on them, whence its own
    traces; ``about`` has student, dataset, condition, seed, source, and what else names the student; ``seed`` is of
    the variants, ``limit`` the most tokens of a reply. ``answerer`` gets ``at_once`` problems a call, which a kill
    loses at most. Returns all rows, in the order of ``problems``.
    """
    outputs = list(outputs)
    own = {out["id"]: split_output(out["text"], bool(out.get("finished", True)))[1] for out in outputs}
    key = row_key(problems, outputs, about, limit, seed)
    done, about = whole(path, key), {**about, "key": key}
    write_jsonl(path, [made for made in recover_jsonl(path) if made.get("key") == key and made["id"] in done])
    todo = [problem for problem in problems if problem.id not in done]
    for first in range(0, len(todo), at_once):
        made = [(p, variants(p, own.get(p.id), others=problems, seed=seed)) for p in todo[first : first + at_once]]
        replies = answerer([(p, [variant for variant in given if variant.text is not None]) for p, given in made])
        said = iter([reply for part in replies for reply in part])
        rows = [row(p, v, None if v.text is None else next(said), about) for p, given in made for v in given]
        append_jsonl(path, rows)
    place = {p.id: i for i, p in enumerate(problems)}
    return sorted(recover_jsonl(path), key=lambda r: (place[r["id"]], VARIANTS.index(r["variant"])))


def whole(path: str | Path, key: str) -> set[str]:
    """Ids of the problems whose nine rows under a key are in a file."""
    found = Counter(row["id"] for row in recover_jsonl(path) if row.get("key") == key)
    return {i for i, count in found.items() if count == len(VARIANTS)}
