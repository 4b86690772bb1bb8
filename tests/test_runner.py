"""The runner on throw-away notebooks: what is skipped and why, what is refused, what a failure leaves, publishing."""

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from packaging.requirements import Requirement

from tracekd import __main__, address, hub, notebooks, publish, replication, runner, steps

PARAMETERS = 'PROFILE = "cpu"  # the dial\nSEED = 121  # of every draw\nDATA = ""  # source'
# Leaves one figure with its manifest row, as save_figure does.
FIGURE = """
from pathlib import Path
figures = Path(FOLDER) / PROFILE / "figures"
figures.mkdir(parents=True, exist_ok=True)
(figures / "01_one.csv").write_text("x\\n1\\n")
(figures / "MANIFEST.csv").write_text(
    "id,kind,caption,notebook,files,data,student,source,n,seed,profile,commit\\n"
    f"01_one,table,A caption.,01_first,01_one.csv,01_one.csv,none,generated,1,121,{PROFILE},abc\\n"
)
"""


def write(folder: Path, name: str, *code: str, parameters: str = PARAMETERS) -> Path:
    """A notebook with a heading, a parameters cell and the given code cells."""
    tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    book = new_notebook(cells=[new_markdown_cell(f"# {name[:2]}. A title"), tagged, *map(new_code_cell, code)])
    book.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path = folder / f"{name}.ipynb"
    nbformat.write(book, path)
    return path


@pytest.fixture
def house(tmp_path, monkeypatch):
    """An empty house: ``notebooks/``, ``runs/``, ``figures/`` in a temporary folder."""
    for name in ("notebooks", "runs", "figures"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path / "notebooks")
    monkeypatch.setattr(publish, "FIGURES", tmp_path / "figures")
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("TRACEKD_DATA", raising=False)
    monkeypatch.setattr(hub, "probe", lambda: ("generated", "this test has no Hub"))
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["--profil", "smoke"], "did you mean '--profile'"),
        (["--profile", "smke"], "did you mean 'smoke'"),
        (["--only", "01,02_secnd"], "did you mean '02_second'"),
        (["--set", "SIZ=3"], "did you mean 'SIZE'"),
        (["--set", "SEED=3"], "use --seed"),
        (["--set", "SIZE"], "expected NAME=VALUE"),
        (["--data", "nowhere"], "expected 'auto', 'generated', 'hub', a folder"),
        (["--test-share", "1.5"], "a number between 0 and 1"),
        (["--ratings", "nowhere.csv"], "no such file"),
        (["--texts", "nowhere.jsonl"], "no such file"),
        (["smoke"], "did you mean --profile smoke"),
        (["--seed", "x"], "invalid int value"),
    ],
)
def test_unknown_words_exit_2_with_the_nearest_right_name(house, capsys, argv, hint):
    write(house / "notebooks", "01_first")
    write(house / "notebooks", "02_second", parameters=PARAMETERS + "\nSIZE = 2  # of it")
    with pytest.raises(SystemExit) as stop:
        runner.main(argv)
    assert stop.value.code == 2
    assert hint in capsys.readouterr().err
    assert not list((house / "runs").iterdir())  # refused before any work


def test_unknown_command_exits_2_with_the_nearest(capsys):
    assert __main__.main(["rnu"]) == 2
    assert "did you mean 'run'" in capsys.readouterr().err


def test_an_error_is_one_message_unless_debugging(house, capsys, monkeypatch):
    write(house / "notebooks", "01_first")
    monkeypatch.setenv("TRACEKD_DATA", str(house / "gone"))
    monkeypatch.delenv("TRACEKD_DEBUG", raising=False)
    assert __main__.main(["run", "--profile", "smoke"]) == 2
    assert capsys.readouterr().err.startswith("tracekd: data source")
    monkeypatch.setenv("TRACEKD_DEBUG", "1")
    with pytest.raises(ValueError, match="data source"):
        __main__.main(["run", "--profile", "smoke"])


def test_texts_are_refused_where_no_condition_takes_them(house, capsys, monkeypatch):
    write(house / "notebooks", "01_first")
    (house / "texts.jsonl").write_text("")
    monkeypatch.setenv("TRACEKD_TEXTS", "")  # restored afterwards
    assert __main__.main(["run", "--profile", "cpu", "--texts", str(house / "texts.jsonl")]) == 2
    assert "profile 'cpu' trains on none of r1, r1_summary" in capsys.readouterr().err
    monkeypatch.setenv("TRACEKD_TEXTS", str(house / "texts.jsonl"))
    assert __main__.main(["run", "--profile", "cpu"]) == 0  # the variable may stand for other profiles
    assert "free-form traces" not in capsys.readouterr().out


