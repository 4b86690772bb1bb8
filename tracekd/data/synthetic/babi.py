"""Generated bAbI stories of all 11 task types.

Each maker returns sentences, question, answer (several joined by commas) and the indices of the supporting sentences,
all computed from the planted world; the question is always the first of its story.
"""

from functools import partial
from itertools import combinations

from tracekd.data.synthetic.draws import VOCABULARY, Draws, between, pick, several

Story = tuple[list[str], str, str, list[int]]

_WORDS = VOCABULARY["babi"]
_PEOPLE, _PLACES, _OBJECTS, _NAMES = (_WORDS[name] for name in ("people", "places", "objects", "names"))
_OPPOSITE, _PLURALS = _WORDS["opposite"], _WORDS["plurals"]
_OFFSETS = {"above": (0, 1), "below": (0, -1), "to the left of": (-1, 0), "to the right of": (1, 0)}


def make(category: str, rng: Draws) -> dict:
    """One story of a task type as the parts of a ``Problem``: context, question, answers, evidence."""
    while True:
        sentences, question, answer, evidence = _MAKERS[category](rng)
        # A supporting sentence that comes twice would leave open which of the two supports.
        if all(sentences.count(sentences[i]) == 1 for i in evidence):
            break
    answers, evidence = tuple(answer.split(",")), tuple(sorted(evidence))
    return {"context": tuple(sentences), "question": question, "answers": answers, "evidence": evidence}


def _act(rng, who: str, verbs: str, what: str) -> str:
    return f"{who} {pick(rng, _WORDS[verbs])} the {what}."


def _shuffled(rng, sentences: list[str], marked: list[int]) -> tuple[list[str], list[int]]:
    """The sentences in a drawn order, and where those at the indices ``marked`` are now."""
    order = several(rng, range(len(sentences)))
    return [sentences[i] for i in order], [order.index(i) for i in marked]


def _person(rng, together: int) -> Story:
    """Two moves of so many people together; the last one of the person asked for decides."""
    casts, where = [several(rng, _PEOPLE, together) for _ in range(2)], several(rng, _PLACES, 2)
    asked = pick(rng, casts[0] + casts[1])
    fact = int(asked in casts[1])
    sentences = [_act(rng, " and ".join(cast), "moves", place) for cast, place in zip(casts, where, strict=True)]
    return sentences, f"Where is {asked}?", where[fact], [fact]


def _thing(rng) -> Story:
    """Someone takes a thing, goes on and perhaps leaves it there, which ends the story; another does so meanwhile."""
    where, paths = several(rng, _PLACES, 4), []
    for k, (who, what) in enumerate(zip(several(rng, _PEOPLE, 2), things := several(rng, _OBJECTS, 2), strict=True)):
        steps = ("moves", where[k]), ("grabs", what), ("moves", where[k + 2]), ("drops", what)
        paths.append([_act(rng, who, *step) for step in steps])
    own, other = paths[0][between(rng, 0, 1) : between(rng, 3, 4)], paths[1][: between(rng, 0, 4)]
    last = len(own) + len(other) - 1
    turns = [*sorted(several(rng, range(last), len(own) - 1)), last]
    sentences = [(own if i in turns else other).pop(0) for i in range(last + 1)]
    return sentences, f"Where is the {things[0]}?", where[2], turns[-2:]


def _carrying(rng, count: bool) -> Story:
    """Moves, then two sentences that decide what one person carries, or how many things: none, one or two."""
    (who, other), (what, second), draw = several(rng, _PEOPLE, 2), several(rng, _OBJECTS, 2), rng.random()
    stray = [_act(rng, pick(rng, _PEOPLE), "moves", pick(rng, _PLACES)) for _ in range(pick(rng, (1, 1, 3, 5, 9)))]
    sentences, evidence = [_act(rng, who, "grabs", what)], [0, 1]
    if draw < 0.2:
        things = [] if draw < 0.15 else [what, second]
        given = f"{who} {pick(rng, _WORDS['hands'])} the {what} to {other}."
        gone = pick(rng, (given, _act(rng, who, "drops", what)))
        sentences.append(_act(rng, who, "grabs", second) if things else gone)
    else:
        things, rest = [what], pick(rng, (stray[0], _act(rng, other, "grabs", second)))
        sentences, evidence = _shuffled(rng, [*sentences, rest], [0])
    number, names = ("none", "one", "two")[len(things)], ",".join(things) or "nothing"
    asked = (f"How many objects is {who} carrying?", number) if count else (f"What is {who} carrying?", names)
    return stray[1:] + sentences, *asked, [len(stray) - 1 + place for place in evidence]


def _times(rng) -> Story:
    """Moves at times of day in shuffled order; asked is the place before a person's last one."""
    cast, sentences = several(rng, _PEOPLE, between(rng, 1, 3)), []
    for who in reversed(cast):
        visits = several(rng, _WORDS["outdoors"], between(rng, 2, 3))
        for when, place in zip(_WORDS["day"], visits, strict=False):
            move = _act(rng, who, "moves", place)[:-1]
            sentences.append(pick(rng, (f"{when.capitalize()} {move}.", f"{move} {when}.")))
    sentences, evidence = _shuffled(rng, sentences, [len(sentences) - 2, len(sentences) - 1])
    return sentences, f"Where was {cast[0]} before the {visits[-1]}?", visits[-2], evidence


