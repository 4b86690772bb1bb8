"""Steps: is what a notebook left still current, and if not, why not?

A step is one notebook in one profile's folder. Its inputs, each with a hash, are listed in ``inputs`` and nowhere
else; they are kept in ``runs/<profile>/steps.json`` after success only, so that a record means "finished".
"""

from __future__ import annotations

import ast
import csv
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tracekd import notebooks
from tracekd.profiles import Profile
from tracekd.records import replacing, sha256, write_json

PACKAGE = Path(__file__).parent
# Packages whose versions may change a number or a picture.
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "numpy", "pandas", "scipy", "statsmodels", "matplotlib")


def _tree(path: Path) -> ast.Module:
    """A file's syntax tree, parsed once while the file stays as it is."""
    about = path.stat()
    return _parsed(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=512)
def _parsed(path: Path, size: int, modified: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=512)
def _meaning(source: str) -> str:
    """Hash of code without comments, layout and docstrings: changes to them cannot change a result."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return sha256(ast.dump(tree))


@lru_cache(maxsize=512)
def _imported(tree: ast.AST, package: Path) -> set[Path]:
    """Files of the package that ``tree`` imports anywhere, also inside functions."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, ["tracekd" if node.level else "", node.module]))
            names.update([base, *(f"{base}.{alias.name}" for alias in node.names)])
    stems = {name.split(".")[1] for name in names if name.startswith("tracekd.")}
    return {path for stem in stems if (path := package / f"{stem}.py").is_file()}


def modules(notebook: Path, package: Path = PACKAGE) -> list[Path]:
    """The package's modules that a notebook imports, directly or through one another, sorted."""
    found: set[Path] = set()
    todo = [package / "__init__.py"]
    for tree in notebooks.parsed(notebook):
        todo += _imported(tree, package)
    while todo:
        path = todo.pop()
        if path.is_file() and path not in found:
            found.add(path)
            todo += _imported(_tree(path), package)
    return sorted(found)


def _trees(notebook: Path, package: Path) -> list[ast.Module]:
    """The syntax trees of a notebook's cells and of the modules that it imports."""
    trees = notebooks.parsed(notebook)
    return trees + [_tree(path) for path in modules(notebook, package)]


def _spelt(node: ast.AST) -> str:
    """A string that code spells out, with ``*`` for what an f-string fills in; "" for any other expression."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@lru_cache(maxsize=512)
def _named(tree: ast.AST) -> tuple[set[str], set[str]]:
    """All strings in code, and those of them that are handed to ``run.path``: such files a run writes itself."""
    names, written = set(), set()
    for node in ast.walk(tree):
        names.add(_spelt(node))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "path":
            written.update(map(_spelt, node.args))
    # What begins with a place to fill in, such as f"{name}.csv", names no file in particular.
    return {name for name in names if name[:1] not in ("", "*")}, written


def kept(notebook: Path, package: Path = PACKAGE) -> list[Path]:
    """The committed files in ``figures/data/`` that a notebook reads: those that its code or its modules name.

    A file that the committed manifest lists was written by a run, and is no input even where a pattern fits it.
    """
    pairs = [_named(tree) for tree in _trees(notebook, package)]
    names = set().union(*(names for names, _ in pairs)) - set().union(*(written for _, written in pairs))
    figures = package.parent / "figures"
    manifest = figures / "MANIFEST.csv"
    rows = csv.DictReader(manifest.read_text(encoding="utf-8").splitlines()) if manifest.exists() else []
    own = {Path(row["data"]).name for row in rows}
    files = sorted(path for path in (figures / "data").glob("*") if path.is_file() and path.name not in own)
    return [path for path in files if any(fnmatchcase(path.name, name) for name in names)]


def settings(profile: Profile, trees: Iterable[ast.AST]) -> dict[str, Any]:
    """The fields of a profile that code names as attributes, such as ``run.profile.test``; its name in any case."""
    named = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | {"name"}
    return {field: value for field, value in asdict(profile).items() if field in named}


def fingerprint(source: str) -> str:
    """A data source in one string: the word itself, or a hash of the names, sizes and times of its files."""
    folder = Path(source)
    if not folder.exists():
        return source
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else [folder]
    return sha256([[str(p.relative_to(folder)), p.stat().st_size, p.stat().st_mtime_ns] for p in files])


def _versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} missing")
    return ", ".join(found)


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The finished steps of a run: name to ``finished``, ``seconds`` and ``inputs``; empty where there is none."""
    path = folder / "steps.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def record(folder: Path, name: str, inputs: dict[str, str], seconds: float) -> None:
    """Note that a step is finished."""
    finished = datetime.now().astimezone().isoformat(timespec="seconds")
    entry = {"finished": finished, "seconds": round(seconds, 1), "inputs": inputs}
    write_json(folder / "steps.json", {**read(folder), name: entry})
    write_json(folder / "durations.json", {**durations(folder), name: round(seconds, 1)})


