"""The paper check: the printed numbers, the released outputs under the published and the id-aligned rules, and claims.

``as published`` is our run of the published rules on the released outputs, ``id-aligned`` each output against its own
problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tracekd.analysis import tables
from tracekd.scoring import release_rules, verdict_tables
from tracekd.stats import intervals

FOLLOWS = "follows to the digit"
MOVED = "does not follow from the released outputs"
ABSENT = "cannot be checked: the release has no outputs for it"
OUTSIDE = "cannot be checked: the data are not in our sources"
UNCOUNTED = "not counted here: needs the whole files"
FROM_FILES = "follows from the files"
NAN = float("nan")
BY = ("dataset", "student", "condition")
PRINTED, THEIRS, OURS = "as printed", "as published", "id-aligned"
CELLS = ("both", "answer_only", "trace_only", "neither")
ORDER = ("vanilla", "correct", "incorrect")


class Release(NamedTuple):
    """Verdicts on the released outputs of both sets, the printed numbers, and ``compared`` and ``contrasts``."""

    verdicts: pd.DataFrame
    printed: pd.DataFrame
    compared: pd.DataFrame
    contrasts: pd.DataFrame


def load(folder: str | Path, margin: float = 0.05) -> Release:
    """Read the recorded verdicts in ``folder`` and the printed numbers; ``margin`` is that of the equivalence tests."""
    parts = [verdict_tables.read(folder, dataset).assign(dataset=dataset) for dataset in verdict_tables.DATASETS]
    verdicts, printed = pd.concat(parts, ignore_index=True), published()
    return Release(verdicts, printed, compared(printed, verdicts), contrasts(verdicts, margin))


def published() -> pd.DataFrame:
    """Every number that the paper (arXiv 2505.13792) or its release prints, ``published.csv``.

    Columns: kind (``size``, ``answer metric``, ``matrix``, ``r1 subset``, ``seeds``, ``claim``, ``study``), dataset,
    category, student, condition (in our names), seed (may be empty), measure, value, its unit, source (where printed).
    """
    return pd.read_csv(files("tracekd.analysis") / "published.csv", keep_default_na=False, dtype={"seed": str})


def statements() -> pd.DataFrame:
    """``released_claims.csv``: the paper's statements, the evidence from its release in our words, and the verdict.

    Written by hand; ``tests/analysis/test_prose.py`` compares each number and verdict with the tables. Verdicts rest on
    the id-aligned outputs unless the evidence says otherwise, and on tests at 0.05 after Holm's adjustment.
    """
    return pd.read_csv(files("tracekd.analysis") / "released_claims.csv")


def check_recorded(source: str | Path, folder: str | Path) -> list[str]:
    """Score the released files below ``source`` afresh, where they are, and say how many recorded verdicts moved.

    Raises:
        ValueError: verdicts moved although the files are the recorded ones.
    """
    if not (Path(source) / "released").is_dir():
        return ["The released files are not here, so the recorded verdict tables are read as they are."]
    sources, said = pd.read_csv(Path(folder) / verdict_tables.SOURCES), []
    for dataset in verdict_tables.DATASETS:
        fresh, scored = verdict_tables.build(source, dataset)
        moved = verdict_tables.moved(fresh, Path(folder) / verdict_tables.table_name(dataset))
        same = set(scored.sha256) == set(sources.sha256[sources.dataset == dataset])
        if same and moved:
            raise ValueError(f"{dataset}: {moved} of {len(fresh)} verdicts moved on unchanged files: record them anew")
        words = "as recorded" if same else "NOT as recorded"
        said.append(f"{dataset}: {len(scored)} files scored afresh, checksums {words}, {moved} verdicts moved.")
    return said


def check(published: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Check every row of ``published`` on the released verdicts (``Release``).

    Returns:
        The printed rows with ``printed`` (their value), ``as_published`` (the same rule on the released outputs),
        ``aligned`` (the id-aligned counterpart), ``difference`` (as published minus printed) and ``verdict``; NaN where
        there is nothing to compute from.
    """
    parts = dict(iter(table.groupby(list(BY))))  # once, not for each of 1,450 numbers
    rows = published.to_dict("records")
    checked = (_checked(row, table, parts.get(tuple(row[key] for key in BY), table[:0])) for row in rows)
    here, aligned, verdicts = zip(*checked, strict=True)
    found = published.assign(printed=published.value, as_published=here, aligned=aligned).drop(columns="value")
    return found.assign(difference=(found.as_published - found.printed).round(3), verdict=verdicts)


