"""The tables of notebook 02: rows that add up, the default kinds of trace, and numbers counted another way."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from tracekd.analysis import sft_tables
from tracekd.config import load
from tracekd.run import Run
from tracekd.students import registry, sft

SIZES = {"cotempqa": 24, "marco": 20, "babi": 24}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run("02", replace(load("smoke"), train=SIZES), 121, "generated", tmp_path_factory.mktemp("run"))


def test_the_leakage_table_shows_this_run_and_the_recorded_real_sets(run):
    made, real = sft_tables.leakage(run), pd.read_csv(sft_tables.RECORDED)
    assert made.shape[0] <= 12 and made.shape[1] == 8
    assert list(made.kind[:3]) == ["matched"] * 3 and made.problems[:3].str.endswith("GENERATED problems").all()
    shown = made[made.problems == "babi: real released test set"].iloc[0]
    recorded = real[(real.dataset == "babi") & (real.kind == sft_tables.RELEASED)].iloc[0]
    assert (shown.n, shown.excludes, shown.names) == (recorded.n, recorded.excludes, recorded["names"])
    assert shown.form_accuracy.startswith(f"{recorded.form_accuracy:.3f} [")


def test_right_traces_pass_and_wrong_ones_fail_in_just_the_intended_steps(run):
    made = sft_tables.verified(run).set_index("data set")
    for name, n in SIZES.items():
        assert list(made.loc[name].itertuples(index=False, name=None)) == [
            ("correct", n, n, n), ("incorrect classification", n, 0, n), ("incorrect retrieval", n, n, 0),
            ("incorrect both", n, 0, 0),
        ]  # fmt: skip


def test_tokens_are_those_of_the_encoded_examples(run):
    sets = sft.prepare(run)
    made = sft_tables.tokens(run, sets).set_index(["data set", "condition"])
    encoded = sft.encode_all(sets["babi", "correct"], registry.load_tokenizer(run.student), 2048)
    row = made.loc["babi", "correct"]
    assert row.n == 24 and row["prompt"] == round(sum(len(e.prompt_ids) for e in encoded) / 24, 1)
    assert row.trace + row.answer == pytest.approx(sum(len(e.target_ids) for e in encoded) / 24, abs=0.11)
    assert made.loc["babi", "vanilla"].trace == 0
    recipe = replace(run.profile.recipe, habits="as_published", max_tokens=60)  # cut, and learned but for one token
    cut = SimpleNamespace(student=run.student, profile=SimpleNamespace(recipe=recipe))
    row = sft_tables.tokens(cut, {("babi", "correct"): sets["babi", "correct"]}).iloc[0]
    assert row.prompt + row.trace + row.answer == pytest.approx(60, abs=0.2) and row["learned (%)"] == 98.3  # 59 / 60
