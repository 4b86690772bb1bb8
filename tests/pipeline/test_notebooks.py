"""The notebooks as they are committed, and one run of all of them by the smoke profile."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT

from tracekd import config
from tracekd.pipeline import artefacts, notebooks, runner

PATHS = notebooks.find()
OPENING = ("Question", "Goes in", "Comes out", "Takes")
MOST_CELLS, MOST_LINES, MOST_IMPORTS = 28, 15, 8  # of a notebook, of a code cell, of the library
CLOSING = ("## What was found", "## Limits", "## Next")
COLAB = "https://colab.research.google.com"
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
SETUP = """\
# Make tracekd importable where it is not yet (on Colab, say): clone it if need be, then install what is missing.
import importlib.util
import os
import subprocess
import sys

if getattr(importlib.util.find_spec("tracekd"), "origin", None) is None:
    if not os.path.exists("../tracekd/config.py"):  # this is not the folder notebooks/
        if not os.path.exists("{name}"):
            subprocess.run(["git", "clone", "-q", "{url}"], check=True)
        os.chdir("{name}/notebooks")
    sys.path.insert(0, os.path.dirname(os.getcwd()))
    sys.modules.pop("tracekd", None)  # an earlier import may have taken the cloned folder for an empty package
    importlib.import_module("tracekd.pipeline.requirements").install()"""

HERE = {str(folder) for folder in (ROOT, Path.home(), sys.prefix, sys.base_prefix) if len(str(folder)) > 5}
MACHINE_PATH = re.compile(
    rf"(?<![\w.])(?:{'|'.join(map(re.escape, HERE))}|/(?:tmp|root|var/folders)(?=/)|/(?:home|Users)/\w+(?=/))(?![\w-])"
)

each = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])


def code_cells(path: Path) -> list[dict]:
    return [cell for cell in notebooks.cells(path) if cell["cell_type"] == "code"]


@each
def test_opening_and_closing_are_the_same_everywhere(path):
    cells, target = notebooks.cells(path), ADDRESS.replace("https://github.com", f"{COLAB}/github")
    badge = f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({target}/blob/main/notebooks/{path.name})"
    assert cells[0]["source"].startswith(badge)
    assert re.search(rf"^# {path.stem[:2]}\. \S", cells[0]["source"], re.MULTILINE)
    opening = re.findall(r"^\*\*([\w ]+)[.:]?\*\*", cells[1]["source"], re.MULTILINE)
    assert tuple(word for word in opening if word != "Answer") == OPENING
    assert cells[2]["source"].rstrip() == SETUP.format(url=ADDRESS, name=ADDRESS.rsplit("/", 1)[1])
    assert [cell["metadata"].get("tags", []) for cell in cells[2:4]] == [["setup"], ["parameters"]]
    assert f'open_run("{path.stem}", PROFILE, SEED, DATA)' in cells[4]["source"]
    prose = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    assert tuple(line for line in prose.splitlines() if line in CLOSING) == CLOSING


@each
def test_parameters_are_few_explained_and_default_to_the_published_run(path):
    found = notebooks.parameters(path)
    assert list(found)[:3] == ["PROFILE", "SEED", "DATA"] and len(found) <= 6
    assert (found["SEED"], found["DATA"]) == (121, "") and found["PROFILE"] in config.names()
    assert notebooks.cells(path)[3]["source"].count("#") >= len(found), "each parameter has a comment"


@each
def test_prose_leads_and_code_is_short(path):
    cells, code = notebooks.cells(path), code_cells(path)
    assert len(cells) <= MOST_CELLS and all(cell["source"].strip() for cell in cells)
    assert max(len(cell["source"].splitlines()) for cell in code) <= MOST_LINES
    assert len(cells) - len(code) >= len(code), "at least as many cells of prose as of code"
    nodes = [node for source in notebooks.code(path) for node in ast.walk(ast.parse(source))]
    defined = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    assert not defined, f"functions live in tracekd/: {defined[0].name if defined else ''}"
    imported = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    assert sum(module.startswith("tracekd") for module in imported) <= MOST_IMPORTS


@each
def test_committed_outputs_are_whole_clean_and_of_this_code(path):
    """Ran top to bottom without error; no time, no widget state, no path of a machine."""
    code, text = code_cells(path), path.read_text(encoding="utf-8")
    kernel = json.loads(text)["metadata"]["kernelspec"]
    assert kernel == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert any(cell["outputs"] for cell in code), "committed with outputs: ./run_all.sh --publish"
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [out for cell in code for out in cell["outputs"] if out["output_type"] == "error"]
    for word in ('"papermill"', '"iopub.execute_input"', '"widgets"', "injected-parameters", "widget-view+json"):
        assert word not in text
    said = re.sub(r'"image/[\w+.-]+": (?:"[^"]*"|\[[^]]*\])', "", text)
    assert not MACHINE_PATH.search(said), "print a relative path, or silence the warning"


def test_no_committed_table_holds_a_path_of_a_machine():
    for text in (f"at {ROOT}/tracekd/a.py: a warning", "<a href='/tmp/x'>", "/home/ann/x", "/root/x"):
        assert MACHINE_PATH.search(text)
    for innocent in ("runs/cpu/x.csv", "../shared/data", "https://x.org/home/y", "7 /tmpl", "and/or"):
        assert not MACHINE_PATH.search(innocent)
    files = [path for path in ROOT.glob("figures/**/*") if path.suffix in (".csv", ".md", ".tex", ".html")]
    assert [path.name for path in files if MACHINE_PATH.search(path.read_text(encoding="utf-8"))] == []


def check_manifest(figures: Path) -> list[dict[str, str]]:
    """Every row is complete and its files are there; every file has a row."""
    rows = artefacts.rows(figures)
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        for column in ("caption", "n", "source", "notebook", "files", "seed", "profile", "commit"):
            assert re.search("[a-z]" if column == "n" else r"\S", row[column]), f"{row['id']}: {column} (n: of what?)"
        for file in artefacts.files(row):
            assert (figures / file).is_file() and (figures / file).stat().st_size, f"{row['id']}: {file}"
        files, name = row["files"].split(), row["id"]
        table = [f"tables/{name}{suffix}" for suffix in (".csv", ".md", ".tex")]
        assert files == ([f"{name}.pdf", f"{name}.png"] if row["kind"] == "figure" else table)
        assert row["data"] or row["kind"] != "figure", f"{name}: no data file behind the figure"
    check_stamps(figures, rows)
    named = {file for row in rows for file in row["files"].split()}
    present = {str(p.relative_to(figures)) for p in [*figures.glob("*.*"), *figures.glob("tables/*")] if p.is_file()}
    assert {name for name in present if name[0] != "."} - {"MANIFEST.csv", "README.md", "explorer.html"} == named
    return rows


def check_stamps(figures: Path, rows: list[dict[str, str]]) -> None:
    """Every figure and table whose source is not all real says so itself: in a picture's keywords, below a table."""
    for row in rows:
        parts = [part for part in row["source"].removeprefix("recorded: ").split("; ") if "real" not in part]
        suffix, form = (
            (".pdf", rb"/Keywords \((.*?)\)\s") if row["kind"] == "figure" else (".md", rb"\n\*\*(.*?)\.\*\* ")
        )
        tag = re.search(form, (figures / row["files"].split()[0]).with_suffix(suffix).read_bytes())
        for word in (word for word in artefacts.STAMPS if any(word in part for part in parts)):
            assert tag and word.encode() in tag[1], f"{row['id']} has no stamp {word}"


def test_committed_figures_have_their_rows():
    rows = check_manifest(ROOT / "figures")
    assert "smoke" not in {row["profile"] for row in rows}, "smoke runs are no results"
    if (ROOT / ".git").exists() and not (ROOT / ".git/shallow").exists():
        known = subprocess.run(["git", "rev-list", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.split()
        lost = known and {row["commit"] for row in rows if not any(one.startswith(row["commit"]) for one in known)}
        assert not lost, "no such commit in the history: publish again, and do not rebase afterwards"


def test_smoke_profile_runs_every_notebook(elsewhere, capfd):
    """All notebooks in order on generated problems and a random student; then a second run that has nothing to do."""
    assert runner.main(["--profile", "smoke"]) == 0, capfd.readouterr().err
    rows = check_manifest(elsewhere / "smoke" / "figures")
    assert {row["notebook"] for row in rows} == {path.stem for path in PATHS}, "each leaves a figure or a table"
    assert {row["profile"] for row in rows} == {"smoke"}
    capfd.readouterr()
    assert runner.main(["--profile", "smoke"]) == 0
    assert capfd.readouterr().out.count(": unchanged since") == len(PATHS)