def test_a_notebook_needs_exactly_one_parameters_cell(house, capsys):
    path = write(house / "notebooks", "01_first")
    book = nbformat.read(path, as_version=4)
    book.cells[1].metadata.tags = []
    nbformat.write(book, path)
    with pytest.raises(SystemExit) as stop:
        runner.main(["--profile", "smoke"])
    assert stop.value.code == 2
    assert "0 cells with the tag 'parameters', expected exactly 1" in capsys.readouterr().err


def test_notebooks_are_chosen_by_number_or_name(house):
    for name in ("01_first", "02_second", "10_tenth"):
        write(house / "notebooks", name)
    assert [path.stem for path in notebooks.select("10, 1")] == ["01_first", "10_tenth"]
    assert [path.stem for path in notebooks.select("02_second.ipynb")] == ["02_second"]


def test_only_parameters_that_differ_are_passed(house):
    path = write(house / "notebooks", "01_first")
    assert notebooks.assign(path, {"PROFILE": "cpu", "SEED": 121}) == {}
    assert notebooks.assign(path, {"PROFILE": "smoke", "SEED": 121, "RATINGS": "x"}) == {"PROFILE": "smoke"}


def test_run_skip_rerun_publish(house, capsys):
    """The life of a run, with real kernels: run, skip, run what an edit touches, publish."""
    first = write(house / "notebooks", "01_first", f"FOLDER = {str(house / 'runs')!r}", FIGURE, "print(PROFILE, SEED)")
    second = write(house / "notebooks", "02_second", "1 + 1")
    before = first.read_text(), second.read_text()
    assert runner.main(["--profile", "smoke"]) == 0
    said = capsys.readouterr().out
    assert "01_first: runs because it has not finished here yet" in said
    assert "cell  5/5" in said and "print(PROFILE, SEED)" in said
    assert "01_one" in said  # the closing list of artefacts
    for suffix in ("ipynb", "html"):
        assert (house / "runs/smoke/notebooks" / f"01_first.{suffix}").exists()
    assert "smoke 121" in (house / "runs/smoke/logs/01_first.log").read_text()
    assert (first.read_text(), second.read_text()) == before  # a run alone changes nothing that is committed

    assert runner.main(["--profile", "smoke"]) == 0
    said = capsys.readouterr().out
    assert "01_first: unchanged since 20" in said and "02_second: unchanged since" in said

    book = nbformat.read(second, as_version=4)
    book.cells[0].source = "# 02. Better prose"
    nbformat.write(book, second)
    assert runner.main(["--profile", "smoke"]) == 0
    assert "02_second: unchanged" in capsys.readouterr().out  # prose does not count

    book.cells[2].source = "1 + 2"
    nbformat.write(book, second)
    with pytest.raises(ValueError, match=r"02_second is not current \(the notebook's code changed\)"):
        runner.main(["--profile", "smoke", "--only", "01", "--publish"])
    assert runner.main(["--profile", "smoke", "--publish"]) == 0
    said = capsys.readouterr().out
    assert "01_first: unchanged" in said and "02_second: runs because the notebook's code changed" in said
    check_published(house)


def check_published(house: Path) -> None:
    """Outputs are there; the injected cell, its values and every time are not."""
    book = nbformat.read(house / "notebooks/01_first.ipynb", as_version=4)
    assert [cell.metadata.get("tags", []) for cell in book.cells].count(["parameters"]) == 1
    assert book.cells[1].source == PARAMETERS and len(book.cells) == 5
    assert book.cells[4].outputs[0].text == "smoke 121\n"
    assert [cell.execution_count for cell in book.cells[1:]] == [1, 2, 3, 4]
    assert "papermill" not in json.dumps(book) and "start_time" not in json.dumps(book)
    second = nbformat.read(house / "notebooks/02_second.ipynb", as_version=4)
    assert second.cells[0].source == "# 02. Better prose" and second.cells[2].outputs[0].execution_count == 2
    assert (house / "figures/01_one.csv").exists()
    assert [row["id"] for row in steps.rows(house / "figures")] == ["01_one"]