def _checked(row: Mapping, table: pd.DataFrame, part: pd.DataFrame) -> tuple[float, float, str]:
    """A printed number by the published rules, its id-aligned counterpart and the verdict."""
    if row["kind"] == "size":
        if (row["category"], row["measure"]) != ("all", "test problems") or row["dataset"] not in set(table.dataset):
            return NAN, NAN, UNCOUNTED
        n = table[(table.dataset == row["dataset"]) & (table.joined == "test")].id.nunique()
        return n, n, FROM_FILES if n == row["value"] else "the files have another count"
    if row["kind"] == "study":
        return NAN, NAN, OUTSIDE
    if row["kind"] == "claim":
        return _claim(row, table)
    if row["category"] != "all":
        part = part[part.category == row["category"]]
    if row["kind"] not in ("answer metric", "matrix") or part.empty:
        return NAN, NAN, ABSENT
    here, aligned = (_metric if row["kind"] == "answer metric" else _matrix)(row["measure"], part)
    return here, aligned, FOLLOWS if here == row["value"] else MOVED


def _metric(measure: str, part: pd.DataFrame) -> tuple[float, float]:
    """A published answer metric: percent, one decimal. Only acc and f1 have an id-aligned counterpart."""
    test = part[part.joined == "test"]
    theirs = {"acc": part.pub_answer_correct.sum(), **{name: part[f"pub_{name}"].sum() for name in ("f1", "p", "r")}}
    ours = {"acc": test.answer_correct.sum(), "f1": test.answer_f1.sum(), "p": NAN, "r": NAN}
    return tuple(release_rules.metric_row(sums, len(of))[measure] for sums, of in ((theirs, part), (ours, test)))


def _matrix(measure: str, part: pd.DataFrame) -> tuple[float, float]:
    """A published count: of the evaluated outputs under the release's rule, and of all test outputs aligned."""
    evaluated, test = part[part.pub_evaluated], part[part.joined == "test"]
    if measure == "unevaluated":
        return float(len(part) - len(evaluated)), float((test.status == "no_trace").sum())
    step, cell = measure.split(" ")
    if cell == "correct":
        # The release counts a right answer before it skips what has no trace.
        theirs = part if step == "answer" else evaluated
        return float(theirs[f"pub_{step}_correct"].sum()), float(test[f"{step}_correct"].sum())
    return float(tables.cells(_theirs(evaluated), step)[cell]), float(tables.cells(test, step)[cell])


