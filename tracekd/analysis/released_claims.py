"""The paper's statements beside the evidence computed from the released outputs, with a plain verdict on each."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tracekd.analysis import paper_check
from tracekd.analysis.narrative import INCONCLUSIVE, NOT_SUPPORTED, NOT_TESTED, SUPPORTED, p_words, percent
from tracekd.analysis.released_tables import OURS, PRINTED, THEIRS, Release, dependent, r1_accuracies, three_steps

SMALL = ("Llama-3.2-1B-Instruct", "Qwen3-1.7B")
REFERENCES = {"vanilla": "no traces", "correct": "correct ones"}


def followed(checked: pd.DataFrame) -> str:
    """How many published answer rows and matrices follow from the released outputs in every number, in a sentence."""
    whole = {}
    for kind in ("answer metric", "matrix"):
        by = checked[checked.kind == kind].groupby(["dataset", "category", "student", "condition"], sort=False).verdict
        whole[kind] = by.agg(lambda v: v.iloc[0] if v.nunique() == 1 else paper_check.MOVED)
    rows, matrices = whole["answer metric"], whole["matrix"]
    absent = int((matrices == paper_check.ABSENT).sum())
    follow, part = (matrices[matrices == verdict] for verdict in (paper_check.FOLLOWS, paper_check.MOVED))
    names = [", ".join(sorted(set(found.index.get_level_values("dataset")))) for found in (follow, part)]
    return (
        f"{int((rows == paper_check.FOLLOWS).sum())} of {len(rows)} published answer rows follow to the digit; "
        f"the other {int((rows == paper_check.ABSENT).sum())} are MARCO's, whose outputs are not in the release. Of "
        f"{len(matrices)} published matrices {len(follow)} follow in every number ({names[0]}), {len(part)} do not "
        f"follow from the released outputs ({names[1]}), and {absent} (marco) have no outputs."
    )


def claims(release: Release) -> pd.DataFrame:
    """One row per statement of the paper: ``statement``, ``evidence`` and ``verdict``, filled from the tables.

    Verdicts rest on the id-aligned outputs unless the evidence says otherwise, and on tests at 0.05 after Holm's
    adjustment over their table.
    """
    compared, contrasts, numbers = release.compared, release.contrasts, release.printed
    found = [
        _share(compared, numbers), *_independence(compared[compared.step == "trace"]),
        *(_incorrect(contrasts, name) for name in REFERENCES),
        _qwen(contrasts), *_babi(contrasts), _marco(numbers), _r1(r1_accuracies(numbers)),
        ("People rate R1 traces least interpretable.",
         "Two of four means are printed (r1 3.39, correct 4.86); the ratings are not in our sources.", NOT_TESTED),
    ]  # fmt: skip
    return pd.DataFrame(found, columns=["statement", "evidence", "verdict"])


def _share(compared: pd.DataFrame, numbers: pd.DataFrame) -> tuple[str, str, str]:
    said = numbers[(numbers.kind == "claim") & numbers.measure.str.contains("led to")].iloc[0]
    printed, theirs, ours, label = three_steps(compared).to_dict("records")
    given, named = "p_answer_given_trace", [percent(row["p_answer_given_trace"]) for row in (printed, theirs)]
    aligned, by_label = (percent(row[given], row[f"{given}_low"], row[f"{given}_high"]) for row in (ours, label))
    evidence = (
        f"CoTempQA, Qwen3-1.7B: {percent(printed['joint'])} is the share of outputs with both right in a printed "
        f"matrix. Accuracy when the trace is right is {named[0]} in that matrix, {named[1]} in the released outputs "
        f"under our reading of the published rule, and {aligned} id-aligned. Accuracy when the label alone is right is "
        f"{by_label}. The printed matrix comes from an older set of outputs."
    )
    supported = ours[f"{given}_low"] <= said["value"] / 100 <= ours[f"{given}_high"]
    statement = f"Correct traces led to correct solutions in only {said['value']:.0f}% of test cases."
    return statement, evidence, SUPPORTED if supported else NOT_SUPPORTED


def _independence(trace: pd.DataFrame) -> list[tuple[str, str, str]]:
    words = "{0.Index} {0.rejected} of {0.tables} ({0.rejected_holm} after Holm)"
    found = (dependent(trace, common=common) for common in (False, True))
    counts, same = ("; ".join(map(words.format, table.itertuples())) for table in found)
    printed, ours = (trace[(trace.rules == rules) & trace.phi.notna()] for rules in (PRINTED, OURS))
    right, wrong = ours[ours.condition == "correct"], ours[ours.condition == "incorrect"]
    few = int((wrong.both + wrong.trace_only).max())
    marco = printed[printed.dataset == "marco"]
    shown = int((printed.p_holm < 0.05).sum())
    sign = "negative" if marco.phi_high.max() < 0 else "not of one sign"
    return [
        (
            "Trace and answer are nearly independent: chi-squared below 3.841.",
            f"Tables that reject independence (chi-squared above 3.841; Fisher's exact test where an expected count is "
            f"below 5): {counts}. On the tables that all three rule sets have: {same}. The verdict is on the printed "
            "tables after Holm's adjustment.",
            NOT_SUPPORTED if shown else INCONCLUSIVE,
        ),
        (
            "The same, for students trained on correct traces, id-aligned.",
            f"Phi from {right.phi.min():.2f} to {right.phi.max():.2f}; lowest lower bound {right.phi_low.min():.2f}.",
            NOT_SUPPORTED if (right.p_holm < 0.05).any() else INCONCLUSIVE,
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
            NOT_SUPPORTED if (marco.p_holm < 0.05).any() else INCONCLUSIVE,
        ),
    ]


def _incorrect(contrasts: pd.DataFrame, reference: str) -> tuple[str, str, str]:
    words, verdict = [], ""
    for rules in (THEIRS, OURS):
        part = _pairs(contrasts, rules=rules, first=reference, second="incorrect")
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


def _pairs(contrasts: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    return contrasts[(contrasts[list(wanted)] == list(wanted.values())).all(axis=1)]


def _one(contrasts: pd.DataFrame, **wanted: str) -> Mapping:
    return _pairs(contrasts, **wanted).iloc[0].to_dict()


def _ahead(rows: list[Mapping], sign: int) -> str:
    """Is the condition (``sign`` 1: ``first``) ahead: shown in all contrasts, shown behind in one, or neither."""
    shown = [sign * row["difference"] if row["p_holm"] < 0.05 else 0 for row in rows]
    return SUPPORTED if min(shown) > 0 else NOT_SUPPORTED if min(shown) < 0 else INCONCLUSIVE


def _gap(row: Mapping) -> str:
    return f"{row['first']} minus {row['second']} {100 * row['difference']:+.1f} points ({p_words(row['p_holm'])})"


def _qwen(contrasts: pd.DataFrame) -> tuple[str, str, str]:
    words = []
    for rules in (THEIRS, OURS):
        wanted = {"rules": rules, "second": "incorrect", "dataset": "cotempqa", "student": "Qwen3-1.7B"}
        rows = [_one(contrasts, first=first, **wanted) for first in REFERENCES]
        verdict = _ahead(rows, -1)
        words.append(f"{rules}: {', '.join(map(_gap, rows))}, {verdict}")
    return "On CoTempQA incorrect traces give Qwen3-1.7B its best accuracy.", "; ".join(words) + ".", verdict


def _babi(contrasts: pd.DataFrame) -> list[tuple[str, str, str]]:
    wanted, seconds = {"rules": OURS, "first": "vanilla", "dataset": "babi"}, ("correct", "incorrect")
    rows = {name: [_one(contrasts, student=name, second=other, **wanted) for other in seconds] for name in SMALL}
    every = "; ".join(f"{student}: {', '.join(map(_gap, found))}" for student, found in rows.items())
    llama = rows[SMALL[0]][1]
    ahead = _ahead([row for found in rows.values() for row in found], 1)
    return [
        ("On bAbI students trained on no traces are best.", every + ".", ahead),
        ("On bAbI incorrect traces hurt Llama-3.2-1B.", _gap(llama) + ".", _ahead([llama], 1)),
    ]


def _marco(numbers: pd.DataFrame) -> tuple[str, str, str]:
    part = numbers[numbers.dataset == "marco"]
    counts = part[(part.kind == "matrix") & (part.measure == "answer correct")]
    rates = part[(part.kind == "answer metric") & (part.measure == "acc")]
    words = [f"{r.student} {r.condition} {r.value:.0f}" for r in counts.itertuples()]
    zero = [f"{r.student} {r.condition}" for r in rates.itertuples() if r.value == 0]
    evidence = (
        f"Printed right answers: {', '.join(words)} (of 1,000 each). The printed answer rows give 0.0 for "
        f"{', '.join(zero)}, which for the trace-bearing one contradicts its own matrix. The outputs are not in the "
        "release."
    )
    return "On MARCO correct traces lead slightly.", evidence, NOT_TESTED


def _r1(r1: pd.DataFrame) -> tuple[str, str, str]:
    r1 = r1.groupby(["student", "condition"], sort=False).value.agg(value="mean", categories="size").reset_index()
    best = r1.sort_values("value").groupby("student").tail(1).set_index("student")
    words = [f"{s}: {row.condition} {row.value:.2f}%" for s, row in best.iterrows()]
    swapped = r1[r1.condition == "swapped"]
    partly = (swapped.categories < r1.categories.max()).sum()
    fewer = f", {partly} of them over fewer categories than are printed of the others" if partly else ""
    return (
        "R1 traces give the best accuracy of the trace types for the small students.",
        "Best published condition on the R1 subset, " + "; ".join(words) + " (swapped traces: "
        f"{swapped.value.min():.1f} to {swapped.value.max():.1f}%{fewer}). One run each, without outputs: no test.",
        NOT_TESTED,
    )
