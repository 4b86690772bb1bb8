"""Lists as students and teachers write them: Python and JSON literals, bullets, numbers, lines."""

from __future__ import annotations

import ast
import html
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from tracekd.text import ENTITY

_CURLY = str.maketrans("‘’‚‛`´“”„‟«»", "''''''\"\"\"\"\"\"")
_CLOSING = {"[": "]", "(": ")", "{": "}"}
# Between two quoted items: a comma, a semicolon, a bar, or, as numpy prints arrays, white space alone.
_BETWEEN = re.compile(r"(?<=[^\s,;|\[({])(['\"])\s*(?:[,;|]\s*|\s)(['\"])(?=\S)")
_BULLET = re.compile(r"[-*•‣·–+](?=\s)\s*|\(?\d{1,2}[.):](?=\s)\s*")
FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[\w+-]*[ \t]*$\n?", re.MULTILINE)
_EMPHASIS = re.compile(r"\A(\*{1,3}|_{1,3}|`{1,3})(?=\S)((?:(?!\1).)*)(?<=\S)\1\Z", re.DOTALL)
_BOXED = re.compile(r"\A\$*\\boxed\{(?:\\text\{)?([^{}]*)\}{1,2}\$*\Z")


def unfenced(text: str) -> str:
    """A text without code fences, and without emphasis, back ticks or ``\\boxed{}`` around all of it."""
    text = FENCE.sub("", text).strip()
    while match := _EMPHASIS.match(text) or _BOXED.match(text):
        text = match.groups()[-1].strip()
    return text


def read_list(text: str) -> tuple[str, ...]:
    """Read a list, tuple, set or string literal into its items; text that does not parse is one item.

    Curly quotes, unescaped apostrophes, commas that are missing between quoted items and HTML entities are forgiven.
    """
    text = text.strip()
    if not text:
        return ()
    found = quoted_list(f"[{text}]" if text[0] in "'\"‘“" else text)
    return (text,) if found is None else found


def quoted_list(text: str) -> tuple[str, ...] | None:
    """The items of a bracketed list of literals that is all of ``text``; None where it is none."""
    for form in dict.fromkeys((text, text.translate(_CURLY), _unescaped(text).translate(_CURLY))):
        if form[:1] not in _CLOSING:
            continue
        value = _literal(form)
        if isinstance(value, list | tuple | set | dict):
            flat = tuple(_flat(value))
            inside = form[1:-1]
            # Python joins 'a' 'b' into one string; a list without commas means two.
            spaced = tuple(_pieces(inside)) if re.search(r"\S['\"]\s+['\"]\S", inside) else ()
            return spaced if len(spaced) > len(flat) else flat
        inside = form[1:].strip().removesuffix(_CLOSING[form[0]]).strip()
        closed = form[-1:] in (_CLOSING[form[0]], "'", '"')
        if closed and len(inside) > 1 and {inside[0], inside[-1]} <= {"'", '"'}:
            return tuple(_pieces(inside))
    return None


def first_list(text: str) -> str | None:
    """The bracketed list that ``text`` begins with, to its closing bracket outside of quotes; None where it ends not.

    An apostrophe within a word opens no quote, so that ``['It's A.'] So`` ends at the bracket.
    """
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
        elif char == plain[0]:
            depth += 1
        elif char == closing:
            depth -= 1
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
    """The items of a bulleted or numbered list that ``text`` begins with; None where its first line has no mark.

    A single line with a number is no list: "1. FC Union" is a name.
    """
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    marked = []
    for line in lines:
        if not (match := _BULLET.match(line)):
            break
        marked.append(line[match.end() :])
    if not marked or (len(lines) == 1 and lines[0].lstrip("(")[0].isdigit()):
        return None
    return tuple(read_list(item)[0] if len(read_list(item)) == 1 else item for item in marked)


def _literal(text: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple | set):
        yield str(value)
        return
    for item in value:
        yield from _flat(item)


def _pieces(inside: str) -> Iterator[str]:
    """Quoted items cut apart at what stands between two quotes, for lists that do not parse."""
    inside = inside.strip()
    for part in _BETWEEN.sub("\0", inside[1:-1]).split("\0"):
        yield part.replace("\\'", "'").replace('\\"', '"')


def _unescaped(text: str) -> str:
    return ENTITY.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text
