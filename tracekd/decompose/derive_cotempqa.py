"""CoTempQA by rules: find the event in question, intersect intervals, name the relation, collect the answers.

The data set's conventions, read off the real files; the two habits marked with * follow no logic.

* A date is compared as (year, month, day) with 0 for what is not stated: "2003" is before "January, 2003".
* Two facts are simultaneous when they share more than an end point; a fact of one date ("in 2003") is simultaneous
  with every interval that holds this date, ends included.
* ``equal``: both ends agree. ``during``: one interval holds the other, shared ends included. ``overlap``: else.
  Several facts with different relations: ``mix``.
* One date only*: where the event is an interval and some candidates are single dates, gold keeps those of one date
  (see ``_one_date``), since one question was made for each date.
* Other relations*: where the question asks about a second person and another relation than the event's, gold holds
  whatever that person did meanwhile, in any relation but the event's. Not where the answers are those of one date.

``habits=False`` reads every question literally instead.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tracekd.data.facts import RELATIONS, Fact, parse, plain
from tracekd.decompose.derive import Derivation, Step, none

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
# The relation asked for, by the words after the event; the first that fits decides.
_ASKED = {
    "position": r"which position\b|who (?:also held|was also holding) the position",
    "employer": r"which employer\b|who (?:also worked|was also working) for",
    "member": r"which political party\b|which party\b|who was also a member of",
    "school": r"which school\b|who (?:also attended|was also attending)",
    "team": r"which (?:sports |football )?team\b|who (?:also played|was also playing) for",
    "owner": r"(?:which|who)\b.*\bowned\b|which owner\b",
    "chair": r"(?:which|who)\b.*\bchair\b",
    "head": r"(?:which|who)\b.*\bhead\b",
}

Span = tuple[int, int]
# Beginnings of reasons that others look for.
UNREAD = "a date is in a form that is not read"
NO_SHARED_TIME = "no fact of the kind asked for shares time with the event"


def derive(context: Sequence[str], question: str, habits: bool = True) -> Derivation:
    """Derive relation, facts and answers.

    Args:
        context: the facts.
        question: such as "While A worked for B, which position did C hold at the same time?".
        habits: follow the data set's two habits (see the module's text).
    """
    try:
        facts = [parse(fact) for fact in context]
    except ValueError as error:
        return none(None, str(error))
    events, rest = _events(facts, plain(question))
    if not events:
        return none(None, "no fact states the event in question")
    relation = next((name for name, pattern in _ASKED.items() if re.match(pattern, rest)), None)
    if relation is None:
        return none(None, "the question asks for no known relation")
    asked_who = rest.startswith("who")
    event = facts[events[0]]
    people = (plain(fact.subject) for fact in facts)
    who = None if asked_who else max((name for name in people if name in rest), key=len, default=None)
    if not asked_who and who is None:
        return none(None, "the question asks about nobody in the context")
    second = not asked_who and who != plain(event.subject)
    wanted = set(RELATIONS) - {event.relation} if habits and second and relation != event.relation else {relation}
    named = [i for i, fact in enumerate(facts) if i not in events and fact.relation in wanted]
    if asked_who:
        named = [i for i in named if facts[i].object == event.object and facts[i].subject != event.subject]
    else:
        named = [i for i in named if plain(facts[i].subject) == who]
    if unread := next((facts[i] for i in (*events, *named) if facts[i].unread), None):
        return none(None, f"{UNREAD}: {unread.unread!r} in {unread.text!r}")
    if any(facts[i].span is None for i in events):
        return none(None, "the event in question has no date")
    candidates = [i for i in named if facts[i].span]
    kind = "O1" if asked_who else "S2" if second else "S1"
    return _compared(facts, events, candidates, relation, kind, habits)


def _compared(
    facts: list[Fact], events: list[int], candidates: list[int], relation: str, kind: str, habits: bool
) -> Derivation:
    """Compare every candidate with the event, and collect those that share time with it."""
    steps, shared = [], {}
    for i in events:
        text = "The event in question lasts from {} to {}."
        steps.append(Step("event", text.format(*facts[i].stated), (i,)))
    for i in candidates:
        # The first event that it shares time with, if any.
        related = ((relate(facts[event].span, facts[i].span), event) for event in events)
        name, by = next((pair for pair in related if pair[0]), (None, events[0]))
        text = "{} to {} against {} to {}: ".format(*facts[i].stated, *facts[by].stated)
        steps.append(Step("compare", f"{text}{f'relation {name}' if name else 'no shared time'}.", (by, i)))
        if name:
            shared[i] = name
    if habits:
        event, own = facts[events[0]], {i: name for i, name in shared.items() if facts[i].relation == relation}
        # Facts of another relation than the one asked for count, unless gold keeps to one date.
        shared = shared if own and (event.point or not any(facts[i].point for i in own)) else own
        of_one_date = _one_date(facts, event, shared, kind) if len(events) == 1 else shared
        if len(of_one_date) < len(shared):
            steps.append(Step("habit", "The data set keeps the facts of one date only.", tuple(of_one_date)))
        shared = of_one_date
    if not shared:
        return none(None, NO_SHARED_TIME, steps)
    slots = [fact.subject if kind == "O1" else fact.object for fact in facts]
    answers = tuple(dict.fromkeys(slots[i] for i in shared))
    # A fact that gives an answer counts as evidence wherever it stands: that is how the gold facts are defined.
    evidence = tuple(i for i, slot in enumerate(slots) if slot in answers)
    names = sorted(set(shared.values()))
    category = names[0] if len(names) == 1 else "mix"
    steps.append(Step("relation", f"The temporal relation is {category}.", tuple(shared)))
    return Derivation(category, evidence, answers, tuple(steps))


def _events(facts: list[Fact], question: str) -> tuple[list[int], str]:
    """Facts that state the event (several where it happened more than once) and the question's second half."""
    found = []
    for i, fact in enumerate(facts):
        for verb in _EVENT[fact.relation]:
            clause = f"While {plain(fact.subject)} {verb}{plain(fact.object)}, "
            if question.startswith(clause):
                found.append((len(clause), i))
    longest = max(found)[0] if found else 0  # where one name begins another, the longest clause is the one meant
    return [i for length, i in found if length == longest], question[longest:]


def relate(event: Span, other: Span) -> str | None:
    """Name the relation of two intervals: ``equal``, ``during``, ``overlap``, or None where they share no time."""
    if event == other:
        return "equal"
    first, last = max(event[0], other[0]), min(event[1], other[1])
    if first > last or (first == last and event[0] != event[1] and other[0] != other[1]):
        return None
    return "during" if (first, last) in (event, other) else "overlap"


def _one_date(facts: list[Fact], event: Fact, shared: dict[int, str], kind: str) -> dict[int, str]:
    """Keep the candidates of one date, as the data set does.

    Only for an event that is an interval. Intervals stay beside dates where one of them holds one of the dates and the
    question asks about a second subject: about its relation (S2), or "who" (O1) with one date only. Of several dates
    the one with most answers is kept, then the latest.
    """
    dates = Counter(facts[i].span[0] for i in shared if facts[i].point)
    intervals = [i for i in shared if not facts[i].point]
    if event.point or not dates or (not intervals and len(dates) == 1):
        return shared
    holds = any(facts[i].span[0] <= date <= facts[i].span[1] for i in intervals for date in dates)
    if holds and (kind == "S2" or (kind == "O1" and len(dates) == 1)):
        return shared
    kept = max(dates, key=lambda date: (dates[date], date))
    return {i: name for i, name in shared.items() if facts[i].point and facts[i].span[0] == kept}
