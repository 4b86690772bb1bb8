"""Generated bAbI stories of people who move and carry things, and the entry to all 11 task types.

Each maker returns sentences, question, answer and the indices of its supporting sentences, all computed from the
planted world; the question is always the first of its story.
"""

from __future__ import annotations

import numpy as np

from tracekd.data.synthetic.babi_relations import RELATIONAL, Story
from tracekd.data.synthetic.draws import VOCABULARY, between, pick, several, shuffled, weighted

_WORDS = VOCABULARY["babi"]
PEOPLE, PLACES, OBJECTS = _WORDS["people"], _WORDS["places"], _WORDS["objects"]


def make(category: str, rng: np.random.Generator) -> dict:
    """One story of a task type as the parts of a ``Problem``: context, question, answers, evidence, meta."""
    while True:
        sentences, question, answer, evidence = MAKERS[category](rng)
        # A supporting sentence that comes twice would leave open which of the two supports.
        if all(sentences.count(sentences[i]) == 1 for i in evidence):
            break
    answers, evidence = tuple(answer.split(",")), tuple(sorted(evidence))
    return {"context": tuple(sentences), "question": question, "answers": answers, "evidence": evidence, "meta": {}}


def _move(rng, who: str, where: str) -> str:
    return f"{who} {pick(rng, _WORDS['moves'])} the {where}."


def _grab(rng, who: str, what: str) -> str:
    return f"{who} {pick(rng, _WORDS['grabs'])} the {what} there."


def _drop(rng, who: str, what: str) -> str:
    return f"{who} {pick(rng, _WORDS['drops'])} the {what}{' there' if rng.random() < 0.2 else ''}."


def single_supporting_fact(rng) -> Story:
    """Two moves; the last move of the person asked for decides."""
    cast = several(rng, PEOPLE, 2)
    if rng.random() < 0.23:
        cast = [cast[0], cast[0]]
    where = several(rng, PLACES, 2)
    asked = 1 if cast[0] == cast[1] else between(rng, 0, 1)
    sentences = [_move(rng, who, place) for who, place in zip(cast, where, strict=True)]
    return sentences, f"Where is {cast[asked]}?", where[asked], [asked]


def conjunction(rng) -> Story:
    """Two moves of two people each; the last one of the person asked for decides."""
    cast = several(rng, PEOPLE, 3)
    first = cast[:2]
    second = several(rng, first, 2) if rng.random() < 0.22 else several(rng, [pick(rng, first), cast[2]], 2)
    where = several(rng, PLACES, 2)
    asked = pick(rng, cast if cast[2] in second else first)
    fact = 1 if asked in second else 0
    sentences = [_move(rng, " and ".join(pair), place) for pair, place in zip((first, second), where, strict=True)]
    return sentences, f"Where is {asked}?", where[fact], [fact]


def two_supporting_facts(rng) -> Story:
    """People move, take and leave things until the last sentence fixes one thing's place.

    A thing is where its holder last went (supported by taking and move) or where it was left (move and putting down).
    """
    length = int(weighted(rng, _WORDS["find_lengths"]))
    cast, things = several(rng, PEOPLE, 4), several(rng, OBJECTS, 3)
    sentences, moved, holder, lies_in = [], {}, {}, {}
    found = None
    while len(sentences) < length or len(sentences) % 2 or found is None:
        step, draw = len(sentences), rng.random()
        # Near the end someone who carries a thing acts, so that stories end at about the drawn length.
        ending = step >= length - 2
        who = pick(rng, [w for w, _ in holder.values()] if ending and holder else cast)
        here = moved[who][1] if who in moved else None
        mine = [t for t in holder if holder[t][0] == who]
        free = [t for t in things if t not in holder and lies_in.get(t, here) == here]
        if free and (not holder if ending else draw < 0.3 and len(holder) < 2):
            what, found = pick(rng, free), None
            holder[what] = (who, step)
            sentences.append(_grab(rng, who, what))
        elif draw < 0.55 and mine and here:
            what = pick(rng, mine)
            del holder[what]
            lies_in[what], found = here, (what, here, [moved[who][0], step])
            sentences.append(_drop(rng, who, what))
        else:
            where = pick(rng, [place for place in PLACES if place != here])
            moved[who] = (step, where)
            found = (what := pick(rng, mine), where, [holder[what][1], step]) if mine else None
            sentences.append(_move(rng, who, where))
    what, where, evidence = found
    return sentences, f"Where is the {what}?", where, evidence


