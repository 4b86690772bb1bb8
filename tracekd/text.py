"""The one form in which strings are compared, and how much a text repeats itself."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]\w{1,30});", re.IGNORECASE)

# Marks that change a value, by place. They are set aside as private characters while punctuation becomes spaces.
_MARKS = "-.,:/*^+#%<>~'\""
_ASIDE = str.maketrans(_MARKS, "".join(chr(0xE000 + i) for i in range(len(_MARKS))))
_BACK = {new: chr(old) for old, new in _ASIDE.items()}
_VALUE = re.compile(
    r"(?<!\w)-(?=\.?\d|∞)"  # a sign, but no bullet and no range
    r"|(?<=\d)[./:*^+](?=\d)|(?<=\d),(?=\d{1,2}(?!\d))"  # within a number
    r"|(?<=\w)\^(?=[\w-])|(?<=\^)-(?=\d)"  # a power
    r"|(?<=\w)(?:\+\+|[+#](?!\w))"  # C++, C#, A+, 18+
    r"|(?:(?<=\b\w)|(?<=\bab)|(?<=\d))-(?!\w|\W{0,3}\d)"  # A-, AB-, 2001-
    r"|(?<=\d)%|[<>~](?=[-$€£¥.]?\d)"
)
_SUPERSCRIPT = re.compile(r"[\u2070\u00b9\u00b2\u00b3\u2074-\u207b]+")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{2,3})*,\d{3}(?!,?\d)")
_DATE = re.compile(r"(?<![\d/])(\d{1,4})/(\d{1,2})/(\d{1,4})(?![\d/])")
# Where none of this is found, punctuation to spaces is all there is to do (most facts: twenty times as fast).
_SPECIAL = re.compile(r"[^\x00-\x7f]|[$%<>~#+^&]|\d['\"]|\d[.,:/*-](?=\S)|[-.](?=\d)|-(?=\.\d)|\w-(?!\w)")
_NOT_WORDS = re.compile(r"[\W_]+")
_SYMBOLS = "°♯♭"  # of those that are no letters, the ones that count beside letters and digits


class _Kept(dict):
    """Code point to itself, a space or nothing: letters, digits, marks and value signs stay, format characters go."""

    def __missing__(self, code: int) -> str:
        char, kind = chr(code), unicodedata.category(chr(code))
        dropped = char in "|~=<>+−∙⁄" or "\u2190" <= char <= "\u21ff"
        if kind == "Cf" or "\ufe00" <= char <= "\ufe0f":
            self[code] = ""
        elif kind[0] in "LNM" or kind in ("Sc", "So", "Co") or (kind == "Sm" and not dropped):
            self[code] = char
        else:
            self[code] = " "
        return self[code]


_KEPT = _Kept()


@lru_cache(maxsize=1 << 16)
def normalise(text: str) -> str:
    """The form in which all strings are compared.

    HTML entities are read, then Unicode NFKC, case folding, white space collapsed, punctuation to spaces. What changes
    a letter stays (accents, vowel and tone signs), and so does what changes a value: sign, decimal point, fractions,
    powers, %, °, currencies, comparisons, and the marks of names such as C#, C++ and A-. "1,200" is "1200", but "5,5"
    is neither "5.5" nor "5 5". Emoji count only where there is nothing else.
    """
    if not _SPECIAL.search(text):
        return _NOT_WORDS.sub(" ", text.lower()).strip()
    return _with_marks(text)


def _with_marks(text: str) -> str:
    """``normalise`` for texts that may hold more than words."""
    if "&" in text:
        text = ENTITY.sub(lambda match: html.unescape(match[0]), text)
    if not text.isascii():
        text = _beyond_ascii(text)
    text = re.sub(r"\s+", " ", text.casefold())
    if re.search(r"\d", text):
        text = _numbers(text)
    text = _VALUE.sub(lambda match: match[0].translate(_ASIDE), text).translate(_KEPT)
    if not text.isascii():
        if any(char.isalnum() for char in text):
            text = "".join(" " if unicodedata.category(c) == "So" and c not in _SYMBOLS else c for c in text)
        text = unicodedata.normalize("NFKC", text).translate(_BACK)
    text = re.sub(r"(?<=[$€£¥<>~≤≥≈±]) (?=[-.\d])|(?<=\d) (?=[%‰°])|(?<=°) (?=[cfk]\b)", "", " ".join(text.split()))
    return re.sub(r"(?<![\w.$€£¥-])(-?\d[\d.,]*) ?([$€£¥])(?! ?[\d-])", r"\2\1", text)


def _beyond_ascii(text: str) -> str:
    """NFKC, without letting it change a value: 2¹⁰ is 2^10 and not 210, 1½ is 1 1/2 and not 11/2."""
    text = _SUPERSCRIPT.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]).replace("\u2212", "-"), text)
    text = re.sub(r"(?<=\d)\s?[º˚]\s?(?=[CFcf]\b)", "°", text)
    text = re.sub(r"(?<=\d)(?=[¼-¾⅐-⅞])", " ", text)
    text = re.sub(r"(?<=\d)[\u00a0\u2009\u202f'’](?=\d{3}(?!\d))", "", text)
    text = unicodedata.normalize("NFKC", re.sub("[©®™℠]", "", text)).replace("\u2044", "/")
    text = re.sub(r"(?<=\d)′(?!\w)", "'", re.sub(r"(?<=\d)″(?!\w)", '"', text))
    return re.sub(r"(?<!\w)[−–](?=[$€£¥]?[.\d])", "-", text)


def _numbers(text: str) -> str:
    """Numbers in one form: no thousands separators, dates with spaces, .5 as 0.5, -$5 as $-5, feet and inches kept."""
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    text = _DATE.sub(r"\1 \2 \3", text)
    text = re.sub(r"-\s?([$€£¥])(?=[.\d])", r"\1-", text)
    text = re.sub(r"(?<![\w.])\.(?=\d)", "0.", text)
    text = re.sub(r"([<>]) ?= ?(?=[-$€£¥.\d])", lambda match: "≤" if match[1] == "<" else "≥", text)
    for mark in "'\"":
        if text.count(mark) % 2:  # an unpaired one is no quotation mark
            text = re.sub(rf"(?<=\d){mark}(?!\w)", mark.translate(_ASIDE), text)
    return re.sub(r"([$€£¥<>~]) (?=[-.\d])|(\d) (?=%)", r"\1\2", text)


def same_label(stated: str | None, right: str) -> bool:
    """Whether a stated label is the right one; a label that is not stated is not."""
    return stated is not None and normalise(stated) == normalise(right)


def fact_set(facts: Iterable[str]) -> frozenset[str]:
    """Normalised facts; what is empty after normalisation is left out."""
    return frozenset(filter(None, map(normalise, facts)))


def word_f1(stated: str, gold: str) -> float:
    """F1 of two texts as bags of normalised words (Rajpurkar et al. 2016, SQuAD), in 0..1."""
    left, right = normalise(stated).split(), normalise(gold).split()
    hits = sum(min(left.count(word), right.count(word)) for word in set(left))
    return 2 * hits / (len(left) + len(right)) if hits else float(not left and not right)


def rouge_l(stated: str, gold: str) -> float:
    """ROUGE-L F1 of two texts (Lin 2004, ``rouge_score``), in 0..1."""
    return _rouge().score(gold, stated)["rougeL"].fmeasure


@lru_cache(maxsize=1)
def _rouge():
    from rouge_score import rouge_scorer  # takes a second to import, and only free text needs it

    return rouge_scorer.RougeScorer(["rougeL"])


def repetition(text: str, length: int = 4) -> float:
    """Share of a text's word sequences of one length that occur earlier in it, in 0..1; 0 for a shorter text.

    seq-rep-n of Welleck et al. (2020, arXiv 1908.04319), over words in place of tokens.
    """
    words = text.split()
    grams = [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
