"""The one form in which strings are compared."""

from __future__ import annotations

import re
from functools import lru_cache

_NOT_WORDS = re.compile(r"[\W_]+")


@lru_cache(maxsize=1 << 16)
def normalise(text: str) -> str:
    """Lower case, punctuation to spaces, white space collapsed: the form in which all strings are compared."""
    return _NOT_WORDS.sub(" ", text.lower()).strip()
