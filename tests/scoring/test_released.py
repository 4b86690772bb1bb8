"""The recorded verdict tables, the printed numbers and the paper check; afresh where the outputs are at hand."""

import re

import numpy as np
import pandas as pd
import pytest

from tracekd.analysis import paper_check
from tracekd.config import ROOT
from tracekd.scoring import verdict_tables
from tracekd.scoring.outputs import adapter_of

RECORDED = ROOT / "figures" / "data"


@pytest.fixture(scope="module")
def release():
    return paper_check.load(RECORDED)


@pytest.fixture(scope="module")
def checked(release):
    return paper_check.check(release.printed, release.verdicts)


@pytest.mark.parametrize(("name", "expected"), [
    ("Llama-3.2-1B-Instruct-sft-adapter_default.jsonl.gz", ("Llama-3.2-1B-Instruct", "vanilla", None)),
    ("Qwen3-8B-sft-adapter-reasoning-facts-perturbed_default.jsonl", ("Qwen3-8B", "incorrect", None)),
    ("Qwen_Qwen3-1.7B_default_mix.jsonl.gz", ("Qwen3-1.7B", "prompted", "mix")),
])  # fmt: skip
def test_file_names_say_adapter(name, expected):
    assert (
        adapter_of(name)[1:] == expected and adapter_of("correct-121.jsonl") is adapter_of("x_default_v2.jsonl") is None
    )


def test_tables_hold_no_text(release):
    table = release.verdicts
    words = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    text = table[words].drop(columns=["id", "pub_gold_row", "adapter"])
    allowed = re.compile(r"[A-Za-z0-9_.\- ]{1,60}")
    for column in text:
        values = table[column].dropna().astype(str).unique()
        assert len(values) < 30 and all(allowed.fullmatch(v) for v in values), column
    assert pd.concat([table.id, table.pub_gold_row.dropna()]).str.fullmatch(r"(cotempqa|babi)/[\w-]+/[\w-]+").all()


def test_counts_of_published_rows_that_follow(checked):
    metrics = checked[checked.kind == "answer metric"].groupby(["dataset", "category", "student", "condition"])
    assert metrics.verdict.agg(lambda v: set(v) == {paper_check.FOLLOWS}).sum() == 61 and metrics.ngroups == 67
    babi = checked[(checked.kind == "matrix") & (checked.dataset == "babi")]
    assert set(babi.verdict) == {paper_check.FOLLOWS} and babi.student.nunique() == 2
    counts = paper_check.by_kind(checked).loc[[paper_check.FOLLOWS, paper_check.MOVED], ["answer metric", "matrix"]]
    assert counts.to_numpy().tolist() == [[305, 68], [0, 56]]


def test_every_printed_number_has_source_and_verdict(checked):
    numbers = paper_check.published()
    assert (numbers.source.str.len() > 0).all() and numbers.value.notna().all()
    assert len(checked) == len(numbers) and checked.verdict.notna().all()
    assert (checked[checked.verdict == paper_check.FOLLOWS].difference == 0).all()


def test_the_three_steps_of_the_28_percent(release):
    """Printed 261 of 949, 261 / 456; own rows 210 of 630, 210 / 363; ours 305 of 950, 305 / 322; labels 310 / 607."""
    steps = paper_check.three_steps(release).set_index("reading")
    assert steps.n.tolist() == [949, 936, 630, 950, 950, 619, 131]
    assert (100 * steps.joint).round(1).tolist() == [27.5, 27.6, 33.3, 32.1, 32.6, 37.3, 15.3]
    assert (100 * steps.p_answer_given_trace).round(1).tolist() == [57.2, 56.2, 57.9, 94.7, 51.1, 46.7, 55.6]
    label = steps.loc["released outputs, id-aligned, label alone"]
    assert (round(label.phi, 2), round(100 * label.p_answer_given_not_trace, 1)) == (0.16, 35.0)
    assert (steps.joint_low < steps.joint).all() and (steps.phi_low < steps.phi).all()


def test_printed_replicates(release):
    """Qwen3-1.7B, against correct traces: +4.69, +9.19, +9.29 points; 7.72, sd 2.63; 4.303 * 2.63 / sqrt(3) = 6.53."""
    found = paper_check.replicates(release).iloc[:, 2:]
    assert found.seeds.tolist() == [3, 3, 3, 2]  # one category of seed 122 without traces is not printed
    assert (100 * found.drop(columns="seeds").iloc[1]).round(2).tolist() == [7.72, 1.20, 14.25]


def test_tables_that_reject_independence(release):
    """Qwen3-8B, incorrect, id-aligned: chi-squared 4.4 with an expected count of 2.4, Fisher 0.048, after Holm 0.48."""
    found = paper_check.dependent(release.compared)
    assert found.tables.tolist() == [10, 10, 10]
    assert found.loc[["id-aligned", "as printed"]].to_numpy().tolist() == [[10, 6, 7, 6], [10, 1, 6, 3]]
    assert (paper_check.dependent(release.compared, common=True).tables == 6).all()


def test_recorded_tables_are_those_of_the_released_files(shared_data):
    said = paper_check.check_recorded(shared_data, RECORDED)
    assert len(said) == 2 and all(" 0 verdicts moved" in sentence and "NOT" not in sentence for sentence in said)


def test_a_moved_verdict_is_counted_and_without_files_the_recorded_ones_count(tmp_path):
    babi, path = verdict_tables.read(RECORDED, "babi"), RECORDED / verdict_tables.table_name("babi")
    assert verdict_tables.moved(babi, path) == 0
    assert verdict_tables.moved(babi.assign(answer_correct=~babi.answer_correct), path) == len(babi)
    assert verdict_tables.moved(babi[1:], path) == len(babi)  # every row is another one
    assert len(paper_check.check_recorded(tmp_path, RECORDED)) == 1
    copy = verdict_tables.write_table(tmp_path / path.name, babi)
    assert verdict_tables.moved(babi, copy) == 0
    written = copy.read_bytes()
    assert verdict_tables.write_table(copy, babi).read_bytes() == written


def test_published_csv_is_what_the_release_says(shared_data):
    """Every number of the release's CSVs is there, as often as there, and no other of their kinds."""
    ours = paper_check.published()
    metrics = ["acc", "f1", "p", "r", "avg"]
    kinds = {"answer metric": "answer_metrics", "r1 subset": "r1_conditions", "seeds": "seed_replicates"}
    for kind, name in kinds.items():
        theirs = pd.read_csv(shared_data / "released" / f"published_{name}.csv")
        theirs = theirs.melt("category", metrics, "measure").groupby(["category", "measure"]).value.apply(sorted)
        found = ours[ours.kind == kind].groupby(["category", "measure"]).value.apply(sorted)
        assert found.to_dict() == theirs.to_dict(), kind
    matrices = pd.read_csv(shared_data / "released" / "published_confusion_matrices.csv").set_index("adapter")
    found = ours[ours.kind == "matrix"].set_index(["dataset", "student", "condition", "measure"]).value
    assert len(matrices) == 12
    qwen = matrices.loc["Qwen3-1.7B-sft-adapter-reasoning-facts"]
    qwen = qwen[qwen.dataset == "cotempqa"].iloc[0]
    both = found["cotempqa", "Qwen3-1.7B", "correct", "trace both"]
    assert both == 261 == qwen["matrix3.correct_answer_correct_trace"]
    numbers = matrices.select_dtypes("number").to_numpy().ravel()
    assert {*found} <= {*numbers[~np.isnan(numbers)]}