def test_a_failure_stops_the_run_and_keeps_what_was_finished(house, capsys):
    write(house / "notebooks", "01_first", "x = 1")
    write(house / "notebooks", "02_second", "print('nearly there')", "# why\nraise RuntimeError('the pot is empty')")
    write(house / "notebooks", "03_third", "x = 1")
    assert runner.main(["--profile", "smoke"]) == 1
    said = capsys.readouterr()
    assert "02_second failed in cell 4 of 4" in said.err and "RuntimeError: the pot is empty" in said.err
    assert "the cell begins: raise RuntimeError" in said.err and "nearly there" in said.err
    assert "Traceback" in said.err and "03_third:" not in said.out
    assert list(steps.read(house / "runs/smoke")) == ["01_first"]
    assert (house / "runs/smoke/notebooks/01_first.ipynb").exists()


def test_data_that_cannot_be_read_are_named_without_a_traceback(house, tmp_path, capsys):
    (data := tmp_path / "data" / "babi").mkdir(parents=True)
    write(house / "notebooks", "01_first", "raise ValueError(f'{DATA}/babi/qa1.txt, line 3')")
    assert __main__.main(["run", "--profile", "smoke", "--data", str(data.parent)]) == 2
    said = capsys.readouterr().err
    assert f"{data.parent.resolve()}/babi/qa1.txt, line 3" in said and "Traceback" not in said
    assert "Traceback" in (house / "runs/smoke/logs/01_first.log").read_text()


def test_a_run_ends_with_a_short_paper_check(house, capsys):
    folder = house / "runs/smoke"
    (folder / "figures").mkdir(parents=True)
    claims = [f"Claim {number}.,evidence,stands in part" for number in range(11)]
    (folder / "figures/06_claims.csv").write_text("\n".join(["statement,evidence,verdict", *claims]) + "\n")
    runner.report(folder)
    assert capsys.readouterr().out == ""  # one table of two is no check
    (folder / "figures/06_paper_check_summary.csv").write_text(
        "kind,dataset,verdict,numbers\nclaim,babi,see the claim's own row,2\nmatrix,babi,follows to the digit,64\n"
        "size,babi,follows from the files,1\nmatrix,cotempqa,follows to the digit,4\n"
        "matrix,cotempqa,does not follow from the released outputs,56\n"
        "seeds,cotempqa,cannot be checked: no outputs,355\nmatrix,marco,cannot be checked: no data,64\n"
    )
    (folder / "figures/paper_check.md").write_text("| a long table |\n" * 130)
    runner.report(folder)
    said = capsys.readouterr().out.strip().splitlines()
    assert len(said) == 1 + 11 + 3
    assert said[1] == "  Claim 0: stands in part"
    assert said[-3:] == [
        "  printed numbers, follows: matrix 68, size 1",
        "  printed numbers, does not follow from the released outputs: matrix 56",
        "  printed numbers, cannot be checked: seeds 355, matrix 64",
    ]
    (folder / "figures/08_claims.csv").write_text(
        "claim,contrast,dataset,source,teacher,training_problems,estimate,low,high,n,seeds,cut,verdict,reason,reveals,note\n"
        "Traces do not help,correct - vanilla,babi,real problems,,1000,0.01,-0.02,0.04,376,3,,supported,,all,\n"
        "Traces do not help,x,marco,,,0,,,,0,0,,not tested,conditions not trained,all,\n"
    )
    (folder / "figures/08_ledger.csv").write_text(
        "kind,dataset,category,condition,measure,seed,replicated,verdict\n"
        "matrix,babi,all,correct,both,,86,follows to the digit\n"
        "seeds,babi,all,r1,acc,121,,cannot be checked: no outputs\n"
    )
    runner.report(folder)
    assert capsys.readouterr().out.strip().splitlines()[15:] == [
        "the paper's claims in our words, set by set, tested on the open student (08_claims):",
        "  Traces do not help: babi +1.0 [-2.0, +4.0] points on 376 problems (trained on 1,000, 3 seeds): supported",
        "every printed number (08_ledger):",
        "  follows to the digit: matrix 1",
        "  cannot be checked: seeds 1",
        "  with a counterpart of our own: 1 of 2, 1 distinct quantities (students and seeds share one)",
    ]


def test_a_run_says_where_each_set_comes_from_and_no_path(house, capsys):
    write(house / "notebooks", "01_first", "x = 1")
    (house / "real/babi").mkdir(parents=True)
    assert runner.main(["--profile", "smoke", "--data", str(house / "real")]) == 0
    said = capsys.readouterr().out
    assert "data: babi: real problems (local files)" in said and "data: marco: GENERATED problems" in said
    assert str(house / "real") not in said


