"""MS MARCO by rules: the query type from the question's form, the passage by BM25. No rule reads the free-text answer.

A baseline: a search engine retrieved all passages for the question, so shared words say little. Forms and BM25's
setting were chosen on the even-numbered real records and checked on the odd-numbered ones. Where no passage answers,
BM25 still names the best-ranked one, which counts as disagreement.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from functools import cache

from tracekd.decompose.derive import Derivation, Step, none

# Question forms in the order in which they are tried; what fits none is a DESCRIPTION, the most frequent type.
_FORMS = {
    "NUMERIC": (
        r"\bhow (?:many|much|long|old|tall|far|big|deep|high|fast|large|wide|heavy|often|hot|cold)\b"
        r"|\bnet worth\b|\bdistance (?:between|from|to)\b|\b(?:contact|routing|account|fax) number\b"
        r"|^(?!what is|what are|why|how|is|are|does|do|can)(?:.*\s)?(?:temperatures?|times|hours|fees"
        r"|rates?|period|range|dosage|score|average|turnout)\b"
        r"|^when\b|\b(?:what|which) (?:year|date|day|month|time|percent|percentage|age|temperature|number)\b"
        r"|\b(?:population|cost|price|salary|average|length|height|weight|depth|elevation|calories|zip code"
        r"|area code|phone number|number of|melting point|boiling point)\b(?! of living)"
    ),
    "LOCATION": (
        r"\bwhere\b|\b(?:what|which) (?:county|country|state|city|continent|region|part of)\b"
        r"|\b(?:location|capital|county seat) of\b|\blocated\b"
    ),
    "PERSON": (
        r"\bwho\b|\bwhose\b|\bwhat is the name of the (?:man|woman|president|king|queen)\b"
        r"|\b(?:actor|actress|author|singer|inventor|founder|president|mayor|governor) (?:of|who|that|in)\b"
    ),
    "ENTITY": (
        r"^which\b|^(?:what|which) (?!(?:is|are|was|were|does|do|did|can|could|should|would|will|has|have|had|to|if"
        r"|it|the|a|an|happens?|happened|causes?|caused|makes?|made|means?|kinds?|types?|sorts?|s|i|you|we)\b)\w+ "
        r"|^(?:good |best )?(?:foods?|symptoms|side effects)\b|\bmade of$|\bcalled$"
        r"|\bwhat (?:kind|type|types|sort|color|colour|company|animal|plant|food|foods|drug|organ|vitamin"
        r"|language|currency|bird|flower|fish|mineral|genre|brand|movie|book|instrument)\b"
        r"|\b(?:best known for|famous for|examples of|most common|official (?:flower|bird|tree))\b"
    ),
}

# BM25 holds a question's form for content: "how" or "does" in a passage would count for it.
_QUESTION_WORDS = re.compile(r"\b(?:what|how|when|where|who|which|why|do|does|did|can|many|much|long|i|you|my|your)\b")


def query_type(question: str) -> str:
    """The query type by the question's form alone."""
    text = question.lower().strip()
    return next((label for label, form in _FORMS.items() if re.search(form, text)), "DESCRIPTION")


@cache
def _bm25s():
    """The module bm25s, kept from JAX: it would start JAX where it finds it, which takes 3/4 of a GPU's memory."""
    absent = "jax" not in sys.modules
    if absent:
        sys.modules["jax"] = None  # the import system takes this for a module that does not exist
    try:
        import bm25s
    finally:
        if absent:
            del sys.modules["jax"]
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    return bm25s


def rank(context: Sequence[str], question: str) -> list[tuple[int, float]]:
    """Rank passages by BM25 (bm25s, English stop words): (index, score), best first, ties in context order."""
    bm25s = _bm25s()
    passages = bm25s.tokenize(list(context), stopwords="en", show_progress=False)
    if not passages.vocab:  # nothing but stop words and single letters: bm25s cannot index that
        return [(i, 0.0) for i in range(len(context))]
    index = bm25s.BM25(b=0)
    index.index(passages, show_progress=False)
    asked = _QUESTION_WORDS.sub(" ", question.lower())
    words = bm25s.tokenize([asked], stopwords="en", show_progress=False, return_ids=False)[0]
    scores = index.get_scores(words) if words else [0.0] * len(context)
    return sorted(((i, float(score)) for i, score in enumerate(scores)), key=lambda pair: -pair[1])


def derive(context: Sequence[str], question: str) -> Derivation:
    """Derive query type and passage; the answer is free text, so it stays underivable and says so."""
    label, ranked = query_type(question), rank(context, question)
    best, score = ranked[0]
    if score <= 0:
        return none(label, "no word of the question stands in a passage")
    second = f", the next one {ranked[1][1]:.2f}" if len(ranked) > 1 else ""
    form = Step("form", f"The question's form is that of {label}.")
    picked = Step("rank", f"BM25 gives this passage {score:.2f}{second}.", (best,))
    return Derivation(label, (best,), (), (form, picked), "a free-text answer is not read by rule")
