"""Install what a notebook needs into the Python that runs it. Imports nothing that may be missing there."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable

from tracekd.config import ROOT

# Installed ones are never replaced: they fit the machine's GPU and its Jupyter (Colab brings its own).
FIXED = ("torch", "ipykernel", "ipywidgets")


def needed(dependencies: Iterable[str]) -> list[str]:
    """The dependencies as pip is asked for them: packages that are fixed, or imported already, stay as they are."""
    there = {found.name.lower().replace("_", "-"): found.version for found in importlib.metadata.distributions()}
    names = {re.match(r"[\w.-]+", wanted)[0].lower().replace("_", "-"): wanted for wanted in dependencies}
    stay = {n for n in names if n in there and (n in FIXED or n.replace("-", "_") in sys.modules)}
    return [f"{n}=={there[n]}" if n in stay else wanted for n, wanted in names.items()]


def install() -> None:
    """Install what is missing, for programs that the notebook starts too; RuntimeError with pip's last lines."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    print("Installing the packages that tracekd needs and this Python lacks ...", flush=True)
    command = [sys.executable, "-m", "pip", "install", "-q", *needed(project["dependencies"])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"pip could not install what tracekd needs into {sys.prefix}:\n{done.stderr.strip()[-1500:]}\n"
            "Restart the kernel to try again, or run ./run_all.sh once and start Jupyter from the environment .venv."
        )
    importlib.invalidate_caches()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
