"""bAbI by rules: the task type from story and question, then a small reader for each of the 11 types.

Stories of people who move and carry things are read sentence by sentence into a ``World``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tracekd.decompose.derive import Derivation, Step, none

_TIMES = ("yesterday", "this morning", "this afternoon", "this evening")
_WHEN = "|".join(_TIMES)
_MOVE = re.compile(
    rf"(?:({_WHEN}) )?(\w+)(?: and (\w+))? (?:went back|moved|went|travelled|journeyed) to the (\w+)(?: ({_WHEN}))?\.",
    re.IGNORECASE,
)
_TAKE = re.compile(r"(\w+) (?:took|picked up|grabbed|got) the (\w+)(?: there)?\.")
_DROP = re.compile(r"(\w+) (?:discarded|dropped|put down|left) the (\w+)(?: there)?\.")
_GIVE = re.compile(r"(\w+) (?:handed|gave|passed) the (\w+) to (\w+)\.")
_NUMBERS = ("none", "one", "two", "three", "four", "five", "six")
# Plurals of the animals in bAbI's deduction stories that do not just add "s".
_SINGULAR = {"mice": "mouse", "wolves": "wolf", "sheep": "sheep"}
_OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}
_SHIFT = {"above": (0, 1), "below": (0, -1), "to the left of": (-1, 0), "to the right of": (1, 0)}
_PLACED = re.compile(r"The (\w+) is (north|south|east|west) of the (\w+)\.")
_KIND = re.compile(r"(\w+) is an? (\w+)\.")
_COLOUR = re.compile(r"(\w+) is (\w+)\.")
_FEARS = re.compile(r"(\w+) are afraid of (\w+)\.")
_POSITION = re.compile(r"The (.+) is (above|below|to the left of|to the right of) the (.+)\.")
_INSIDE = re.compile(r"The (.+) fits inside the (.+)\.")
_BIGGER = re.compile(r"The (.+) is bigger than the (.+)\.")


def derive(context: Sequence[str], question: str) -> Derivation:
    """Name the task type, the answer, and the sentences that the answer rests on."""
    for pattern, reader in _QUESTIONS.items():
        if match := re.fullmatch(pattern, question):
            return reader(context, *match.groups())
    return none(None, "the question has none of the forms of the 11 task types")


@dataclass
class World:
    """Where everyone is and who holds what, after the sentences read so far; sentences by their index."""

    at: dict[str, tuple[str, int]] = field(default_factory=dict)  # person: place, sentence
    held: dict[str, tuple[str, int]] = field(default_factory=dict)  # thing: person, sentence
    left: dict[str, tuple[str | None, int, int]] = field(default_factory=dict)  # thing: place, move, sentence
    moves: list[tuple[str, str, str, int]] = field(default_factory=list)  # person, place, time of day, sentence
    handled: dict[str, list[int]] = field(default_factory=dict)  # person: sentences in which they handle a thing
    steps: list[Step] = field(default_factory=list)  # one per sentence


def _found(category: str, answer: str, *steps: Step) -> Derivation:
    """A derivation whose evidence is all that its steps use."""
    return Derivation(category, tuple(sorted({i for step in steps for i in step.facts})), (answer,), steps)


# What a story says to a question: the sentences, the answers and the reason in words; or why it says nothing.
Found = tuple[tuple[int, ...], tuple[str, ...], str] | str


def _story(reader: Callable[..., Found], category: str) -> Callable[..., Derivation]:
    """Make a reader of sentences from a reader of the story's world."""

    def read(context: Sequence[str], *names: str) -> Derivation:
        world = World()
        for i, sentence in enumerate(context):
            if match := _MOVE.match(sentence):
                _move(world, i, *match.groups())
            elif match := _TAKE.match(sentence):
                _hand_over(world, i, None, match[2], match[1])
            elif match := _DROP.match(sentence):
                _hand_over(world, i, match[1], match[2], None)
            elif match := _GIVE.match(sentence):
                _hand_over(world, i, *match.groups())
            else:
                return none(category, f"the sentence {sentence!r} has none of the known forms")
        if isinstance(found := reader(world, *names), str):
            return none(category, found, world.steps)
        facts, answers, text = found
        evidence = tuple(sorted(set(facts)))
        return Derivation(category, evidence, answers, (*world.steps, Step("answer", text, evidence)))

    return read


def _move(world: World, i: int, before: str, one: str, two: str, place: str, after: str) -> None:
    when = (before or after or "").lower()
    for person in filter(None, (one, two)):
        world.at[person] = (place, i)
        world.moves.append((person, place, when, i))
    people = f"{one} and {two} are" if two else f"{one} is"
    world.steps.append(Step("move", f"{people} in the {place}{', ' + when if when else ''}.", (i,)))


