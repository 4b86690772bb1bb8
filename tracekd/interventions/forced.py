"""Interventions at inference: nine traces put before a problem's answer, and one row per problem and trace.

What a trace implies is what its facts say to the question, whatever the context says; ``Implied.by`` names the rule:

1. ``derivation``: ``tracekd.decompose.derive`` with the trace's facts in place of the context.
2. ``source``: the facts are the untouched gold facts of a known problem: that problem's gold answers.
3. ``slots`` (CoTempQA): the answer slots of the stated facts, since a gold fact is one whose slot is an answer.
4. ``renamed`` (bAbI): the derivation once one word of the question is exchanged for one of the trace's ("Where is
   Mary?", "Daniel went to the garden." - "Where is Daniel?" - garden), where all exchanges that derive anything agree.

MS MARCO's answers are free text: its traces imply answers by ``source`` only.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tracekd.data.load_cotempqa import answer_slot
from tracekd.data.problem import Problem
from tracekd.decompose.derive import derive, none
from tracekd.io.records import append_jsonl, recover_jsonl, sha256, write_jsonl
from tracekd.scoring.aligned import judge_answer, verdict
from tracekd.scoring.reading import split_output
from tracekd.text import fact_set, normalise
from tracekd.traces import corruption, templates

VARIANTS = ("own", "gold", "wrong_label", "wrong_facts", "both_wrong", "other", "empty", "shuffled", "masked")
MASK = "___"
VERSION = 5  # raise it when a change here or in ``prefill`` changes what a row says
_REST = (
    "trace_label", "classification_correct", "retrieval_correct", "trace_correct", "reveals", "names_gold",
    "names_any", "implied", "implied_by", "no_implied", "disagrees", "answer", "answer_in_trace", "status",
    "answer_correct", "follows", "n_tokens", "logp_gold", "logp_gold_token", "n_gold", "logp_implied",
    "logp_implied_token", "n_implied",
)  # fmt: skip


class Implied(NamedTuple):
    """The answers that a trace implies, by which rule; or no answers, and the reason."""

    answers: tuple[str, ...] | None
    by: str | None = None
    reason: str = ""


class Variant(NamedTuple):
    """One trace to put before an answer (None: ``left_out`` says why not); ``other`` was taken from ``donor``."""

    name: str
    text: str | None
    implied: Implied = Implied(None)
    donor: str | None = None
    left_out: str = ""


class Reply(NamedTuple):
    """What a student does after a trace: the whole turn, whether it ended in time, how many tokens the student wrote.

    ``logp_*``: log-probabilities (nats, summed) of gold and implied answer with closing tag; ``n_*``: their tokens.
    """

    text: str
    finished: bool
    n_tokens: int
    logp_gold: float
    n_gold: int
    logp_implied: float | None = None
    n_implied: int | None = None


def variants(problem: Problem, own: str | None, *, others: Sequence[Problem], seed: int) -> list[Variant]:
    """The nine traces of one problem, always in the order of ``VARIANTS``; what does not exist says why.

    ``wrong_label``, ``wrong_facts``, ``both_wrong``: drawn in ``corruption``'s matched style; ``other``: the gold trace
    of one of ``others`` with another answer; ``shuffled``: gold with its facts (of one fact its sentences) in another
    order, ``masked``: with every gold answer string masked. Seed and id decide every draw.
    """
    label, wrong, shuffled, masked = (
        _drawn(corruption.wrong_label, problem, seed), _drawn(corruption.wrong_facts, problem, seed),
        _drawn(_shuffle, problem, seed), _drawn(_mask, problem),
    )  # fmt: skip
    category, gold = problem.category, problem.facts
    stated = {
        "gold": (category, gold), "wrong_label": (label, gold), "wrong_facts": (category, wrong),
        "both_wrong": (label, wrong), "shuffled": (category, shuffled), "masked": (category, masked),
    }  # fmt: skip
    made = {"other": _other(problem, others, seed), "empty": Variant("empty", "", implied(problem, None))}
    made["own"] = (
        Variant("own", own, implied(problem, templates.read(own, problem.context)[1])) if own
        else Variant("own", None, left_out="the output has no closed trace")
    )  # fmt: skip
    for name, (said, facts) in stated.items():
        if failed := [part for part in (said, facts) if isinstance(part, ValueError)]:
            made[name] = Variant(name, None, left_out=str(failed[0]))
        else:
            source = problem if name in ("gold", "wrong_label") else None
            made[name] = Variant(name, templates.render(problem.dataset, said, facts), implied(problem, facts, source))
    return [made[name] for name in VARIANTS]


def _drawn(draw: Callable, *args):
    """What a function draws, or the error that says why it cannot."""
    try:
        return draw(*args)
    except ValueError as error:
        return error


def _other(problem: Problem, others: Sequence[Problem], seed: int) -> Variant:
    pool = sorted((p for p in others if p.dataset == problem.dataset), key=lambda p: p.id)
    for i in corruption.generator(seed, problem.id, "other").permutation(len(pool)):
        if pool[i].id != problem.id and fact_set(pool[i].answers) != fact_set(problem.answers):
            text = templates.build(pool[i], "correct").text
            return Variant("other", text, implied(problem, pool[i].facts, pool[i]), pool[i].id)
    return Variant("other", None, left_out="no other problem of the set has another answer")


def _shuffle(problem: Problem, seed: int) -> tuple[str, ...]:
    """The gold facts in another order; of one fact its sentences."""
    one = len(problem.facts) == 1
    parts = tuple(re.split(r"(?<=[.!?])\s+", problem.facts[0])) if one else problem.facts
    if len(set(parts)) < 2:
        raise ValueError("one sentence alone cannot be shuffled" if one else "no two different facts to shuffle")
    rng, drawn = corruption.generator(seed, problem.id, "shuffle"), parts
    while drawn == parts:
        drawn = tuple(parts[i] for i in rng.permutation(len(parts)))
    return (" ".join(drawn),) if one else drawn


def _mask(problem: Problem) -> tuple[str, ...]:
    """The gold facts with each gold answer string masked, letter case aside, whole words."""
    words = sorted(problem.answers, key=len, reverse=True)  # an answer may stand within a longer one
    pattern = "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words)
    masked = tuple(re.sub(pattern, MASK, fact, flags=re.IGNORECASE) for fact in problem.facts)
    if masked == problem.facts:
        raise ValueError("no gold answer string stands in the gold facts")
    return masked


def implied(problem: Problem, facts: Sequence[str] | None, source: Problem | None = None) -> Implied:
    """The answer that facts (all gold ones of ``source``, if given) imply to a question, whatever its context says."""
    facts = tuple(facts or ())
    got = derive(replace(problem, context=facts)) if facts else none(None, "the trace states no facts")
    found, by = got.answers, "derivation"
    if not found and source is not None:
        found, by = source.answers, "source"
    elif not found and problem.dataset == "cotempqa":
        slots = _drawn(lambda: [answer_slot(fact, problem.meta.get("triple_element")) for fact in facts])
        # A fact that a student wrote may not parse.
        found, by = () if isinstance(slots, ValueError) else dict.fromkeys(slots), "slots"
    elif not found and problem.dataset == "babi":
        found, by = _renamed(problem, facts), "renamed"
    if not found and source is None:
        return Implied(None, reason=got.underivable)
    if any(MASK in answer for answer in found) or not fact_set(found):
        return Implied(None, reason="the implied answer is masked or empty")
    return Implied(tuple(found), by)


def _renamed(problem: Problem, facts: tuple[str, ...]) -> tuple[str, ...]:
    """What the question gives with one of its words exchanged for one of the trace's, if that is one answer alone."""
    named = dict.fromkeys(word for fact in facts for word in re.findall(r"\w+", fact))
    known, found = {word.lower() for word in named}, {}
    for word in dict.fromkeys(re.findall(r"\w+", problem.question)):
        for other in named if word.lower() not in known else ():
            question = re.sub(rf"\b{word}\b", other, problem.question)
            answers = derive(replace(problem, question=question, context=facts)).answers
            found |= {fact_set(answers): answers} if answers else {}
    return next(iter(found.values())) if len(found) == 1 else ()


