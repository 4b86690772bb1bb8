"""CoTempQA by rules: find the event in question, intersect intervals, name the relation, collect the answers.

The data set's conventions, found on the real files. The date rules were written on the even-numbered problems of
``equal`` and ``overlap`` and of the test files, and checked on the odd ones; the two habits marked with * were read off
all problems at hand, those of the training files of ``mix`` and ``during`` among them.

* A date is compared as (year, month, day) with 0 for what is not stated: "2003" is before "January, 2003".
* Two facts are simultaneous when they share more than an end point; a fact of one date ("in 2003") is simultaneous
  with every interval that holds this date, ends included.
* ``equal``: both ends agree. ``during``: one interval holds the other, shared ends included. ``overlap``: else.
  Several facts with different relations: ``mix``.
* One date only (a habit, not logic): where the event is an interval and some candidates are single dates, the gold
  answers are those of one date, and candidates with intervals are left out: a question was made for each date, and
  one of them kept. See ``_one_date`` for when*.
* Other relations* (a habit): where the question asks about a second person and another relation than the event's, gold
  holds whatever that person was or did meanwhile, in any relation but the event's, though the question names one. Not
  where the answers are those of one date.

``habits=False`` reads every question literally instead.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tracekd.derive import Derivation, Step
from tracekd.facts import RELATIONS, Fact, parse, plain

# Past tenses in which a question names the event, by relation.
_EVENT = {
    "position": ("was holding the position of ", "held the position of "),
    "employer": ("was working for ", "worked for "),
    "member": ("was a member of the ", "was a member of "),
    "school": ("attended ", "was attending "),
    "team": ("was playing for ", "played for "),
    "owner": ("was owned by ",),
    "chair": ("was the chair of ",),
    "head": ("was the head of ",),
}
# The set's own questions all begin with "While".
_OPENING = re.compile(r"\A(?:while|whilst|when|(?:during|at) the time (?:that|when|in which)) ", re.IGNORECASE)
# The relation asked for, by the words after the event; the first that fits decides.
_ASKED = tuple(
    (re.compile(pattern), relation)
    for pattern, relation in (
        (r"which position\b|who (?:also held|was also holding) the position", "position"),
        (r"which employer\b|who (?:also worked|was also working) for", "employer"),
        (r"which political party\b|which party\b|who was also a member of", "member"),
        (r"which school\b|who (?:also attended|was also attending)", "school"),
        (r"which (?:sports |football )?team\b|who (?:also played|was also playing) for", "team"),
        (r"(?:which|who)\b.*\bowned\b|which owner\b", "owner"),
        (r"(?:which|who)\b.*\bchair\b", "chair"),
        (r"(?:which|who)\b.*\bhead\b", "head"),
    )
)

Span = tuple[int, int]
# Beginnings of reasons that others look for.
UNREAD = "a date is in a form that is not read"
NO_SHARED_TIME = "no fact of the kind asked for shares time with the event"


def derive(context: Sequence[str], question: str, habits: bool = True) -> Derivation:
    """Derive relation, facts and answers.

    Args:
        context: the facts.
        question: such as "While A worked for B, which position did C hold at the same time?".
        habits: keep to one date where the data set does (see the module's text).
    """
    try:
        facts = [parse(fact) for fact in context]
    except ValueError as error:
        return _none(str(error))
    events, rest = _events(facts, _OPENING.sub("While ", plain(question)))
    if not events:
        return _none("no fact states the event in question")
    relation = next((name for pattern, name in _ASKED if pattern.match(rest)), None)
    if relation is None:
        return _none("the question asks for no known relation")
    asked_who = rest.startswith("who")
    event = facts[events[0]]
    who = None if asked_who else _longest((plain(fact.subject) for fact in facts), rest)
    if not asked_who and who is None:
        return _none("the question asks about nobody in the context")
    second = not asked_who and who != plain(event.subject)
    wanted = set(RELATIONS) - {event.relation} if habits and second and relation != event.relation else {relation}
    named = [i for i, fact in enumerate(facts) if i not in events and fact.relation in wanted]
    if asked_who:
        named = [i for i in named if facts[i].object == event.object and facts[i].subject != event.subject]
    else:
        named = [i for i in named if plain(facts[i].subject) == who]
    if unread := next((facts[i] for i in (*events, *named) if facts[i].unread), None):
        return _none(f"{UNREAD}: {unread.unread!r} in {unread.text!r}")
    if any(facts[i].start is None for i in events):
        return _none("the event in question has no date")
    candidates = [i for i in named if facts[i].start is not None]
    kind = "O1" if asked_who else "S2" if second else "S1"
    return _compared(facts, events, candidates, relation, kind, habits)


def _compared(
    facts: list[Fact], events: list[int], candidates: list[int], relation: str, kind: str, habits: bool
) -> Derivation:
    """Compare every candidate with the event, and collect those that share time with it."""
    steps = [_event_step(facts, i) for i in events]
    shared = {}
    for i in candidates:
        name, by = _relation(facts, events, i)
        steps.append(_compare_step(facts, by, i, name))
        if name:
            shared[i] = name
    event = facts[events[0]]
    if habits:
        shared = _other_relations(facts, event, shared, relation)
    if habits and len(events) == 1:
        kept = _one_date(facts, event, shared, kind)
        if len(kept) < len(shared):
            steps.append(Step("habit", "The data set keeps the facts of one date only.", tuple(kept)))
        shared = kept
    if not shared:
        return _none(NO_SHARED_TIME, steps)
    return _result(facts, shared, kind == "O1", steps)


def _result(facts: list[Fact], shared: dict[int, str], asked_who: bool, steps: list[Step]) -> Derivation:
    slots = [fact.subject if asked_who else fact.object for fact in facts]
    answers = tuple(dict.fromkeys(slots[i] for i in shared))
    # A fact that gives an answer counts as evidence wherever it stands: that is how the gold facts are defined.
    evidence = tuple(i for i, slot in enumerate(slots) if slot in answers)
    names = sorted(set(shared.values()))
    category = names[0] if len(names) == 1 else "mix"
    steps.append(Step("relation", f"The temporal relation is {category}.", tuple(shared)))
    return Derivation(category, evidence, answers, tuple(steps))


def _none(reason: str, steps: Sequence[Step] = ()) -> Derivation:
    return Derivation(None, (), (), tuple(steps), reason)


def _events(facts: list[Fact], question: str) -> tuple[list[int], str]:
    """Facts that state the event (several where it happened more than once) and the question's second half."""
    found: list[tuple[int, int]] = []
    for i, fact in enumerate(facts):
        subject, thing = plain(fact.subject), plain(fact.object)
        if not question.startswith(subject, 6):
            continue
        for verb in _EVENT[fact.relation]:
            clause = f"While {subject} {verb}{thing}, "
            if question.startswith(clause):
                found.append((len(clause), i))
    if not found:
        return [], ""
    # Where one name begins another, the longest clause is the one meant.
    longest = max(found)[0]
    return [i for length, i in found if length == longest], question[longest:]


def _longest(names, text: str) -> str | None:
    return max((name for name in set(names) if name in text), key=len, default=None)


def relate(event: Span, other: Span) -> str | None:
    """Name the relation of two intervals: ``equal``, ``during``, ``overlap``, or None where they share no time."""
    if event == other:
        return "equal"
    first, last = max(event[0], other[0]), min(event[1], other[1])
    if first > last or (first == last and event[0] != event[1] and other[0] != other[1]):
        return None
    return "during" if (first, last) in (event, other) else "overlap"


def _relation(facts: list[Fact], events: list[int], i: int) -> tuple[str | None, int]:
    """The relation of fact ``i`` to the first event that it shares time with, and that event."""
    for event in events:
        if name := relate(facts[event].span, facts[i].span):
            return name, event
    return None, events[0]


def _other_relations(facts: list[Fact], event: Fact, shared: dict[int, str], asked: str) -> dict[int, str]:
    """Keep facts of another relation than the one asked for where the data set does: unless it keeps to one date."""
    own = {i: name for i, name in shared.items() if facts[i].relation == asked}
    one_date = not event.point and any(facts[i].point for i in own)
    return own if one_date or not own else shared


def _one_date(facts: list[Fact], event: Fact, shared: dict[int, str], kind: str) -> dict[int, str]:
    """Keep the candidates of one date, as the data set does.

    Only for an event that is an interval. Intervals stay beside dates where one of them holds one of the dates and the
    question asks about a second subject: about its relation (S2), or "who" (O1) with one date only. Of several dates
    the one with most answers is kept, then the latest.
    """
    dates = Counter(facts[i].start.order for i in shared if facts[i].point)
    intervals = [i for i in shared if not facts[i].point]
    if event.point or not dates or (not intervals and len(dates) == 1):
        return shared
    holds = any(facts[i].span[0] <= date <= facts[i].span[1] for i in intervals for date in dates)
    if holds and (kind == "S2" or (kind == "O1" and len(dates) == 1)):
        return shared
    kept = max(dates, key=lambda date: (dates[date], date))
    return {i: name for i, name in shared.items() if facts[i].point and facts[i].start.order == kept}


def stated(fact: Fact) -> tuple[str, str]:
    """The start and end of a fact as it words them."""
    return fact.start.text, fact.end.text


def _event_step(facts: list[Fact], i: int) -> Step:
    start, end = stated(facts[i])
    return Step("event", f"The event in question lasts from {start} to {end}.", (i,), ((start, end),))


def _compare_step(facts: list[Fact], event: int, i: int, name: str | None) -> Step:
    ours, theirs = stated(facts[event]), stated(facts[i])
    verdict = f"relation {name}" if name else "no shared time"
    text = f"{theirs[0]} to {theirs[1]} against {ours[0]} to {ours[1]}: {verdict}."
    return Step("compare", text, (event, i), (ours, theirs))
