"""Notebooks as files: which there are, what their cells say, which parameters they take. Needs no Jupyter."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from tracekd.config import ROOT, nearest

FOLDER = ROOT / "notebooks"


def cells(path: Path) -> list[dict[str, Any]]:
    """The notebook's cells with ``source`` as one string each."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in found:
        cell["source"] = "".join(cell["source"])
    return found


def code(path: Path) -> list[str]:
    """The sources of the code cells, in order."""
    return [cell["source"] for cell in cells(path) if cell["cell_type"] == "code"]


def parameters(path: Path) -> dict[str, Any]:
    """Names and default values in the notebook's one ``parameters`` cell; ValueError where there is none or several."""
    tagged = [cell for cell in cells(path) if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise ValueError(f"{path.name} has {len(tagged)} cells with the tag 'parameters', expected 1")
    assigned = [statement for statement in ast.parse(tagged[0]["source"]).body if isinstance(statement, ast.Assign)]
    return {statement.targets[0].id: ast.literal_eval(statement.value) for statement in assigned}


def find(folder: Path | None = None) -> list[Path]:
    """All notebooks of ``folder`` in the order of their numbers."""
    return sorted((folder or FOLDER).glob("[0-9]*.ipynb"))


def select(wanted: str | None, folder: Path | None = None) -> list[Path]:
    """The notebooks named in ``wanted``, a comma list of numbers or names, or all; ValueError for an unknown name."""
    known = {path.stem: path for path in find(folder)}
    if wanted is None:
        return list(known.values())
    chosen = set()
    for name in (part.strip().removesuffix(".ipynb") for part in wanted.split(",")):
        matches = {s for s in known if name == s or (name.isdigit() and int(s.split("_")[0]) == int(name))}
        if not matches:
            raise ValueError(f"no notebook {name!r}: {nearest(name, list(known))}")
        chosen |= matches
    return [path for stem, path in known.items() if stem in chosen]


def assign(path: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """Those of ``wanted`` that the notebook takes and whose value is not its default already.

    A notebook that runs with its defaults gets no injected cell, and so stays as it is committed.
    """
    known = parameters(path)
    return {name: value for name, value in wanted.items() if name in known and known[name] != value}
