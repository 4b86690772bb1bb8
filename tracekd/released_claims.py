"""The paper's statements beside the evidence computed from the released outputs, with a plain verdict on each."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tracekd import paper_check
from tracekd.findings import p_words, percent
from tracekd.released_tables import OURS, PRINTED, THEIRS, above_threshold

SMALL = ("Llama-3.2-1B-Instruct", "Qwen3-1.7B")


def followed(checked: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Which published rows and matrices follow from the released outputs.

    Returns:
        One row a published answer-metric row with its ``verdict``; one row a matrix with the numbers that follow and
        that were printed; and a sentence with the counts.
    """
    by = ["dataset", "student", "condition"]
    metrics = checked[checked.kind == "answer metric"].groupby(
        ["dataset", "category", "student", "condition"], sort=False
    )
    rows = metrics.verdict.agg(lambda v: v.iloc[0] if v.nunique() == 1 else paper_check.MOVED).reset_index()
    matrices = checked[checked.kind == "matrix"].groupby(by, sort=False).verdict
    matched = matrices.agg(follows=lambda v: (v == paper_check.FOLLOWS).sum(), printed="size").reset_index()
    whole = matched[matched.follows == matched.printed]
    part = matched[(matched.follows < matched.printed) & (matched.dataset != "marco")]
    absent = rows[rows.verdict == paper_check.ABSENT]
    sentence = (
        f"{int((rows.verdict == paper_check.FOLLOWS).sum())} of {len(rows)} published answer rows follow to the digit; "
        f"the other {len(absent)} are MARCO's, whose outputs are not in the release. Of {len(matched)} published "
        f"matrices {len(whole)} follow in every number ({', '.join(sorted(set(whole.dataset)))}), {len(part)} do not "
        f"follow from the released outputs ({', '.join(sorted(set(part.dataset)))}), and "
        f"{int((matched.dataset == 'marco').sum())} (marco) have no outputs."
    )
    return rows, matched, sentence


def claims(
    trace: pd.DataFrame, contrasts: pd.DataFrame, r1: pd.DataFrame, numbers: pd.DataFrame
) -> pd.DataFrame:  # fmt: skip
    """One row a statement of the paper: ``statement``, ``evidence`` and ``verdict``, both filled from the tables.

    Args:
        trace: of ``released_tables.compared``, step ``trace``.
        contrasts: of ``tables.contrasts`` under both rule sets, with ``rules``.
        r1: of ``released_tables.r1_conditions``.
        numbers: ``published.load()``.
    """
    found = [
        _share(trace), *_independence(trace), _incorrect(contrasts), _qwen(contrasts), _babi(contrasts),
        _marco(numbers), _r1(r1), _people(),
    ]  # fmt: skip
    return pd.DataFrame(found, columns=["statement", "evidence", "verdict"])


def _share(trace: pd.DataFrame) -> tuple[str, str, str]:
    part = trace[(trace.dataset == "cotempqa") & (trace.student == "Qwen3-1.7B") & (trace.condition == "correct")]
    part = part.set_index("rules")
    given = percent(
        part.p_answer_given_trace[OURS], part.p_answer_given_trace_low[OURS], part.p_answer_given_trace_high[OURS]
    )
    evidence = (
        f"{percent(part.joint[PRINTED])} is the joint share of a printed matrix (CoTempQA, Qwen3-1.7B). Right answers "
        f"among right traces are {percent(part.p_answer_given_trace[PRINTED])} in that matrix and {given} id-aligned."
    )
    stands = part.p_answer_given_trace[OURS] < 0.35
    return (
        "Correct traces led to correct solutions in only 28% of test cases.",
        evidence,
        "stands" if stands else "stands as a joint share, not as the share of right answers among right traces",
    )


def _independence(trace: pd.DataFrame) -> list[tuple[str, str, str]]:
    above, alike = above_threshold(trace), above_threshold(trace, common=True)
    counts, same = ("; ".join(f"{rules}: {hits} of {n}" for rules, (hits, n) in c.items()) for c in (above, alike))
    ours = trace[(trace.rules == OURS) & trace.phi.notna()]
    right, wrong = ours[ours.condition == "correct"], ours[ours.condition == "incorrect"]
    few = int((wrong.both + wrong.trace_only).max())
    marco = trace[trace.dataset == "marco"]
    return [
        (
            "Trace and answer are nearly independent: chi-squared below 3.841.",
            f"Tables with a chi-squared above 3.841, of those where it is defined: {counts}. The three count different "
            f"tables; on those that all three define: {same}.",
            "stands for some printed tables, not for all" if above[PRINTED][0] else "stands",
        ),
        (
            "The same, for students trained on correct traces, id-aligned.",
            f"Phi from {right.phi.min():.2f} to {right.phi.max():.2f}; lowest lower bound {right.phi_low.min():.2f}.",
            "does not stand id-aligned" if right.phi_low.min() > 0 else "stands in part",
        ),
        (
            "The same, for students trained on incorrect traces, id-aligned.",
            f"Phi from {wrong.phi.min():.2f} to {wrong.phi.max():.2f} on CoTempQA, undefined on bAbI; no such student "
            f"states more than {few} right traces.",
            "cannot be told: they hardly ever write a right trace" if few < 30 else "see the table",
        ),
        (
            "The same on MARCO.",
            f"Phi of the printed matrices from {marco.phi.min():.2f} to {marco.phi.max():.2f}, every chi-squared at "
            f"least {marco.chi2.min():.1f}.",
            "the printed matrices show a negative association; the outputs are not in the release"
            if marco.phi_high.max() < 0
            else "see the table",
        ),
    ]


