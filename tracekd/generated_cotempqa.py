"""Generated CoTempQA problems: what else held while something held, among facts that did not."""

from __future__ import annotations

import numpy as np

from tracekd.generated_draws import between, fill, pick, several, weighted
from tracekd.generated_intervals import Interval, anywhere, elsewhere, event, related

VERBS = {
    "position": "holds the position of",
    "member": "is a member of the",
    "school": "attended",
    "employer": "works for",
    "team": "plays for",
    "chair": "is the chair of",
    "head": "is the head of",
    "owner": "is owned by",
}
WHILE = {
    "position": "was holding the position of",
    "member": "was a member of",
    "school": "attended",
    "employer": "was working for",
    "team": "was playing for",
    "owner": "was owned by",
}
_ASK_OBJECT = {
    "position": "which position did {s} hold",
    "member": "which political party did {s} belong to",
    "school": "which school did {s} attend",
    "employer": "which employer did {s} work for",
}
_ASK_SUBJECT = {
    "position": "who also held the position of {o}",
    "member": "who was also a member of {o}",
    "school": "who also attended {o}",
    "employer": "who also worked for {o}",
    "team": "who was also playing for {o}",
    "owner": "who was also owned by {o}",
}
_TAILS = (
    "during the same time period",
    "during the identical time period",
    "during the same time span",
    "within the same time interval",
    "at the same time",
    "simultaneously",
    "concurrently",
)
# Triple types within each category, counted in the real files (equal, overlap: whole; during, mix: test part).
TRIPLES = {
    "equal": {"S1_R1_O2": 305, "S2_R1_O1": 65, "S1_R2_O2": 62, "S2_R1_O2": 4},
    "overlap": {"S2_R1_O2": 150, "S2_R1_O1": 138, "S1_R1_O2": 129, "S1_R2_O2": 123, "S2_R2_O2": 113},
    "during": {"S1_R2_O2": 169, "S2_R2_O2": 133, "S2_R1_O2": 122, "S2_R1_O1": 106, "S1_R1_O2": 89},
    "mix": {"S1_R1_O2": 40, "S2_R1_O2": 27, "S2_R1_O1": 24, "S2_R2_O2": 18, "S1_R2_O2": 4},
}
# Relation of the event and relation asked for, counted over the same files.
_CHANGES = {
    ("position", "employer"): 138,
    ("position", "member"): 118,
    ("employer", "school"): 90,
    ("team", "school"): 41,
    ("school", "member"): 49,
    ("school", "employer"): 44,
    ("member", "employer"): 39,
    ("member", "position"): 32,
    ("employer", "position"): 30,
    ("member", "school"): 20,
    ("school", "position"): 7,
}
_KEPT = {
    "S1_R1_O2": {"position": 356, "employer": 126, "member": 72},
    "S2_R1_O2": {"employer": 92, "position": 88, "member": 59, "school": 50},
    "S2_R1_O1": {"team": 70, "member": 65, "employer": 61, "school": 46, "position": 42, "owner": 36},
}
# Number of answers within each category, from the real files; mix has one answer at least of each of two kinds.
_ANSWERS = {
    "equal": {1: 84, 2: 15, 3: 1},
    "overlap": {1: 80, 2: 18, 3: 2},
    "during": {1: 71, 2: 26, 3: 3},
    "mix": {2: 80, 3: 16, 4: 4},
}


def make(category: str, rng: np.random.Generator) -> dict:
    """One problem of a category as the parts of a ``Problem``: context, question, answers, evidence, meta."""
    triple = weighted(rng, TRIPLES[category])
    held, asked = weighted(rng, _CHANGES) if "R2" in triple else (weighted(rng, _KEPT[triple]),) * 2
    main = event(rng, "overlap" if category == "mix" else category)
    golds = None
    while golds is None:
        golds = _golds(rng, category, main)
    cast = _Cast(rng)
    subject, thing = cast.subject(held), cast.thing(held)
    other = cast.subject(asked) if triple.startswith("S2") else subject
    facts = [_fact(subject, held, thing, main)]
    if triple == "S2_R1_O1":
        facts += [_fact(cast.subject(held), held, thing, when) for when in golds]
        facts += [
            _fact(cast.subject(held), held, thing, elsewhere(rng, main)) for _ in range(_company(rng) - len(facts))
        ]
        slots = [fact[0] for fact in facts[1 : len(golds) + 1]]
        ask = _ASK_SUBJECT[held].format(o=thing)
    else:
        facts += [_fact(other, asked, cast.thing(asked), when) for when in golds]
        facts += _distractors(rng, cast, triple, (subject, held), (other, asked), main, len(facts))
        slots = [fact[2] for fact in facts[1 : len(golds) + 1]]
        ask = _asked(triple, other, asked)
    order = several(rng, range(len(facts)), len(facts))
    return {
        "context": tuple(_sentence(*facts[i]) for i in order),
        "question": f"While {subject} {WHILE[held]} {thing}, {ask} {pick(rng, _TAILS)}?",
        "answers": tuple(several(rng, slots, len(slots))),
        "evidence": tuple(place for place, i in enumerate(order) if 1 <= i <= len(golds)),
        "meta": {"triple_element": triple},
    }