def durations(folder: Path) -> dict[str, float]:
    """Seconds that each notebook took when it last ran in this folder, whether or not it is current."""
    path = folder / "durations.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def forget(folder: Path, name: str) -> None:
    """Remove a step's record before it runs again: from here on its artefacts may be half new."""
    kept = {step: entry for step, entry in read(folder).items() if step != name}
    write_json(folder / "steps.json", kept)


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
    """Everything that may change what a notebook makes, by a name that reads well in a reason.

    Args:
        notebook: the notebook's file.
        profile: the settings.
        source: the data source in effect: ``generated``, ``hub`` or a folder.
        given: parameters that are passed to the notebook.
        folder: the run's folder, for the steps before this one.
        texts: the file of a teacher's free-form traces, or "".
        package: the library's folder.
    """
    found = {"the notebook's code": sha256(notebooks.code(notebook))}
    for name, value in given.items():
        path = Path(value) if isinstance(value, str) and value else None
        found[f"parameter {name}"] = sha256(path) if path and path.is_file() else repr(value)
    found[f"profile {profile.name}"] = sha256(settings(profile, _trees(notebook, package)))
    found["the data source"] = source
    found["a file of the data source"] = fingerprint(source)
    if texts:
        found["the teacher's texts"] = sha256(Path(texts))
    found["the version of Python or a package"] = _versions()
    for path in modules(notebook, package):
        found[f"{package.name}/{path.name}"] = _meaning(path.read_text(encoding="utf-8"))
    for path in sorted(package.iterdir()):
        # profiles.toml is in already, reduced to the profile that runs.
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != "profiles.toml":
            found[f"{package.name}/{path.name}"] = sha256(path)
    for path in kept(notebook, package):
        found[f"figures/data/{path.name}"] = sha256(path)
    done = read(folder)
    for earlier in notebooks.find(notebook.parent):
        if earlier.stem < notebook.stem:
            found[earlier.stem] = done.get(earlier.stem, {}).get("finished", "not run")
    return found


def reason(folder: Path, name: str, wanted: dict[str, str], steps: set[str]) -> str | None:
    """Why the step must run, in words; None if what it left is current.

    Args:
        folder: the run's folder.
        name: the step's name.
        wanted: its present inputs.
        steps: names of all steps, to tell "ran again" from "changed".
    """
    entry = read(folder).get(name)
    if entry is None:
        return "it has not finished here yet"
    missing = [path for path in [executed(folder, name), *_artefacts(folder, name)] if not path.exists()]
    if missing:
        return f"{missing[0].relative_to(folder)} is missing"
    before = entry["inputs"]
    changed = [key for key in {**wanted, **before} if wanted.get(key) != before.get(key)]
    if not changed:
        return None
    verb = "ran again" if changed[0] in steps else "changed" if changed[0] in before else "is new"
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    return f"{changed[0]} {verb}{more}"


def executed(folder: Path, name: str) -> Path:
    """Where a step's executed notebook stands."""
    return folder / "notebooks" / f"{name}.ipynb"


def rows(figures: Path) -> list[dict[str, str]]:
    """The rows of a folder's ``MANIFEST.csv``; none where there is none."""
    return table(figures / "MANIFEST.csv")


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, without pandas; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files(row: dict[str, str]) -> list[str]:
    """The files of a manifest row below its folder, the data behind it included; bare data names live in ``data/``."""
    made = row["files"].split()
    data = [name if "/" in name or name in made else f"data/{name}" for name in row["data"].split()]
    return list(dict.fromkeys([*made, *data]))


def _artefacts(folder: Path, name: str) -> list[Path]:
    figures = folder / "figures"
    return [figures / file for row in rows(figures) if row["notebook"] == name for file in row["files"].split()]


def write_rows(figures: Path, kept: list[dict[str, str]]) -> None:
    """Write a ``MANIFEST.csv`` sorted by id, in one piece; nothing at all for no rows."""
    if kept:
        with replacing(figures / "MANIFEST.csv") as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, fieldnames=list(kept[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(kept, key=lambda row: row["id"]))


def drop_old(folder: Path, name: str, started: float) -> list[str]:
    """Remove artefacts that the finished step no longer makes, files and manifest rows; return their ids.

    Args:
        folder: the run's folder.
        name: the step that has just finished.
        started: when it began, in seconds since the epoch; what it made is younger.
    """
    figures = folder / "figures"
    kept, old = [], []
    for row in rows(figures):
        made = [figures / file for file in files(row) if "/" not in file]
        stale = row["notebook"] == name and any(not p.exists() or p.stat().st_mtime < started - 2 for p in made)
        (old if stale else kept).append(row)
    if old:
        for file in {file for row in old for file in files(row)} - {file for row in kept for file in files(row)}:
            (figures / file).unlink(missing_ok=True)
        write_rows(figures, kept)
    return [row["id"] for row in old]
