"""The release's rules beside the id-aligned ones: tables, and the paper's statements with the evidence on each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tracekd.analysis import paper_check, tables
from tracekd.analysis.tables import INCONCLUSIVE, NOT_SUPPORTED, NOT_TESTED, SUPPORTED, percent
from tracekd.scoring import verdict_tables
from tracekd.stats import intervals

BY = ("dataset", "student", "condition")
FLAGS = verdict_tables.FLAGS
PRINTED, THEIRS, OURS = "as printed", "as published", "id-aligned"
CELLS = ("both", "answer_only", "trace_only", "neither")
ORDER = ("vanilla", "correct", "incorrect")
SMALL = ("Llama-3.2-1B-Instruct", "Qwen3-1.7B")
REFERENCES = {"vanilla": "no traces", "correct": "correct ones"}
UNTESTED = {
    "On MARCO correct traces lead slightly.": "The outputs are not in the release; 08_ledger has the printed numbers.",
    "R1 traces give the best accuracy of the trace types for the small students.":
        "One printed run each, without outputs: 08_ledger has the printed numbers.",
    "People rate R1 traces least interpretable.":
        "Two of four means are printed (05_published_means); the ratings are not in our sources.",
}  # fmt: skip


class Release(NamedTuple):
    """Verdicts on the released outputs of both sets, the printed numbers, and ``compared`` and ``contrasts``."""

    verdicts: pd.DataFrame
    printed: pd.DataFrame
    compared: pd.DataFrame
    contrasts: pd.DataFrame


def load(folder: str | Path, margin: float = 0.05) -> Release:
    """Read the recorded verdicts in ``folder`` and the printed numbers; ``margin`` is that of the equivalence tests."""
    parts = [verdict_tables.read(folder, dataset).assign(dataset=dataset) for dataset in verdict_tables.DATASETS]
    verdicts, printed = pd.concat(parts, ignore_index=True), paper_check.published()
    return Release(verdicts, printed, compared(printed, verdicts), contrasts(verdicts, margin))


def check_recorded(source: str | Path, folder: str | Path) -> list[str]:
    """Score the released files below ``source`` afresh, where they are, and say how many recorded verdicts moved.

    Raises:
        ValueError: verdicts moved although the files are the recorded ones.
    """
    if not (Path(source) / "released").is_dir():
        return ["The released files are not here, so the recorded verdict tables are read as they are."]
    sources, said = pd.read_csv(Path(folder) / verdict_tables.SOURCES), []
    for dataset in verdict_tables.DATASETS:
        fresh, files = verdict_tables.build(source, dataset)
        moved = verdict_tables.moved(fresh, Path(folder) / verdict_tables.table_name(dataset))
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


def claims(release: Release) -> pd.DataFrame:
    """One row per statement of the paper: ``statement``, ``evidence`` and ``verdict``, filled from the tables.

    Verdicts rest on the id-aligned outputs unless the evidence says otherwise, and on tests at 0.05 after Holm's
    adjustment over their table.
    """
    compared, contrasts = release.compared, release.contrasts
    found = [
        _share(compared, release.printed), *_independence(compared[compared.step == "trace"]),
        *(_incorrect(contrasts, name) for name in REFERENCES), _qwen(contrasts), *_babi(contrasts),
        *((statement, evidence, NOT_TESTED) for statement, evidence in UNTESTED.items()),
    ]  # fmt: skip
    return pd.DataFrame(found, columns=["statement", "evidence", "verdict"])


def _share(compared: pd.DataFrame, numbers: pd.DataFrame) -> tuple[str, str, str]:
    said = numbers[(numbers.kind == "claim") & numbers.measure.str.contains("led to")].value.iloc[0]
    given = three_steps(compared)[[f"p_answer_given_trace{end}" for end in ("", "_low", "_high")]].to_numpy()
    joint, (printed, theirs, ours, label) = three_steps(compared).joint[0], given
    evidence = (
        f"CoTempQA, Qwen3-1.7B: {percent(joint)} is the share of outputs with both right in a printed matrix. Accuracy "
        f"when the trace is right is {percent(printed[0])} in that matrix, {percent(theirs[0])} in the released "
        f"outputs under our reading of the published rule, and {percent(*ours)} id-aligned. Accuracy when the label "
        f"alone is right is {percent(*label)}. The printed matrix comes from an older set of outputs."
    )
    statement = f"Correct traces led to correct solutions in only {said:.0f}% of test cases."
    return statement, evidence, SUPPORTED if ours[1] <= said / 100 <= ours[2] else NOT_SUPPORTED


def _independence(trace: pd.DataFrame) -> list[tuple[str, str, str]]:
    words = "{0.Index} {0.rejected} of {0.tables} ({0.rejected_holm} after Holm)"
    found = (dependent(trace, common=common) for common in (False, True))
    counts, same = ("; ".join(map(words.format, table.itertuples())) for table in found)
    printed, ours = (trace[(trace.rules == rules) & trace.phi.notna()] for rules in (PRINTED, OURS))
    right, wrong = ours[ours.condition == "correct"], ours[ours.condition == "incorrect"]
    few = int((wrong.both + wrong.trace_only).max())
    marco = printed[printed.dataset == "marco"]
    sign = "negative" if marco.phi_high.max() < 0 else "not of one sign"
    refuted = [NOT_SUPPORTED if (part.p_holm < 0.05).any() else INCONCLUSIVE for part in (printed, right, marco)]
    return [
        (
            "Trace and answer are nearly independent: chi-squared below 3.841.",
            f"Tables that reject independence (chi-squared above 3.841; Fisher's exact test where an expected count is "
            f"below 5): {counts}. On the tables that all three rule sets have: {same}. The verdict is on the printed "
            "tables after Holm's adjustment.",
            refuted[0],
        ),
        (
            "The same, for students trained on correct traces, id-aligned.",
            f"Phi from {right.phi.min():.2f} to {right.phi.max():.2f}; lowest lower bound {right.phi_low.min():.2f}.",
            refuted[1],
        ),
        (
            "The same, for students trained on incorrect traces, id-aligned.",
            f"No such student states more than {few} right traces: too few to compare.",
            NOT_TESTED if few < 30 else INCONCLUSIVE,
        ),
        (
            "The same on MARCO, by the printed matrices.",
            f"Phi from {marco.phi.min():.2f} to {marco.phi.max():.2f}, chi-squared from "
            f"{marco.chi2.min():.1f} on: the association is {sign}. The outputs are not in the release.",
            refuted[2],
        ),
    ]


def _incorrect(contrasts: pd.DataFrame, reference: str) -> tuple[str, str, str]:
    words, verdict = [], ""
    for rules in (THEIRS, OURS):
        part = contrasts[contrasts[["rules", "first", "second"]].eq([rules, reference, "incorrect"]).all(axis=1)]
        shown = part.p_holm < 0.05
        lower, higher = int((shown & (part.difference > 0)).sum()), int((shown & (part.difference < 0)).sum())
        same = int((part.equivalent & ~shown).sum())
        words.append(
            f"{rules}: of {len(part)} students and sets incorrect is shown lower in {lower}, higher in {higher} and "
            f"equivalent in {same}"
        )
        # "Not consistently": shown lower in all refutes it; shown not to be lower in one supports it.
        verdict = NOT_SUPPORTED if lower == len(part) else SUPPORTED if higher or same else INCONCLUSIVE
    statement = f"Incorrect traces do not consistently lower accuracy, compared with {REFERENCES[reference]}."
    return statement, "; ".join(words) + " (McNemar and equivalence tests, each Holm-adjusted).", verdict


def _ahead(rows: Iterable, sign: int) -> str:
    """Is the condition (``sign`` 1: ``first``) ahead: shown in all contrasts, shown behind in one, or neither."""
    shown = [sign * row.difference if row.p_holm < 0.05 else 0 for row in rows]
    return SUPPORTED if min(shown) > 0 else NOT_SUPPORTED if min(shown) < 0 else INCONCLUSIVE


def _gaps(rows: Iterable) -> str:
    """Each contrast as a difference in points with its p-value."""
    p_words = ["p < 0.001" if row.p_holm < 0.001 else f"p = {row.p_holm:.2g}" for row in rows]
    gaps = [f"{row.first} minus {row.second} {100 * row.difference:+.1f} points" for row in rows]
    return ", ".join(f"{gap} ({p})" for gap, p in zip(gaps, p_words, strict=True))


def _qwen(contrasts: pd.DataFrame) -> tuple[str, str, str]:
    part = contrasts.query("second == 'incorrect' and dataset == 'cotempqa' and student == 'Qwen3-1.7B'")
    rows = {rules: list(part[part.rules == rules].itertuples()) for rules in (THEIRS, OURS)}
    words = [f"{rules}: {_gaps(found)}, {_ahead(found, -1)}" for rules, found in rows.items()]
    statement = "On CoTempQA incorrect traces give Qwen3-1.7B its best accuracy."
    return statement, "; ".join(words) + ".", _ahead(rows[OURS], -1)


def _babi(contrasts: pd.DataFrame) -> list[tuple[str, str, str]]:
    part = contrasts[(contrasts.rules == OURS) & (contrasts["first"] == "vanilla") & (contrasts.dataset == "babi")]
    rows = {name: list(part[part.student == name].itertuples()) for name in SMALL}
    every = "; ".join(f"{student}: {_gaps(found)}" for student, found in rows.items())
    both = [row for found in rows.values() for row in found]
    llama = [row for row in rows[SMALL[0]] if row.second == "incorrect"]
    return [
        ("On bAbI students trained on no traces are best.", every + ".", _ahead(both, 1)),
        ("On bAbI incorrect traces hurt Llama-3.2-1B.", _gaps(llama) + ".", _ahead(llama, 1)),
    ]