def _hand_over(world: World, i: int, giver: str | None, thing: str, taker: str | None) -> None:
    """A thing changes hands: taken without a giver, put down without a taker."""
    for person in filter(None, (giver, taker)):
        world.handled.setdefault(person, []).append(i)
    if taker:
        world.held[thing] = (taker, i)
        text = f"{taker} holds the {thing}" + (f", {giver} no longer does" if giver else "")
    else:
        place, seen = world.at.get(giver, (None, -1))
        world.held.pop(thing, None)
        world.left[thing] = (place, seen, i)
        text = f"{giver} no longer holds the {thing}"
    world.steps.append(Step("give" if giver and taker else "take" if taker else "drop", f"{text}.", (i,)))


def _where_person(world: World, person: str) -> Found:
    """Where a person is: the place of their last move."""
    if person not in world.at:
        return f"no sentence says where {person} is"
    place, i = world.at[person]
    return (i,), (place,), f"{person}'s last move is to the {place}."


def _where_thing(world: World, thing: str) -> Found:
    """Where a thing is: with the one who holds it, or where it was put down."""
    if thing in world.held:
        person, taken = world.held[thing]
        if person not in world.at:
            return f"no sentence says where {person}, who holds the {thing}, is"
        place, i = world.at[person]
        return (taken, i), (place,), f"{person} holds the {thing} and is in the {place}."
    place, seen, dropped = world.left.get(thing, (None, -1, -1))
    if place is None:
        return f"no sentence says where the {thing} is"
    return (seen, dropped), (place,), f"The {thing} was put down in the {place}."


def _carrying(world: World, person: str, count: bool = False) -> Found:
    """What a person holds, or how many things."""
    things = [thing for _, thing in sorted((i, thing) for thing, (who, i) in world.held.items() if who == person)]
    if not (events := tuple(world.handled.get(person, ()))):
        return f"no sentence says what {person} holds"
    answers = tuple(things) or ("nothing",)
    if count:
        answers = (_NUMBERS[len(things)] if len(things) < len(_NUMBERS) else str(len(things)),)
    held = " and ".join(f"the {thing}" for thing in things) or "nothing"
    return events, answers, f"In the end {person} holds {held}."


def _before(world: World, person: str, place: str) -> Found:
    """Where a person was before the last time they were in a place, by time of day."""
    own = [(when, where, i) for who, where, when, i in world.moves if who == person]
    if any(when not in _TIMES for when, _, _ in own):
        return f"a move of {person} has no time of day"
    own.sort(key=lambda move: _TIMES.index(move[0]))  # stable: within one time of day in the story's order
    visits = [k for k, (_, where, _) in enumerate(own) if where == place]
    if not visits or not visits[-1]:
        return f"no sentence says where {person} was before the {place}"
    (when, where, first), (_, _, second) = own[visits[-1] - 1], own[visits[-1]]
    return (first, second), (where,), f"{person} was in the {where} {when}, then the {place}."


def _where(context: Sequence[str], person: str) -> Derivation:
    """Two people in one sentence make it a conjunction; the question is the same."""
    together = any(" and " in sentence for sentence in context)
    return _story(_where_person, "conjunction" if together else "single-supporting-fact")(context, person)


def _two_arguments(context: Sequence[str], subject: str | None, direction: str, other: str | None) -> Derivation:
    """Which place is in a direction of ``other``, or of which place ``subject`` is so; the unknown one is empty."""
    for i, sentence in enumerate(context):
        if not (match := _PLACED.match(sentence)):
            continue
        one, way, two = match.groups()
        for a, d, b in ((one, way, two), (two, _OPPOSITE[way], one)):
            if d == direction and (a == subject if subject else b == other):
                step = Step("place", f"The {a} is {d} of the {b}.", (i,))
                return _found("two-arg-relations", b if subject else a, step)
    return none("two-arg-relations", f"no sentence says what is {direction} of it")


def _deduction(context: Sequence[str], name: str) -> Derivation:
    """X is a cat, cats are afraid of mice: X is afraid of mice."""
    kinds = {m[1].lower(): (m[2], i) for i, s in enumerate(context) if (m := _KIND.match(s))}
    fears = {_one(m[1]): (_one(m[2]), i) for i, s in enumerate(context) if (m := _FEARS.match(s))}
    kind, said = kinds.get(name.lower(), (None, -1))
    if kind not in fears:
        return none("basic-deduction", f"no sentence says what {name}'s kind fears")
    fear, rule = fears[kind]
    first = Step("kind", f"{name} is a {kind}.", (said,))
    return _found("basic-deduction", fear, first, Step("rule", f"Every {kind} fears every {fear}.", (rule,)))


