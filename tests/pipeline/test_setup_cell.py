"""The set-up cell of the notebooks, in a Python that has the packages but not tracekd, outside the repository.

Nothing here needs a network: git takes the published address from a local repository, pip finds what is installed, and
the one package that is taken away comes from a wheel made of the installed files.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from conftest import ROOT
from test_notebooks import ADDRESS

from tracekd.pipeline import notebooks, requirements

FIRST = notebooks.find()[0]
CELL = notebooks.cells(FIRST)[2]["source"]
AWAY = "tabulate"  # notebook 01 writes its tables with it
WHERE = "import tracekd.config, tracekd.pipeline; print('from', tracekd.config.ROOT, 'in', os.getcwd())"


def git(*command, cwd: Path) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *command], cwd=cwd, check=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A repository with the files of this working tree, also those that are not committed."""
    folder = tmp_path_factory.mktemp("source") / "tracekd"
    for name in ("tracekd", "notebooks", "figures/data"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    git("init", "-q", cwd=folder)
    git("add", ".", cwd=folder)
    git("commit", "-q", "-m", "The working tree.", cwd=folder)
    return folder


def site(python: Path) -> Path:
    """Where pip of this environment installs to."""
    return next(python.parents[1].glob("lib/python*/site-packages"))


@pytest.fixture
def without(python) -> None:
    """Take ``AWAY`` away again where a test before has brought it."""
    for path in site(python).glob(f"{AWAY}*"):
        shutil.rmtree(path)


def wheel(name: str, folder: Path) -> None:
    """Pack an installed pure Python distribution as the wheel that it was installed from."""
    found = metadata.distribution(name)
    folder.mkdir()
    with zipfile.ZipFile(folder / f"{name}-{found.version}-py3-none-any.whl", "w") as archive:
        for file in found.files:
            if ".." not in file.parts and file.suffix != ".pyc":
                archive.write(found.locate_file(file), str(file))


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """A new environment that sees every installed package but tracekd and ``AWAY``."""
    base = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", base / "venv"], check=True)
    seen = base / "packages"
    seen.mkdir()
    for folder in (Path(entry) for entry in sys.path if entry.endswith("-packages")):
        for path in folder.iterdir():
            taken = path.name.lower().startswith((AWAY, "tracekd", "__editable__"))
            if not taken and not (seen / path.name).exists():
                (seen / path.name).symlink_to(path)
    found = base / "venv" / "bin" / "python"
    (site(found) / "packages.pth").write_text(f"{seen}\n")
    wheel(AWAY, base / "wheels")
    # A kernel of that name in the user's home may belong to another Python.
    subprocess.run([found, "-m", "ipykernel", "install", "--sys-prefix"], check=True, capture_output=True)
    return found


@pytest.fixture
def environment(source, python) -> dict[str, str]:
    """Variables of a bare machine: no tracekd on any path, no network, the published address at ``source``."""
    left = {k: v for k, v in os.environ.items() if not k.startswith(("TRACEKD_", "PYTHON", "PIP_", "JUPYTER"))}
    wheels = python.parents[2] / "wheels"
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
    address = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{source}.insteadOf", "GIT_CONFIG_VALUE_0": ADDRESS}
    return {**left, **pip, **address, "PYTHONNOUSERSITE": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def empty(tmp_path) -> Path:
    folder = tmp_path / "content"
    folder.mkdir()
    return folder


def script(python: Path, code: str, folder: Path, environment: dict[str, str]) -> str:
    """What code prints that runs as a kernel runs it: the working directory leads ``sys.path``."""
    done = subprocess.run([python, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "tracekd/runs/smoke/figures/MANIFEST.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_environment_lacks_what_the_cell_must_bring(python, environment, empty, without):
    """Else the tests below would pass without the cell."""
    for name in ("tracekd", AWAY):
        done = subprocess.run([python, "-c", f"import {name}"], cwd=empty, env=environment, capture_output=True)
        assert b"ModuleNotFoundError" in done.stderr, name


def test_notebook_01_runs_as_a_script_in_an_empty_folder(python, environment, empty, without):
    code = [cell.replace('PROFILE = "cpu"', 'PROFILE = "smoke"') for cell in notebooks.code(FIRST)]
    assert code[0] == CELL
    said = script(python, "\n".join(["import matplotlib; matplotlib.use('agg')", *code, WHERE]), empty, environment)
    clone = empty / "tracekd"
    assert said.splitlines()[-1] == f"from {clone} in {clone / 'notebooks'}"
    assert {row["notebook"] for row in manifest(empty)} == {FIRST.stem}
    assert [path.name.split("-")[0] for path in site(python).glob("*.dist-info")] == [AWAY], "pip left the rest alone"


def test_notebook_01_runs_in_a_kernel_of_another_folder(python, environment, empty, without):
    """The notebook is a download, its kernel works elsewhere: what Colab does."""
    executed = empty / "executed.ipynb"
    command = [python, "-m", "papermill", FIRST, executed, "-p", "PROFILE", "smoke", "--cwd", empty]
    done = subprocess.run(command, cwd=empty.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = manifest(empty)
    assert {row["notebook"] for row in rows} == {FIRST.stem}
    outputs = json.dumps([cell["outputs"] for cell in notebooks.cells(executed) if cell["cell_type"] == "code"])
    assert "derivation equal to gold" in outputs


def test_a_clone_or_an_import_that_is_there_is_used(python, environment, empty, source):
    """No second clone, and where tracekd can be imported no pip either: the cell, run twice, changes nothing."""
    git("clone", "-q", source, "tracekd", cwd=empty)
    clone, environment = empty / "tracekd", {**environment, "GIT_CONFIG_KEY_0": "url./nowhere.insteadOf"}
    # A kernel that was restarted finds the clone of before, and ``import tracekd`` takes it for a package.
    for folder, before in ((empty, "import tracekd; assert tracekd.__file__ is None"), (clone / "notebooks", "")):
        said = script(python, "\n".join([before, CELL, WHERE]), folder, environment)
        assert said.splitlines()[-1] == f"from {clone} in {clone / 'notebooks'}"
    assert not (clone / "notebooks/tracekd").exists()
    code = ["import sys; old = list(sys.path)", CELL, CELL, "assert sys.path == old", WHERE]
    said = script(python, "\n".join(code), empty, {**environment, "PYTHONPATH": str(source)})
    assert said == f"from {source} in {empty}\n"


def test_pip_is_asked_for_all_but_keeps_what_is_fixed_or_imported():
    """This process has imported numpy, and torch is fixed: both stay, whatever the range."""
    import numpy

    asked = requirements.needed(["torch>=999", "numpy>=999", "papermill>=2.6", "no-such-package>=1; x == 'y'"])
    assert asked == [
        f"torch=={metadata.version('torch')}",
        f"numpy=={numpy.__version__}",
        "no-such-package>=1; x == 'y'",
    ]


def test_a_failed_installation_says_why(python, environment, source, without):
    environment.pop("PIP_FIND_LINKS")
    done = subprocess.run(
        [python, "-c", CELL], cwd=source / "notebooks", env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"into {python.parents[1]}:" in done.stderr and f"No matching distribution found for {AWAY}" in done.stderr
