"""Generated bAbI stories of all 11 task types.

Each maker returns sentences, question, answer and the indices of its supporting sentences, all computed from the
planted world; the question is always the first of its story.
"""

from __future__ import annotations

import numpy as np

from tracekd.data.problem import CATEGORIES
from tracekd.data.synthetic.draws import VOCABULARY, between, pick, several, shuffled, weighted

# Sentences, question, answer (several joined by commas), indices of the supporting sentences.
Story = tuple[list[str], str, str, list[int]]

_WORDS = VOCABULARY["babi"]
_PEOPLE, _PLACES, _OBJECTS = _WORDS["people"], _WORDS["places"], _WORDS["objects"]
_NAMES, _OPPOSITE = _WORDS["names"], _WORDS["opposite"]
_OFFSETS = {"above": (0, 1), "below": (0, -1), "to the left of": (-1, 0), "to the right of": (1, 0)}
_TURNED = {"above": "below", "below": "above", "to the left of": "to the right of", "to the right of": "to the left of"}


def make(category: str, rng: np.random.Generator) -> dict:
    """One story of a task type as the parts of a ``Problem``: context, question, answers, evidence, meta."""
    while True:
        sentences, question, answer, evidence = _MAKERS[category](rng)
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
    cast = several(rng, _PEOPLE, 2)
    if rng.random() < 0.23:
        cast = [cast[0], cast[0]]
    where = several(rng, _PLACES, 2)
    asked = 1 if cast[0] == cast[1] else between(rng, 0, 1)
    sentences = [_move(rng, who, place) for who, place in zip(cast, where, strict=True)]
    return sentences, f"Where is {cast[asked]}?", where[asked], [asked]


def conjunction(rng) -> Story:
    """Two moves of two people each; the last one of the person asked for decides."""
    cast = several(rng, _PEOPLE, 3)
    first = cast[:2]
    second = several(rng, first, 2) if rng.random() < 0.22 else several(rng, [pick(rng, first), cast[2]], 2)
    where = several(rng, _PLACES, 2)
    asked = pick(rng, cast if cast[2] in second else first)
    fact = 1 if asked in second else 0
    sentences = [_move(rng, " and ".join(pair), place) for pair, place in zip((first, second), where, strict=True)]
    return sentences, f"Where is {asked}?", where[fact], [fact]


def two_supporting_facts(rng) -> Story:
    """People move, take and leave things until the last sentence fixes one thing's place.

    A thing is where its holder last went (supported by taking and move) or where it was left (move and putting down).
    """
    length = int(weighted(rng, _WORDS["find_lengths"]))
    cast, things = several(rng, _PEOPLE, 4), several(rng, _OBJECTS, 3)
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
            where = pick(rng, [place for place in _PLACES if place != here])
            moved[who] = (step, where)
            found = (what := pick(rng, mine), where, [holder[what][1], step]) if mine else None
            sentences.append(_move(rng, who, where))
    what, where, evidence = found
    return sentences, f"Where is the {what}?", where, evidence


def _carrying(rng, none_share: float, two_share: float, hand: bool) -> tuple[list[str], str, list[str], list[int]]:
    """Moves, then two sentences that decide what one person carries: sentences, person, things, evidence."""
    length = int(weighted(rng, _WORDS["carry_lengths"]))
    cast, (what, other) = several(rng, _PEOPLE, 4), several(rng, _OBJECTS, 2)
    sentences = [_move(rng, pick(rng, cast), pick(rng, _PLACES)) for _ in range(length - 2)]
    who, draw = cast[0], rng.random()
    grab = _grab(rng, who, what)
    if draw < none_share:
        gone = f"{who} {pick(rng, _WORDS['hands'])} the {what} to {cast[1]}." if hand and rng.random() < 0.55 else None
        return [*sentences, grab, gone or _drop(rng, who, what)], who, [], [length - 2, length - 1]
    if draw < none_share + two_share:
        return [*sentences, grab, _grab(rng, who, other)], who, [what, other], [length - 2, length - 1]
    if rng.random() < 0.3:
        return [*sentences, grab, _move(rng, pick(rng, cast), pick(rng, _PLACES))], who, [what], [length - 2]
    before = _grab(rng, cast[1], other) if rng.random() < 0.35 else _move(rng, pick(rng, cast), pick(rng, _PLACES))
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
    cast = several(rng, _PEOPLE, 4)
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


def two_arg_relations(rng) -> Story:
    """Three rooms on a line, placed by two sentences; one names the room asked for."""
    left, middle, right = several(rng, _WORDS["places"], 3)
    way = pick(rng, tuple(_OPPOSITE))
    near = [(left, way, middle), (middle, _OPPOSITE[way], left)]
    far = [(middle, way, right), (right, _OPPOSITE[way], middle)]
    facts = several(rng, [pick(rng, near), pick(rng, far)], 2)
    asked = int(rng.random() * 2)
    subject, direction, other = facts[asked]
    sentences = [f"The {a} is {d} of the {b}." for a, d, b in facts]
    if rng.random() < 0.5:
        return sentences, f"What is {direction} of the {other}?", subject, [asked]
    return sentences, f"What is the {subject} {direction} of?", other, [asked]


