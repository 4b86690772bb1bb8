"""Generated bAbI stories about how things stand to each other: places, kinds, positions and sizes."""

from __future__ import annotations

from tracekd.data.synthetic.draws import VOCABULARY, pick, several, shuffled

# Sentences, question, answer (several joined by commas), indices of the supporting sentences.
Story = tuple[list[str], str, str, list[int]]

_WORDS = VOCABULARY["babi"]
_NAMES, _OPPOSITE = _WORDS["names"], _WORDS["opposite"]
_OFFSETS = {"above": (0, 1), "below": (0, -1), "to the left of": (-1, 0), "to the right of": (1, 0)}


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
    sentences = [_placed(rng, end, way, middle) for end, way in zip(ends, ways, strict=True)]
    first, second = several(rng, ends, 2)
    dx, dy = at[first][0] - at[second][0], at[first][1] - at[second][1]
    true = [w for w, (x, y) in _OFFSETS.items() if x * dx > 0 or y * dy > 0]
    holds = rng.random() < 0.5
    way = pick(rng, true if holds else [w for w in _OFFSETS if w not in true])
    return sentences, f"Is the {first} {way} the {second}?", "yes" if holds else "no", [0, 1]


def _placed(rng, thing: str, way: str, other: str) -> str:
    if rng.random() < 0.35:
        turned = {"above": "below", "below": "above", "to the left of": "to the right of"}.get(way, "to the left of")
        thing, way, other = other, turned, thing
    return f"The {thing} is {way} the {other}."


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
    sentences = [_sized(rng, order[a], order[b]) for a, b in pairs]
    a, b = several(rng, [(order[small]), (order[large])], 2)
    if rng.random() < 0.5:
        return sentences, f"Is the {a} bigger than the {b}?", "yes" if a == order[large] else "no", sorted((i, j))
    return sentences, f"Does the {a} fit in the {b}?", "yes" if a == order[small] else "no", sorted((i, j))


def _sized(rng, small: str, large: str) -> str:
    if rng.random() < 0.5:
        return f"The {small} fits inside the {large}."
    return f"The {large} is bigger than the {small}."


RELATIONAL = {
    "two-arg-relations": two_arg_relations,
    "basic-deduction": basic_deduction,
    "basic-induction": basic_induction,
    "positional-reasoning": positional_reasoning,
    "size-reasoning": size_reasoning,
}
