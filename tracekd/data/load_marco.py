"""MS MARCO QA as Problems: drawn by query type, split, with their evidence; what is left out is counted and logged."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

import numpy as np

from tracekd.data.marco_records import NO_ANSWER, Row, check_row, read
from tracekd.data.problem import CATEGORIES, DataUnavailable, Problem
from tracekd.data.splits import paper_split

log = logging.getLogger(__name__)

# The authors took 6,000 problems, 1,000 of them for the test: of each of the five query types 1,000 and 200.
PER_TYPE, TEST_PER_TYPE = 1200, 200
SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")
EVIDENCE = ("selected", "most_words")
# A file whose first records all lack an answer has hidden labels (about one v1.1 record in thirty has none).
_LOOK = 1000
_HUB_TEST = re.compile(r"test-\d+-of-\d+.*\.parquet")


def local_marco(folder: Path, *, seed: int = 121, test_share: float | None = None, evidence: str = "selected"):
    """Read the MS MARCO files in ``folder`` and below it: see ``draw`` and ``problems_of``.

    Raises:
        DataUnavailable: no file of a known form, or none with labels.
        ValueError: a record that cannot be read.
    """
    files = sorted(path for path in folder.rglob("*") if path.name.endswith(SUFFIXES) and path.is_file())
    tests = [path for path in files if _HUB_TEST.fullmatch(path.name)]
    for path in tests:
        log.warning("marco: %s is left out: the labels of the Hub's test split are hidden", path.name)
    rows = draw(chain.from_iterable(labelled(path) for path in files if path not in tests), np.random.default_rng(seed))
    if not rows:
        raise DataUnavailable(
            f"no labelled MS MARCO record in {folder} ({len(files)} files): expected {', '.join(SUFFIXES)} files with "
            "query, query_type, passages and answers, such as train-00000-of-00007.parquet or dev_v2.1.json"
        )
    return problems_of(rows, test_share=test_share, evidence=evidence)


def load_file(path: Path) -> list[Problem]:
    """All labelled problems of one file, with no draw."""
    return problems_of(draw(labelled(path), np.random.default_rng(0), per_type=None))


def labelled(path: Path) -> Iterator[Row]:
    """The checked records of a file whose labels are not hidden; what is left out is counted and logged."""
    rows = (check_row(raw, place) for place, raw in read(path))
    first = list(islice(rows, _LOOK))
    if not first:
        raise ValueError(f"{path} holds no MS MARCO record: expected at least one with query, passages and answers")
    if not any(row.answers for row in first):
        log.warning("marco: %s is left out: none of its first %d records has an answer", path.name, len(first))
        return
    hidden = 0
    for row in chain(first, rows):
        if row.answers is None:
            hidden += 1
        else:
            yield row
    if hidden:
        log.warning("marco: %s: %d records left out, their labels are hidden", path.name, hidden)


def draw(
    rows: Iterable[Row], rng: np.random.Generator, per_type: int | None = PER_TYPE, until_full: bool = False
) -> list[Row]:
    """Draw at most ``per_type`` rows of each query type, in one pass (reservoir sampling); repeated ids are left out.

    Args:
        rows: in any order.
        rng: decides the draw.
        per_type: how many of each type; None for all.
        until_full: stop when each type has its number, for a stream that is shuffled already.
    """
    chosen: dict[str, list[tuple[int, Row]]] = {name: [] for name in CATEGORIES["marco"]}
    seen: set[str] = set()
    counts, again = Counter(), []
    for number, row in enumerate(rows):
        if row.query_id is not None and row.query_id in seen:
            again.append(row)
            continue
        seen.add(row.query_id or "")
        counts[row.query_type] += 1
        of_type = chosen[row.query_type]
        if per_type is None or len(of_type) < per_type:
            of_type.append((number, row))
            if until_full and all(len(part) == per_type for part in chosen.values()):
                break
        elif not until_full and (place := int(rng.integers(counts[row.query_type]))) < per_type:
            of_type[place] = (number, row)
    if again:
        log.warning("marco: %d records left out, their query_id came before, first %s", len(again), again[0].place)
    if until_full and (short := {name: len(part) for name, part in chosen.items() if len(part) < per_type}):
        log.warning("marco: the stream ended before these types had %d problems: %s", per_type, short)
    if per_type and not until_full and sum(counts.values()) > sum(map(len, chosen.values())):
        log.warning("marco: %d of each query type drawn from %s", per_type, dict(counts))
    return [row for _, row in sorted(chain.from_iterable(chosen.values()), key=lambda pair: pair[0])]


def problems_of(rows: list[Row], *, test_share: float | None = None, evidence: str = "selected") -> list[Problem]:
    """Rows as Problems: ids by ``query_id`` (else by position in the type), evidence, split by query type.

    Args:
        rows: checked rows, none with hidden labels.
        test_share: share of test problems in each type; None as in the paper: 200 of 1,200 where a type has 1,200
            problems, else 20%.
        evidence: ``selected`` (the passages marked ``is_selected``) or ``most_words`` (the authors' rule). Nothing is
            evidence where nothing answers.

    Raises:
        ValueError: ``test_share`` or ``evidence`` is none of these.
    """
    if evidence not in EVIDENCE:
        raise ValueError(f"evidence {evidence!r} of MS MARCO: expected one of {', '.join(EVIDENCE)}")
    numbers: Counter[str] = Counter()
    counts = Counter(row.query_type for row in rows)
    shares = {t: TEST_PER_TYPE / PER_TYPE if n == PER_TYPE else 0.2 for t, n in counts.items()}
    splits = paper_split([row.query_type for row in rows], shares if test_share is None else check_share(test_share))
    problems = []
    for row, split in zip(rows, splits, strict=True):
        name = f"marco/{row.query_type}/{row.query_id or format(numbers[row.query_type], '04d')}"
        numbers[row.query_type] += row.query_id is None
        gold = row.selected if evidence == "selected" else most_words(row.context, row.answers)
        answers, gold = (row.answers, gold) if row.answers else ((NO_ANSWER,), ())
        problems.append(Problem(name, "marco", row.query_type, row.context, row.query, answers, gold, split))
    if bare := sum(p.answers != (NO_ANSWER,) and not p.evidence for p in problems):
        log.warning("marco: %d of %d records have an answer and no selected passage: no gold passage", bare, len(rows))
    return problems


def check_share(share: float | str) -> float:
    """``share`` as a number between 0 and 1, both excluded, else a ``ValueError``."""
    with suppress(ValueError):
        if 0 < float(share) < 1:
            return float(share)
    raise ValueError(f"test share {share!r}: expected a number between 0 and 1, such as 0.2")


def most_words(context: tuple[str, ...], answers: tuple[str, ...]) -> tuple[int, ...]:
    """The authors' rule: the first passage that shares most different words with an answer, if any shares one."""
    wanted = [set(re.findall(r"\w+", answer.casefold())) for answer in answers]
    passages = [set(re.findall(r"\w+", passage.casefold())) for passage in context]
    shared = [max((len(words & passage) for words in wanted), default=0) for passage in passages]
    return (shared.index(max(shared)),) if any(shared) else ()
