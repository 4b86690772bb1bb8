"""bAbI by rules: the question's form gives the task type, and a small reader for each of the 11 types the answer."""

import math
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise

from tracekd.decompose.derive import Derivation, Step, none

_TIMES = ("yesterday", "this morning", "this afternoon", "this evening")
_WHEN = "|".join(_TIMES)
_MOVE = re.compile(
    rf"(?:({_WHEN}) )?(\w+)(?: and (\w+))? (?:went back|moved|went|travelled|journeyed) to the (\w+)(?: ({_WHEN}))?\.",
    re.IGNORECASE,
)
# Step, form, and what then holds of the thing.
_HANDS = (
    ("take", r"(?P<taker>\w+) (?:took|picked up|grabbed|got) the (?P<thing>\w+)", "{taker} holds the {thing}."),
    ("drop", r"(?P<giver>\w+) (?:discarded|dropped|put down|left) the (?P<thing>\w+)",
     "{giver} no longer holds the {thing}."),
    ("give", r"(?P<giver>\w+) (?:handed|gave|passed) the (?P<thing>\w+) to (?P<taker>\w+)",
     "{taker} holds the {thing}, {giver} no longer does."),
)  # fmt: skip
_WAY = "above|below|to the left of|to the right of"
_NUMBERS = ("none", "one", "two", "three", "four", "five", "six")
# Plurals of the animals in bAbI's deduction stories that do not just add "s".
_SINGULAR = {"mice": "mouse", "wolves": "wolf", "sheep": "sheep", "foxes": "fox"}
_OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}
_SHIFT = {"above": (0, 1), "below": (0, -1), "to the left of": (-1, 0), "to the right of": (1, 0)}

# What a reader finds: answers, the sentences they rest on (none where nothing is said), and why in words.
Found = tuple[tuple[str, ...], Iterable[int], str]
Moves = list[tuple[int, str, str, str]]  # sentence, person, place, time of day
Hands = list[tuple[int, str | None, str, str | None]]  # sentence, giver (None: taken), thing, taker (None: put down)


def derive(context: Sequence[str], question: str) -> Derivation:
    """Name the task type, the answer, and the sentences that the answer rests on."""
    forms = ((category, re.fullmatch(pattern, question), reader) for pattern, (category, reader) in _FORMS.items())
    category, match, reader = next((form for form in forms if form[1]), (None, None, None))
    if match is None:
        return none(None, "the question has none of the forms of the 11 task types")
    if category == "single-supporting-fact" and any(" and " in sentence for sentence in context):
        category = "conjunction"  # the question is the same
    read, steps = [context], []
    if reader in (_where, _before, _count, _carrying):
        *read, steps, unknown = _story(context)
        if unknown:
            return none(category, f"the sentence {unknown!r} has none of the known forms")
    try:
        answers, evidence, text = reader(*read, *match.groups())
    except (LookupError, ValueError):
        evidence = ()
    if not (evidence := tuple(sorted(set(evidence)))):
        return none(category, "no sentences say what is asked for", steps)
    return Derivation(category, evidence, answers, (*steps, Step("answer", text, evidence)))


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
        said = ((kind, re.match(rf"{form}(?: there)?\.", sentence), text) for kind, form, text in _HANDS)
        kind, match, text = next((form for form in said if form[1]), (None, None, None))
        if match is None:
            return [], [], [], sentence
        hands.append((i, *map(match.groupdict().get, ("giver", "thing", "taker"))))
        steps.append(Step(kind, text.format(**match.groupdict()), (i,)))
    return moves, hands, steps, ""


def _where(moves: Moves, hands: Hands, name: str) -> Found:
    """Where a person last went; where the one who holds a thing is, or where it was put down."""
    i, giver, _, taker = next((hand for hand in reversed(hands) if hand[2] == name), (None, None, name, name))
    holder, end = (taker, math.inf) if taker else (giver, i)  # put down: where its holder was by then
    *_, (seen, place) = ((k, where) for k, who, where, _ in moves if who == holder and k < end)
    text = f"{taker} is" if taker else f"The {name} was put down"
    return (place,), (seen,) if i is None else (seen, i), f"{text} in the {place}."


def _carrying(moves: Moves, hands: Hands, person: str, count: bool = False) -> Found:
    """What a person holds, or how many things."""
    last = {thing: (i, taker) for i, _, thing, taker in hands}
    things = [thing for (_, taker), thing in sorted((end, thing) for thing, end in last.items() if end[1] == person)]
    text = f"In the end {person} holds {' and '.join(f'the {thing}' for thing in things) or 'nothing'}."
    number = _NUMBERS[len(things)] if len(things) < len(_NUMBERS) else str(len(things))
    events = [i for i, giver, _, taker in hands if person in (giver, taker)]
    return (number,) if count else tuple(things) or ("nothing",), events, text


def _before(moves: Moves, hands: Hands, person: str, place: str) -> Found:
    """Where a person was before the last time they were in a place, by time of day."""
    own = sorted((_TIMES.index(when), i, where) for i, who, where, when in moves if who == person)
    (_, first, where), (_, second, _) = [pair for pair in pairwise(own) if pair[1][2] == place][-1]
    return (where,), (first, second), f"{person} was in the {where}, then in the {place}."


def _said(context: Sequence[str], form: str) -> list[tuple]:
    """The sentences of a form: index, and what its groups hold."""
    return [(i, *match.groups()) for i, sentence in enumerate(context) if (match := re.match(form, sentence))]


