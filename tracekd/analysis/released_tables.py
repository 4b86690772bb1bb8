"""Tables that set the release's rules beside the id-aligned ones, from the verdict tables and the printed numbers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tracekd.analysis import published, tables
from tracekd.scoring import released_verdicts
from tracekd.stats import intervals

BY = ("dataset", "student", "condition")
FLAGS = released_verdicts.FLAGS
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
    parts = [released_verdicts.read(folder, dataset).assign(dataset=dataset) for dataset in released_verdicts.DATASETS]
    verdicts, printed = pd.concat(parts, ignore_index=True), published.load()
    return Release(verdicts, printed, compared(printed, verdicts), contrasts(verdicts, margin))


def check_recorded(source: str | Path, folder: str | Path) -> list[str]:
    """Score the released files below ``source`` afresh, where they are, and say how many recorded verdicts moved.

    Raises:
        ValueError: verdicts moved although the files are the recorded ones.
    """
    if not (Path(source) / "released").is_dir():
        return ["The released files are not here, so the recorded verdict tables are read as they are."]
    sources, said = pd.read_csv(Path(folder) / released_verdicts.SOURCES), []
    for dataset in released_verdicts.DATASETS:
        fresh, files = released_verdicts.build(source, dataset)
        moved = released_verdicts.moved(fresh, Path(folder) / released_verdicts.table_name(dataset))
        same = set(files.sha256) == set(sources.sha256[sources.dataset == dataset])
        if same and moved:
            raise ValueError(f"{dataset}: {moved} of {len(fresh)} verdicts moved on unchanged files: record them anew")
        words = "as recorded" if same else "NOT as recorded"
        said.append(f"{dataset}: {len(files)} files scored afresh, checksums {words}, {moved} verdicts moved.")
    return said


def trained(table: pd.DataFrame) -> pd.DataFrame:
    """The outputs of the fine-tuned students on the test problems, one per problem."""
    return table[(table.joined == "test") & (table.condition != "prompted")]


def contrasts(table: pd.DataFrame, margin: float = 0.05) -> pd.DataFrame:
    """``tables.contrasts`` of the fine-tuned students' conditions under both rule sets, with a column ``rules``."""
    found = [
        tables.contrasts(trained(table), margin, column, ("dataset", "student"), ORDER).assign(rules=rules)
        for rules, column in ((THEIRS, "pub_answer_correct"), (OURS, "answer_correct"))
    ]
    return pd.concat(found, ignore_index=True)


def accuracies(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """``tables.accuracy`` of each student's conditions on the problems that it answered under all; and ``title``."""
    test, student = trained(table), ["dataset", "student"]
    conditions = test.groupby(student).condition.transform("nunique")
    common = test[test.groupby([*student, "id"]).condition.transform("nunique") == conditions]
    n = common.groupby(student).id.transform("nunique").astype(str)
    title = common.dataset + " " + common.student.str.removesuffix("-Instruct") + "\nn = " + n
    common = common.assign(title=title, condition=pd.Categorical(common.condition, ORDER, ordered=True))
    common = common.sort_values(["title", "condition"], kind="stable")
    return tables.accuracy(common, "answer_correct", rng, by=("dataset", "student", "title", "condition"))


def printed_associations(published: pd.DataFrame) -> pd.DataFrame:
    """The printed confusion matrices put through ``intervals.association_row``: one row per matrix and ``step``."""
    rows = []
    for key, group in published[published.kind == "matrix"].groupby(list(BY), sort=False):
        values = group.set_index("measure").value
        for step in tables.STEPS:
            counts = {cell: int(values[f"{step} {cell}"]) for cell in CELLS}
            rows.append({**dict(zip(BY, key, strict=True)), "step": step, **intervals.association_row(counts)})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=intervals.holm(table.p_value))


def r1_accuracies(published: pd.DataFrame) -> pd.DataFrame:
    """Published accuracy on the R1 subset: columns student, condition, category, value (percent)."""
    part = published[(published.kind == "r1 subset") & (published.measure == "acc")]
    return part[["student", "condition", "category", "value"]]


def compared(published: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Every trace-bearing adapter's associations as printed, as published and aligned, with ``rules`` and ``title``.

    ``as published`` has the outputs that the release's matrices evaluate, ``id-aligned`` one output per test problem.
    """
    stated = verdicts[verdicts.condition.isin(["correct", "incorrect"])]
    theirs = stated[stated.pub_evaluated]
    theirs = theirs.assign(**{flag: theirs[f"pub_{flag}"] for flag in FLAGS})
    parts = [printed_associations(published).assign(rules=PRINTED)]
    parts += [tables.associations(theirs, BY).assign(rules=THEIRS)]
    parts += [tables.associations(stated[stated.joined == "test"], BY).assign(rules=OURS)]
    table = pd.concat(parts, ignore_index=True)
    title = table.dataset + ", " + table.student.str.replace("-Instruct", "") + ", " + table.condition
    order = pd.Categorical(table.rules, [PRINTED, THEIRS, OURS], ordered=True)
    return table.assign(title=title, order=order).sort_values(["title", "order"], kind="stable").drop(columns="order")


def three_steps(compared: pd.DataFrame) -> pd.DataFrame:
    """How the 28% comes about: CoTempQA, Qwen3-1.7B trained on correct traces, under each reading in turn.

    The id-aligned trace has exactly the gold facts, which often name the answer; the label alone does not.

    Returns:
        columns reading, n, joint (step and answer both right, of all outputs), p_answer_given_trace,
        p_answer_given_not_trace (of outputs where the step is right, wrong), phi; each with ``_low``, ``_high`` (95%).
    """
    part = compared[(compared.dataset == "cotempqa") & (compared.student == "Qwen3-1.7B")]
    part = part[part.condition == "correct"].set_index(["rules", "step"])
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
        rules = trace.groupby(list(BY), observed=True).rules
        trace = trace[rules.transform("nunique") == trace.rules.nunique()]
    flags = trace.assign(tables=1, small=trace.expected_min < 5, rejected=trace.p_value < 0.05)
    flags["rejected_holm"] = trace.p_holm < 0.05
    return flags.groupby("rules", sort=False)[["tables", "small", "rejected", "rejected_holm"]].sum()
