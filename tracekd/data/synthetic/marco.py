"""Generated MS MARCO problems: a search query and ten passages, of which at most one answers it."""

from tracekd.data.load_marco import NO_ANSWER
from tracekd.data.synthetic.draws import VOCABULARY, WORDS, Draws, between, fill, pick, several

# Share of queries without an answer, inferred from the published statistics: their histogram of answer lengths holds
# about 546,000 answers, and train and dev have 909,824 queries between them.
UNANSWERED = 0.4
PASSAGES = 10
# Kinds of topic (town, river, firm, substance): name, attributes that can be asked for, sentences that answer nothing.
TOPICS = VOCABULARY["topics"]
_ASKED = [(topic, attribute) for topic in TOPICS.values() for attribute in topic["attributes"]]
_LISTS = {attribute["value"]: WORDS | attribute for _, attribute in _ASKED}
# Whatever is asked, a passage tells a number, a description and, every second one, a name: its form gives nothing away.
_FORMS = {"NUMERIC": 0, "DESCRIPTION": 1, "ENTITY": 2, "LOCATION": 2, "PERSON": 2}


def make(category: str, rng: Draws) -> dict:
    """One problem of a query type as the parts of a ``Problem``: context, question, answers, evidence, meta.

    ``meta["topic"]`` is the invented name asked about, ``meta["value"]`` the planted answer, "" where there is none.
    """
    topic, asked = pick(rng, [pair for pair in _ASKED if pair[1]["query_type"] == category])
    name, *others = {fill(rng, topic["name"]): None for _ in range(5)}
    answered, own = rng.random() >= UNANSWERED, between(rng, 3, 5)
    # The next few passages tell other things of the topic; the rest are near misses, half with the thing asked for.
    plan = [(name, answered)] + [(name, False)] * (own - 1)
    plan += [(pick(rng, others), rng.random() < 0.5) for _ in range(PASSAGES - own)]
    values: dict[tuple[str, str], str] = {}  # what is true of a topic, so that passages do not contradict each other
    passages: dict[str, None] = {}
    for place, (about, tell) in enumerate(plan):
        while len(passages) == place:
            passages[_passage(rng, topic, about, asked, tell, values)] = None
    order, value = several(rng, range(PASSAGES)), _value(rng, asked, name, values)
    texts = list(passages)
    return {
        "context": tuple(texts[i] for i in order),
        "question": pick(rng, asked["questions"]).format(e=name.lower()),
        "answers": (_said(rng, asked["answers"], name, value) if answered else NO_ANSWER,),
        "evidence": (order.index(0),) if answered else (),
        "meta": {"topic": name, "value": value if answered else ""},
    }


def _passage(rng, topic: dict, name: str, asked: dict, tell: bool, values: dict) -> str:
    """A passage on one topic, with what is ``asked`` only if it is to ``tell`` it, filled up with other sentences."""
    told = {2: None} if rng.random() < 0.5 and not (tell and _FORMS[asked["query_type"]] == 2) else {}
    for attribute in [asked] * tell + several(rng, topic["attributes"]):
        if tell or attribute is not asked:
            told.setdefault(_FORMS[attribute["query_type"]], attribute)
    texts = [_said(rng, a["sentences"], name, _value(rng, a, name, values)) for a in told.values() if a]
    texts += [fill(rng, text, e=name) for text in several(rng, topic["fillers"], between(rng, 0, 1))]
    return " ".join(several(rng, texts))


def _value(rng, attribute: dict, name: str, values: dict) -> str:
    key = name, attribute["value"]
    if key not in values:
        values[key] = fill(rng, attribute["value"], _LISTS[attribute["value"]])
    return values[key]


def _said(rng, wordings: list[str], name: str, value: str) -> str:
    sentence = pick(rng, wordings).format(e=name, v=value)
    return sentence[0].upper() + sentence[1:]