def test_two_runs_on_one_folder_exclude_each_other(house, capsys):
    write(house / "notebooks", "01_first")
    (house / "runs/smoke").mkdir()
    with FileLock(house / "runs/smoke/.lock"):
        assert runner.main(["--profile", "smoke"]) == 1
    assert "another run is writing to" in capsys.readouterr().err


# Steps: the package below stands for tracekd/, so that its modules can be changed.


@pytest.fixture
def stage(house):
    """A notebook that uses two of three modules of a small package, and a finished step for it."""
    package = house / "tracekd"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "score.py").write_text(
        '"""Doc."""\nfrom tracekd import text\n\n\ndef f():\n    """Doc."""\n    return 1\n'
    )
    (package / "text.py").write_text("A = 1\n")
    (package / "study.py").write_text("B = 1\n")
    (package / "published.csv").write_text("x\n")
    path = write(house / "notebooks", "02_second", "if DATA:\n    %cd x", "from tracekd.score import f")
    write(house / "notebooks", "01_first")
    folder = house / "runs/smoke"
    steps.executed(folder, "02_second").parent.mkdir(parents=True)
    steps.executed(folder, "02_second").write_text("{}")

    def inputs(source="generated", texts="", **given):
        about = {"profile": runner.profiles.load("smoke"), "source": source, "texts": texts}
        return steps.inputs(path, **about, given=given, folder=folder, package=package)

    def why(**more):
        return steps.reason(folder, "02_second", inputs(**more), {"01_first", "02_second"})

    assert why() == "it has not finished here yet"
    steps.record(folder, "02_second", inputs(), 1.0)
    assert why() is None
    return house, package, folder, why


def test_steps_follow_imports_and_ignore_comments_and_docstrings(stage):
    _, package, _, why = stage
    (package / "study.py").write_text("B = 2\n")
    assert why() is None  # not imported by this notebook
    (package / "score.py").write_text(
        '"""Better."""\nfrom tracekd import text\n\n\ndef f():\n    """Better."""\n    return 1  # one\n'
    )
    assert why() is None
    (package / "text.py").write_text("A = 2\n")
    assert why() == "tracekd/text.py changed"  # imported by score.py
    (package / "published.csv").write_text("y\n")
    assert why() == "tracekd/text.py changed (and 1 more)"


def test_a_profiles_field_is_a_reason_where_code_reads_it(stage):
    house, package, folder, _ = stage
    (package / "text.py").write_text("def f(run):\n    return run.profile.test\n")
    small = runner.profiles.load("smoke")

    def inputs(profile):
        return steps.inputs(
            house / "notebooks/02_second.ipynb", profile=profile, source="generated", given={}, folder=folder,
            package=package,
        )  # fmt: skip

    assert inputs(replace(small, interventions={"babi": 1})) == inputs(small)
    assert inputs(replace(small, test={"babi": 1})) != inputs(small)
    (package / "score.py").write_text("def f(run):\n    return run.profile.interventions\n")
    assert inputs(replace(small, interventions={"babi": 1})) != inputs(small)


def test_steps_see_parameters_data_earlier_steps_and_lost_files(stage):
    house, _, folder, why = stage
    assert why(SEED=5) == "parameter SEED is new"
    data = house / "data"
    data.mkdir()
    assert why(source=str(data)).startswith("the data source changed")
    ratings = house / "ratings.csv"
    ratings.write_text("1\n")
    assert why(RATINGS=str(ratings)) == "parameter RATINGS is new"
    assert why(texts=str(ratings)) == "the teacher's texts is new"
    steps.record(folder, "01_first", {}, 1.0)
    assert why() == "01_first ran again"
    steps.executed(folder, "02_second").unlink()
    assert why() == "notebooks/02_second.ipynb is missing"


def test_steps_see_the_committed_tables_that_code_names(stage):
    house, package, _, why = stage
    data = house / "figures/data"
    data.mkdir()
    (data / "other.csv").write_text("1\n")
    (data / "made.csv").write_text("1\n")
    assert why() is None  # nobody names these
    path = house / "notebooks/02_second.ipynb"
    book = nbformat.read(path, as_version=4)
    book.cells[2].source += '\nrun.path("figures", "data", "made.csv")\nKEPT = "kept_*.png"'
    nbformat.write(book, path)
    (package / "text.py").write_text('"""Not other.csv."""\nA = [f"{1}.csv", f"table_{2}.csv.gz"]\n')
    for name in ("table_a.csv.gz", "kept_1.png"):
        (data / name).write_text("1\n")
    assert [file.name for file in steps.kept(path, package)] == ["kept_1.png", "table_a.csv.gz"]


