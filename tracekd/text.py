"""Texts as students and teachers write them: the one form in which they are compared, and lists read into items."""

import ast
import html
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import takewhile
from typing import Any

NAMES = {"babi": "bAbI", "cotempqa": "CoTempQA", "marco": "MS MARCO"}  # data sets as their owners write them
# Marks that change a value, by place. They are set aside as private characters while punctuation becomes spaces.
_MARKS = "-.,:/*^+#%<>~'\""
_ASIDE = str.maketrans(_MARKS, "".join(chr(0xE000 + i) for i in range(len(_MARKS))))
_BACK = {new: chr(old) for old, new in _ASIDE.items()}
_VALUE = re.compile(
    r"(?<!\w)-(?=\.?\d|∞)"  # a sign, but no bullet and no range
    r"|(?<=\d)[./:*^+](?=\d)|(?<=\d),(?=\d{1,2}(?!\d))|(?<=\de)[-+](?=\d)"  # within a number
    r"|(?:(?<=\butc)|(?<=\bgmt))[-+](?=\d)"  # a time zone
    r"|(?<=\w)\^(?=[\w-])|(?<=\^)-(?=\d)"  # a power
    r"|(?<=\w)(?:\+\+|[+#](?!\w))"  # C++, C#, A+, 18+
    r"|(?:(?<=\b\w)|(?<=\bab)|(?<=\d))-(?!\w|\W{0,3}\d)"  # A-, AB-, 2001-
    r"|(?<=\d)%|[<>~](?=[-$€£¥.]?\d)"
)
# Where none of this is found, punctuation to spaces is all there is to do (most facts: twenty times as fast).
_SPECIAL = re.compile(r"[^\x00-\x7f]|[$%<>~#+^&]|\d['\"]|\d[.,:/*-](?=\S)|[-.](?=\d)|-(?=\.\d)|\w-(?!\w)")
_SYMBOLS = "°♯♭"  # of those that are no letters, the ones that count beside letters and digits


def named(text: str) -> str:
    """``text`` with the names of the data sets as their owners write them, except in `code` and in ids of problems."""
    return re.sub(rf"`[^`]*`|\b({'|'.join(NAMES)})\b(?!/)", lambda found: NAMES.get(found[0], found[0]), text)


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


# What to find and what to put there, in this order; NFKC must not change a value: 2¹⁰ is 2^10, 1½ is 1 1/2.
_BEYOND_ASCII = (
    (r"[\u2070\u00b9\u00b2\u00b3\u2074-\u207b]+", lambda match: "^" + _nfkc(match[0]).replace("\u2212", "-")),
    (r"(?<=\d)\s?[º˚]\s?(?=[CFcf]\b)", "°"),
    (r"(?<=\d)(?=[¼-¾⅐-⅞])", " "),
    (r"(?<=\d)[\u00a0\u2009\u202f'’](?=\d{3}(?!\d))", ""),
    (r"[©®™℠]", ""),
    (r"(?s).+", lambda match: _nfkc(match[0]).replace("\u2044", "/")),
    (r"(?<=\d)″(?!\w)", '"'),
    (r"(?<=\d)′(?!\w)", "'"),
    (r"(?<!\w)–(?=[$€£¥]?[.\d])|−", "-"),
)
# Numbers in one form: no thousands separators, dates with spaces, .5 as 0.5, -$5 as $-5, >= as ≥.
_NUMBERS = (
    (r"(?<![\d.,])\d{1,3}(?:,\d{2,3})*,\d{3}(?!,?\d)", lambda match: match[0].replace(",", "")),
    (r"(?<![\d/])(\d{1,4})/(\d{1,2})/(\d{1,4})(?![\d/])", r"\1 \2 \3"),
    (r"-\s?([$€£¥])(?=[.\d])", r"\1-"),
    (r"\b(utc|gmt) ?([-+]) ?(?=\d)", r"\1\2"),
    (r"(?<![\w.])\.(?=\d)", "0."),
    (r"< ?= ?(?=[-$€£¥.\d])", "≤"),
    (r"> ?= ?(?=[-$€£¥.\d])", "≥"),
)
_TOGETHER = (
    (r"(?<=[$€£¥<>~≤≥≈±]) (?=[-.\d])|(?<=\d) (?=[%‰°])|(?<=°) (?=[cfk]\b)", ""),
    (r"(?<![\w.$€£¥-])(-?\d[\d.,]*) ?([$€£¥])(?! ?[\d-])", r"\2\1"),
)


