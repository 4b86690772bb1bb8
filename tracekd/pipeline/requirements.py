"""Install what a notebook needs into the Python that runs it. Imports nothing that may be missing there."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable

from tracekd.config import ROOT

RUNNER_ONLY = ("papermill", "nbconvert", "nbstripout")  # run and publish notebooks; no notebook imports them
# Installed ones are never replaced: they fit the machine's GPU and its Jupyter (Colab brings its own).
FIXED = ("torch", "ipykernel", "ipywidgets")


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def needed(dependencies: Iterable[str]) -> list[str]:
    """The dependencies of a notebook, as pip is to be asked for them.

    A package in ``FIXED`` or one that this process has imported is pinned to the version that is there, because
    replacing a package under a running program breaks it.

    Args:
        dependencies: requirements as in pyproject.toml, such as ``pandas>=2.3``.
    """
    asked = []
    for requirement in dependencies:
        name = re.match(r"[\w.-]+", requirement)[0]
        fixed = name in FIXED or name.replace("-", "_") in sys.modules
        version = _installed(name) if fixed else ""
        if name not in RUNNER_ONLY:
            asked.append(f"{name}=={version}" if version else requirement)
    return asked


def _pip_install(asked: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "install", "-q", *asked], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"pip could not install what tracekd needs into {sys.prefix}:\n{done.stderr.strip()[-1500:]}\n"
            "Run ./run_all.sh once, which makes an environment in .venv, and start Jupyter from that environment."
        )


def install() -> None:
    """Install what is missing, and let programs that the notebook starts find this copy of tracekd.

    If that fails or is interrupted, tracekd cannot be imported afterwards, so that the cell tries again when rerun.

    Raises:
        RuntimeError: pip failed; the message has its last lines.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    print("Installing the packages that tracekd needs and this Python lacks ...", flush=True)
    try:
        _pip_install(needed(project["dependencies"]))
    except BaseException:
        sys.path.remove(str(ROOT))
        for name in [name for name in sys.modules if name.split(".")[0] == "tracekd"]:
            del sys.modules[name]
        raise
    importlib.invalidate_caches()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
