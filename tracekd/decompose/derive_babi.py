"""bAbI by rules: the question's form gives the task type, and a small reader finds the answer of each of the 11 types.

Stories of people who move and carry things are first read sentence by sentence into moves and changes of hands.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from functools import partial

from tracekd.decompose.derive import Derivation, Step, none

_TIMES = ("yesterday", "this morning", "this afternoon", "this evening")
_WHEN = "|".join(_TIMES)
_MOVE = re.compile(
    rf"(?:({_WHEN}) )?(\w+)(?: and (\w+))? (?:went back|moved|went|travelled|journeyed) to the (\w+)(?: ({_WHEN}))?\.",
    re.IGNORECASE,
)
_HANDS = (
    r"(?P<taker>\w+) (?:took|picked up|grabbed|got) the (?P<thing>\w+)(?: there)?\.",
    r"(?P<giver>\w+) (?:discarded|dropped|put down|left) the (?P<thing>\w+)(?: there)?\.",
    r"(?P<giver>\w+) (?:handed|gave|passed) the (?P<thing>\w+) to (?P<taker>\w+)\.",
)
_WAY = "above|below|to the left of|to the right of"
_NUMBERS = ("none", "one", "two", "three", "four", "five", "six")
# Plurals of the animals in bAbI's deduction stories that do not just add "s".
_SINGULAR = {"mice": "mouse", "wolves": "wolf", "sheep": "sheep"}
_OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}
_SHIFT = {"above": (0, 1), "below": (0, -1), "to the left of": (-1, 0), "to the right of": (1, 0)}

# What a reader finds: answers and the steps whose facts are the evidence; or why there is no answer.
Found = tuple[tuple[str, ...], list[Step]] | str
Moves = list[tuple[int, str, str, str]]  # sentence, person, place, time of day
Hands = list[tuple[int, str | None, str, str | None]]  # sentence, giver (None: taken), thing, taker (None: put down)


def derive(context: Sequence[str], question: str) -> Derivation:
    """Name the task type, the answer, and the sentences that the answer rests on."""
    forms = ((pattern, re.fullmatch(pattern, question)) for pattern in _OF_STORIES | _OTHERS)
    pattern, match = next((pair for pair in forms if pair[1]), (None, None))
    if match is None:
        return none(None, "the question has none of the forms of the 11 task types")
    category, reader = (_OF_STORIES | _OTHERS)[pattern]
    if category == "single-supporting-fact" and any(" and " in sentence for sentence in context):
        category = "conjunction"  # the question is the same
    read, before = [context], []
    if pattern in _OF_STORIES:
        *read, before, unknown = _story(context)
        if unknown:
            return none(category, f"the sentence {unknown!r} has none of the known forms")
    if isinstance(found := reader(*read, *match.groups()), str):
        return none(category, found, before)
    answers, steps = found
    evidence = tuple(sorted({i for step in steps for i in step.facts}))
    return Derivation(category, evidence, answers, (*before, *steps))


def _story(context: Sequence[str]) -> tuple[Moves, Hands, list[Step], str]:
    """Moves and changes of hands, a step for each sentence, and the first sentence that is neither, else ""."""
    moves, hands, steps = [], [], []
    for i, sentence in enumerate(context):
        if match := _MOVE.match(sentence):
            first, one, two, place, last = match.groups()
            when = (first or last or "").lower()
            moves += [(i, person, place, when) for person in (one, two) if person]
            people = f"{one} and {two} are" if two else f"{one} is"
            steps.append(Step("move", f"{people} in the {place}{', ' + when if when else ''}.", (i,)))
            continue
        if not (match := next(filter(None, (re.match(form, sentence) for form in _HANDS)), None)):
            return [], [], [], sentence
        giver, thing, taker = map(match.groupdict().get, ("giver", "thing", "taker"))
        hands.append((i, giver, thing, taker))
        text = f"{taker} holds the {thing}" if taker else f"{giver} no longer holds the {thing}"
        kind = ("give" if giver else "take") if taker else "drop"
        steps.append(Step(kind, f"{text}, {giver} no longer does." if kind == "give" else f"{text}.", (i,)))
    return moves, hands, steps, ""


def _last_move(moves: Moves, person: str, end: float = float("inf")) -> tuple[str | None, int]:
    """The place of a person's last move before a sentence, and its sentence."""
    return next(((place, i) for i, who, place, _ in reversed(moves) if who == person and i < end), (None, -1))


