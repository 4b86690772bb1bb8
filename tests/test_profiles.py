"""Profiles and artefacts: one dial, complete manifests, names that are checked."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from tracekd import artefacts, profiles
from tracekd.problems import DATASETS
from tracekd.run_texts import find_texts


@pytest.mark.parametrize("name", profiles.names())
def test_every_profile_is_whole(name):
    profile = profiles.load(name)
    assert profile.about and profile.hardware
    for sizes in (profile.generated, profile.train, profile.test, profile.interventions):
        assert set(sizes) == set(DATASETS)
    # Each of these is read beside another profile's grid.
    beside = ("training-interventions", "grid-r1-as-released", "grid-corruption", "grid-mechanism", "grid-natural")
    assert name in beside or profile.conditions == ("vanilla", "correct", "incorrect")


def test_an_heir_changes_only_what_it_says():
    base, heir = profiles.load("paper"), profiles.load("paper-qwen-8b")
    assert heir.student == "qwen3-8b"
    assert heir.recipe.generate_batch == 32 != base.recipe.generate_batch
    assert heir.recipe.learning_rate == base.recipe.learning_rate == 2e-4


def test_unknown_profiles_give_the_nearest():
    with pytest.raises(ValueError, match="no profile 'smok': did you mean 'smoke'"):
        profiles.load("smok")


@pytest.fixture()
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path))
    monkeypatch.delenv("TRACEKD_DATA", raising=False)
    return profiles.open_run("04_evaluate", "smoke", 121)


def test_opening_says_what_a_reader_must_know(run, capsys):
    text = artefacts.opening(run)
    for word in ("smoke", "121", "tiny-random", "GENERATED problems", "torch", "CPU"):
        assert word in text


def test_draws_follow_seed_and_name(run):
    assert run.rng("a").random() == run.rng("a").random() != run.rng("b").random()
    other = profiles.open_run("04_evaluate", "smoke", 122)
    assert other.rng("a").random() != run.rng("a").random()
    assert other.profile.seeds == (122,)


def test_texts_of_a_teacher_come_from_a_file_that_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("TRACEKD_DATA", raising=False)
    assert profiles.open_run("x", "smoke").texts == ""
    (tmp_path / "texts.jsonl").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACEKD_TEXTS", "texts.jsonl")
    assert profiles.open_run("x", "smoke").texts == str(tmp_path / "texts.jsonl")
    monkeypatch.setenv("TRACEKD_TEXTS", "gone.jsonl")
    with pytest.raises(FileNotFoundError, match=r"texts 'gone\.jsonl': no such file"):
        profiles.open_run("x", "smoke")


def test_auto_takes_the_folder_r1_beside_cotempqa(tmp_path, monkeypatch):
    monkeypatch.delenv("TRACEKD_TEXTS", raising=False)
    (tmp_path / "cotempqa").mkdir()
    (tmp_path / "r1").mkdir()
    smoke, source = profiles.load("smoke"), str(tmp_path)
    assert find_texts("", smoke, source) == ""  # nothing in it
    (tmp_path / "r1" / "texts.jsonl").write_text("")
    assert find_texts("", smoke, source) == find_texts("auto", smoke, source) == str(tmp_path / "r1")
    assert find_texts("templated", smoke, source) == find_texts("", smoke, "generated") == ""
    assert find_texts("", replace(smoke, also={}), source) == ""  # no free-form condition
    assert find_texts("", replace(smoke, texts="templated"), source) == ""
    assert find_texts(str(tmp_path / "r1" / "texts.jsonl"), smoke, source).endswith("texts.jsonl")


def test_a_profile_may_run_on_one_set_and_give_conditions_passes_of_their_own(tmp_path):
    profile = replace(profiles.load("smoke"), datasets=("cotempqa",), epochs_of={"r1": 2})
    assert profiles.Run("x", profile, 121, "generated", tmp_path).datasets == ("cotempqa",)
    assert profile.recipe_of("r1").epochs == 2 and profile.recipe_of("vanilla") == profile.recipe
    (tmp_path / "own.jsonl").write_text("")
    with pytest.raises(ValueError, match="runs on cotempqa, and the data source has own"):
        profiles.Run("x", profile, 121, str(tmp_path / "own.jsonl"), tmp_path).datasets  # noqa: B018


def test_the_data_variable_counts_unless_a_parameter_is_given(tmp_path, monkeypatch):
    (tmp_path / "data" / "babi").mkdir(parents=True)
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TRACEKD_DATA", str(tmp_path / "data"))
    assert profiles.open_run("x", "smoke").source == str(tmp_path / "data")
    assert profiles.open_run("x", "smoke", data="generated").source == "generated"


def test_artefacts_leave_files_data_and_one_manifest_row(run):
    frame = pd.DataFrame({"a_b": ["x%", "y"], "share": [0.25, float("nan")]})
    fig, ax = plt.subplots()
    ax.plot([1, 2])
    for _ in range(2):  # the second save replaces the first
        run.save_figure(fig, "04_f", caption="A line.", n=3, data=frame)
        run.save_table(frame, "04_t", caption="A table.", n=2)
    rows = artefacts.manifest(run)
    assert list(rows.id) == ["04_f", "04_t"]
    assert list(rows.columns) == artefacts.COLUMNS
    assert (rows[["caption", "n", "student", "source", "seed", "profile", "commit"]] != "").all().all()
    folder = run.folder / "figures"
    for files, data in zip(rows["files"], rows.data, strict=True):
        assert all((folder / f).stat().st_size > 0 for f in files.split())
        assert (folder / data).exists()
    assert r"x\%" in (folder / "04_t.tex").read_text()
    assert "GENERATED problems" in (folder / "04_t.md").read_text()
    pd.testing.assert_frame_equal(pd.read_csv(folder / "04_t.csv"), frame)
    plt.close(fig)


def test_tables_show_small_p_values_dashes_and_who_made_them(run):
    frame = pd.DataFrame({"n": [3, 4], "p_holm": [1e-6, float("nan")], "tost_p": [0.0, 0.2], "p_answer": [0.0, 0.5]})
    run.save_table(frame, "04_t", caption="A table.", n="7 outputs")
    folder = run.folder / "figures"
    shown = (folder / "04_t.md").read_text()
    assert [cell.strip() for cell in shown.splitlines()[2].strip("|").split("|")] == ["3", "<0.001", "<0.001", "0.000"]
    assert [cell.strip() for cell in shown.splitlines()[3].strip("|").split("|")] == ["4", "–", "0.200", "0.500"]
    assert "– means undefined" in shown and f"student: {run.student}; seed: {run.seed};" in shown
    assert "n = 7 outputs;" in shown and "$<$0.001" in (folder / "04_t.tex").read_text()
    kept = pd.read_csv(folder / "04_t.csv")
    assert kept.p_holm[0] == 1e-6 and kept.p_holm.isna()[1]
    run.save_table(frame.dropna(), "04_u", caption="A table.", n=1, student="")
    assert not {"undefined", "student"} & set((folder / "04_u.md").read_text().replace(":", "").split())


def test_figures_repeat_to_the_byte(run):
    def draw():
        fig, ax = plt.subplots()
        ax.plot([1, 3, 2])
        run.save_figure(fig, "04_f", caption="A line.", n=3)
        plt.close(fig)
        return [(run.folder / "figures" / f"04_f{s}").read_bytes() for s in (".png", ".pdf")]

    assert draw() == draw()


def test_a_caption_is_required(run):
    with pytest.raises(ValueError, match="needs a caption"):
        run.save_table(pd.DataFrame({"a": [1]}), "04_t", caption=" ", n=1)
