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
"""

import re
from collections import Counter
from collections.abc import Sequence

from tracekd.data.load_cotempqa import RELATIONS, Fact, parse, plain
from tracekd.decompose.derive import Derivation, Step, none

# Past tenses in which a question names the event; what the words after it say of the relation asked (first fit counts).
_EVENT, _ASKED = RELATIONS.event.str.split("|").to_dict(), RELATIONS.asked.to_dict()
# Beginnings of reasons that others look for.
UNREAD = "a date is in a form that is not read"
NO_SHARED_TIME = "no fact of the kind asked for shares time with the event"


def derive(context: Sequence[str], question: str, habits: bool = True) -> Derivation:
    """Derive relation, facts and answers from facts and question; ``habits``: follow the data set's two habits."""
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
    event, who = facts[events[0]], None
    if rest.startswith("who"):
        kind = "O1"
    elif who := max((name for fact in facts if (name := plain(fact.subject)) in rest), key=len, default=None):
        kind = "S1" if who == plain(event.subject) else "S2"
    else:
        return none(None, "the question asks about nobody in the context")
    others = habits and kind == "S2" and relation != event.relation
    wanted = set(_EVENT) - {event.relation} if others else {relation}

    def fits(fact: Fact) -> bool:
        if kind == "O1":
            return fact.object == event.object and fact.subject != event.subject
        return plain(fact.subject) == who

    named = [i for i, f in enumerate(facts) if i not in events and f.relation in wanted and fits(f)]
    if unread := next((facts[i] for i in (*events, *named) if facts[i].unread), None):
        return none(None, f"{UNREAD}: {unread.unread!r} in {unread.text!r}")
    if any(facts[i].span is None for i in events):
        return none(None, "the event in question has no date")
    return _compared(facts, events, [i for i in named if facts[i].span], relation, kind, habits)


def _compared(
    facts: list[Fact], events: list[int], candidates: list[int], relation: str, kind: str, habits: bool
) -> Derivation:
    """Compare every candidate with the event, and collect those that share time with it."""
    text = "The event in question lasts from {} to {}."
    steps, shared = [Step("event", text.format(*facts[i].stated), (i,)) for i in events], {}
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
    category, *others = set(shared.values())
    category = "mix" if others else category
    steps.append(Step("relation", f"The temporal relation is {category}.", tuple(shared)))
    return Derivation(category, evidence, answers, tuple(steps))


def _events(facts: list[Fact], question: str) -> tuple[list[int], str]:
    """Facts that state the event (several where it happened more than once) and the question's second half."""
    clauses = [
        (len(clause), i)
        for i, fact in enumerate(facts)
        for verb in _EVENT[fact.relation]
        if question.startswith(clause := f"While {plain(fact.subject)} {verb} {plain(fact.object)}, ")
    ]
    longest = max(clauses)[0] if clauses else 0  # where one name begins another, the longest clause is the one meant
    return [i for length, i in clauses if length == longest], question[longest:]


def relate(event: tuple[int, int], other: tuple[int, int]) -> str | None:
    """Name the relation of two intervals: ``equal``, ``during``, ``overlap``, or None where they share no time."""
    if event == other:
        return "equal"
    first, last = max(event[0], other[0]), min(event[1], other[1])
    if first > last or (first == last and event[0] != event[1] and other[0] != other[1]):
        return None
    return "during" if (first, last) in (event, other) else "overlap"


def _one_date(facts: list[Fact], event: Fact, shared: dict[int, str], kind: str) -> dict[int, str]:
    """Keep the candidates of one date, as the data set does.

    Only for an event that is an interval. Intervals stay beside dates where one holds a date and the question is about
    a second subject's relation (S2), or "who" (O1) with one date. Of dates the one with most answers, then the latest.
    """
    dates = Counter(facts[i].span[0] for i in shared if facts[i].point)
    spans = [facts[i].span for i in shared if not facts[i].point]
    holds = any(first <= date <= last for first, last in spans for date in dates)
    if event.point or not dates or (holds and (kind == "S2" or (kind == "O1" and len(dates) == 1))):
        return shared
    latest = max(dates, key=lambda date: (dates[date], date))
    return {i: name for i, name in shared.items() if facts[i].point and facts[i].span[0] == latest}
