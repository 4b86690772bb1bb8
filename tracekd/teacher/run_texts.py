"""Texts of a teacher on a run's problems, read from JSON-lines files; and counts of the release's R1 sets.

Rows of our own form name their problem by id. DeepSeek-R1's texts on CoTempQA are joined by question and set of facts;
a row that is on no problem at hand, but holds one whole, adds it to training.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tracekd.config import ROOT, Profile
from tracekd.data.load_cotempqa import cotempqa_problem
from tracekd.data.problem import CATEGORIES, Problem, at, check_fields
from tracekd.data.problems import training_set
from tracekd.io.records import numbered_jsonl
from tracekd.text import normalise
from tracekd.traces import freeform
from tracekd.traces.freeform import Texts, fingerprint

R1 = "DeepSeek-R1"
# Text to the column of an R1 file that holds it, in the files at hand and in the release.
COLUMNS = {"trace": ["r1_trace"], "summary": ["r1_summary", "r1_trace_summary"],
    "explanation": ["r1_explanation", "r1_exp_ans"], "answer": ["r1_prediction", "prediction"]}  # fmt: skip
_OWN = [f.name for f in fields(Texts)]
# The first rows of the release's R1 sets, and their recorded counts; a row's message is that which it was trained on.
R1_ROWS = Path("released") / "r1_set_rows.jsonl"
R1_COUNTS = ROOT / "figures" / "data" / "r1_sets.csv"
_MESSAGE = ["message_question", "message_label", "message_answer"]
FORMS = f"rows with id, teacher, trace (ours, no fields but {', '.join(_OWN)}), or question, facts, r1_trace (R1 files)"


@dataclass
class Found:
    """What ``read`` found."""

    texts: list[Texts] = field(default_factory=list)  # one a problem
    added: list[Problem] = field(default_factory=list)  # training problems that the data source lacks
    left_out: list[str] = field(default_factory=list)  # rows on no problem
    training: list[Problem] = field(default_factory=list)  # with a text: those at hand, then ``added``


def read(path: str | Path, problems: Sequence[Problem]) -> Found:
    """Read a file or folder of texts, and join them to ``problems`` (all splits); other data sets are passed over.

    ValueError, with file and line: a row of another form, on a problem that has one, or on another one of its id.
    """
    path, found, texts = Path(path), Found(), {}
    known = {key: p for p in problems for key in (p.id, _content(p.question, p.context))}
    datasets = {p.dataset for p in known.values()}
    files = sorted(p for p in path.glob("[!.]*") if p.suffix in (".jsonl", ".gz")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path}: no .jsonl file of texts in it: expected {FORMS}")
    for place, row in ((f"{file.name}, line {number}", row) for file in files for number, row in numbered_jsonl(file)):
        with at(place):
            text = _text(row)
            named, slash, _ = (text.id or "cotempqa/").partition("/")
            if slash and named not in datasets:  # an id that names no set is reported, not passed over
                continue
            problem = known.get(text.id) if text.id else _on(row, known, found)
            if problem is None:
                found.left_out.append(f"{place}: no problem at hand is {text.id or row['question']!r:.80}")
            elif problem.id in texts:
                raise ValueError(f"{problem.id} has more than one text: give one")
            elif text.problem not in ("", of := fingerprint(problem)):
                raise ValueError(f"the text on {text.id} is on another problem of this id: give its source and seed")
            else:
                texts[problem.id] = replace(text, id=problem.id, problem=of)
    found.texts = list(texts.values())
    found.training = [p for p in (*problems, *found.added) if p.split == "train" and p.id in texts]
    return found


def _text(row: Mapping[str, Any]) -> Texts:
    """One row's texts without the tags that mark trace and answer, and with their id where the row has it."""
    parts = dict(row)
    if "r1_trace" in row:
        held = {name: row[c] for name, columns in COLUMNS.items() for c in columns if c in row}
        parts = {"id": "", "teacher": R1} | held
    elif not {"id", "teacher", "trace"} <= row.keys() <= {*_OWN}:
        raise ValueError(f"fields {', '.join(row)}: expected {FORMS}")
    for name, value in parts.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} is {value!r:.60}, expected a text")
    parts["trace"], _, rest = parts["trace"].partition("</think>")
    if rest.strip():
        raise ValueError(f"trace goes on after </think> with {rest.strip()[:40]!r}: give the trace alone")
    texts = {name: freeform.clean(parts[name]) for name in COLUMNS if name in parts}
    if not any(texts.values()):
        raise ValueError("trace is empty, and so is every other text: leave the row out")
    return Texts(**parts | texts)


def _content(question: str, facts: Iterable[str]) -> tuple[str, frozenset[str]]:
    return normalise(question), frozenset(map(normalise, facts))