def _where_person(moves: Moves, hands: Hands, person: str) -> Found:
    """Where a person is: the place of their last move."""
    place, i = _last_move(moves, person)
    if place is None:
        return f"no sentence says where {person} is"
    return (place,), [Step("answer", f"{person}'s last move is to the {place}.", (i,))]


def _where_thing(moves: Moves, hands: Hands, thing: str) -> Found:
    """Where a thing is: with the one who holds it, or where it was put down."""
    i, giver, _, taker = next((hand for hand in reversed(hands) if hand[2] == thing), (-1, None, thing, None))
    place, seen = _last_move(moves, taker) if taker else _last_move(moves, giver, i)
    if place is None:
        return f"no sentence says where {f'{taker}, who holds the {thing},' if taker else f'the {thing}'} is"
    text = f"{taker} holds the {thing} and is" if taker else f"The {thing} was put down"
    return (place,), [Step("answer", f"{text} in the {place}.", tuple(sorted((seen, i))))]


def _carrying(moves: Moves, hands: Hands, person: str, count: bool = False) -> Found:
    """What a person holds, or how many things."""
    if not (events := tuple(i for i, giver, _, taker in hands if person in (giver, taker))):
        return f"no sentence says what {person} holds"
    last = {thing: (i, taker) for i, _, thing, taker in hands}
    things = [thing for (_, taker), thing in sorted((end, thing) for thing, end in last.items() if end[1] == person)]
    answers = tuple(things) or ("nothing",)
    if count:
        answers = (_NUMBERS[len(things)] if len(things) < len(_NUMBERS) else str(len(things)),)
    text = " and ".join(f"the {thing}" for thing in things) or "nothing"
    return answers, [Step("answer", f"In the end {person} holds {text}.", events)]


def _before(moves: Moves, hands: Hands, person: str, place: str) -> Found:
    """Where a person was before the last time they were in a place, by time of day."""
    own = [(when, where, i) for i, who, where, when in moves if who == person]
    if any(when not in _TIMES for when, *_ in own):
        return f"a move of {person} has no time of day"
    own.sort(key=lambda move: _TIMES.index(move[0]))  # stable: within one time of day in the story's order
    visits = [k for k, (_, where, _) in enumerate(own) if where == place]
    if not visits or not visits[-1]:
        return f"no sentence says where {person} was before the {place}"
    (when, where, first), (_, _, second) = own[visits[-1] - 1], own[visits[-1]]
    text = f"{person} was in the {where} {when}, then the {place}."
    return (where,), [Step("answer", text, tuple(sorted((first, second))))]


def _said(context: Sequence[str], form: str) -> list[tuple]:
    """The sentences of a form: index, and what its groups hold."""
    return [(i, *match.groups()) for i, sentence in enumerate(context) if (match := re.match(form, sentence))]


def _rooms(context: Sequence[str], subject: str | None, direction: str, other: str | None) -> Found:
    """Which place is in a direction of ``other``, or of which place ``subject`` is so; the unknown one is empty."""
    for i, one, way, two in _said(context, r"The (\w+) is (north|south|east|west) of the (\w+)\."):
        for a, d, b in ((one, way, two), (two, _OPPOSITE[way], one)):
            if d == direction and (a == subject if subject else b == other):
                return (b if subject else a,), [Step("place", f"The {a} is {d} of the {b}.", (i,))]
    return f"no sentence says what is {direction} of it"


def _deduction(context: Sequence[str], name: str) -> Found:
    """X is a cat, cats are afraid of mice: X is afraid of mice."""
    kinds = {who.lower(): (kind, i) for i, who, kind in _said(context, r"(\w+) is an? (\w+)\.")}
    fears = {_one(kind): (_one(fear), i) for i, kind, fear in _said(context, r"(\w+) are afraid of (\w+)\.")}
    kind, i = kinds.get(name.lower(), (None, -1))
    if kind not in fears:
        return f"no sentence says what {name}'s kind fears"
    fear, rule = fears[kind]
    steps = [Step("kind", f"{name} is a {kind}.", (i,)), Step("rule", f"Every {kind} fears every {fear}.", (rule,))]
    return (fear,), steps


def _one(plural: str) -> str:
    plural = plural.lower()
    ending = "es" if plural.endswith(("xes", "ches", "shes", "sses")) else "s"
    return _SINGULAR.get(plural) or plural.removesuffix(ending)


