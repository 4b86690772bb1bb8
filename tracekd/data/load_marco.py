"""MS MARCO QA, v1.1 and v2.1 in the Hub's record form: checked, drawn by query type, split, with their evidence.

What is left out is counted and logged.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tracekd.data.problem import CATEGORIES, DataUnavailable, Problem
from tracekd.data.splits import paper_split
from tracekd.io.records import numbered_jsonl

log = logging.getLogger(__name__)

NO_ANSWER = "No Answer Present."
# The authors took 6,000 problems, 1,000 of them for the test: of each of the five query types 1,000 and 200.
PER_TYPE, TEST_PER_TYPE = 1200, 200
SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")


def read_folder(folder: Path, *, seed: int = 121, test_share: float | None = None) -> list[Problem]:
    """Read the MS MARCO files in ``folder`` and below it: see ``draw`` and ``split``."""
    files = sorted(path for path in folder.rglob("*") if path.name.endswith(SUFFIXES) and path.is_file())
    drawn = draw(chain.from_iterable(map(labelled, files)), np.random.default_rng(seed))
    if not drawn:
        raise DataUnavailable(
            f"no labelled MS MARCO record in {folder} ({len(files)} files): expected {', '.join(SUFFIXES)} files with "
            "query, query_id, query_type, passages and answers, such as train-00000-of-00007.parquet"
        )
    return split(drawn, test_share=test_share)


def read_file(path: Path) -> list[Problem]:
    """All labelled problems of one file, with no draw."""
    return split(draw(labelled(path), np.random.default_rng(0), per_type=None))


def labelled(path: Path) -> Iterator[Problem]:
    """The problems of a file whose labels are not hidden, as those of the Hub's test split are."""
    hidden = 0
    for found in (check_row(raw, place) for place, raw in _records(path)):
        hidden += found is None
        if found:
            yield found
    if hidden:
        log.warning("marco: %s: %d records left out, their labels are hidden", path.name, hidden)


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each record as it is, with its place: file and line, or row of a parquet file."""
    if path.suffix != ".parquet":
        yield from ((f"{path}, line {number}", row) for number, row in numbered_jsonl(path))
        return
    import pyarrow
    import pyarrow.parquet

    try:
        batches = pyarrow.parquet.ParquetFile(path).iter_batches(1000)
        rows = (row for batch in batches for row in batch.to_pylist())
        yield from ((f"{path}, row {number}", row) for number, row in enumerate(rows))
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a whole parquet file ({error})") from error


def check_row(raw: dict[str, Any], place: str) -> Problem | None:
    """One record as a training problem, its selected passages as evidence; None where its labels are hidden.

    ``ValueError`` with place, field, value and expectation where a field is missing or of another type.
    """
    query, number, label, answers = (raw.get(name) for name in ("query", "query_id", "query_type", "answers"))
    passages = raw.get("passages") if isinstance(raw.get("passages"), dict) else {}
    texts, flags = passages.get("passage_text"), passages.get("is_selected")
    types, size = CATEGORIES["marco"], len(texts) if isinstance(texts, list) else 0
    right_flags = isinstance(flags, list) and len(flags) == size and all(flag in (-1, 0, 1) for flag in flags)
    for field, value, right, expected in (
        ("query", query, isinstance(query, str) and query.strip(), "a text that is not empty"),
        ("query_id", number, re.fullmatch(r"\d{1,40}", str(number)), "a whole number"),
        ("query_type", label, isinstance(label, str) and label.strip().upper() in types, f"one of {', '.join(types)}"),
        ("answers", answers, answers is None or _texts(answers), "a list of texts, empty where nothing answers"),
        ("passages.passage_text", texts, size and _texts(texts), "a list of one or more texts"),
        ("passages.is_selected", flags, right_flags, f"a list of {size} flags, each 0, 1 or -1 (hidden)"),
    ):
        if not right:
            raise ValueError(f"{place}: field {field!r} is {repr(value)[:80]}, expected {expected}")
    if answers is None or all(flag < 0 for flag in flags):
        return None
    # v1.1 has an empty list where nothing answers, v2.1 "No Answer Present."
    stripped = (text.strip() for text in answers)
    answers = tuple(dict.fromkeys(text for text in stripped if text and text.rstrip(".") != NO_ANSWER.rstrip(".")))
    gold = tuple(i for i, flag in enumerate(flags) if flag > 0) if answers else ()
    label = label.strip().upper()
    name = f"marco/{label}/{number}"
    return Problem(name, "marco", label, tuple(texts), query, answers or (NO_ANSWER,), gold, "train")


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def draw(
    rows: Iterable[Problem], rng: np.random.Generator, per_type: int | None = PER_TYPE, until_full: bool = False
) -> list[Problem]:
    """Draw at most ``per_type`` rows of each query type, in one pass (reservoir sampling); repeated ids are left out.

    Args:
        rows: in any order.
        rng: decides the draw.
        per_type: how many of each type; None for all.
        until_full: stop when each type has its number, for a stream that is shuffled already.
    """
    chosen: dict[str, list[tuple[int, Problem]]] = {name: [] for name in CATEGORIES["marco"]}
    seen: set[str] = set()
    counts, again = Counter(), []
    for number, row in enumerate(rows):
        if (query_id := row.id.split("/")[-1]) in seen:
            again.append(query_id)
            continue
        seen.add(query_id)
        counts[row.category] += 1
        of_type = chosen[row.category]
        if per_type is None or len(of_type) < per_type:
            of_type.append((number, row))
            if until_full and all(len(part) == per_type for part in chosen.values()):
                break
        elif not until_full and (place := int(rng.integers(counts[row.category]))) < per_type:
            of_type[place] = (number, row)
    if again:
        log.warning("marco: %d records left out, their query_id came before, first %s", len(again), again[0])
    if until_full and (short := {name: len(part) for name, part in chosen.items() if len(part) < per_type}):
        log.warning("marco: the stream ended before these types had %d problems: %s", per_type, short)
    if per_type and not until_full and sum(counts.values()) > sum(map(len, chosen.values())):
        log.warning("marco: %d of each query type drawn from %s", per_type, dict(counts))
    return [row for _, row in sorted(chain.from_iterable(chosen.values()), key=lambda pair: pair[0])]


def split(problems: list[Problem], *, test_share: float | None = None) -> list[Problem]:
    """Problems with their split, drawn by query type.

    ``test_share`` is the share of test problems in each type; None as in the paper: 200 of 1,200 where a type has
    1,200 problems, else 20%.
    """
    if test_share is not None and not 0 < test_share < 1:
        raise ValueError(f"test share {test_share!r}: expected a number between 0 and 1, such as 0.2")
    counts = Counter(p.category for p in problems)
    shares = {t: test_share or (TEST_PER_TYPE / PER_TYPE if n == PER_TYPE else 0.2) for t, n in counts.items()}
    if bare := sum(p.answers != (NO_ANSWER,) and not p.evidence for p in problems):
        log.warning("marco: %d of %d have an answer and no selected passage: no gold passage", bare, len(problems))
    splits = paper_split([p.category for p in problems], shares)
    return [replace(p, split=part) for p, part in zip(problems, splits, strict=True)]


def most_words(context: tuple[str, ...], answers: tuple[str, ...]) -> tuple[int, ...]:
    """The authors' rule: the first passage that shares most different words with an answer, if any shares one.

    ``figures/data/marco_evidence.csv`` has how often it names a selected passage.
    """
    wanted = [set(re.findall(r"\w+", answer.casefold())) for answer in answers]
    passages = [set(re.findall(r"\w+", passage.casefold())) for passage in context]
    shared = [max((len(words & passage) for words in wanted), default=0) for passage in passages]
    return (shared.index(max(shared)),) if any(shared) else ()