def _theirs(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` with the release's flags in place of the id-aligned ones."""
    return table.assign(**{flag: table[f"pub_{flag}"] for flag in verdict_tables.FLAGS})


def _claim(row: Mapping, table: pd.DataFrame) -> tuple[float, float, str]:
    if "led to" not in row["measure"]:
        return NAN, NAN, "a threshold; see the chi-squared of each matrix"
    part = table[(table[list(BY)] == ["cotempqa", "Qwen3-1.7B", "correct"]).all(axis=1)]
    counts = (part[part.pub_evaluated].pub_cell.value_counts(), part[part.joined == "test"].cell.value_counts())
    theirs, ours = (intervals.association_row(found) for found in counts)
    given = [f"{found['p_answer_given_trace']:.0%}" for found in (theirs, ours)]
    words = f"a joint share; right answers among right traces: {given[0]} as published, {given[1]} aligned"
    return round(100 * theirs["joint"], 1), round(100 * ours["joint"], 1), words


def by_kind(checked: pd.DataFrame) -> pd.DataFrame:
    """How many printed numbers of each kind (columns) have each verdict (rows), as they come."""
    verdict = checked.verdict.str.partition(":")[0].where(checked.kind != "claim", "see 06_claims").rename("verdict")
    return pd.crosstab(verdict, checked.kind).reindex(index=verdict.unique(), columns=checked.kind.unique())


def trained(table: pd.DataFrame) -> pd.DataFrame:
    """The outputs of the fine-tuned students on the test problems, one per problem."""
    return table[(table.joined == "test") & (table.condition != "prompted")]


def contrasts(table: pd.DataFrame, margin: float = 0.05) -> pd.DataFrame:
    """``tables.contrasts`` of the fine-tuned students' conditions under both rule sets, with a column ``rules``."""
    found = [
        tables.contrasts(trained(table), margin, column, BY[:2], ORDER).assign(rules=rules)
        for rules, column in ((THEIRS, "pub_answer_correct"), (OURS, "answer_correct"))
    ]
    return pd.concat(found, ignore_index=True)


def accuracies(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """``tables.accuracy`` of each student's conditions on the problems that it answered under all; and ``title``."""
    test, student = trained(table), [*BY[:2]]
    conditions = test.groupby(student).condition.transform("nunique")
    common = test[test.groupby([*student, "id"]).condition.transform("nunique") == conditions]
    n = common.groupby(student).id.transform("nunique").astype(str)
    title = common.dataset + " " + common.student.str.removesuffix("-Instruct") + "\nn = " + n
    common = common.assign(title=title, condition=pd.Categorical(common.condition, ORDER, ordered=True))
    common = common.sort_values(["title", "condition"], kind="stable")
    return tables.accuracy(common, "answer_correct", rng, by=("dataset", "student", "title", "condition"))


def compared(published: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """``tables.association_table`` of every trace-bearing adapter under three ``rules``, with a ``title`` for pictures.

    ``as printed`` are the printed matrices, ``as published`` the outputs that the release's matrices evaluate,
    ``id-aligned`` one output per test problem.
    """
    matrices = published[published.kind == "matrix"].set_index("measure").groupby(list(BY), sort=False).value
    printed = tables.association_table(
        (dict(zip(BY, key, strict=True)) | {"step": step}, {cell: value[f"{step} {cell}"] for cell in CELLS})
        for key, value in matrices
        for step in tables.STEPS
    )
    stated = verdicts[verdicts.condition.isin(["correct", "incorrect"])]
    theirs = tables.associations(_theirs(stated[stated.pub_evaluated]), BY)
    parts = {PRINTED: printed, THEIRS: theirs, OURS: tables.associations(stated[stated.joined == "test"], BY)}
    table = pd.concat([part.assign(rules=rules) for rules, part in parts.items()], ignore_index=True)
    title = table.dataset + ", " + table.student.str.replace("-Instruct", "") + ", " + table.condition
    return table.assign(title=title).sort_values("title", kind="stable")  # within a title: the order of the rules


def three_steps(compared: pd.DataFrame) -> pd.DataFrame:
    """How the 28% comes about: CoTempQA, Qwen3-1.7B trained on correct traces, under each reading in turn.

    The id-aligned trace has exactly the gold facts, which often name the answer; the label alone does not.

    Returns:
        columns reading, n, joint (step and answer both right, of all outputs), p_answer_given_trace,
        p_answer_given_not_trace (of outputs where the step is right, wrong), phi; each with ``_low``, ``_high`` (95%).
    """
    part = compared[compared.title == "cotempqa, Qwen3-1.7B, correct"].set_index(["rules", "step"])
    readings = {
        "printed matrix": (PRINTED, "trace"),
        "released outputs, our reading of the published rule": (THEIRS, "trace"),
        "released outputs, id-aligned": (OURS, "trace"),
        "released outputs, id-aligned, label alone": (OURS, "classification"),
    }
    names = ("joint", "p_answer_given_trace", "p_answer_given_not_trace", "phi")
    wanted = ["n", *(f"{name}{end}" for name in names for end in ("", "_low", "_high"))]
    rows = [{"reading": reading, **part.loc[key, wanted]} for reading, key in readings.items()]
    return pd.DataFrame(rows).astype({"n": int})


def dependent(table: pd.DataFrame, common: bool = False) -> pd.DataFrame:
    """For each rule set of ``compared``: in how many trace x answer tables independence is rejected.

    With ``common`` only the tables (data set, student, condition) for which every rule set has a test are counted.

    Returns:
        indexed by rules: tables (with a test), small (an expected count below 5: Fisher's exact test), rejected (at
        0.05: chi-squared above 3.841, or Fisher's p), rejected_holm (after Holm's adjustment over the rule set).
    """
    trace = table[(table.step == "trace") & table.p_value.notna()]
    if common:
        rules = trace.groupby(list(BY)).rules
        trace = trace[rules.transform("nunique") == trace.rules.nunique()]
    flags = trace.assign(tables=1, small=trace.expected_min < 5, rejected=trace.p_value < 0.05)
    flags["rejected_holm"] = trace.p_holm < 0.05
    return flags.groupby("rules", sort=False)[["tables", "small", "rejected", "rejected_holm"]].sum()