def _pairs(contrasts: pd.DataFrame, rules: str, first: str, second: str) -> pd.DataFrame:
    return contrasts[(contrasts.rules == rules) & (contrasts["first"] == first) & (contrasts["second"] == second)]


def _incorrect(contrasts: pd.DataFrame) -> tuple[str, str, str]:
    words, lower = [], {}
    for rules in (THEIRS, OURS):
        part = _pairs(contrasts, rules, "vanilla", "incorrect")
        lower[rules] = int(((part.p_holm < 0.05) & (part.difference > 0)).sum())
        same = int((part.equivalent & ~(part.p_holm < 0.05)).sum())
        below = int((part.difference > 0).sum())
        words.append(
            f"{rules}: lower than vanilla in {below} of {len(part)} students and sets, shown (Holm) in {lower[rules]}, "
            f"equivalent in {same} (tests not adjusted)"
        )
    verdict = "lower in all, shown in some" if 0 < lower[OURS] < below == len(part) else "see the table"
    return "Incorrect traces do not consistently lower answer accuracy.", "; ".join(words) + ".", verdict


def _qwen(contrasts: pd.DataFrame) -> tuple[str, str, str]:
    words = []
    for rules in (THEIRS, OURS):
        for first in ("vanilla", "correct"):
            row = _one(contrasts, rules, first, "incorrect", "cotempqa", "Qwen3-1.7B")
            words.append(
                f"{rules}, {first} less incorrect {100 * row['difference']:+.1f} points ({p_words(row['p_holm'])})"
            )
    best = all(
        _one(contrasts, rules, first, "incorrect", "cotempqa", "Qwen3-1.7B")["difference"] < 0
        for rules in (THEIRS, OURS)
        for first in ("vanilla", "correct")
    )
    above = "vanilla is above it under both rule sets, as published by less than can be told"
    verdict = "stands" if best else f"not in the released outputs: {above}"
    return "On CoTempQA incorrect traces give Qwen3-1.7B its best accuracy.", "; ".join(words) + ".", verdict


def _one(contrasts, rules, first, second, dataset, student) -> Mapping:
    part = _pairs(contrasts, rules, first, second)
    return part[(part.dataset == dataset) & (part.student == student)].iloc[0].to_dict()


def _babi(contrasts: pd.DataFrame) -> tuple[str, str, str]:
    words, verdicts = [], []
    for student in SMALL:
        for second in ("correct", "incorrect"):
            row = _one(contrasts, OURS, "vanilla", second, "babi", student)
            words.append(
                f"{student}, vanilla less {second} {100 * row['difference']:+.1f} points ({p_words(row['p_holm'])})"
            )
            verdicts.append(row["p_holm"] < 0.05)
    hurts = verdicts[1]
    lead = "vanilla's lead over correct is not shown" if not (verdicts[0] or verdicts[2]) else "vanilla leads"
    verdict = f"{'stands' if hurts else 'not shown'} for incorrect and Llama; {lead}"
    return "On bAbI vanilla wins and incorrect traces hurt Llama.", "; ".join(words) + ".", verdict


def _marco(numbers: pd.DataFrame) -> tuple[str, str, str]:
    part = numbers[numbers.dataset == "marco"]
    counts = part[(part.kind == "matrix") & (part.measure == "answer correct")]
    rates = part[(part.kind == "answer metric") & (part.measure == "acc")]
    words = [f"{r.student} {r.condition} {r.value:.0f}" for r in counts.itertuples()]
    zero = [f"{r.student} {r.condition}" for r in rates.itertuples() if r.value == 0]
    evidence = (
        f"Printed right answers: {', '.join(words)} (of 1,000 each). The printed answer rows give 0.0 for "
        f"{', '.join(zero)}, which for the trace-bearing one contradicts its own matrix."
    )
    return (
        "On MARCO correct traces lead slightly.",
        evidence,
        "holds among the printed trace conditions; cannot be checked, the outputs are not in the release",
    )


def _r1(r1: pd.DataFrame) -> tuple[str, str, str]:
    best = r1.sort_values("value").groupby("student").tail(1).set_index("student")
    words = [f"{s}: {row.condition} {row.value:.2f}%" for s, row in best.iterrows()]
    small = all(best.condition[s] == "r1" for s in SMALL)
    others = [s for s in best.index if s not in SMALL and best.condition[s] == "r1"]
    verdict = "stands; for the larger students another condition is best" if small and not others else "see the table"
    swapped = r1[r1.condition == "swapped"]
    partly = (swapped.categories < r1.categories.max()).sum()
    less = f", {partly} of them over fewer categories than are printed of the others" if partly else ""
    return (
        "R1 traces give the best accuracy of the trace types for the small students.",
        "Best published condition on the R1 subset, " + "; ".join(words) + " (swapped traces: "
        f"{swapped.value.min():.1f} to {swapped.value.max():.1f}%{less}).",
        verdict,
    )


def _people() -> tuple[str, str, str]:
    return (
        "People rate R1 traces least interpretable.",
        "Two of four means are printed (r1 3.39, correct 4.86); the ratings are not in our sources.",
        "cannot be checked here",
    )
