"""Generated CoTempQA problems: what else held while something held, among facts that did not."""

from __future__ import annotations

import numpy as np

from tracekd.data.synthetic.draws import VOCABULARY, between, fill, pick, several, weighted
from tracekd.data.synthetic.intervals import Interval, anywhere, elsewhere, event, related

# Wordings, and shares counted in the real files.
_WORDS = VOCABULARY["cotempqa"]
_VERBS, _OTHERS = _WORDS["verbs"], _WORDS["others"]


def make(category: str, rng: np.random.Generator) -> dict:
    """One problem of a category as the parts of a ``Problem``: context, question, answers, evidence, meta."""
    triple = weighted(rng, _WORDS["triples"][category])
    if "R2" in triple:
        held, asked = weighted(rng, _WORDS["changes"]).split()
    else:
        held = asked = weighted(rng, _WORDS["same"][triple])
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
        size = 10 if rng.random() < 0.78 else between(rng, 11, 17)
        facts += [_fact(cast.subject(held), held, thing, elsewhere(rng, main)) for _ in range(size - len(facts))]
        slots = [fact[0] for fact in facts[1 : len(golds) + 1]]
        ask = _WORDS["ask_subject"][held].format(o=thing)
    else:
        facts += [_fact(other, asked, cast.thing(asked), when) for when in golds]
        facts += _distractors(rng, cast, triple, (subject, held), (other, asked), main, len(facts))
        slots = [fact[2] for fact in facts[1 : len(golds) + 1]]
        ask = _asked(triple, other, asked)
    order = several(rng, range(len(facts)), len(facts))
    return {
        "context": tuple(_sentence(*facts[i]) for i in order),
        "question": f"While {subject} {_WORDS['while'][held]} {thing}, {ask} {pick(rng, _WORDS['tails'])}?",
        "answers": tuple(several(rng, slots, len(slots))),
        "evidence": tuple(place for place, i in enumerate(order) if 1 <= i <= len(golds)),
        "meta": {"triple_element": triple},
    }


def _golds(rng, category: str, main: Interval) -> list[Interval] | None:
    """When the answers held, or None if the event leaves no room for them.

    In the real files an event with a duration seldom has answers with a single date beside answers with durations;
    here it never has.
    """
    kinds = [category] * int(weighted(rng, _WORDS["answers"][category]))
    if category == "during" and not main.point and rng.random() < 0.24:
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


def _distractors(rng, cast: _Cast, triple: str, held: tuple, asked: tuple, main: Interval, n: int) -> list[tuple]:
    """Facts of the form asked for that do not co-occur, and facts of other forms at any time.

    As in the real files, each (subject, relation) of the question has up to ten facts, and questions on two people
    come with other relations of both.
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


def _tense(rng) -> bool:
    """Past tense, which the real files use in some of the facts that answer nothing."""
    return rng.random() < 0.13


def _fact(subject: str, kind: str, thing: str, when: Interval, past: bool = False) -> tuple:
    return subject, kind, thing, when, past and kind == "employer"


def _sentence(subject: str, kind: str, thing: str, when: Interval, past: bool) -> str:
    return f"{subject} {'worked for' if past else _VERBS[kind]} {thing} {when.words}."


def _asked(triple: str, who: str, kind: str) -> str:
    if triple == "S1_R1_O2" and kind == "position":
        return f"which position did {who}"  # so in the real files, without "hold"
    if triple == "S2_R1_O2" and kind == "school":
        return f"which school was {who} attending"
    return _WORDS["ask_object"][kind].format(s=who)