def _replaced(text: str, rules: Iterable[tuple[str, Any]]) -> str:
    for pattern, new in rules:
        text = re.sub(pattern, new, text)
    return text


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
        return re.sub(r"[\W_]+", " ", text.lower()).strip()
    text = unescaped(text)
    if not text.isascii():
        text = _replaced(text, _BEYOND_ASCII)
    text = re.sub(r"\s+", " ", text.casefold())
    if re.search(r"\d", text):
        text = _replaced(text, _NUMBERS)
        for mark in "'\"":
            if text.count(mark) % 2:  # an unpaired one is no quotation mark: feet and inches
                text = re.sub(rf"(?<=\d){mark}(?!\w)", mark.translate(_ASIDE), text)
        text = re.sub(r"([$€£¥<>~]) (?=[-.\d])|(\d) (?=%)", r"\1\2", text)
    text = _VALUE.sub(lambda match: match[0].translate(_ASIDE), text).translate(_KEPT)
    if not text.isascii():
        if any(char.isalnum() for char in text):
            text = "".join(" " if unicodedata.category(c) == "So" and c not in _SYMBOLS else c for c in text)
        text = _nfkc(text).translate(_BACK)
    return _replaced(" ".join(text.split()), _TOGETHER)


def unescaped(text: str) -> str:
    """A text with its HTML entities read, but no "&" that is none."""
    entity = r"(?i)&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]\w{1,30});"
    return re.sub(entity, lambda match: html.unescape(match[0]), text) if "&" in text else text


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
    from rouge_score import rouge_scorer  # takes a second to import, and only free text needs it

    return rouge_scorer.RougeScorer(["rougeL"]).score(gold, stated)["rougeL"].fmeasure


def repetition(text: str) -> float:
    """Share of a text's sequences of four words that occur earlier in it, in 0..1; 0 for a shorter text.

    seq-rep-4 of Welleck et al. (2020, arXiv 1908.04319), over words in place of tokens.
    """
    words = text.split()
    grams = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


_CURLY = str.maketrans("‘’‚‛`´“”„‟«»", "''''''\"\"\"\"\"\"")
_CLOSING = {"[": "]", "(": ")", "{": "}"}
# Between two quoted items: a comma, a semicolon, a bar, or, as numpy prints arrays, white space alone.
_BETWEEN = re.compile(r"(?<=[^\s,;|\[({])(['\"])\s*(?:[,;|]\s*|\s)(['\"])(?=\S)")
_APART = re.compile(r"\S['\"]\s+['\"]\S")
_BULLET = re.compile(r"[-*•‣·–+](?=\s)\s*|\(?\d{1,2}[.):](?=\s)\s*")
FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[\w+-]*[ \t]*$\n?", re.MULTILINE)
_AROUND = (
    re.compile(r"\A(\*{1,3}|_{1,3}|`{1,3})(?=\S)((?:(?!\1).)*)(?<=\S)\1\Z", re.DOTALL),
    re.compile(r"\A\$*\\boxed\{(?:\\text\{)?([^{}]*)\}{1,2}\$*\Z"),
)


def unfenced(text: str) -> str:
    """A text without code fences, and without emphasis, back ticks or ``\\boxed{}`` around all of it."""
    text = FENCE.sub("", text).strip()
    while match := next(filter(None, (form.match(text) for form in _AROUND)), None):
        text = match.groups()[-1].strip()
    return text


