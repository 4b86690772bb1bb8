"""Generated CoTempQA problems: what else held while something held, among facts that did not.

The dates of event and answers are of one precision, none is equal to another that need not be, and facts that do not
co-occur are two years away: so every relation holds however the ends of dates are read.
"""

from tracekd.data.load_cotempqa import MONTHS, TRIPLES
from tracekd.data.synthetic.draws import VOCABULARY, Draws, between, fill, pick, several

_WORDS = VOCABULARY["cotempqa"]
_STEPS = {"year": 12, "month": 1, "day": 1}  # dates are numbers of months, years of 12
# Precision, first and last month: "from START to END", or "in DATE" where they are equal.
When = tuple[str, int, int]


def make(category: str, rng: Draws) -> dict:
    """One problem of a category as the parts of a ``Problem``: context, question, answers, evidence, meta."""
    triple, (event, *golds), names = pick(rng, TRIPLES), _times(rng, category), []
    held, asked = several(rng, tuple(_WORDS["ask_object"]), 2)
    if "R2" not in triple:
        held = asked = pick(rng, tuple(_WORDS["ask_subject"])) if triple == "S2_R1_O1" else held
    subject, thing = _name(rng, names, "person"), _name(rng, names, held)
    other = _name(rng, names, "person") if triple.startswith("S2") else subject
    # What is asked for is None, and gets a name of its own in every fact.
    form = (None, asked, thing) if triple == "S2_R1_O1" else (other, asked, None)
    facts = [(subject, held, thing, event), *((*form, when) for when in golds)]
    facts += [(*form, _elsewhere(rng, event)) for _ in range(between(rng, 5, 8))]
    if triple not in ("S1_R1_O2", "S2_R1_O1"):
        facts += [(subject, held, None, _elsewhere(rng, event, least=-240)) for _ in range(between(rng, 2, 5))]
    if triple in ("S2_R1_O2", "S2_R2_O2"):
        # In the real files whatever else the second person did meanwhile is gold as well (``derive_cotempqa``).
        rest = [kind for kind in _WORDS["ask_object"] if kind not in (held, asked)]
        facts += [(other, pick(rng, rest), None, _elsewhere(rng, event)) for _ in range(between(rng, 2, 4))]
    facts = [(s or _name(rng, names, "person"), r, o or _name(rng, names, r), *when) for s, r, o, when in facts]
    slots = [fact[form.index(None)] for fact in facts[1 : len(golds) + 1]]
    ask = _WORDS["ask_object" if form[0] else "ask_subject"][asked].format(s=other, o=thing)
    order = several(rng, range(len(facts)))
    return {
        "context": tuple(_sentence(*facts[i]) for i in order),
        "question": f"While {subject} {_WORDS['while'][held]} {thing}, {ask} {pick(rng, _WORDS['tails'])}?",
        "answers": tuple(several(rng, slots)),
        "evidence": tuple(place for place, i in enumerate(order) if 1 <= i <= len(golds)),
        "meta": {"triple_element": triple},
    }


def _name(rng, taken: list[str], kind: str) -> str:
    """A new name for one problem: none stands in another, which would blur which fact answers."""
    while True:
        name = fill(rng, f"{{{kind}}}")
        if not any(name in one or one in name for one in taken):
            taken.append(name)
            return name


def _times(rng, category: str) -> list[When]:
    """When the event was, and when the answers held; dates during an event that lasts are all the same one."""
    precision = pick(rng, tuple(_STEPS))
    step = _STEPS[precision]
    start = between(rng, 1900 * 12 // step, 1980 * 12 // step)
    end = start + between(rng, 4, 120 // step) * (rng.random() >= {"equal": 0.6, "during": 0.25}.get(category, 0))
    kinds = [category] * pick(rng, (1, 1, 1, 1, 1, 2, 2, 3))
    if category == "mix":
        kinds = several(rng, ("equal", "during", "overlap"), 2) + ["during"] * (len(kinds) > 2)
    spans = [(start, end), *(_related(rng, kind, start, end, 60 // step) for kind in kinds)]
    if category == "during" and end > start and rng.random() < 0.25:
        spans[1:] = [(between(rng, start + 1, end - 1),) * 2] * len(kinds)
    return [(precision, first * step, last * step) for first, last in spans]


def _related(rng, kind: str, start: int, end: int, most: int) -> tuple[int, int]:
    before, after = start - between(rng, 1, most), end + between(rng, 1, most)
    if kind == "equal":
        return start, end
    if kind == "during" and (start == end or rng.random() < 0.5):
        return before, after
    inside = between(rng, start + 1, end - 2)
    if kind == "during":
        return inside, between(rng, inside + 1, end - 1)
    return pick(rng, ((before, inside), (inside, after)))


def _elsewhere(rng, event: When, least: int = 24) -> When:
    """When nothing of the event held: at least two years before or after (``least`` in months; below 0 at any time)."""
    precision, gap, length = pick(rng, tuple(_STEPS)), between(rng, least, 240), pick(rng, (0, between(rng, 12, 120)))
    start, step = pick(rng, (event[2] + 12 + gap, event[1] - gap - length)), _STEPS[precision]
    return precision, start // step * step, (start + length) // step * step


def _sentence(subject: str, relation: str, thing: str, precision: str, start: int, end: int) -> str:
    """A fact; the day of a date follows from its month, so that equal numbers are equal dates."""
    dates = []
    for year, place in (divmod(start, 12), divmod(end, 12)):
        month, day = MONTHS[place], (12 * year + place) % 28 + 1
        dates.append({"year": f"{year}", "month": f"{month}, {year}", "day": f"{month} {day}, {year}"}[precision])
    when = f"in {dates[0]}" if start == end else f"from {dates[0]} to {dates[1]}"
    return f"{subject} {_WORDS['verbs'][relation]} {thing} {when}."
