"""The numbers that notebook 04 and the released claims state by hand are those of the committed tables."""

import json
import re

import pandas as pd
from committed import replicates, row, rows
from conftest import ROOT

from tracekd.analysis import paper_check, recorded
from tracekd.analysis.paper_check import OURS, PRINTED, THEIRS
from tracekd.analysis.tables import INCONCLUSIVE, NOT_SUPPORTED, NOT_TESTED, SUPPORTED, percent
from tracekd.pipeline.artefacts import table_path
from tracekd.teacher import run_texts


def prose(name: str) -> tuple[str, list[str]]:
    """A notebook's opening, and the bullets of "What was found"."""
    cells = ["".join(c["source"]) for c in json.loads((ROOT / "notebooks" / name).read_text())["cells"]]
    (found,) = [cell.partition("## What was found")[2] for cell in cells if "## What was found" in cell]
    return cells[1], re.findall(r"^- .*", found.partition("## Limits")[0], re.MULTILINE)


def test_the_evaluations_numbers():
    opening, bullets = prose("04_evaluate.ipynb")
    names = ("vanilla", "correct", "incorrect")
    levels = [row("04_accuracy_table", condition=name, measure="answer exactly right") for name in names]
    assert {level.problems for level in levels} == {96} and "96 bAbI problems" in opening
    assert [f"{100 * level.value:.1f}%" for level in levels] == re.findall(r"[\d.]+%", bullets[0])
    pairs = pd.read_csv(table_path("04_contrasts")).query("measure == 'answer exactly right' and second != 'prompted'")
    assert len(pairs) == 3 and (pairs.p_holm > 0.05).all() and not pairs.equivalent.any()
    least = pairs[(pairs["first"] == "vanilla") & (pairs["second"] == "incorrect")].detectable.iloc[0]
    assert f"{100 * least:.0f} points or more" in bullets[1]
    tied = row("04_associations", condition="correct", step="trace")
    right, wrong = percent(tied.p_answer_given_trace), percent(tied.p_answer_given_not_trace)
    assert re.findall(r"\d[\d.]*%?", bullets[2]) == [right, f"{tied.both + tied.trace_only}", wrong]
    assert f"{100 * tied.p_answer_given_trace:.0f}% right" in opening
    misled = row("04_associations", condition="incorrect", step="trace")
    assert misled.both + misled.trace_only == 0 and "never writes a right trace" in bullets[3]
    assert f"; {100 * levels[2].value:.1f}% of its answers" in bullets[3]
    steps = [row("04_associations", condition="correct", step=step) for step in ("classification", "retrieval")]
    shares = [percent(one[f"p_answer_given_{end}"]) for one in steps for end in ("trace", "not_trace")]
    assert re.findall(r"[\d.]+%", bullets[4]) == shares and steps[0].p_holm > 0.05 > max(steps[1].p_holm, tied.p_holm)
    text = (ROOT / "notebooks" / "04_evaluate.ipynb").read_text()
    assert f"writes {tied.both + tied.trace_only} in {tied.n} outputs, and {tied.both} of these" in text
    form = row("04_accuracy_table", condition="prompted", measure="contains the answer")
    assert f"{form.value:.0%} of its outputs contain" in text and f"{least:.3f} is {100 * least:.0f} points" in text


DIFFERENT = "not tested: the students learned from different examples"


def numbers(text: str) -> list[float]:
    """The numbers of a sentence, without those in names and the two bounds that belong to a test."""
    bare = re.sub(r"(Qwen3|Llama)-[\w.-]+|R1|\d\d_\w+|above 3\.841|below (3\.841|5)|28%", "", text)
    return [float(found) for found in re.findall(r"[+-]?\d+(?:\.\d+)?", bare)]


def gaps(pairs: pd.DataFrame) -> list[float]:
    """Each difference in points and its p-value, as sentences round them."""
    p_values = [0.001 if p < 0.001 else float(f"{p:.2g}") for p in pairs.p_holm]
    return [number for pair in zip((100 * pairs.difference).round(1), p_values, strict=True) for number in pair]


def leads(pairs: pd.DataFrame, sign: int) -> str:
    """Is ``first`` (``sign`` 1) or ``second`` (-1) shown ahead in all pairs, shown behind in one, or neither?"""
    shown = (sign * pairs.difference).where(pairs.p_holm < 0.05, 0)
    return SUPPORTED if shown.min() > 0 else NOT_SUPPORTED if shown.min() < 0 else INCONCLUSIVE


