"""Texts of a teacher on a run's problems: found, read from JSON-lines files, joined to the problems.

Rows of our own form name their problem by id. DeepSeek-R1's texts on CoTempQA are joined by question and set of facts;
a row that is on no problem at hand, but holds one whole, adds it to training.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from tracekd.config import Profile
from tracekd.data.load_cotempqa import cotempqa_problem
from tracekd.data.problem import CATEGORIES, Problem, check_fields
from tracekd.data.problems import training_set
from tracekd.io.records import numbered_jsonl
from tracekd.traces import freeform
from tracekd.traces.corruption import same
from tracekd.traces.freeform import Texts, fingerprint

R1 = "DeepSeek-R1"
# Column of an R1 file to the text that it holds.
COLUMNS = {
    "r1_trace": "trace", "r1_summary": "summary", "r1_explanation": "explanation", "r1_prediction": "answer",
}  # fmt: skip
FORMS = "rows with id, teacher, trace (ours), or with question, facts, r1_trace (R1 files)"
_OWN = tuple(f.name for f in fields(Texts))
_TEXTS = tuple(COLUMNS.values())


@dataclass
class Found:
    """What ``read`` found: one ``Texts`` a problem, training problems that the data source lacks, rows left out."""

    texts: list[Texts] = field(default_factory=list)
    added: list[Problem] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def read(path: str | Path, problems: Iterable[Problem]) -> Found:
    """Read a file of texts, or a folder of such files, and join them to ``problems`` (all splits).

    Rows on other data sets are passed over.

    Raises:
        ValueError: a row that cannot be read, an unknown form, or two rows on one problem; names file and line.
    """
    path, problems, found, rows = Path(path), list(problems), Found(), {}
    files = sorted(p for p in path.iterdir() if p.suffix in (".jsonl", ".gz")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path}: no .jsonl file of texts in it: expected {FORMS}")
    by_id, by_content = {p.id: p for p in problems}, {_content(p.question, p.context): p for p in problems}
    datasets = {p.dataset for p in problems}
    for file in files:
        for number, row in numbered_jsonl(file):
            place = f"{file.name}, line {number}"
            try:
                text = _text(row)
                if text.id:
                    problem, about = by_id.get(text.id), text.id
                    if problem is None and text.id.partition("/")[0] not in datasets:
                        continue
                else:
                    problem, about = _by_content(row, by_content, "cotempqa" in datasets, found), row["question"]
                if problem is None:
                    found.left_out.append(f"{place}: no problem at hand is {about!r:.80}")
                    continue
                if problem.id in rows:
                    raise ValueError(f"{problem.id} has more than one text: give one")
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from error
            rows[problem.id] = replace(text, id=problem.id, problem=text.problem or fingerprint(problem))
    found.texts = list(rows.values())
    return found


def _text(row: Mapping[str, Any]) -> Texts:
    """One row's texts without the tags that mark trace and answer, and with their id where the row has it."""
    if {"id", "teacher", "trace"} <= row.keys() <= set(_OWN):
        parts = dict(row)
    elif "r1_trace" in row:
        parts = {"id": "", "teacher": R1, **{COLUMNS[name]: row[name] for name in COLUMNS if name in row}}
    else:
        raise ValueError(f"fields {', '.join(row)}: expected {FORMS}, with no field but {', '.join(_OWN)} in ours")
    for name, value in parts.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} is {value!r:.60}, expected a text")
        if name in _TEXTS:
            head, _, rest = value.partition("</think>")
            if name == "trace" and rest.strip():
                raise ValueError(f"trace goes on after </think> with {rest.strip()[:40]!r}: give the trace alone")
            parts[name] = freeform.clean(head if name == "trace" else value)
    if not any(parts.get(name) for name in _TEXTS):
        raise ValueError("trace is empty, and so is every other text: leave the row out")
    return Texts(**parts)


def _content(question: str, facts: Iterable[str]) -> tuple[str, frozenset[str]]:
    return same(question), frozenset(map(same, facts))


def _by_content(row: Mapping[str, Any], known: dict[tuple, Problem], add: bool, found: Found) -> Problem | None:
    """The problem that an R1 row is on; one that the row alone holds is added with gold answer, triple and category."""
    check_fields(row, ("question",), ("facts",))
    key = _content(row["question"], row["facts"])
    if add and key not in known and {"answer", "triple_element", "category"} <= row.keys():
        check_fields(row, ("triple_element",), ("answer",))
        if (category := row["category"]) not in CATEGORIES["cotempqa"]:
            raise ValueError(f"category is {category!r}, expected {', '.join(CATEGORIES['cotempqa'])}")
        made = cotempqa_problem(row, category, 0, "train")
        # Its number in the set's own files is not known; this one is stable, and no number of theirs.
        known[key] = replace(made, id=f"cotempqa/{category}/r1-{fingerprint(made)[:8]}")
        found.added.append(known[key])
    return known.get(key)


def find_texts(given: str, profile: Profile, source: str) -> str:
    """The absolute path of a teacher's texts; "" for templated ones.

    ``given`` is a file or folder, ``auto``, ``templated``, or "" for ``TRACEKD_TEXTS``, else the profile's. ``auto``
    takes the folder ``r1`` beside ``cotempqa`` in the data folder, where the profile trains on free-form traces.

    Raises:
        FileNotFoundError: there is no such file.
    """
    given = given or os.environ.get("TRACEKD_TEXTS", "") or profile.texts
    if given == "templated":
        return ""
    if given == "auto":
        folder, takes = Path(source) / "r1", any(map(freeform.takes_texts, profile.conditions_of("cotempqa")))
        return str(folder.resolve()) if takes and folder.is_dir() and any(folder.iterdir()) else ""
    if not Path(given).exists():
        raise FileNotFoundError(
            f"texts {given!r}: no such file; `python -m tracekd teacher DATA --go` writes one; --texts templated takes "
            "those that rules write"
        )
    return str(Path(given).resolve())


def texts_of(run, dataset: str, problems: Sequence[Problem]) -> Found | None:
    """A teacher's texts on a data set that the run trains free-form traces on, else None; says what was found.

    Raises:
        ValueError: none of the texts is on a training problem, or see ``read``.
    """
    if not (run.texts and any(map(freeform.takes_texts, run.profile.conditions_of(dataset)))):
        return None
    found = read(run.texts, problems)
    left = f"; {len(found.left_out)} rows are left out, first {found.left_out[0]}" if found.left_out else ""
    if not (have := _covered(found, problems)):
        raise ValueError(f"{run.texts} has no text on any training problem of {dataset}: leave the file out{left}")
    print(
        f"{dataset}: {len(found.texts)} problems have texts by {' and '.join(sorted({t.teacher for t in found.texts}))}"
        f"; {len(found.added)} of them are added to the data source's, {len(found.texts) - len(have)} are test "
        f"problems and not trained on{left}; the other training problems are left out in every condition"
    )
    return found


def _covered(found: Found, problems: Sequence[Problem]) -> list[Problem]:
    """The training problems that have texts: those of ``problems``, then those that the texts' rows add."""
    have = {text.id for text in found.texts}
    return [p for p in (*problems, *found.added) if p.split == "train" and p.id in have]


def training_problems(run, dataset: str, problems: Sequence[Problem], found: Found | None = None) -> list[Problem]:
    """The training problems of a run: the profile's number; with a teacher's texts, of those that have one.

    All conditions of a data set are trained on the same problems, so that they differ in the trace alone. ``found`` is
    of ``texts_of``, which is called where it is not given.
    """
    found = found or texts_of(run, dataset, problems)
    return training_set(run, dataset, _covered(found, problems) if found else list(problems))