def _rooms(context: Sequence[str], subject: str | None, direction: str, other: str | None) -> Found:
    """Which place is in a direction of ``other``, or of which place ``subject`` is so; the unknown one is empty."""
    said = _said(context, r"The (\w+) is (north|south|east|west) of the (\w+)\.")
    both = [fact for i, one, way, two in said for fact in ((i, one, way, two), (i, two, _OPPOSITE[way], one))]
    both = [fact for fact in both if fact[2] == direction and subject in (None, fact[1]) and other in (None, fact[3])]
    i, one, way, two = both[0]
    return (two if subject else one,), (i,), f"The {one} is {way} of the {two}."


def _deduction(context: Sequence[str], name: str) -> Found:
    """X is a cat, cats are afraid of mice: X is afraid of mice."""
    kinds = {who.lower(): (kind, i) for i, who, kind in _said(context, r"(\w+) is an? (\w+)\.")}
    fears = {_one(kind): (_one(fear), i) for i, kind, fear in _said(context, r"(\w+) are afraid of (\w+)\.")}
    kind, said = kinds[name.lower()]
    fear, rule = fears[kind]
    return (fear,), (said, rule), f"{name} is a {kind}, and every {kind} fears every {fear}."


def _one(plural: str) -> str:
    return _SINGULAR.get(plural.lower()) or plural.lower().removesuffix("s")


def _induction(context: Sequence[str], name: str) -> Found:
    """X is a frog, Y is a green frog: X is green, too; the Y mentioned last counts."""
    kinds = {who: (kind, i) for i, who, kind in _said(context, r"(\w+) is an? (\w+)\.")}
    colours = {who: (colour, i) for i, who, colour in _said(context, r"(\w+) is (\w+)\.")}
    kind, said = kinds[name]
    _, other = max((max(i, colours[who][1]), who) for who, (k, i) in kinds.items() if k == kind and who in colours)
    colour, seen = colours[other]
    return (colour,), (said, kinds[other][1], seen), f"{name} is a {kind}; so is {other}, who is {colour}."


def _positions(context: Sequence[str], one: str, relation: str, two: str) -> Found:
    """Put every shape on a grid, one step a sentence, and compare the two that are asked about."""
    links = defaultdict(list)
    for i, a, way, b in _said(context, rf"The (.+) is ({_WAY}) the (.+)\."):
        x, y = _SHIFT[way]
        links[b].append((a, i, x, y))
        links[a].append((b, i, -x, -y))
    path = _path(links, two, one)
    x, y = (sum(link[axis] for link in path) for axis in (2, 3))
    answer = "yes" if x * _SHIFT[relation][0] + y * _SHIFT[relation][1] > 0 else "no"
    return (answer,), [link[1] for link in path], f"The {one} lies ({x}, {y}) from the {two}: {answer}."


def _sizes(context: Sequence[str], small: str, big: str) -> Found:
    """Whether a chain of sentences leads up or down; gold has a chain of two even where one sentence says it."""
    bigger = defaultdict(list)
    for i, one, way, two in _said(context, r"The (.+) (fits inside|is bigger than) the (.+)\."):
        low, high = (one, two) if way == "fits inside" else (two, one)
        bigger[low].append((high, i))
    chains = {}
    for start, end, answer in ((big, small, "no"), (small, big, "yes")):
        two = [[one, up] for one in bigger[start] for up in bigger[one[0]] if up[0] == end]
        if path := min(two, key=lambda chain: min(i for _, i in chain), default=_path(bigger, start, end)):
            chains[answer] = [i for _, i in path]
    answer = max(chains)
    return (answer,), chains[answer], f"Is the {small} smaller than the {big}? {answer}."


def _path(links: dict[str, list], start: str, end: str) -> list:
    """The shortest chain of links from ``start`` to ``end``, breadth first; earlier sentences first; [] for none."""
    seen, todo = {start}, deque([(start, [])])
    while todo:
        here, path = todo.popleft()
        if here == end:
            return path
        new = [link for link in links[here] if link[0] not in seen]
        seen.update(link[0] for link in new)
        todo.extend((link[0], [*path, link]) for link in new)
    return []


_count = partial(_carrying, count=True)
# The question's form to task type and reader, whose last arguments are the form's groups.
_FORMS = {
    r"Where is the (\w+)\?": ("two-supporting-facts", _where),
    r"Where is (\w+)\?": ("single-supporting-fact", _where),
    r"Where was (\w+) before the (\w+)\?": ("time-reasoning", _before),
    r"How many objects is (\w+) carrying\?": ("counting", _count),
    r"What is (\w+) carrying\?": ("lists-sets", _carrying),
    r"What colou?r is (\w+)\?": ("basic-induction", _induction),
    r"What is (\w+) afraid of\?": ("basic-deduction", _deduction),
    r"What is (?:the (\w+) )?(north|south|east|west) of(?: the (\w+))?\?": ("two-arg-relations", _rooms),
    r"Does the (.+) fit in the (.+)\?": ("size-reasoning", _sizes),
    r"Is the (.+) bigger than the (.+)\?": ("size-reasoning", lambda context, big, small: _sizes(context, small, big)),
    rf"Is the (.+) ({_WAY}) the (.+)\?": ("positional-reasoning", _positions),
}