def _rooms(rng) -> Story:
    """Three rooms on a line, placed by two sentences; one names the room asked for."""
    (left, middle, right), way = several(rng, _PLACES, 3), pick(rng, ("north", "south", "east", "west"))
    facts = several(rng, [(left, way, middle), (middle, way, right)])
    facts = [pick(rng, [(a, way, b), (b, _OPPOSITE[way], a)]) for a, _, b in facts]
    subject, way, other = facts[asked := between(rng, 0, 1)]
    sentences = [f"The {a} is {d} of the {b}." for a, d, b in facts]
    forms = (f"What is {way} of the {other}?", subject), (f"What is the {subject} {way} of?", other)
    return sentences, *pick(rng, forms), [asked]


def _fears(rng) -> Story:
    """Each kind is afraid of one other kind; four animals with names, asked what one is afraid of."""
    kinds, names = several(rng, tuple(_PLURALS), 4), several(rng, _NAMES, 4)
    fears = {kind: pick(rng, [k for k in kinds if k != kind]) for kind in kinds}
    own = [pick(rng, kinds) for _ in names]
    sentences = [f"{_PLURALS[k].capitalize()} are afraid of {_PLURALS[fears[k]]}." for k in kinds]
    sentences += [f"{name} is a {kind}." for name, kind in zip(names, own, strict=True)]
    sentences, evidence = _shuffled(rng, sentences, [kinds.index(own[0]), 4])
    return sentences, f"What is {names[0].lower()} afraid of?", fears[own[0]], evidence


def _colours(rng) -> Story:
    """Five animals of which four have a colour; the fifth has that of the only other animal of its kind."""
    names, (kind, *kinds) = several(rng, _NAMES, 5), several(rng, _WORDS["kinds"], 4)
    colours, own = [pick(rng, _WORDS["colours"]) for _ in range(4)], [kind, kind, *kinds[:2], pick(rng, kinds)]
    sentences = [f"{name} is a {one}." for name, one in zip(names, own, strict=True)]
    sentences += [f"{name} is {colour}." for name, colour in zip(names[1:], colours, strict=True)]
    sentences, evidence = _shuffled(rng, sentences, [0, 1, 5])
    return sentences, f"What color is {names[0]}?", colours[0], evidence


def _positions(rng) -> Story:
    """Two shapes a step away from a third; how do the two stand to each other? On a grid, so each answer is exact."""
    (middle, *ends), ways = several(rng, _WORDS["shapes"], 3), several(rng, tuple(_OFFSETS), 2)
    sentences = [
        pick(rng, (f"The {end} is {way} the {middle}.", f"The {middle} is {_OPPOSITE[way]} the {end}."))
        for end, way in zip(ends, ways, strict=True)
    ]
    asked = pick(rng, tuple(_OFFSETS))
    holds = sum(step * (_OFFSETS[ways[0]][i] - _OFFSETS[ways[1]][i]) for i, step in enumerate(_OFFSETS[asked])) > 0
    return sentences, f"Is the {ends[0]} {asked} the {ends[1]}?", "yes" if holds else "no", [0, 1]


def _sizes(rng) -> Story:
    """Boxes in a hidden order of size; two are compared that only one chain of two sentences connects."""
    boxes, (small, middle, large) = _WORDS["boxes"], sorted(several(rng, range(6), 3))
    # No other sentence says what is smaller than the large one, so there is no second chain and no shortcut.
    pairs = [pair for pair in combinations(range(6), 2) if pair[1] != large and pair != (small, middle)]
    pairs = [(small, middle), (middle, large), *several(rng, pairs, pick(rng, (3, 3, 3, 8)))]
    forms = ("The {0} fits inside the {1}.", "The {1} is bigger than the {0}.")
    sentences = [pick(rng, forms).format(boxes[low], boxes[high]) for low, high in pairs]
    sentences, evidence = _shuffled(rng, sentences, [0, 1])
    a, b = several(rng, (small, large))
    form, holds = pick(rng, (("Is the {} bigger than the {}?", a > b), ("Does the {} fit in the {}?", a < b)))
    return sentences, form.format(boxes[a], boxes[b]), "yes" if holds else "no", evidence


_MAKERS = {
    "single-supporting-fact": partial(_person, together=1), "conjunction": partial(_person, together=2),
    "two-supporting-facts": _thing, "two-arg-relations": _rooms, "time-reasoning": _times,
    "counting": partial(_carrying, count=True), "lists-sets": partial(_carrying, count=False),
    "basic-deduction": _fears, "basic-induction": _colours, "positional-reasoning": _positions,
    "size-reasoning": _sizes,
}  # fmt: skip
