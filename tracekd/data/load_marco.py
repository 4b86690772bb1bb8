"""MS MARCO QA, v1.1 and v2.1 in the Hub's record form: drawn by query type and split; what is left out is logged."""

import logging
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tracekd.data.problem import CATEGORIES, Problem, are_texts, build, expect, paper_split
from tracekd.io.records import numbered_jsonl

log = logging.getLogger(__name__)

NO_ANSWER = "No Answer Present."
# The authors took 6,000 problems, 1,000 of them for the test: of each of the five query types 1,000 and 200.
PER_TYPE, TEST_PER_TYPE = 1200, 200
SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
EXPECTED = (
    f"{', '.join(SUFFIXES)} files with query, query_id, query_type, passages and answers, not hidden, such as "
    "train-00000-of-00007.parquet"
)


def read_folder(folder: Path, *, seed: int = 121, test_share: float | None = None) -> list[Problem]:
    """Read the MS MARCO files in ``folder`` and below it: see ``draw`` and ``split``."""
    files = sorted(path for path in folder.rglob("*") if path.name.endswith(SUFFIXES) and path.is_file())
    drawn = draw(chain.from_iterable(map(labelled, files)), np.random.default_rng(seed))
    return split(drawn, test_share=test_share)


def read_file(path: Path) -> list[Problem]:
    """All labelled problems of one file, with no draw."""
    return split(draw(labelled(path), np.random.default_rng(0), per_type=sys.maxsize))


def labelled(path: Path) -> Iterator[Problem]:
    """The problems of a file whose labels are not hidden, as those of the Hub's test split are."""
    rows, hidden = _parquet(path) if path.suffix == ".parquet" else numbered_jsonl(path), 0
    for problem in build(path, rows, read_row, unique=False):
        hidden += problem is None
        if problem:
            yield problem
    if hidden:
        log.warning("marco: %s: %d records left out, their labels are hidden", path.name, hidden)


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        batches = pyarrow.parquet.ParquetFile(path).iter_batches(1000)
        yield from enumerate((row for batch in batches for row in batch.to_pylist()), 1)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a whole parquet file ({error})") from error


def read_row(raw: dict[str, Any]) -> Problem | None:
    """One record as a problem, its selected passages as evidence; None where its labels are hidden."""
    query, number, label, answers = (raw.get(name) for name in ("query", "query_id", "query_type", "answers"))
    passages = raw.get("passages") if isinstance(raw.get("passages"), dict) else {}
    texts, flags = passages.get("passage_text"), passages.get("is_selected")
    types, size = CATEGORIES["marco"], len(texts) if isinstance(texts, list) else 0
    expect(are_texts([query]) and query.strip(), "query", query, "a text that is not empty")
    expect(re.fullmatch(r"\d{1,40}", str(number)), "query_id", number, "a whole number")
    expect(are_texts([label]) and label.strip().upper() in types, "query_type", label, f"one of {', '.join(types)}")
    expect(answers is None or are_texts(answers), "answers", answers, "a list of texts, empty where nothing answers")
    expect(size and are_texts(texts), "passages.passage_text", texts, "a list of one or more texts")
    right = isinstance(flags, list) and len(flags) == size and all(flag in (-1, 0, 1) for flag in flags)
    expect(right, "passages.is_selected", flags, f"a list of {size} flags, each 0, 1 or -1 (hidden)")
    if answers is None or all(flag < 0 for flag in flags):
        return None
    # v1.1 has an empty list where nothing answers, v2.1 "No Answer Present."
    stripped = (text.strip() for text in answers)
    answers = tuple(dict.fromkeys(text for text in stripped if text and text.rstrip(".") != NO_ANSWER.rstrip(".")))
    gold, label = tuple(i for i, flag in enumerate(flags) if flag > 0 and answers), label.strip().upper()
    name = f"marco/{label}/{number}"
    return Problem(name, "marco", label, tuple(texts), query, answers or (NO_ANSWER,), gold, "")


def draw(
    rows: Iterable[Problem], rng: np.random.Generator, per_type: int = PER_TYPE, until_full: bool = False
) -> list[Problem]:
    """Draw ``per_type`` rows of each query type in one pass (reservoir sampling; ``until_full``: the first ones)."""
    chosen: dict[str, list[tuple[int, Problem]]] = {name: [] for name in CATEGORIES["marco"]}
    seen, counts, again = set(), Counter(), []
    for number, row in enumerate(rows):
        if (query_id := row.id.split("/")[-1]) in seen:
            again.append(query_id)
            continue
        seen.add(query_id)
        counts[row.category] += 1
        of_type = chosen[row.category]
        if len(of_type) < per_type:
            of_type.append((number, row))
            if until_full and all(len(part) == per_type for part in chosen.values()):
                break
        elif not until_full and (place := int(rng.integers(counts[row.category]))) < per_type:
            of_type[place] = (number, row)
    if again:
        log.warning("marco: %d records left out, their query_id came before, first %s", len(again), again[0])
    if until_full and any(len(part) < per_type for part in chosen.values()):
        log.warning("marco: the stream ended before each query type had %d problems: %s", per_type, dict(counts))
    elif max(counts.values(), default=0) > per_type:
        log.warning("marco: %d of each query type drawn from %s", per_type, dict(counts))
    return [row for _, row in sorted(chain.from_iterable(chosen.values()), key=lambda pair: pair[0])]


def split(problems: list[Problem], *, test_share: float | None = None) -> list[Problem]:
    """Split each query type by ``test_share``; None as in the paper: 200 of 1,200, and 20% of types of other sizes."""
    if test_share is not None and not 0 < test_share < 1:
        raise ValueError(f"test share {test_share!r}: expected a number between 0 and 1, such as 0.2")
    counts = Counter(p.category for p in problems)
    shares = {t: test_share or (TEST_PER_TYPE / PER_TYPE if n == PER_TYPE else 0.2) for t, n in counts.items()}
    if bare := sum(p.answers != (NO_ANSWER,) and not p.evidence for p in problems):
        log.warning("marco: %d of %d have an answer and no selected passage: no gold passage", bare, len(problems))
    return paper_split([replace(p, split="") for p in problems], shares)