def read_list(text: str) -> tuple[str, ...]:
    """Read a literal of a list, tuple, set or string into its items, slips forgiven; what is none of these is one."""
    text = text.strip()
    if not text:
        return ()
    found = quoted_list(f"[{text}]" if text[0] in "'\"‘“" else text)
    return (text,) if found is None else found


def quoted_list(text: str) -> tuple[str, ...] | None:
    """The items of a bracketed list of literals that is all of ``text``; None where it is none."""
    for form in dict.fromkeys((text, text.translate(_CURLY), unescaped(text).translate(_CURLY))):
        if form[:1] not in _CLOSING:
            continue
        value = literal(form)
        if isinstance(value, list | tuple | set | dict):
            flat, inside = tuple(_flat(value)), form[1:-1]
            # Python joins 'a' 'b' into one string; a list without commas means two, where no item quotes two words.
            spaced = tuple(_pieces(inside)) if _APART.search(inside) and not any(map(_APART.search, flat)) else ()
            return spaced if len(spaced) > len(flat) else flat
        inside = form[1:].strip().removesuffix(_CLOSING[form[0]]).strip()
        closed = form[-1:] in (_CLOSING[form[0]], "'", '"')
        if closed and len(inside) > 1 and {inside[0], inside[-1]} <= {"'", '"'}:
            return tuple(_pieces(inside))
    return None


def first_list(text: str) -> str | None:
    """The bracketed list that ``text`` begins with, to its closing bracket outside of quotes, else None."""
    plain = text.translate(_CURLY)
    if plain[:1] not in _CLOSING:
        return None
    closing, depth, quote = _CLOSING[plain[0]], 0, ""
    for place, char in enumerate(plain):
        if quote:
            # A quote closes an item where a separator or a bracket follows it.
            if char == quote and plain[place - 1] != "\\" and re.match(r"\s*(?:[,;|\])}'\"]|\Z)", plain[place + 1 :]):
                quote = ""
        elif char in "'\"" and not plain[place - 1].isalnum():
            quote = char
        else:
            depth += (char == plain[0]) - (char == closing)
            if not depth:
                return text[: place + 1]
    return None


def unquoted_list(text: str, known: Callable[[str], bool]) -> tuple[str, ...] | None:
    """The items of a bracketed list without quotes, cut at its separators; one item where ``known`` knows it whole."""
    inside = text[1:-1].strip()
    if text[:1] != "[" or text[-1:] != "]" or not inside or inside[0] in "'\"[{(":
        return None
    marks = "[;|]" if re.search("[;|]", inside) else ","  # between semicolons a comma belongs to a name
    return (inside,) if known(inside) else tuple(part.strip() for part in re.split(marks, inside) if part.strip())


def marked_lines(text: str) -> tuple[str, ...] | None:
    """Items of the bulleted or numbered list that ``text`` begins with, else None ("1. FC Union" alone is a name)."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    items = [_BULLET.sub("", line, count=1) for line in takewhile(_BULLET.match, lines)]
    if not items or (len(lines) == 1 and lines[0].lstrip("(")[0].isdigit()):
        return None
    return tuple(read_list(item)[0] if len(read_list(item)) == 1 else item for item in items)


def literal(text: str) -> Any:
    """What a text says as a Python literal; None where it is none."""
    try:
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _flat(value: Any) -> Iterator[str]:
    if not isinstance(value, dict | list | tuple | set):
        yield str(value)
        return
    for item in value.values() if isinstance(value, dict) else value:
        yield from _flat(item)


def _pieces(inside: str) -> Iterator[str]:
    """Quoted items cut apart at what stands between two quotes, for lists that do not parse."""
    for part in _BETWEEN.sub("\0", inside.strip()[1:-1]).split("\0"):
        yield part.replace("\\'", "'").replace('\\"', '"')