def _carrying(rng, none_share: float, two_share: float, hand: bool) -> tuple[list[str], str, list[str], list[int]]:
    """Moves, then two sentences that decide what one person carries: sentences, person, things, evidence."""
    length = int(weighted(rng, _WORDS["carry_lengths"]))
    cast, (what, other) = several(rng, PEOPLE, 4), several(rng, OBJECTS, 2)
    sentences = [_move(rng, pick(rng, cast), pick(rng, PLACES)) for _ in range(length - 2)]
    who, draw = cast[0], rng.random()
    grab = _grab(rng, who, what)
    if draw < none_share:
        gone = f"{who} {pick(rng, _WORDS['hands'])} the {what} to {cast[1]}." if hand and rng.random() < 0.55 else None
        return [*sentences, grab, gone or _drop(rng, who, what)], who, [], [length - 2, length - 1]
    if draw < none_share + two_share:
        return [*sentences, grab, _grab(rng, who, other)], who, [what, other], [length - 2, length - 1]
    if rng.random() < 0.3:
        return [*sentences, grab, _move(rng, pick(rng, cast), pick(rng, PLACES))], who, [what], [length - 2]
    before = _grab(rng, cast[1], other) if rng.random() < 0.35 else _move(rng, pick(rng, cast), pick(rng, PLACES))
    return [*sentences, before, grab], who, [what], [length - 1]


def counting(rng) -> Story:
    """How many things does a person carry: none, one or two."""
    sentences, who, things, evidence = _carrying(rng, none_share=0.195, two_share=0.015, hand=True)
    return sentences, f"How many objects is {who} carrying?", ("none", "one", "two")[len(things)], evidence


def lists_sets(rng) -> Story:
    """Which things does a person carry, in the order in which they were taken."""
    sentences, who, things, evidence = _carrying(rng, none_share=0.105, two_share=0.025, hand=False)
    return sentences, f"What is {who} carrying?", ",".join(things) or "nothing", evidence


def time_reasoning(rng) -> Story:
    """Moves at times of day in shuffled order; asked is the place before a person's last one."""
    cast = several(rng, PEOPLE, 4)
    length = weighted(rng, {2: 18, 4: 72, 6: 10})
    visits = {cast[0]: 3 if length == 6 or (length == 4 and rng.random() < 0.1) else 2}
    others = cast[1:]
    while sum(visits.values()) < length:
        who = pick(rng, others)
        if visits.get(who, 0) < 2:
            visits[who] = visits.get(who, 0) + 1
    sentences, evidence, asked = [], [], None
    for who, n in visits.items():
        where = several(rng, _WORDS["outdoors"], n)
        for when, place in zip(_WORDS["day"], where, strict=False):
            sentence = _move(rng, who, place)[:-1]
            front = rng.random() < 0.45
            sentences.append(f"{when.capitalize()} {sentence}." if front else f"{sentence} {when}.")
        if who == cast[0]:
            evidence, asked = [n - 2, n - 1], where[-2:]
    sentences, evidence = shuffled(rng, sentences, evidence)
    return sentences, f"Where was {cast[0]} before the {asked[1]}?", asked[0], evidence


MAKERS = {
    "single-supporting-fact": single_supporting_fact,
    "two-supporting-facts": two_supporting_facts,
    "counting": counting,
    "lists-sets": lists_sets,
    "conjunction": conjunction,
    "time-reasoning": time_reasoning,
    **RELATIONAL,
}