def _induction(context: Sequence[str], name: str) -> Found:
    """X is a frog, Y is a green frog: X is green, too; the Y mentioned last counts."""
    kinds = {who: (kind, i) for i, who, kind in _said(context, r"(\w+) is an? (\w+)\.")}
    colours = {who: (colour, i) for i, who, colour in _said(context, r"(\w+) is (\w+)\.")}
    kind, said = kinds.get(name, (None, -1))
    alike = [(max(i, colours[who][1]), who) for who, (k, i) in kinds.items() if k == kind and who in colours]
    if kind is None or not alike:
        return f"nobody of {name}'s kind has a colour"
    other = max(alike)[1]
    colour, seen = colours[other]
    example = Step("example", f"{other} is a {kind}, too, and is {colour}.", (kinds[other][1], seen))
    return (colour,), [Step("kind", f"{name} is a {kind}.", (said,)), example]


def _positions(context: Sequence[str], one: str, relation: str, two: str) -> Found:
    """Put every shape on a grid, one step a sentence, and compare the two that are asked about."""
    links: dict[str, list] = {}
    for i, a, way, b in _said(context, rf"The (.+) is ({_WAY}) the (.+)\."):
        x, y = _SHIFT[way]
        links.setdefault(b, []).append((a, (x, y), i))
        links.setdefault(a, []).append((b, (-x, -y), i))
    if (path := _path(links, two, one)) is None:
        return "the two shapes are not linked by sentences"
    x, y = (sum(shift[axis] for _, shift, _ in path) for axis in (0, 1))
    answer = "yes" if x * _SHIFT[relation][0] + y * _SHIFT[relation][1] > 0 else "no"
    steps = [Step("link", f"The {name} lies {shift} from there.", (i,)) for name, shift, i in path]
    return (answer,), [*steps, Step("compare", f"The {one} lies ({x}, {y}) from the {two}: {answer}.")]


def _sizes(context: Sequence[str], small: str, big: str) -> Found:
    """Is ``small`` smaller than ``big``: yes along a chain of sentences up, no along a chain down.

    bAbI's evidence is a chain of two sentences even where one sentence says it outright, so chains of two come first.
    """
    bigger: dict[str, list] = {}
    for i, one, way, two in _said(context, r"The (.+) (fits inside|is bigger than) the (.+)\."):
        low, high = (one, two) if way == "fits inside" else (two, one)
        bigger.setdefault(low, []).append((high, low, i))
    for start, end, answer in ((small, big, "yes"), (big, small, "no")):
        two = [[one, up] for one in bigger.get(start, ()) for up in bigger.get(one[0], ()) if up[0] == end]
        earliest = min(two, key=lambda chain: min(i for *_, i in chain), default=None)
        if path := earliest or _path(bigger, start, end):
            return (answer,), [Step("link", f"The {high} is bigger than the {low}.", (i,)) for high, low, i in path]
    return "no chain of sentences links the two sizes"


def _path(links: dict[str, list], start: str, end: str) -> list | None:
    """The shortest chain of links from ``start`` to ``end``, breadth first; earlier sentences first."""
    seen, todo = {start}, deque([(start, [])])
    while todo:
        here, path = todo.popleft()
        if here == end:
            return path
        new = [link for link in links.get(here, ()) if link[0] not in seen]
        seen.update(link[0] for link in new)
        todo.extend((link[0], [*path, link]) for link in new)
    return None


_OF_STORIES = {
    r"Where is the (\w+)\?": ("two-supporting-facts", _where_thing),
    r"Where is (\w+)\?": ("single-supporting-fact", _where_person),
    r"Where was (\w+) before the (\w+)\?": ("time-reasoning", _before),
    r"How many objects is (\w+) carrying\?": ("counting", partial(_carrying, count=True)),
    r"What is (\w+) carrying\?": ("lists-sets", _carrying),
}
_OTHERS = {
    r"What colou?r is (\w+)\?": ("basic-induction", _induction),
    r"What is (\w+) afraid of\?": ("basic-deduction", _deduction),
    r"What is (?:the (\w+) )?(north|south|east|west) of(?: the (\w+))?\?": ("two-arg-relations", _rooms),
    r"Does the (.+) fit in the (.+)\?": ("size-reasoning", _sizes),
    r"Is the (.+) bigger than the (.+)\?": ("size-reasoning", lambda context, big, small: _sizes(context, small, big)),
    rf"Is the (.+) ({_WAY}) the (.+)\?": ("positional-reasoning", _positions),
}