def _on(row: Mapping[str, Any], known: dict[Any, Problem], found: Found) -> Problem | None:
    """The problem that an R1 row is on; one that the row alone holds is added with gold answer, triple and category."""
    check_fields(row, ("question",), ("facts",))
    key = _content(row["question"], row["facts"])
    if key not in known and {"answer", "triple_element", "category"} <= row.keys():
        check_fields(row, ("triple_element",), ("answer",))
        if (category := row["category"]) not in CATEGORIES["cotempqa"]:
            raise ValueError(f"category is {category!r}, expected {', '.join(CATEGORIES['cotempqa'])}")
        made = cotempqa_problem(row, category, 0, "train")
        # Its number in the set's own files is not known; this one is stable, and no number of theirs.
        known[key] = replace(made, id=f"cotempqa/{category}/r1-{fingerprint(made)[:8]}")
        found.added.append(known[key])
    return known.get(key)


def find_texts(given: str, profile: Profile, source: str) -> str:
    """The absolute path of a teacher's texts; "" for templated ones; FileNotFoundError where there is no such file.

    ``given`` is a file or folder, ``auto``, ``templated``, or "" for ``TRACEKD_TEXTS``, else the profile's. ``auto``
    takes the folder ``r1`` beside ``cotempqa`` in the data folder, where the profile trains on free-form traces.
    """
    given = given or os.environ.get("TRACEKD_TEXTS", "") or profile.texts
    if given == "auto":
        folder, takes = Path(source) / "r1", any(map(freeform.takes_texts, profile.conditions_of("cotempqa")))
        given = str(folder) if takes and folder.is_dir() and any(folder.iterdir()) else freeform.TEMPLATED
    if given == freeform.TEMPLATED:
        return ""
    if not Path(given).exists():
        raise FileNotFoundError(
            f"texts {given!r}: no such file; `python -m tracekd teacher DATA --go` writes one; --texts templated takes "
            "those that rules write"
        )
    return str(Path(given).resolve())


def texts_of(run, dataset: str, problems: Sequence[Problem]) -> Found | None:
    """A teacher's texts on a data set that the run trains free-form traces on, else None; says what was found."""
    if not (run.texts and any(map(freeform.takes_texts, run.profile.conditions_of(dataset)))):
        return None
    found = read(run.texts, problems)
    left = f"; {len(found.left_out)} rows are left out, first {found.left_out[0]}" if found.left_out else ""
    if not found.training:
        raise ValueError(f"{run.texts} has no text on any training problem of {dataset}: leave the file out{left}")
    print(
        f"{dataset}: {len(found.texts)} problems have texts by {' and '.join(sorted({t.teacher for t in found.texts}))}"
        f"; {len(found.added)} of them are added to the data source's, {len(found.texts) - len(found.training)} are "
        f"test problems and not trained on{left}; the other training problems are left out in every condition"
    )
    return found


def training_problems(run, dataset: str, problems: Sequence[Problem], found: Found | None = None) -> list[Problem]:
    """The training problems of a run: the profile's number; with a teacher's texts, of those that have one.

    All conditions of a data set share them, so that they differ in the trace alone. ``found`` is of ``texts_of``.
    """
    found = found or texts_of(run, dataset, problems)
    return training_set(run, dataset, found.training if found else list(problems))


def r1_sets(source: str | Path) -> pd.DataFrame:
    """Counts of the release's R1 sets, from the rows below ``source``, else as recorded; ValueError names a bad line.

    Columns file (and ``all``), rows, same_problem, another_problem (by question), distinct_messages, most_repeated
    (rows that hold the file's most frequent message), another_category (rows whose message has another's label).
    """
    path, rows, names = Path(source) / R1_ROWS, [], CATEGORIES["cotempqa"]
    if not path.is_file():
        return pd.read_csv(R1_COUNTS)
    for number, row in numbered_jsonl(path):
        with at(f"{path.name}, line {number}"):
            check_fields(row, ("category", "row_question", *_MESSAGE), ())
            if row["category"] not in names:
                raise ValueError(f"category is {row['category']!r}, expected {', '.join(names)}")
            same, message = row["row_question"] == row["message_question"], "\n".join(row[name] for name in _MESSAGE)
            rows.append((row["category"], same, message, row["message_label"] != row["category"]))
    rows = pd.DataFrame(rows, columns=["file", "same", "message", "moved"])
    found = pd.concat([rows, rows.assign(file="all")]).groupby("file").agg(
        rows=("same", "size"), same_problem=("same", "sum"), another_problem=("same", lambda same: (~same).sum()),
        distinct_messages=("message", "nunique"), most_repeated=("message", lambda part: part.value_counts().max()),
        another_category=("moved", "sum"),
    )  # fmt: skip
    return found.reindex([name for name in (*names, "all") if name in found.index]).reset_index()
