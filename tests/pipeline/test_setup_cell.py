"""The set-up cell of the notebooks in a Python without tracekd, outside the repository; nothing needs a network."""

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

from tracekd.pipeline import artefacts, notebooks, requirements

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
    for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "The working tree.")):
        git(*command, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """A new environment that sees every installed package but tracekd and ``AWAY``, of which a wheel is beside it."""
    base = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", base / "venv"], check=True)
    for name in ("packages", "wheels"):
        (base / name).mkdir()
    for path in (path for entry in sys.path if entry.endswith("-packages") for path in Path(entry).iterdir()):
        taken = path.name.lower().startswith((AWAY, "tracekd", "__editable__"))
        if not taken and not (base / "packages" / path.name).exists():
            (base / "packages" / path.name).symlink_to(path)
    found, away = base / "venv" / "bin" / "python", metadata.distribution(AWAY)
    (site(found) / "packages.pth").write_text(f"{base / 'packages'}\n")
    with zipfile.ZipFile(base / "wheels" / f"{AWAY}-{away.version}-py3-none-any.whl", "w") as archive:
        for file in away.files:
            if ".." not in file.parts and file.suffix != ".pyc":
                archive.write(away.locate_file(file), str(file))
    return found


def site(python: Path) -> Path:
    """Where pip of this environment installs to."""
    return next(python.parents[1].glob("lib/python*/site-packages"))


@pytest.fixture
def environment(source, python) -> dict[str, str]:
    """Variables of a bare machine: no tracekd on any path, no network, the published address at ``source``."""
    for path in site(python).glob(f"{AWAY}*"):  # where a test before has brought it
        shutil.rmtree(path)
    left = {k: v for k, v in os.environ.items() if not k.startswith(("TRACEKD_", "PYTHON", "PIP_", "JUPYTER"))}
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(python.parents[2] / "wheels"), "PIP_CONFIG_FILE": os.devnull}
    address = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{source}.insteadOf", "GIT_CONFIG_VALUE_0": ADDRESS}
    return {**left, **pip, **address, "PYTHONNOUSERSITE": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def script(python: Path, code: list[str], folder: Path, environment: dict[str, str], fails: bool = False) -> str:
    """What code prints (its errors, if it ``fails``) that runs as in a kernel: from the working directory."""
    command = [python, "-c", "\n".join(code)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert bool(done.returncode) == fails, done.stderr[-3000:]
    return done.stderr if fails else done.stdout


def test_notebook_01_runs_in_an_empty_folder(python, environment, tmp_path):
    """What Colab does: the notebook is a download, its kernel works in a folder with nothing of ours."""
    for name in ("tracekd", AWAY):  # else this would pass without the cell
        assert "ModuleNotFoundError" in script(python, [f"import {name}"], tmp_path, environment, fails=True)
    code = [cell.replace('PROFILE = "cpu"', 'PROFILE = "smoke"') for cell in notebooks.code(FIRST)]
    assert code[0] == CELL
    said = script(python, ["import matplotlib; matplotlib.use('agg')", *code, WHERE], tmp_path, environment)
    clone = tmp_path / "tracekd"
    assert said.splitlines()[-1] == f"from {clone} in {clone / 'notebooks'}"
    assert {row["notebook"] for row in artefacts.rows(clone / "runs/smoke/figures")} == {FIRST.stem}
    assert [path.name.split("-")[0] for path in site(python).glob("*.dist-info")] == [AWAY], "pip left the rest alone"


def test_notebook_01_runs_in_a_kernel_of_another_folder(python, environment, tmp_path):
    """What JupyterLab does that was started elsewhere: the kernel of this environment, by papermill."""
    subprocess.run([python, "-m", "ipykernel", "install", "--sys-prefix"], check=True, capture_output=True)
    command = [python, "-m", "papermill", FIRST, tmp_path / "x.ipynb", "-p", "PROFILE", "smoke", "--cwd", tmp_path]
    done = subprocess.run(command, cwd=tmp_path.parent, env=environment, capture_output=True, text=True)
    assert artefacts.rows(tmp_path / "tracekd/runs/smoke/figures"), done.stderr[-3000:]


def test_a_clone_or_an_import_that_is_there_is_used(python, environment, tmp_path, source):
    """No second clone, and where tracekd can be imported no pip either: the cell, run twice, changes nothing."""
    git("clone", "-q", source, "tracekd", cwd=tmp_path)
    clone, environment = tmp_path / "tracekd", {**environment, "GIT_CONFIG_KEY_0": "url./nowhere.insteadOf"}
    # A kernel that was restarted finds the clone of before, and ``import tracekd`` takes it for a package.
    for folder, before in ((tmp_path, "import tracekd; assert tracekd.__file__ is None"), (clone / "notebooks", "")):
        said = script(python, [before, CELL, WHERE], folder, environment)
        assert said.splitlines()[-1] == f"from {clone} in {clone / 'notebooks'}"
    assert not (clone / "notebooks/tracekd").exists()
    code = ["import sys; old = list(sys.path)", CELL, CELL, "assert sys.path == old", WHERE]
    said = script(python, code, tmp_path, {**environment, "PYTHONPATH": str(source)})
    assert said == f"from {source} in {tmp_path}\n"


def test_pip_is_asked_for_all_but_keeps_what_is_fixed_or_imported():
    """This process has imported numpy, and torch is fixed: both stay, whatever the range."""
    asked = requirements.needed(["torch>=999", "numpy>=999", "no-such-package>=1; x == 'y'"])
    there = [f"{name}=={metadata.version(name)}" for name in ("torch", "numpy")]
    assert "numpy" in sys.modules and asked == [*there, "no-such-package>=1; x == 'y'"]


def test_a_failed_installation_says_why(python, environment, source):
    environment.pop("PIP_FIND_LINKS")
    said = script(python, [CELL], source / "notebooks", environment, fails=True)
    assert f"into {python.parents[1]}:" in said and f"No matching distribution found for {AWAY}" in said