def of_lower(pairs: pd.DataFrame) -> tuple[list[float], str]:
    """Pairs with incorrect traces: how many, lower, higher, equivalent (supported: not all lower), and replicates."""
    counts, verdict = [], ""
    for rules in (THEIRS, OURS):
        part = pairs[pairs.rules == rules]
        shown, same = part.difference.where(part.p_holm < 0.05, 0), part.equivalent & (part.p_holm >= 0.05)
        lower, higher = (shown > 0).sum(), (shown < 0).sum()
        counts += [len(part), lower, higher, same.sum()]
        verdict = NOT_SUPPORTED if lower == len(part) else SUPPORTED if higher or same.any() else INCONCLUSIVE
    again = [found for gap, seeds in replicates(pairs["first"].iloc[0]) for found in (*numbers(gap), seeds)]
    return counts + again, verdict


def evidence() -> list[tuple[list[float], str]]:
    """The numbers and the verdict of each released claim, from the recorded verdicts."""
    release = paper_check.load(recorded.FOLDER)
    compared, pairs = release.compared, release.contrasts
    trace = compared[compared.step == "trace"]
    steps = paper_check.three_steps(release)
    given = (100 * steps[[f"p_answer_given_trace{end}" for end in ("", "_low", "_high")]]).round(1).to_numpy()
    shares = [round(100 * steps.joint[0], 1), given[0][0], given[1][0], *given[3], *given[4]]
    rejected = [paper_check.dependent(compared, common=common) for common in (False, True)]
    counted = pd.concat(rejected)[["rejected", "tables", "rejected_holm"]].to_numpy().ravel().tolist()
    phi = trace[trace.phi.notna()]
    right, wrong = (phi[(phi.rules == OURS) & (phi.condition == name)] for name in ("correct", "incorrect"))
    printed = phi[phi.rules == PRINTED]
    marco = printed[printed.dataset == "marco"]
    dependent = [NOT_SUPPORTED if (part.p_holm < 0.05).any() else INCONCLUSIVE for part in (printed, right, marco)]
    few = (wrong.both + wrong.trace_only).max()
    facts = compared.query("rules == @OURS and condition == 'incorrect' and step == 'retrieval'")
    ends = [*(facts.both + facts.trace_only).agg(["min", "max"]), *facts.phi.agg(["min", "max"]).round(2)]
    assert marco.phi_high.max() < 0  # "the association is negative"
    incorrect = pairs[pairs.second == "incorrect"]
    qwen = incorrect[(incorrect.dataset == "cotempqa") & (incorrect.student == "Qwen3-1.7B")]  # as published first
    small = ["Llama-3.2-1B-Instruct", "Qwen3-1.7B"]
    babi = pairs[(pairs.rules == OURS) & (pairs.dataset == "babi") & (pairs["first"] == "vanilla")]
    babi = babi[babi.student.isin(small)].sort_values("student", kind="stable")
    llama = babi[(babi.student == small[0]) & (babi.second == "incorrect")]
    counts = rows("08_ledger", dataset="marco", kind="matrix")
    counts = counts.pivot(index=["student", "condition"], columns="measure", values="printed")
    r1 = run_texts.r1_sets("").set_index("file").loc["all"]
    return [
        (shares, SUPPORTED if given[2][1] <= 28 <= given[2][2] else NOT_SUPPORTED),
        (counted, dependent[0]),
        ([round(found, 2) for found in (right.phi.min(), right.phi.max(), right.phi_low.min())], dependent[1]),
        ([few, *ends, len(facts), (facts.p_holm < 0.05).sum()], NOT_TESTED if few < 30 else INCONCLUSIVE),
        ([round(marco.phi.min(), 2), round(marco.phi.max(), 2), round(marco.chi2.min(), 1)], dependent[2]),
        of_lower(incorrect[incorrect["first"] == "vanilla"]),
        of_lower(incorrect[incorrect["first"] == "correct"]),
        (gaps(qwen), leads(qwen[qwen.rules == OURS], -1)),
        (gaps(babi), leads(babi, 1)),
        (gaps(llama), leads(llama, 1)),
        ([*counts.filter(regex="trace |uneval").sum(axis=1).unique(), *counts["answer correct"]], NOT_TESTED),
        *[([], NOT_TESTED)] * 2,
        (r1[["rows", "another_problem", "distinct_messages", "another_category"]].tolist(), DIFFERENT),
        ([], "the examples are the same; how much is due to the prose answers is not tested"),
    ]


def test_the_released_claims_numbers_and_verdicts():
    stated = paper_check.statements()
    pd.testing.assert_frame_equal(stated, pd.read_csv(table_path("06_claims")))
    assert "28%" in stated.statement[0]
    for said, (found, verdict) in zip(stated.itertuples(), evidence(), strict=True):
        assert (numbers(said.evidence), said.verdict) == (found, verdict), said.statement