def _golds(rng, category: str, main: Interval) -> list[Interval] | None:
    """When the answers held, or None if the event leaves no room for them.

    In the real files an event with a duration has answers of one single date or answers with durations, seldom both;
    here never both, so that this habit of theirs changes no answer.
    """
    kinds = [category] * weighted(rng, _ANSWERS[category])
    if category == "during" and main.words.startswith("from") and rng.random() < 0.24:
        return None if (when := related(rng, main, category, point=True)) is None else [when] * len(kinds)
    if category == "mix":
        first = several(rng, ("equal", "during", "during", "overlap", "overlap"), 5)
        first = [first[0], next(kind for kind in first if kind != first[0])]
        kinds = first + [pick(rng, ("during", "overlap")) for _ in kinds[2:]]
    golds = [related(rng, main, kind) for kind in kinds]
    return None if None in golds else golds


class _Cast:
    """Names for one problem, none given twice: an object that came twice would blur which fact answers."""

    def __init__(self, rng):
        self._rng, self._taken = rng, set()

    def subject(self, relation: str) -> str:
        return self._new("{asset}" if relation == "owner" else "{person}")

    def thing(self, relation: str) -> str:
        # One heads what one could chair: the same kind of body.
        return self._new("{chair}" if relation == "head" else f"{{{relation}}}")

    def _new(self, form: str) -> str:
        while (name := fill(self._rng, form)) in self._taken:
            pass
        self._taken.add(name)
        return name


def _company(rng) -> int:
    """Facts in a problem about one object: ten, now and then a few more."""
    return 10 if rng.random() < 0.78 else between(rng, 11, 17)


def _distractors(rng, cast: _Cast, triple: str, held: tuple, asked: tuple, main: Interval, n: int) -> list[tuple]:
    """Facts of the form asked for that do not co-occur, and facts of other forms at any time where no question asks.

    The real files fill each (subject, relation) of the question up to ten facts, and add other relations of the
    people for two-person questions.
    """
    same = 10 - n + (1 if held != asked else 0)
    facts = [_fact(*asked, cast.thing(asked[1]), elsewhere(rng, main), _tense(rng)) for _ in range(same)]
    if triple == "S1_R1_O2":
        return facts
    facts += [_fact(*held, cast.thing(held[1]), anywhere(rng, main), _tense(rng)) for _ in range(between(rng, 9, 10))]
    if triple != "S1_R2_O2":
        for _ in range(between(rng, 7, 13)):
            who = pick(rng, (held, asked))[0]
            rest = {r: w for r, w in _OTHERS.items() if (who, r) not in (held, asked)}
            kind = weighted(rng, rest)
            # In the real files whatever else the second person did meanwhile is gold as well (``derive_cotempqa``).
            meanwhile = who == asked[0] and held[1] not in (asked[1], kind)
            when = elsewhere(rng, main) if meanwhile else anywhere(rng, main)
            facts.append(_fact(who, kind, cast.thing(kind), when, _tense(rng)))
    return facts


_OTHERS = {"position": 30, "employer": 28, "school": 25, "member": 16, "team": 3, "chair": 1, "head": 1}


def _tense(rng) -> bool:
    """Past tense, which the real files use in some of the facts that answer nothing."""
    return rng.random() < 0.13


def _fact(subject: str, kind: str, thing: str, when: Interval, past: bool = False) -> tuple:
    return subject, kind, thing, when, past and kind == "employer"


def _sentence(subject: str, kind: str, thing: str, when: Interval, past: bool) -> str:
    return f"{subject} {'worked for' if past else VERBS[kind]} {thing} {when.words}."


def _asked(triple: str, who: str, kind: str) -> str:
    if triple == "S1_R1_O2" and kind == "position":
        return f"which position did {who}"  # so in the real files, without "hold"
    if triple == "S2_R1_O2" and kind == "school":
        return f"which school was {who} attending"
    return _ASK_OBJECT[kind].format(s=who)