def basic_deduction(rng) -> Story:
    """Each kind is afraid of one other kind; four animals with names, asked what one is afraid of."""
    plurals = _WORDS["plurals"]
    kinds = several(rng, tuple(plurals), 4)
    fears = {kind: pick(rng, [k for k in kinds if k != kind]) for kind in kinds}
    names = several(rng, _NAMES, 4)
    kind_of = {name: pick(rng, kinds) for name in names}
    asked = pick(rng, names)
    sentences = [f"{plurals[k].capitalize()} are afraid of {plurals[fears[k]]}." for k in kinds]
    sentences += [f"{name} is a {kind_of[name]}." for name in names]
    evidence = [kinds.index(kind_of[asked]), 4 + names.index(asked)]
    sentences, evidence = shuffled(rng, sentences, evidence)
    return sentences, f"What is {asked.lower()} afraid of?", fears[kind_of[asked]], evidence


def basic_induction(rng) -> Story:
    """Five animals of which four have a colour; the fifth has that of the only other animal of its kind."""
    names, kinds = several(rng, _NAMES, 5), several(rng, _WORDS["kinds"], 4)
    rest = [*kinds[1:3], pick(rng, kinds[1:])]
    kind_of = dict(zip(names, [kinds[0], kinds[0], *rest], strict=True))
    colour_of = {name: pick(rng, _WORDS["colours"]) for name in names[1:]}
    sentences = [f"{name} is a {kind_of[name]}." for name in names]
    sentences += [f"{name} is {colour_of[name]}." for name in names[1:]]
    sentences, evidence = shuffled(rng, sentences, [0, 1, 5])
    return sentences, f"What color is {names[0]}?", colour_of[names[1]], evidence


def positional_reasoning(rng) -> Story:
    """Two shapes a step away from a third; how do the two stand to each other? On a grid, so each answer is exact."""
    middle, *ends = several(rng, _WORDS["shapes"], 3)
    ways = several(rng, tuple(_OFFSETS), 2)
    at = {middle: (0, 0)} | {end: _OFFSETS[way] for end, way in zip(ends, ways, strict=True)}
    sentences = []
    for parts in ((end, way, middle) for end, way in zip(ends, ways, strict=True)):
        thing, way, other = (parts[2], _TURNED[parts[1]], parts[0]) if rng.random() < 0.35 else parts
        sentences.append(f"The {thing} is {way} the {other}.")
    first, second = several(rng, ends, 2)
    dx, dy = at[first][0] - at[second][0], at[first][1] - at[second][1]
    true = [w for w, (x, y) in _OFFSETS.items() if x * dx > 0 or y * dy > 0]
    holds = rng.random() < 0.5
    way = pick(rng, true if holds else [w for w in _OFFSETS if w not in true])
    return sentences, f"Is the {first} {way} the {second}?", "yes" if holds else "no", [0, 1]


def size_reasoning(rng) -> Story:
    """Boxes in a hidden order of size; two are compared that only one chain of two sentences connects."""
    while True:
        boxes = _WORDS["boxes"]
        order = [*boxes[:2], *several(rng, boxes[2:], 4)]
        n = 5 if rng.random() < 0.79 else 10
        pairs = [tuple(sorted(several(rng, range(6), 2))) for _ in range(n)]
        chains = [
            (pairs[i][0], pairs[j][1], i, j)
            for i in range(n)
            for j in range(n)
            if pairs[i][1] == pairs[j][0] and (pairs[i][0], pairs[j][1]) not in pairs
        ]
        alone = [c for c in chains if sum(c[:2] == other[:2] for other in chains) == 1]
        if alone:
            break
    small, large, i, j = pick(rng, alone)
    sentences = []
    for low, high in ((order[a], order[b]) for a, b in pairs):
        inside = rng.random() < 0.5
        sentences.append(f"The {low} fits inside the {high}." if inside else f"The {high} is bigger than the {low}.")
    a, b = several(rng, [order[small], order[large]], 2)
    bigger = rng.random() < 0.5
    question = f"Is the {a} bigger than the {b}?" if bigger else f"Does the {a} fit in the {b}?"
    return sentences, question, "yes" if (a == order[large]) == bigger else "no", sorted((i, j))


_IN_ORDER = (
    single_supporting_fact, two_supporting_facts, two_arg_relations, counting, lists_sets, conjunction, time_reasoning,
    basic_deduction, basic_induction, positional_reasoning, size_reasoning,
)  # fmt: skip
_MAKERS = dict(zip(CATEGORIES["babi"], _IN_ORDER, strict=True))
