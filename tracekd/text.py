"""The one form in which strings are compared, and how much a text repeats itself."""

from __future__ import annotations

import re
from functools import lru_cache

_NOT_WORDS = re.compile(r"[\W_]+")


@lru_cache(maxsize=1 << 16)
def normalise(text: str) -> str:
    """Lower case, punctuation to spaces, white space collapsed: the form in which all strings are compared."""
    return _NOT_WORDS.sub(" ", text.lower()).strip()


def repetition(text: str, length: int = 4) -> float:
    """Share of a text's word sequences of one length that stand earlier in it already, in 0..1; 0 for a shorter text.

    seq-rep-n of Welleck and others (2020, arXiv 1908.04319), over words in place of tokens: near 1 for a text that
    goes round in circles.
    """
    words = text.split()
    grams = [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
