"""Generated MS MARCO problems: a search query and ten passages, of which at most one answers it."""

from __future__ import annotations

import numpy as np

from tracekd.data.load_marco import NO_ANSWER
from tracekd.data.problem import CATEGORIES
from tracekd.data.synthetic.draws import VOCABULARY, between, fill, pick, several

# Share of queries without an answer. Not stated in the published statistics; inferred: their histogram of answer
# lengths holds about 546,000 answers, and train and dev have 909,824 queries between them.
UNANSWERED = 0.4
PASSAGES = 10
# A passage takes filling sentences until it has so many words, log-normal: the published lengths have mean 56.3,
# mode 48 and a long tail to the right. What it tells comes first, so the median lies below the mode.
_LENGTH = {"median": 36, "sigma": 0.42, "low": 12, "high": 110}
_NAMES = ("ENTITY", "LOCATION", "PERSON")  # answered by a name or a word; NUMERIC and DESCRIPTION look different

# Kinds of topic (town, river, firm, substance): name, attributes that can be asked for, sentences that answer nothing.
TOPICS = VOCABULARY["topics"]
_ASKABLE = {
    label: [(kind, a) for kind, topic in TOPICS.items() for a in topic["attributes"] if a["query_type"] == label]
    for label in CATEGORIES["marco"]
}


def make(category: str, rng: np.random.Generator) -> dict:
    """One problem of a query type as the parts of a ``Problem``: context, question, answers, evidence, meta.

    ``meta["topic"]`` is the invented name asked about; ``meta["value"]`` the planted value, which stands in the
    selected passage and in the answer, or "" where no passage answers.
    """
    kind, asked = pick(rng, _ASKABLE[category])
    world = _World(rng, TOPICS[kind])
    topic, name = TOPICS[kind], fill(rng, TOPICS[kind]["name"])
    answered = rng.random() >= UNANSWERED
    passages = [world.passage(name, told=asked)] if answered else []
    # The next few passages are on the same topic and tell other things; the rest are on others of its kind,
    # half of them with the thing asked for: near misses.
    own = len(passages) + between(rng, 3, 5)
    passages += [world.passage(name, avoid=asked) for _ in range(own - len(passages))]
    others = sorted({fill(rng, topic["name"]) for _ in range(4)} - {name})
    for _ in range(PASSAGES - own):
        passages.append(world.passage(pick(rng, others), told=asked if rng.random() < 0.5 else None))
    order = several(rng, range(PASSAGES), PASSAGES)
    value = world.value(name, asked)
    answer = _said(rng, asked["answers"], name, value)
    return {
        "context": tuple(passages[i] for i in order),
        "question": fill(rng, pick(rng, asked["questions"]), {"e": name.lower()}),
        "answers": (answer if answered else NO_ANSWER,),
        "evidence": (order.index(0),) if answered else (),
        "meta": {"topic": name, "value": value if answered else ""},
    }


class _World:
    """The topics of one problem: what is true of each is drawn once, so that passages do not contradict each other."""

    def __init__(self, rng, topic: dict):
        self._rng, self._topic, self._values, self._drafts = rng, topic, {}, set()

    def value(self, name: str, attribute: dict) -> str:
        key = name, id(attribute)
        if key not in self._values:
            self._values[key] = fill(self._rng, attribute["value"], attribute)
        return self._values[key]

    def passage(self, name: str, told: dict | None = None, avoid: dict | None = None) -> str:
        """A passage on one topic that tells ``told`` if given, never ``avoid``, and fills up with other sentences."""
        while (text := self._draft(name, told, avoid)) in self._drafts:
            pass
        self._drafts.add(text)
        return text

    def _draft(self, name: str, told: dict | None, avoid: dict | None) -> str:
        rng, facts = self._rng, [told] if told else []
        # Every passage tells a number and a description, every second one a name too, whatever is asked: the form of
        # the answering passage (its digits, its length) is then that of the others and says nothing of the type.
        kinds = [("NUMERIC",), ("DESCRIPTION",), *([_NAMES] if rng.random() < 0.5 else [])]
        for other in several(rng, self._topic["attributes"], len(self._topic["attributes"])):
            kind = next((kind for kind in kinds if other["query_type"] in kind), None)
            known = kind and any(fact["query_type"] in kind for fact in facts)
            if kind and not known and not any(_alike(other, fact) for fact in (*facts, avoid)):
                facts.append(other)
        texts = [_said(rng, fact["sentences"], name, self.value(name, fact)) for fact in facts]
        target = _LENGTH["median"] * np.exp(_LENGTH["sigma"] * rng.standard_normal())
        target = min(max(target, _LENGTH["low"]), _LENGTH["high"])
        for filler in several(rng, self._topic["fillers"], len(self._topic["fillers"])):
            if sum(text.count(" ") + 1 for text in texts) >= target:
                break
            texts.append(fill(rng, filler, {"e": name}))
        return " ".join(several(rng, texts, len(texts)))


def _alike(a: dict, b: dict | None) -> bool:
    """Whether one tells what the other is asked for; a ``group`` names attributes that half answer each other."""
    return b is not None and (a is b or a.get("group", 0) == b.get("group", 1))


def _said(rng, wordings: list[str], name: str, value: str) -> str:
    sentence = fill(rng, pick(rng, wordings), {"e": name, "v": value})
    return sentence[0].upper() + sentence[1:]