def test_a_changed_committed_table_is_a_reason(stage):
    house, package, folder, why = stage
    (house / "figures/data").mkdir()
    (package / "text.py").write_text('A = "kept.csv"\n')
    (house / "figures/data/kept.csv").write_text("1\n")
    inputs = steps.inputs(
        house / "notebooks/02_second.ipynb", profile=runner.profiles.load("smoke"), source="generated", given={},
        folder=folder, package=package,
    )  # fmt: skip
    steps.record(folder, "02_second", inputs, 1.0)
    assert why() is None
    (house / "figures/data/kept.csv").write_text("2\n")
    assert why() == "figures/data/kept.csv changed"


def test_the_notebooks_depend_on_the_tables_that_they_read():
    found = {path.stem: {file.name for file in steps.kept(path)} for path in publish.ROOT.glob("notebooks/0*.ipynb")}
    assert {"derive_agreement.csv", "generated_vs_real.csv"} <= found["01_decompose"]
    assert {f"05_survey_{name}.png" for name in ("consent", "desktop", "end", "phone")} <= found["05_human_study"]
    verdicts = {f"released_verdicts_{dataset}.csv.gz" for dataset in ("babi", "cotempqa")}
    assert verdicts | {"released_sources.csv"} <= found["06_released_outputs"]
    assert verdicts | set(replication.FILES) <= found["08_paper_check"]
    # What a run itself publishes into the folder is no input: else each publication would make its run stale.
    assert not {name for files in found.values() for name in files if name[:3] in ("04_", "06_")}


def test_a_data_folder_counts_by_its_files(tmp_path):
    before = steps.fingerprint(str(tmp_path))
    (tmp_path / "a.json").write_text("1")
    assert steps.fingerprint(str(tmp_path)) != before
    assert steps.fingerprint("generated") == "generated"


def test_artefacts_that_are_no_longer_made_leave_the_manifest(tmp_path):
    figures = tmp_path / "figures"
    figures.mkdir()
    rows = [
        {"id": name, "notebook": book, "files": f"{name}.csv", "data": ""}
        for name, book in [("a", "01"), ("b", "01"), ("c", "02")]
    ]
    for row in rows:
        (figures / row["files"]).write_text("x")
    for name in "ac":
        os.utime(figures / f"{name}.csv", (1000, 1000))
    steps.write_rows(figures, rows)
    assert steps.drop_old(tmp_path, "01", started=2000) == ["a"]
    assert [row["id"] for row in steps.rows(figures)] == ["b", "c"]
    assert not (figures / "a.csv").exists() and (figures / "c.csv").exists()


# Publishing.


def executed_copy(path: Path, **output) -> Path:
    """An executed copy of a notebook whose third cell printed something."""
    book = nbformat.read(path, as_version=4)
    book.cells[2].outputs = [nbformat.v4.new_output(**output)]
    target = path.with_name("executed.ipynb")
    nbformat.write(book, target)
    return target


@pytest.mark.parametrize("where", [str(Path.home() / "x"), str(publish.ROOT / "tracekd/a.py"), "/tmp/x", "/home/ann/x"])
def test_publishing_refuses_paths_of_this_machine(house, where):
    path = write(house / "notebooks", "01_first", "x = 1")
    for output in (
        {"output_type": "stream", "text": f"at {where}: a warning"},
        {"output_type": "display_data", "data": {"text/html": f"<a href='{where}'>"}},
    ):
        with pytest.raises(ValueError, match=r"01_first\.ipynb, cell 3: its output holds a path of this machine"):
            publish.published(path, executed_copy(path, **output))


def test_progress_bars_are_published_in_their_last_state_and_widgets_not_at_all(house):
    path = write(house / "notebooks", "01_first", "x = 1")
    copy = executed_copy(path, output_type="stream", text="  0%\r 50%\r100%\ndone\n")
    assert publish.published(path, copy).cells[2].outputs[0].text == "100%\ndone\n"
    data = {publish.WIDGET: {"model_id": "1"}, "text/plain": "  0%"}
    assert publish.published(path, executed_copy(path, output_type="display_data", data=data)).cells[2].outputs == []