def follows(problem: Problem, stated: Sequence[str], implied_answers: Sequence[str] | None) -> str | None:
    """What a stated answer follows; None where the trace implies nothing.

    ``trace``: it is right by the implied answers alone; ``context``: by the gold ones alone; ``both``; ``neither``.
    """
    if implied_answers is None:
        return None
    of_trace = replace(problem, answers=tuple(implied_answers))
    right, like_trace = (judge_answer(asked, stated)[0] for asked in (problem, of_trace))
    if right:
        return "both" if like_trace else "context"
    return "trace" if like_trace else "neither"


def row(problem: Problem, variant: Variant, reply: Reply | None, about: Mapping) -> dict:
    """One JSON-ready row: ``about``, ``id``, ``category``, ``variant``, ``left_out``, ``donor`` and ``_REST``.

    ``left_out`` says why a variant does not exist, and the rest is None then. ``names_gold`` and ``names_any``: every,
    or one, gold answer stands in the trace; ``disagrees``: implied and gold answer differ; ``answer_in_trace``: all of
    the answer stands in the trace; ``logp_*_token``: of a token. See ``follows``, ``Reply``, ``corruption.reveals``.
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
        **judged, "trace_label": judged["classification_stated"],
        "names_gold": all(named), "names_any": any(named),
        "implied": None if implied is None else list(implied),
        "implied_by": variant.implied.by, "no_implied": variant.implied.reason,
        "disagrees": None if implied is None else fact_set(implied) != fact_set(problem.answers),
        "answer": split_output(reply.text, reply.finished)[2],
        "answer_in_trace": bool(said) and all(f" {normalise(answer)} " in given for answer in said),
        "follows": follows(problem, said, implied),
        **reply._asdict(),
        "logp_gold_token": reply.logp_gold / reply.n_gold,
        "logp_implied_token": None if reply.logp_implied is None else reply.logp_implied / reply.n_implied,
    }  # fmt: skip
    return head | {name: made[name] for name in _REST}


def row_key(
    problems: Sequence[Problem], outputs: Iterable[Mapping], about: Mapping, limit: int | None, seed: int
) -> str:
    """A hash of what decides the rows of ``run``; ``limit`` is the most tokens of a reply."""
    written = {out["id"]: (out["text"], bool(out.get("finished", True)), out.get("key")) for out in outputs}
    asked = sorted((p.id, templates.prompt(p), templates.answer_text(p), *written.get(p.id, ())) for p in problems)
    return sha256([VERSION, dict(about), limit, seed, [list(map(str, item)) for item in asked]])[:16]


def run(
    answerer: Callable, problems: Sequence[Problem], outputs: Iterable[Mapping], path: str | Path, *, about: Mapping,
    seed: int, limit: int | None = None, at_once: int = 1,
) -> list[dict]:  # fmt: skip
    """Fill ``path`` until it has the nine rows of every problem, in whose order it returns them; others are replaced.

    ``problems`` are of one set, and the pool of ``other``; ``outputs`` hold the student's own traces; ``about`` names
    it; ``limit``: most tokens of a reply. ``answerer`` (``prefill.Prefill``) gets ``at_once`` problems a call.
    """
    outputs = list(outputs)
    own = {out["id"]: split_output(out["text"], bool(out.get("finished", True)))[1] for out in outputs}
    key = row_key(problems, outputs, about, limit, seed)
    done, about, place = whole(path, key), {**about, "key": key}, {p.id: i for i, p in enumerate(problems)}
    write_jsonl(path, [made for made in recover_jsonl(path) if made.get("key") == key and made["id"] in done])
    todo = [problem for problem in problems if problem.id not in done]
    for first in range(0, len(todo), at_once):
        made = [(p, variants(p, own.get(p.id), others=problems, seed=seed)) for p in todo[first : first + at_once]]
        replies = answerer([(p, [variant for variant in given if variant.text is not None]) for p, given in made])
        said = iter([reply for part in replies for reply in part])
        rows = [row(p, v, None if v.text is None else next(said), about) for p, given in made for v in given]
        append_jsonl(path, rows)
    return sorted(recover_jsonl(path), key=lambda r: (place[r["id"]], VARIANTS.index(r["variant"])))


def whole(path: str | Path, key: str) -> set[str]:
    """Ids of the problems whose nine rows under a key are in a file."""
    found = Counter(row["id"] for row in recover_jsonl(path) if row.get("key") == key)
    return {i for i, count in found.items() if count == len(VARIANTS)}
