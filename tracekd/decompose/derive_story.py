"""bAbI stories of people who move and carry things: a world that is kept sentence by sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tracekd.decompose.derivation import Derivation, Step

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


@dataclass
class World:
    """Where everyone is and who holds what, after the sentences read so far.

    Attributes:
        at: person to (place, index of the sentence that says so).
        held: thing to (person, index of the sentence that says so).
        left: thing put down to (place, move index, drop index).
        moves: (person, place, time of day, index) of every move.
        handled: person to the indices of the sentences in which they take, drop, give or receive a thing.
        steps: one per sentence.
    """

    at: dict[str, tuple[str, int]] = field(default_factory=dict)
    held: dict[str, tuple[str, int]] = field(default_factory=dict)
    left: dict[str, tuple[str | None, int, int]] = field(default_factory=dict)
    moves: list[tuple[str, str, str, int]] = field(default_factory=list)
    handled: dict[str, list[int]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)


def read_story(context: Sequence[str]) -> World | str:
    """Read every sentence into a world; the first sentence that none of the patterns fits is returned instead."""
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
            return sentence
    return world


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


def where_person(world: World, person: str, category: str) -> Derivation:
    """Where a person is: the place of their last move."""
    if person not in world.at:
        return _none(category, world, f"no sentence says where {person} is")
    place, i = world.at[person]
    return _found(category, world, (i,), (place,), f"{person}'s last move is to the {place}.")


def where_thing(world: World, thing: str, category: str) -> Derivation:
    """Where a thing is: with the one who holds it, or where it was put down."""
    if thing in world.held:
        person, taken = world.held[thing]
        if person not in world.at:
            return _none(category, world, f"no sentence says where {person}, who holds the {thing}, is")
        place, i = world.at[person]
        return _found(category, world, (taken, i), (place,), f"{person} holds the {thing} and is in the {place}.")
    place, seen, dropped = world.left.get(thing, (None, -1, -1))
    if place is None:
        return _none(category, world, f"no sentence says where the {thing} is")
    return _found(category, world, (seen, dropped), (place,), f"The {thing} was put down in the {place}.")


def carrying(world: World, person: str, category: str) -> Derivation:
    """What a person holds (``lists-sets``) or how many things (``counting``)."""
    things = [thing for _, thing in sorted((i, thing) for thing, (who, i) in world.held.items() if who == person)]
    events = tuple(world.handled.get(person, ()))
    if not events:
        return _none(category, world, f"no sentence says what {person} holds")
    answers = tuple(things) or ("nothing",)
    if category == "counting":
        answers = (_NUMBERS[len(things)] if len(things) < len(_NUMBERS) else str(len(things)),)
    held = " and ".join(f"the {thing}" for thing in things) or "nothing"
    return _found(category, world, events, answers, f"In the end {person} holds {held}.")


def before(world: World, person: str, place: str, category: str) -> Derivation:
    """Where a person was before the last time they were in a place, by time of day."""
    own = [(when, where, i) for who, where, when, i in world.moves if who == person]
    if any(when not in _TIMES for when, _, _ in own):
        return _none(category, world, f"a move of {person} has no time of day")
    own.sort(key=lambda move: _TIMES.index(move[0]))  # stable: within one time of day in the story's order
    visits = [k for k, (_, where, _) in enumerate(own) if where == place]
    if not visits or not visits[-1]:
        return _none(category, world, f"no sentence says where {person} was before the {place}")
    (when, where, first), (_, _, second) = own[visits[-1] - 1], own[visits[-1]]
    return _found(category, world, (first, second), (where,), f"{person} was in the {where} {when}, then the {place}.")


def _found(category: str, world: World, facts: tuple[int, ...], answers: tuple[str, ...], text: str) -> Derivation:
    evidence = tuple(sorted(set(facts)))
    return Derivation(category, evidence, answers, (*world.steps, Step("answer", text, evidence)))


def _none(category: str, world: World, reason: str) -> Derivation:
    return Derivation(category, (), (), tuple(world.steps), reason)
