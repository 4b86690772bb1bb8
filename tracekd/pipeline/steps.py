"""Steps: is what a notebook left still current, and if not, why not?

A step is one notebook in one profile's folder. Its inputs, each with a hash, are listed in ``inputs`` and nowhere
else. They are recorded in ``runs/<profile>/steps.json`` after success only, so a record means "finished".
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tracekd.config import ROOT, Profile
from tracekd.io.records import CODE, fingerprint, hash_of_files, replacing, sha256, write_json
from tracekd.machine import versions
from tracekd.pipeline import notebooks

PACKAGE = ROOT / "tracekd"
# Packages whose versions may change a number or a picture.
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "numpy", "pandas", "scipy", "statsmodels", "matplotlib")
# What commands such as `train` add to a run's folder, by the notebooks that show it.
MADE_BY_COMMANDS = {"03": ("adapters",), "04": ("adapters", "outputs"), "07": ("adapters", "interventions")}


def inputs(
    notebook: Path,
    *,
    profile: Profile,
    source: str,
    given: dict[str, Any],
    folder: Path,
    texts: str = "",
    package: Path = PACKAGE,
) -> dict[str, str]:
    """Everything that may change what a notebook makes, as hashes by a name that reads well in a reason.

    The notebook's prose does not count. ``source`` is the data source in effect, ``given`` the parameters passed to the
    notebook, ``folder`` the run's. Recorded data are in ``figures/data`` beside the ``package``.
    """
    found = {"the notebook's code": sha256(notebooks.code(notebook))}
    for name, value in given.items():
        path = Path(value) if isinstance(value, str) and value else None
        found[f"parameter {name}"] = sha256(path) if path and path.is_file() else repr(value)
    found[f"profile {profile.name}"] = sha256(asdict(profile))
    found["the data source"] = source
    found["a file of the data source"] = fingerprint(source)
    if texts:
        found["the teacher's texts"] = sha256(Path(texts))
    found["the version of Python or a package"] = versions(PACKAGES)
    found[f"the package {package.name}"] = hash_of_files(package, CODE)
    found["a recorded file in figures/data"] = hash_of_files(package.parent / "figures" / "data")
    found |= made_by_commands(notebook, folder)
    done = read(folder)
    for earlier in notebooks.find(notebook.parent):
        if earlier.stem < notebook.stem:
            found[earlier.stem] = done.get(earlier.stem, {}).get("finished", "not run")
    return found


def made_by_commands(notebook: Path, folder: Path) -> dict[str, str]:
    """The inputs that a notebook may itself add to: adapters and outputs; recorded as it leaves them."""
    names = MADE_BY_COMMANDS.get(notebook.stem[:2], ())
    return {f"the run's {name}": fingerprint(str(folder / name)) for name in names if (folder / name).exists()}


def reason(folder: Path, name: str, wanted: dict[str, str]) -> str | None:
    """Why the step must run with the inputs ``wanted``, in words; None if what it left is current."""
    entry = read(folder).get(name)
    if entry is None:
        return "it has not finished here yet"
    figures = folder / "figures"
    made = [figures / file for row in rows(figures) if row["notebook"] == name for file in row["files"].split()]
    missing = [path for path in [executed(folder, name), *made] if not path.exists()]
    if missing:
        return f"{missing[0].relative_to(folder)} is missing"
    before = entry["inputs"]
    changed = [key for key in {**wanted, **before} if wanted.get(key) != before.get(key)]
    if not changed:
        return None
    return "changed: " + ", ".join(changed)


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The finished steps of a run: name to ``finished``, ``seconds`` and ``inputs``; empty where there is none."""
    path = folder / "steps.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def record(folder: Path, name: str, inputs: dict[str, str], seconds: float) -> None:
    """Note that a step is finished."""
    finished = datetime.now().astimezone().isoformat(timespec="seconds")
    entry = {"finished": finished, "seconds": round(seconds, 1), "inputs": inputs}
    write_json(folder / "steps.json", {**read(folder), name: entry})


def forget(folder: Path, name: str) -> None:
    """Remove a step's record and artefacts before it runs again, so that nothing stays that it no longer makes."""
    write_json(folder / "steps.json", {step: entry for step, entry in read(folder).items() if step != name})
    figures = folder / "figures"
    old = rows(figures)
    remaining = [row for row in old if row["notebook"] != name]
    delete_files(figures, old, remaining)
    write_rows(figures, remaining)


def executed(folder: Path, name: str) -> Path:
    """The file of a step's executed notebook."""
    return folder / "notebooks" / f"{name}.ipynb"


def rows(figures: Path) -> list[dict[str, str]]:
    """The rows of a folder's ``MANIFEST.csv``, read without pandas; none where there is none."""
    path = figures / "MANIFEST.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(keepends=True))) if path.exists() else []


def files(row: dict[str, str]) -> list[str]:
    """The files of a manifest row below its folder, the data behind it included."""
    return list(dict.fromkeys([*row["files"].split(), *row["data"].split()]))


def write_rows(figures: Path, kept: list[dict[str, str]]) -> None:
    """Write a ``MANIFEST.csv`` sorted by id, in one piece; remove it where there are no rows."""
    if not kept:
        (figures / "MANIFEST.csv").unlink(missing_ok=True)
        return
    with replacing(figures / "MANIFEST.csv") as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(kept[-1]), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(kept, key=lambda row: row["id"]))


def delete_files(figures: Path, old: list[dict[str, str]], remaining: list[dict[str, str]]) -> None:
    """Delete the files of ``old`` manifest rows that no ``remaining`` row names."""
    for file in {file for row in old for file in files(row)} - {file for row in remaining for file in files(row)}:
        (figures / file).unlink(missing_ok=True)