def _one(plural: str) -> str:
    plural = plural.lower()
    ending = "es" if plural.endswith(("xes", "ches", "shes", "sses")) else "s"
    return _SINGULAR.get(plural) or plural.removesuffix(ending)


def _induction(context: Sequence[str], name: str) -> Derivation:
    """X is a frog, Y is a green frog: X is green, too; the Y mentioned last counts."""
    kinds = {m[1]: (m[2], i) for i, s in enumerate(context) if (m := _KIND.match(s))}
    colours = {m[1]: (m[2], i) for i, s in enumerate(context) if (m := _COLOUR.match(s))}
    kind, said = kinds.get(name, (None, -1))
    alike = [(max(i, colours[who][1]), who) for who, (k, i) in kinds.items() if k == kind and who in colours]
    if kind is None or not alike:
        return none("basic-induction", f"nobody of {name}'s kind has a colour")
    _, other = max(alike)
    colour, seen = colours[other]
    example = Step("example", f"{other} is a {kind}, too, and is {colour}.", (kinds[other][1], seen))
    return _found("basic-induction", colour, Step("kind", f"{name} is a {kind}.", (said,)), example)


def _positions(context: Sequence[str], one: str, relation: str, two: str) -> Derivation:
    """Put every shape on a grid, one step a sentence, and compare the two that are asked about."""
    links: dict[str, list] = {}
    for i, sentence in enumerate(context):
        if match := _POSITION.match(sentence):
            a, (x, y), b = match[1], _SHIFT[match[2]], match[3]
            links.setdefault(b, []).append((a, (x, y), i))
            links.setdefault(a, []).append((b, (-x, -y), i))
    if (path := _path(links, two, one)) is None:
        return none("positional-reasoning", "the two shapes are not linked by sentences")
    x, y = (sum(shift[axis] for _, shift, _ in path) for axis in (0, 1))
    wanted = _SHIFT[relation]
    answer = "yes" if x * wanted[0] + y * wanted[1] > 0 else "no"
    steps = [Step("link", f"The {name} lies {shift} from there.", (i,)) for name, shift, i in path]
    end = Step("compare", f"The {one} lies ({x}, {y}) from the {two}: {answer}.")
    return _found("positional-reasoning", answer, *steps, end)


def _sizes(context: Sequence[str], small: str, big: str) -> Derivation:
    """Is ``small`` smaller than ``big``: yes along a chain of sentences up, no along a chain down.

    bAbI's evidence is a chain of two sentences even where one sentence says it outright, so chains of two come first.
    """
    bigger: dict[str, list] = {}
    for i, sentence in enumerate(context):
        if match := _INSIDE.match(sentence) or _BIGGER.match(sentence):
            low, high = match.groups() if "fits" in sentence else match.groups()[::-1]
            bigger.setdefault(low, []).append((high, low, i))
    for start, end, answer in ((small, big, "yes"), (big, small, "no")):
        two = [[one, up] for one in bigger.get(start, ()) for up in bigger.get(one[0], ()) if up[0] == end]
        earliest = min(two, key=lambda chain: min(i for *_, i in chain), default=None)
        if path := earliest or _path(bigger, start, end):
            steps = (Step("link", f"The {high} is bigger than the {low}.", (i,)) for high, low, i in path)
            return _found("size-reasoning", answer, *steps)
    return none("size-reasoning", "no chain of sentences links the two sizes")


def _path(links: dict[str, list], start: str, end: str) -> list | None:
    """The shortest chain of links from ``start`` to ``end``, breadth first; earlier sentences first."""
    seen, todo = {start}, deque([(start, [])])
    while todo:
        here, path = todo.popleft()
        if here == end:
            return path
        for link in links.get(here, ()):
            if link[0] not in seen:
                seen.add(link[0])
                todo.append((link[0], [*path, link]))
    return None


_QUESTIONS = {
    r"Where is the (\w+)\?": _story(_where_thing, "two-supporting-facts"),
    r"Where is (\w+)\?": _where,
    r"Where was (\w+) before the (\w+)\?": _story(_before, "time-reasoning"),
    r"How many objects is (\w+) carrying\?": _story(partial(_carrying, count=True), "counting"),
    r"What is (\w+) carrying\?": _story(_carrying, "lists-sets"),
    r"What colou?r is (\w+)\?": _induction,
    r"What is (\w+) afraid of\?": _deduction,
    r"What is (?:the (\w+) )?(north|south|east|west) of(?: the (\w+))?\?": _two_arguments,
    r"Does the (.+) fit in the (.+)\?": _sizes,
    r"Is the (.+) bigger than the (.+)\?": lambda context, big, small: _sizes(context, small, big),
    r"Is the (.+) (above|below|to the left of|to the right of) the (.+)\?": _positions,
}
