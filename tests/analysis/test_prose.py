"""The numbers that notebooks 04 and 08 state by hand are those of the committed tables."""

import json
import re

import pandas as pd
from conftest import ROOT

from tracekd.analysis import recorded
from tracekd.analysis.tables import percent, points
from tracekd.pipeline.artefacts import table_path


def prose(name: str) -> tuple[str, list[str]]:
    """A notebook's opening, and the bullets of "What was found"."""
    cells = ["".join(c["source"]) for c in json.loads((ROOT / "notebooks" / name).read_text())["cells"]]
    (found,) = [cell.partition("## What was found")[2] for cell in cells if "## What was found" in cell]
    return cells[1], re.findall(r"^- .*", found.partition("## Limits")[0], re.MULTILINE)


def row(stem: str, **where: object) -> pd.Series:
    frame = pd.read_csv(table_path(stem))
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1, f"{stem} has {len(frame)} rows {where}"
    return frame.iloc[0]


def test_the_paper_checks_numbers():
    opening, bullets = prose("08_paper_check.ipynb")
    verdicts = recorded.load().verdicts
    own = recorded.of_sizes(verdicts, recorded.main_sizes(verdicts))
    own = own[(own.dataset == "babi") & (own.condition == "correct")]
    assert f"answers {100 * own[own.trace_correct].answer_correct.mean():.0f}% of bAbI questions right" in opening
    babi = {"dataset": "babi", "training_problems": 1000}
    level = row("08_accuracy_table", condition="correct", **babi)
    assert f"{percent(level.value, level.low, level.high)} right" in bullets[0]
    sentences = ("Incorrect traces do not lower accuracy, compared with correct ones",
                 "Answers are as often right after wrong traces as after right ones")  # fmt: skip
    for bullet, sentence in zip(bullets[1:3], sentences, strict=True):
        claim = row("08_claims", claim=sentence, **babi)
        assert f" {points(claim.estimate, claim.low, claim.high)} points" in bullet
        assert claim.verdict in bullet or claim.verdict == "not supported"
    for bullet, condition in zip(bullets[3:], ("correct", "incorrect"), strict=True):
        effect = row("08_effects", condition=condition, effect="total_all", reveals="all", **babi)
        assert f" {points(effect.value, effect.low, effect.high)} points" in bullet


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
