"""Notebooks as files, and whether what each left in a run's folder is still current. Needs no Jupyter.

A step is one notebook in one profile's folder. Its inputs, each with a hash, are listed in ``inputs`` and nowhere
else. They are recorded in ``runs/<profile>/steps.json`` after success only, so a record means "finished".
"""

from __future__ import annotations

import argparse
import ast
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tracekd.config import ROOT, Profile, nearest
from tracekd.io.records import CODE, fingerprint, hash_of_files, sha256, write_json
from tracekd.machine import versions
from tracekd.pipeline import artefacts

FOLDER, PACKAGE = ROOT / "notebooks", ROOT / "tracekd"
# What commands such as `train` add to a run's folder, by the notebooks that show it.
MADE_BY_COMMANDS = {"03": ("adapters",), "04": ("adapters", "outputs"), "07": ("adapters", "interventions")}


def cells(path: Path) -> list[dict[str, Any]]:
    """The notebook's cells with ``source`` as one string each."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in found]


def code(path: Path) -> list[str]:
    """The sources of the code cells, in order."""
    return [cell["source"] for cell in cells(path) if cell["cell_type"] == "code"]


def parameters(path: Path) -> dict[str, Any]:
    """Names and default values in the notebook's one ``parameters`` cell."""
    (tagged,) = (cell for cell in cells(path) if "parameters" in cell["metadata"].get("tags", []))
    assigned = [statement for statement in ast.parse(tagged["source"]).body if isinstance(statement, ast.Assign)]
    return {statement.targets[0].id: ast.literal_eval(statement.value) for statement in assigned}


def find(folder: Path | None = None) -> list[Path]:
    """All notebooks of ``folder`` in the order of their numbers."""
    return sorted((folder or FOLDER).glob("[0-9]*.ipynb"))


def select(wanted: str) -> list[Path]:
    """The notebooks named in a comma list of numbers or names, as the type of an option."""
    known, chosen = {path.stem: path for path in find()}, set()
    for name in (part.strip().removesuffix(".ipynb") for part in wanted.split(",")):
        matches = {s for s in known if name == s or (name.isdigit() and int(s.split("_")[0]) == int(name))}
        if not matches:
            raise argparse.ArgumentTypeError(f"no notebook {name!r}: {nearest(name, list(known))}")
        chosen |= matches
    return [path for stem, path in known.items() if stem in chosen]


def assign(path: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """Those of ``wanted`` that the notebook takes and whose value is not its default already.

    A notebook that runs with its defaults gets no injected cell, and so stays as it is committed.
    """
    known = parameters(path)
    return {name: value for name, value in wanted.items() if name in known and known[name] != value}


def inputs(
    notebook: Path, *, profile: Profile, source: str, given: dict, folder: Path, texts: str = "", package=PACKAGE
) -> dict[str, str]:
    """Everything that may change what a notebook makes, as hashes by a name that reads well in a reason.

    The notebook's prose does not count. ``source`` is the data source in effect, ``given`` the parameters passed to
    notebooks, ``folder`` the run's. Recorded data are in ``figures/data`` beside the ``package``.
    """
    found = {
        "the notebook's code": sha256(code(notebook)),
        f"profile {profile.name}": sha256(asdict(profile)),
        "the data source": source,
        "a file of the data source": fingerprint(source),
        "the version of Python or a package": versions(),
        f"the package {package.name}": hash_of_files(package, CODE),
        "a recorded file in figures/data": hash_of_files(package.parent / "figures" / "data"),
        **({"the teacher's texts": sha256(Path(texts))} if texts else {}),
        **made_by_commands(notebook, folder),
    }
    for name, value in assign(notebook, given).items():
        path = Path(value) if isinstance(value, str) and value else None
        found[f"parameter {name}"] = sha256(path) if path and path.is_file() else repr(value)
    done, earlier = read(folder), [path.stem for path in find(notebook.parent) if path.stem < notebook.stem]
    return found | {name: done.get(name, {}).get("finished", "not run") for name in earlier}


def made_by_commands(notebook: Path, folder: Path) -> dict[str, str]:
    """The inputs that a notebook may itself add to: adapters and outputs; recorded as it leaves them."""
    names = MADE_BY_COMMANDS.get(notebook.stem[:2], ())
    return {f"the run's {name}": fingerprint(str(folder / name)) for name in names if (folder / name).exists()}


def reason(folder: Path, name: str, wanted: dict[str, str]) -> str | None:
    """Why the step must run with the inputs ``wanted``, in words; None if what it left is current."""
    if (entry := read(folder).get(name)) is None:
        return "it has not finished here yet"
    rows = [row for row in artefacts.rows(folder / "figures") if row["notebook"] == name]
    for path in (executed(folder, name), *(folder / "figures" / file for row in rows for file in row["files"].split())):
        if not path.exists():
            return f"{path.relative_to(folder)} is missing"
    before = entry["inputs"]
    changed = [key for key in {**wanted, **before} if wanted.get(key) != before.get(key)]
    return "changed: " + ", ".join(changed) if changed else None


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The finished steps of a run: name to ``finished`` (when), ``seconds``, ``inputs``; empty where none is."""
    path = folder / "steps.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def record(folder: Path, name: str, inputs: dict[str, str], seconds: float = 0) -> None:
    """Note that a step is finished, and how long it took."""
    finished = datetime.now().astimezone().isoformat(timespec="seconds")
    entry = {"finished": finished, "seconds": round(seconds, 1), "inputs": inputs}
    write_json(folder / "steps.json", {**read(folder), name: entry})


def forget(folder: Path, name: str) -> None:
    """Remove a step's record and artefacts before it runs again, so that nothing stays that it no longer makes."""
    write_json(folder / "steps.json", {step: entry for step, entry in read(folder).items() if step != name})
    figures = folder / "figures"
    artefacts.write_rows(figures, [row for row in artefacts.rows(figures) if row["notebook"] != name])


def executed(folder: Path, name: str) -> Path:
    """The file of a step's executed notebook."""
    return folder / "notebooks" / f"{name}.ipynb"
