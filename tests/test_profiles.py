"""Profiles and runs: one dial; seeds, data and texts as asked for."""

from dataclasses import replace

import pytest

from tracekd import config
from tracekd.data.problem import DATASETS
from tracekd.run import Run, open_run
from tracekd.teacher.run_texts import find_texts

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize("name", config.names())
def test_every_profile_is_whole(name):
    profile = config.load(name)
    assert profile.about and profile.hardware
    assert replace(profile, conditions=("r1",)).conditions_of("cotempqa").count("r1") == 1  # in ``also``, too
    for sizes in (profile.generated, profile.train, profile.test, profile.interventions):
        assert set(sizes) == set(DATASETS)
    beside = ("grid-r1-as-released", "grid-corruption", "grid-mechanism", "grid-natural")
    assert name in beside or profile.conditions == ("vanilla", "correct", "incorrect")


SLIPS = [
    ({"like": "papr"}, "'paper'"), ({"like": "mine"}, "like 'mine'"), ({"like": "cpu", "epoch": 2}, "'epoch'"),
    ({"student": "x"}, "'epochs'"), ({"like": "cpu", "seeds": 121}, "121 where a list"),
    ({"like": "cpu", "train": 500}, "tables"), ({"like": "cpu", "untrained": ["fewshot"]}, "'few_shot'"),
    ({"like": "cpu", "train": {"babi": 0}}, "0 problems"), ({"like": "cpu", "also": {"babi": "r1"}}, "'r1' where"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "said"), SLIPS)
def test_a_slip_in_a_profile_is_named(entry, said, monkeypatch):
    monkeypatch.setitem(config._entries(), "mine", entry)
    with pytest.raises(ValueError, match=f"profile 'mine'.*{said}"):
        config.load("mine")


def test_draws_follow_seed_and_name(monkeypatch):
    run, other = (open_run("04_evaluate", "smoke", seed) for seed in (121, 122))
    assert run.rng("a").random() == run.rng("a").random() != run.rng("b").random()
    assert other.rng("a").random() != run.rng("a").random()
    assert other.profile.seeds == (122,)
    monkeypatch.setitem(config._entries(), "mine", {"like": "smoke", "seeds": [7, 8]})
    assert open_run("04_evaluate", "mine").profile.seeds == (7, 8)


def test_texts_of_a_teacher_come_from_a_file_that_is_there(tmp_path, monkeypatch):
    assert open_run("x", "smoke").texts == ""
    (tmp_path / "texts.jsonl").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACEKD_TEXTS", "texts.jsonl")
    assert open_run("x", "smoke").texts == str(tmp_path / "texts.jsonl")
    monkeypatch.setenv("TRACEKD_TEXTS", "gone.jsonl")
    with pytest.raises(FileNotFoundError, match=r"gone\.jsonl"):
        open_run("x", "smoke")


def test_auto_takes_the_folder_r1_beside_cotempqa(tmp_path):
    (tmp_path / "cotempqa").mkdir()
    (tmp_path / "r1").mkdir()
    smoke, source = config.load("smoke"), str(tmp_path)
    assert find_texts("", smoke, source) == ""  # nothing in it
    (tmp_path / "r1" / "texts.jsonl").write_text("")
    assert find_texts("", smoke, source) == find_texts("auto", smoke, source) == str(tmp_path / "r1")
    assert find_texts("templated", smoke, source) == find_texts("", smoke, "generated") == ""
    assert find_texts("", replace(smoke, also={}), source) == ""  # no free-form condition
    assert find_texts("", replace(smoke, texts="templated"), source) == ""


def test_a_profile_may_run_on_one_set(tmp_path):
    profile = replace(config.load("smoke"), datasets=("cotempqa",))
    assert Run("x", profile, 121, "generated", tmp_path).datasets == ("cotempqa",)
    (tmp_path / "own.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"cotempqa.*own"):
        Run("x", profile, 121, str(tmp_path / "own.jsonl"), tmp_path).datasets  # noqa: B018


def test_the_data_variable_counts_unless_a_parameter_is_given(tmp_path, monkeypatch):
    (tmp_path / "data" / "babi").mkdir(parents=True)
    monkeypatch.setenv("TRACEKD_DATA", str(tmp_path / "data"))
    assert open_run("x", "smoke").source == str(tmp_path / "data")
    assert open_run("x", "smoke", data="generated").source == "generated"
