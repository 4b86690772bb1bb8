"""The runner on throw-away notebooks: what is skipped and why, what is refused, what a failure leaves, publishing."""

import io
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from packaging.requirements import Requirement

from tracekd import __main__
from tracekd.config import ROOT
from tracekd.data import hub
from tracekd.io.records import locked
from tracekd.pipeline import artefacts, notebooks, runner

PARAMETERS = 'PROFILE = "cpu"  # the dial\nSEED = 121  # of every draw\nDATA = ""  # source'
# Leaves one table with its manifest row, as save_table does.
TABLE = """
from pathlib import Path
figures = Path(FOLDER) / PROFILE / "figures"
(figures / "tables").mkdir(parents=True, exist_ok=True)
(figures / "tables/01_one.csv").write_text("x\\n1\\n")
(figures / "MANIFEST.csv").write_text(
    "id,kind,caption,notebook,files,data,student,source,n,seed,profile,commit\\n"
    f"01_one,table,A caption.,01_first,tables/01_one.csv,tables/01_one.csv,none,generated,1,121,{PROFILE},abc\\n"
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
def house(elsewhere, tmp_path, monkeypatch):
    """An empty house: ``notebooks/``, ``runs/``, ``figures/`` in a temporary folder."""
    for name in ("notebooks", "runs", "figures"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path / "notebooks")
    monkeypatch.setattr(artefacts, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(hub, "probe", lambda: ("generated", "this test has no Hub"))
    return tmp_path


def test_texts_are_refused_where_no_condition_takes_them(house, capsys, monkeypatch):
    (house / "texts.jsonl").write_text("")
    assert __main__.main(["run", "--profile", "cpu", "--texts", str(house / "texts.jsonl")]) == 2
    assert "'cpu'" in capsys.readouterr().err
    monkeypatch.setenv("TRACEKD_TEXTS", str(house / "texts.jsonl"))
    assert __main__.main(["run", "--profile", "cpu"]) == 0  # the variable may stand for other profiles
    assert os.environ["TRACEKD_TEXTS"] == "templated"


def test_notebooks_are_chosen_by_number_or_name(house):
    for name in ("01_first", "02_second", "10_tenth"):
        write(house / "notebooks", name)
    assert [path.stem for path in runner.options(["--only", "10, 1"]).only] == ["01_first", "10_tenth"]
    assert [path.stem for path in runner.options(["--only", "02_second.ipynb"]).only] == ["02_second"]


def test_run_skip_rerun_publish(house, capsys):
    """The life of a run, with real kernels: refused beside another, run, skip, run what an edit touches, publish."""
    with locked(house / "runs/smoke"):
        assert __main__.main(["run", "--profile", "smoke"]) == 1
    assert "runs/smoke" in capsys.readouterr().err
    printed = "print('0%', end='\\r', flush=True)\nprint(PROFILE, SEED)"  # a bar: one output, its last state
    first = write(house / "notebooks", "01_first", f"FOLDER = {str(house / 'runs')!r}", TABLE, printed)
    second = write(house / "notebooks", "02_second", "1 + 1")
    before = first.read_text(), second.read_text()

    def said(*options):
        assert runner.main(["--profile", "smoke", *options]) == 0
        return capsys.readouterr().out

    text = said()
    assert "01_first: runs because it has not finished here yet" in text
    assert "cell  5/5" in text and "print('0%'" in text
    assert "smoke 121" in (house / "runs/smoke/logs/01_first.log").read_text()
    assert (first.read_text(), second.read_text()) == before  # a run alone changes nothing that is committed
    text = said()
    assert "01_first: unchanged since 20" in text and "02_second: unchanged since" in text and "2 took 0:00:" in text

    book = nbformat.read(second, as_version=4)
    book.cells[0].source = "# 02. Better prose"
    nbformat.write(book, second)
    assert "02_second: unchanged" in said()  # prose does not count
    book.cells[2].source = "1 + 2"
    nbformat.write(book, second)
    with pytest.raises(ValueError, match="02_second"):
        runner.main(["--profile", "smoke", "--only", "01", "--publish"])
    text = said("--publish")
    assert "01_first: unchanged" in text and "02_second: runs because changed: the notebook's code" in text

    # Outputs are there; the injected cell, its values and every time are not.
    one, two = (nbformat.read(path, as_version=4) for path in (first, second))
    assert one.cells[1].source == PARAMETERS and len(one.cells) == 5
    assert one.cells[4].outputs[0].text == "smoke 121\n"
    assert [cell.execution_count for cell in one.cells[1:]] == [1, 2, 3, 4]
    assert not any(word in json.dumps([one, two]) for word in ("papermill", "start_time", "iopub", "injected"))
    assert two.cells[0].source == "# 02. Better prose" and two.cells[2].outputs[0].execution_count == 2
    assert (house / "figures/tables/01_one.csv").exists()
    assert [row["id"] for row in artefacts.rows(house / "figures")] == ["01_one"]


def test_a_failure_stops_the_run_and_keeps_what_was_finished(house, capsys):
    write(house / "notebooks", "01_first", "x = 1")
    write(house / "notebooks", "02_second", "print('nearly there')", "# why\nraise RuntimeError('the pot is empty')")
    write(house / "notebooks", "03_third", "x = 1")
    assert runner.main(["--profile", "smoke"]) == 1
    said = capsys.readouterr()
    assert "02_second failed in cell  4/4" in said.err and "RuntimeError: the pot is empty" in said.err
    assert "the cell begins: raise RuntimeError" in said.err and "nearly there" in said.err
    assert "Traceback" in said.err and "03_third:" not in said.out
    assert list(notebooks.read(house / "runs/smoke")) == ["01_first"]
    assert (house / "runs/smoke/notebooks/01_first.ipynb").exists()


def test_data_that_cannot_be_read_are_named_without_a_traceback(house, tmp_path, capsys):
    (data := tmp_path / "data" / "babi").mkdir(parents=True)
    write(house / "notebooks", "01_first", "raise ValueError(f'{DATA}/babi/qa1.txt, line 3')")
    assert __main__.main(["run", "--profile", "smoke", "--data", str(data.parent)]) == 2
    said = capsys.readouterr()
    assert "data: babi: real problems (local files)" in said.out and "data: marco: GENERATED problems" in said.out
    assert f"{data.parent.resolve()}/babi/qa1.txt, line 3" in said.err and "Traceback" not in said.err
    assert "Traceback" in (house / "runs/smoke/logs/01_first.log").read_text()


def test_the_bar_inside_a_cell_reaches_the_terminal(house, capsys, monkeypatch):
    """Of what a kernel writes to stderr: the last state of a line that rewrites itself, and nothing else."""
    monkeypatch.setattr(notebooks.Progress, "EVERY", 0)
    shown = notebooks.Progress(write(house, "03_train", "adapters = train()"), log := io.StringIO())
    shown.on_cell_start(cell=notebooks.cells(house / "03_train.ipynb")[2], cell_index=2)
    for text in ("a warning of a library\n", "\r0 of 3 adapters: 1%\r1 of 3 adapters: 40%, 190 tokens/s"):
        shown.write(text)
    said = capsys.readouterr().out
    assert "cell  3/3" in said and "190 tokens/s" in said and "warning" not in said and " 1%" not in said
    assert "warning" in log.getvalue()


@pytest.fixture
def stage(house):
    """A copy of the package, the real notebook 01 beside a second one, and finished steps for both."""
    package, folder = house / "tracekd", house / "runs/smoke"
    shutil.copytree(notebooks.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "notebooks/01_decompose.ipynb", house / "notebooks")
    write(house / "notebooks", "04_evaluate", parameters=f'{PARAMETERS}\nRATINGS = ""  # a file')
    (house / "figures/data").mkdir()

    def inputs(stem="04_evaluate", profile="smoke", source="generated", texts="", **given):
        about = {"profile": runner.config.load(profile), "source": source, "texts": texts, "given": given}
        return notebooks.inputs(house / f"notebooks/{stem}.ipynb", **about, folder=folder, package=package)

    def why(stem="04_evaluate", **more):
        return notebooks.reason(folder, stem, inputs(stem, **more))

    for stem in ("01_decompose", "04_evaluate"):
        assert why(stem) == "it has not finished here yet"
        notebooks.executed(folder, stem).parent.mkdir(parents=True, exist_ok=True)
        notebooks.executed(folder, stem).write_text("{}")
        notebooks.record(folder, stem, inputs(stem))
        assert why(stem) is None
    return house, package, folder, why, inputs


@pytest.mark.parametrize("edit", ["a rule", "a profile", "a module moved"])
def test_any_change_of_the_package_runs_01_again(stage, edit):
    _, package, _, why, _ = stage
    if edit == "a module moved":
        (package / "text.py").rename(package / "moved.py")
    else:
        next(package.rglob("derive_babi.py" if edit == "a rule" else "profiles.toml")).open("a").write("\n# EDITED\n")
    assert why("01_decompose") == "changed: the package tracekd"


def test_steps_see_parameters_profile_data_texts_earlier_steps_and_lost_files(stage):
    house, _, folder, why, inputs = stage
    assert why(SEED=5) == "changed: parameter SEED" and "profile cpu" in why(profile="cpu")
    assert why(source=str(house / "figures")).startswith("changed: the data source")
    (ratings := house / "ratings.csv").write_text("1\n")
    assert why(RATINGS=str(ratings)) == "changed: parameter RATINGS"
    assert why(texts=str(ratings)) == "changed: the teacher's texts"
    steps = (folder / "steps.json").read_text()
    finished = notebooks.read(folder)["01_decompose"]["finished"]
    (folder / "steps.json").write_text(steps.replace(f'"finished": "{finished}"', '"finished": "later"', 1))
    assert why() == "changed: 01_decompose"
    notebooks.record(folder, "04_evaluate", inputs(RATINGS=str(house)))
    ratings.write_text("12\n")
    assert why(RATINGS=str(house)) == "changed: parameter RATINGS"  # a folder of answers
    notebooks.executed(folder, "04_evaluate").unlink()
    assert why() == "notebooks/04_evaluate.ipynb is missing"


def test_recorded_data_and_outputs_count_and_what_a_run_publishes_does_not(stage):
    """Else each publication would make its run stale."""
    house, _, folder, why, _ = stage
    (house / "figures/data/04_verdicts.csv.gz").write_text("1\n")
    (folder / "outputs/babi").mkdir(parents=True)
    assert why("01_decompose") is None
    (folder / "outputs/babi/correct-121.jsonl").write_text("{}\n")
    assert why() == "changed: the run's outputs" and why("01_decompose") is None
    (house / "figures/data/leakage_real.csv").write_text("1\n")
    assert why("01_decompose") == "changed: a recorded file in figures/data"


def test_widgets_are_not_published_and_nothing_drawn(house):
    path, copy = write(house / "notebooks", "01_first", "x = 1"), house / "executed.ipynb"
    book = nbformat.read(path, as_version=4)
    styled = {"text/html": '<i>#T_0af3b p</i><p id="T_0af3b_row0">', "text/plain": "<Styler at 0x7fa0>"}
    book.cells[2].outputs = [new_output("display_data", data=one) for one in ({runner.WIDGET: {}}, styled)]
    nbformat.write(book, copy)
    (table,) = runner.published(path, copy).cells[2].outputs
    assert [*table.data.values()] == ['<i>#T_02_00 p</i><p id="T_02_00_row0">', "<Styler at T_02_00>"]


def test_artefacts_that_are_made_no_more_go_and_those_of_another_profile_stay(tmp_path):
    def manifest(folder, *rows):
        (folder / "tables").mkdir(parents=True)
        for name, _ in rows:
            (folder / f"tables/{name}.csv").write_text(folder.parent.name)
        keys = ("id", "files", "data", "profile", "notebook")
        written = [(n, f"tables/{n}.csv", "tables/d.csv" if n in "cd" else "", p, n) for n, p in rows]
        artefacts.write_rows(folder, [dict(zip(keys, row, strict=True)) for row in written])
        return folder

    new = manifest(tmp_path / "new" / "figures", ("a", "cpu"), ("b", "cpu"))
    old = manifest(tmp_path / "old" / "figures", ("b", "cpu"), ("c", "cpu"), ("d", "gpu"))
    assert runner.copy_figures(new, old, "cpu") == 2
    assert [row["id"] for row in artefacts.rows(old)] == ["a", "b", "d"]
    assert sorted(path.stem for path in (old / "tables").iterdir()) == ["a", "b", "d"]  # d needs its file
    assert (old / "tables/b.csv").read_text() == "new"
    notebooks.record(tmp_path / "new", "a", {})
    notebooks.forget(tmp_path / "new", "a")  # before it runs again
    assert [row["id"] for row in artefacts.rows(new)] == ["b"] and notebooks.read(tmp_path / "new") == {}
    assert [path.stem for path in (new / "tables").iterdir()] == ["b"]


def test_help_and_check_need_only_the_standard_library():
    """So that run_all.sh can refuse a wrong option before it installs anything."""
    for option in ("--help", "--check"):
        asked = [sys.executable, "-S", "-m", "tracekd", "run", option]
        assert subprocess.run(asked, cwd=ROOT, capture_output=True).returncode == 0


def test_the_lock_holds_every_dependency_in_a_version_that_pyproject_allows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.lock").read_text().splitlines()
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
    path = ROOT / script
    assert os.access(path, os.X_OK) and subprocess.run(["bash", "-n", path]).returncode == 0
