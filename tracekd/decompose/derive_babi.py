"""bAbI by rules: the task type from story and question, then a small reader for each of the 11 types."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence

from tracekd.decompose.derivation import Derivation, Step
from tracekd.decompose.derive_story import before, carrying, read_story, where_person, where_thing

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
    for pattern, reader in _QUESTIONS:
        if match := pattern.match(question):
            return reader(context, *match.groups())
    return Derivation(None, (), (), underivable="the question has none of the forms of the 11 task types")


def _story(reader: Callable, category: str) -> Callable:
    """Make a reader that first reads the story."""

    def read(context: Sequence[str], *names: str) -> Derivation:
        world = read_story(context)
        if isinstance(world, str):
            return Derivation(category, (), (), underivable=f"the sentence {world!r} has none of the known forms")
        return reader(world, *names, category)

    return read


def _where(context: Sequence[str], person: str) -> Derivation:
    """Two people in one sentence make it a conjunction; the question is the same."""
    together = any(" and " in sentence for sentence in context)
    return _story(where_person, "conjunction" if together else "single-supporting-fact")(context, person)


def _two_arguments(context: Sequence[str], subject: str | None, direction: str, other: str | None) -> Derivation:
    """Which place is in a direction of ``other``, or of which place ``subject`` is so; the unknown one is empty."""
    for i, sentence in enumerate(context):
        if not (match := _PLACED.match(sentence)):
            continue
        one, way, two = match.groups()
        for a, d, b in ((one, way, two), (two, _OPPOSITE[way], one)):
            if d == direction and (a == subject if subject else b == other):
                step = Step("place", f"The {a} is {d} of the {b}.", (i,))
                return Derivation("two-arg-relations", (i,), (b if subject else a,), (step,))
    return Derivation("two-arg-relations", (), (), underivable=f"no sentence says what is {direction} of it")


def _deduction(context: Sequence[str], name: str) -> Derivation:
    """X is a cat, cats are afraid of mice: X is afraid of mice."""
    kinds = {m[1].lower(): (m[2], i) for i, s in enumerate(context) if (m := _KIND.match(s))}
    fears = {_one(m[1]): (_one(m[2]), i) for i, s in enumerate(context) if (m := _FEARS.match(s))}
    kind, said = kinds.get(name.lower(), (None, -1))
    if kind not in fears:
        return Derivation("basic-deduction", (), (), underivable=f"no sentence says what {name}'s kind fears")
    fear, rule = fears[kind]
    steps = (
        Step("kind", f"{name} is a {kind}.", (said,)),
        Step("rule", f"Every {kind} fears every {fear}.", (rule,)),
    )
    return Derivation("basic-deduction", tuple(sorted((said, rule))), (fear,), steps)


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
        return Derivation("basic-induction", (), (), underivable=f"nobody of {name}'s kind has a colour")
    _, other = max(alike)
    colour, seen = colours[other]
    evidence = tuple(sorted({said, kinds[other][1], seen}))
    steps = (
        Step("kind", f"{name} is a {kind}.", (said,)),
        Step("example", f"{other} is a {kind}, too, and is {colour}.", (kinds[other][1], seen)),
    )
    return Derivation("basic-induction", evidence, (colour,), steps)


def _positions(context: Sequence[str], one: str, relation: str, two: str) -> Derivation:
    """Put every shape on a grid, one step a sentence, and compare the two that are asked about."""
    links: dict[str, list] = {}
    for i, sentence in enumerate(context):
        if match := _POSITION.match(sentence):
            a, (x, y), b = match[1], _SHIFT[match[2]], match[3]
            links.setdefault(b, []).append((a, (x, y), i))
            links.setdefault(a, []).append((b, (-x, -y), i))
    path = _path(links, two, one)
    if path is None:
        return Derivation("positional-reasoning", (), (), underivable="the two shapes are not linked by sentences")
    x, y = (sum(shift[axis] for _, shift, _ in path) for axis in (0, 1))
    wanted = _SHIFT[relation]
    answer = "yes" if x * wanted[0] + y * wanted[1] > 0 else "no"
    steps = [Step("link", f"The {name} lies {shift} from there.", (i,)) for name, shift, i in path]
    steps.append(Step("compare", f"The {one} lies ({x}, {y}) from the {two}: {answer}.", ()))
    return Derivation("positional-reasoning", tuple(sorted({i for *_, i in path})), (answer,), tuple(steps))


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
            steps = tuple(Step("link", f"The {high} is bigger than the {low}.", (i,)) for high, low, i in path)
            return Derivation("size-reasoning", tuple(sorted({i for *_, i in path})), (answer,), steps)
    return Derivation("size-reasoning", (), (), underivable="no chain of sentences links the two sizes")


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


_QUESTIONS = tuple(
    (re.compile(pattern + "$"), reader)
    for pattern, reader in (
        (r"Where is the (\w+)\?", _story(where_thing, "two-supporting-facts")),
        (r"Where is (\w+)\?", _where),
        (r"Where was (\w+) before the (\w+)\?", _story(before, "time-reasoning")),
        (r"How many objects is (\w+) carrying\?", _story(carrying, "counting")),
        (r"What is (\w+) carrying\?", _story(carrying, "lists-sets")),
        (r"What colou?r is (\w+)\?", _induction),
        (r"What is (\w+) afraid of\?", _deduction),
        (
            r"What is (north|south|east|west) of the (\w+)\?",
            lambda context, *names: _two_arguments(context, None, *names),
        ),
        (
            r"What is the (\w+) (north|south|east|west) of\?",
            lambda context, *names: _two_arguments(context, *names, None),
        ),
        (r"Does the (.+) fit in the (.+)\?", _sizes),
        (r"Is the (.+) bigger than the (.+)\?", lambda context, big, small: _sizes(context, small, big)),
        (r"Is the (.+) (above|below|to the left of|to the right of) the (.+)\?", _positions),
    )
)
