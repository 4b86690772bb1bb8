"""Generated MS MARCO problems: a search query and ten passages, of which at most one answers it."""

from __future__ import annotations

import numpy as np

from tracekd.generated_draws import between, pick, several, town, weighted
from tracekd.generated_topics import TOPICS, Attribute, Topic

NO_ANSWER = "No Answer Present."
# Share of queries without an answer. No local file to measure it on; about a third is assumed for v2.1.
UNANSWERED = 0.35
PASSAGES = 10
# A passage takes sentences until it has about so many words (MS MARCO: 50 to 60 on average).
_WORDS = (40, 58)

_ASKABLE: dict[str, list[tuple[str, Attribute]]] = {}
for _kind, _topic in TOPICS.items():
    for _attribute in _topic.attributes:
        _ASKABLE.setdefault(_attribute.query_type, []).append((_kind, _attribute))


def make(category: str, rng: np.random.Generator) -> dict:
    """One problem of a query type as the parts of a ``Problem``: context, question, answers, evidence, meta.

    ``meta["topic"]`` is the invented name asked about; ``meta["value"]`` the planted value, which stands in the
    selected passage and in the answer, or "" where no passage answers.
    """
    kind, asked = pick(rng, _ASKABLE[category])
    topic = TOPICS[kind]
    name, value = topic.name(rng), asked.value(rng)
    answered = rng.random() >= UNANSWERED
    others = _other_names(rng, topic, name)
    passages = [_passage(rng, topic, name, asked, value)] if answered else []
    own = between(rng, 3, 5)
    while len(passages) < PASSAGES:
        about = name if len(passages) <= own else pick(rng, others)
        passages.append(_passage(rng, topic, about, None if about == name else _rival(rng, asked), "", avoid=asked))
    order = several(rng, range(PASSAGES), PASSAGES)
    answer = pick(rng, asked.answers).format(e=name, v=value)
    return {
        "context": tuple(passages[i] for i in order),
        "question": pick(rng, asked.questions).format(e=name.lower()),
        "answers": (answer[0].upper() + answer[1:],) if answered else (NO_ANSWER,),
        "evidence": (order.index(0),) if answered else (),
        "meta": {"topic": name, "value": value if answered else ""},
    }


def _other_names(rng, topic: Topic, name: str) -> list[str]:
    names = {topic.name(rng) for _ in range(4)} - {name}
    return sorted(names)


def _rival(rng, asked: Attribute) -> Attribute | None:
    """Half of the passages on other topics tell the same attribute of them: near misses."""
    return asked if rng.random() < 0.5 else None


def _passage(rng, topic: Topic, name: str, told: Attribute | None, value: str, avoid: Attribute | None = None) -> str:
    """A passage on one topic that tells ``told`` if given, never ``avoid``, and fills up with other sentences."""
    facts = [a for a in topic.attributes if a is not told and a is not avoid]
    target = between(rng, *_WORDS)
    texts = [_told(rng, told, name, value or told.value(rng))] if told else []
    texts += [_told(rng, a, name, a.value(rng)) for a in several(rng, facts, weighted(rng, {0: 3, 1: 5, 2: 2}))]
    for filler in several(rng, topic.fillers, len(topic.fillers)):
        if sum(text.count(" ") + 1 for text in texts) >= target:
            break
        texts.append(filler.format(e=name, w=town(rng)))
    return " ".join(several(rng, texts, len(texts)))


def _told(rng, attribute: Attribute, name: str, value: str) -> str:
    sentence = pick(rng, attribute.sentences).format(e=name, v=value)
    return sentence[0].upper() + sentence[1:]
