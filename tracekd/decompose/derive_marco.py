"""MS MARCO by rules: the query type from the question's form, the passage by BM25. No rule reads the free-text answer.

A baseline: all passages were retrieved for the question, so shared words say little. Forms and BM25's setting were
chosen on even-numbered real records, checked on odd-numbered ones. Where no passage answers, the best one still counts.
"""

import logging
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from tracekd.decompose.derive import Derivation, Step, none

# Question forms in the order in which types are tried; what fits none is a DESCRIPTION, the most frequent type.
_FORMS = pd.read_csv(Path(__file__).with_name("marco_forms.csv")).groupby("query_type", sort=False).form
_TYPES = _FORMS.agg("|".join).to_dict()
# BM25 holds a question's form for content: "how" or "does" in a passage would count for it.
_QUESTION_WORDS = re.compile(r"\b(?:what|how|when|where|who|which|why|do|does|did|can|many|much|long|i|you|my|your)\b")


def query_type(question: str) -> str:
    """The query type by the question's form alone."""
    text = question.lower().strip()
    return next((label for label, form in _TYPES.items() if re.search(form, text)), "DESCRIPTION")


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
    text = f"The question's form is that of {label}, and BM25 gives this passage {score:.2f}."
    return Derivation(label, (best,), (), (Step("rank", text, (best,)),), "a free-text answer is not read by rule")