@pytest.mark.parametrize("text", ["runs/cpu/x.csv", "../shared/data", "https://x.org/home/y", "7 /tmpl", "and/or"])
def test_innocent_text_is_no_machine_path(text):
    assert publish.machine_path(text) is None


def test_publishing_refuses_errors_and_other_code(house):
    path = write(house / "notebooks", "01_first", "x = 1")
    copy = executed_copy(path, output_type="error", ename="KeyError", evalue="", traceback=[])
    with pytest.raises(ValueError, match="an error stands in its output: KeyError"):
        publish.published(path, copy)
    with pytest.raises(ValueError, match="not the code that ran"):
        publish.published(write(house / "notebooks", "01_first", "x = 2"), copy)


def test_figures_of_another_profile_stay(tmp_path):
    def manifest(folder, *rows):
        folder.mkdir()
        for name, _ in rows:
            (folder / f"{name}.csv").write_text(folder.name)
        keys = ("id", "files", "data", "profile")
        steps.write_rows(folder, [dict(zip(keys, (n, f"{n}.csv", "", p), strict=True)) for n, p in rows])

    manifest(tmp_path / "new", ("a", "cpu"), ("b", "cpu"))
    manifest(tmp_path / "old", ("b", "cpu"), ("c", "cpu"), ("d", "gpu"))
    assert publish._copy_figures(tmp_path / "new", tmp_path / "old", "cpu") == 2
    assert [row["id"] for row in steps.rows(tmp_path / "old")] == ["a", "b", "d"]
    assert sorted(path.name for path in (tmp_path / "old").glob("?.csv")) == ["a.csv", "b.csv", "d.csv"]
    assert (tmp_path / "old/b.csv").read_text() == "new"


# The address.


def test_a_new_address_reaches_every_place(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/ann/kd2"\n')
    (tmp_path / "CITATION.cff").write_text(
        'repository-code: "https://github.com/a/b"\nurl: "https://arxiv.org/abs/1"\n'
    )
    (tmp_path / "README.md").write_text("git clone https://github.com/a/b\nSee https://github.com/other/repo\n")
    book = write(
        tmp_path / "notebooks",
        "01_first",
        "!git clone -q https://github.com/a/b && pip install -q -e b\n%cd b/notebooks",
    )
    assert len(address.differing(tmp_path)) == 3
    assert len(address.carry(tmp_path)) == 3
    assert not address.differing(tmp_path)
    assert "https://github.com/ann/kd2 && pip install -q -e kd2\\n" in book.read_text()
    assert "%cd kd2/notebooks" in book.read_text()
    assert "https://github.com/other/repo" in (tmp_path / "README.md").read_text()
    with pytest.raises(ValueError, match=r"expected https://github\.com/OWNER/NAME"):
        address.spelt("", "https://example.org/x")


def test_every_place_agrees_with_the_one_address():
    assert not address.differing(), "run: python -m tracekd address"


def test_help_and_list_need_only_the_standard_library():
    """So that run_all.sh can refuse a wrong option before it installs anything."""
    for option in ("--help", "--list", "--check"):
        asked = [sys.executable, "-S", "-m", "tracekd", "run", option]
        assert subprocess.run(asked, cwd=publish.ROOT, capture_output=True).returncode == 0


# Setting up.


def test_the_lock_holds_every_dependency_in_a_version_that_pyproject_allows():
    project = tomllib.loads((publish.ROOT / "pyproject.toml").read_text())["project"]
    lines = (publish.ROOT / "requirements.lock").read_text().splitlines()
    locked = {r.name.lower().replace("_", "-"): r for r in map(Requirement, (x for x in lines if x[0] != "#"))}
    for text in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        wanted = Requirement(text)
        found = locked[wanted.name.lower().replace("_", "-")]
        (pin,) = found.specifier
        assert pin.operator == "==" and wanted.specifier.contains(pin.version), f"{text} against {found}"
        assert wanted.marker == found.marker
    # A local label such as +cpu, or a path, would keep a CUDA build off a machine with a GPU.
    assert not [line for line in lines if line[0] != "#" and ("+" in line or "@" in line or "/" in line)]


@pytest.mark.parametrize("script", ["run_all.sh", ".ci/run"])
def test_scripts_parse_and_may_be_executed(script):
    path = publish.ROOT / script
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", path]).returncode == 0


def test_ci_calls_exactly_the_test_command():
    lines = (publish.ROOT / ".ci/run").read_text().splitlines()
    assert lines[-1] == "./run_all.sh test"
