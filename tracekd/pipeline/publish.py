"""Make a finished run the committed one: outputs into `notebooks/`, artefacts into `figures/`."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tracekd.config import ROOT
from tracekd.io.records import replacing
from tracekd.pipeline import steps

if TYPE_CHECKING:
    from nbformat import NotebookNode

FIGURES = ROOT / "figures"
# Timing and editor state, in the spelling of nbstripout's --extra-keys.
STRIPPED = [f"metadata.{key}" for key in ("papermill", "widgets", "execution", "signature")]
STRIPPED += [f"cell.metadata.{key}" for key in ("papermill", "execution", "collapsed", "scrolled")]
# A widget (a progress bar, mostly) cannot be drawn without its state, and its text form shows how it began.
WIDGET = "application/vnd.jupyter.widget-view+json"


def machine_path(text: str) -> str | None:
    """The first path of this machine, or of some user's home, in ``text``; None if there is none."""
    folders = (ROOT, ROOT.parent, Path.home(), sys.prefix, sys.base_prefix)
    here = {str(path) for folder in folders for path in (Path(folder), Path(folder).resolve())}
    # "/" and "/usr" are in a home-less container's variables, and in innocent text.
    prefixes = [re.escape(folder) for folder in sorted(here, key=len, reverse=True) if len(folder) > 4]
    prefixes += [r"/(?:tmp|root|var/folders)(?=/)", r"/(?:home|Users)/\w+(?=/)", r"[A-Z]:\\+Users\\+\w+"]
    found = re.search(rf"(?<![\w.])(?:{'|'.join(prefixes)})(?![\w-])[^\s\"'<>]*", text)
    return found[0] if found else None


def _texts(output: dict) -> Iterator[str]:
    """All text in a cell's output but the bytes of pictures, in which base64 holds any short path by chance."""
    yield output.get("text", "")
    for kind, value in output.get("data", {}).items():
        if not kind.startswith("image/"):
            yield value if isinstance(value, str) else str(value)


def _settled(output: NotebookNode) -> NotebookNode:
    """A printed output as a screen shows it: of a rewritten line, such as a progress bar, the last state."""
    if output.output_type == "stream":
        lines = output.text.split("\n")
        output.text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)
    return output


def published(source: Path, executed: Path) -> NotebookNode:
    """The committed notebook with the outputs of the executed one, cell by cell.

    Only outputs are carried over: prose may have been edited since, the parameters cell keeps its defaults, and the
    cell that papermill injects disappears. Cells are counted 1, 2, 3, ... as they ran.

    Raises:
        ValueError: the two do not have the same code, a cell failed, or an output holds a path of this machine.
    """
    import nbformat
    from nbstripout import strip_output

    notebook = nbformat.read(source, as_version=4)
    ran = nbformat.read(executed, as_version=4)
    done = [c for c in ran.cells if c.cell_type == "code" and "injected-parameters" not in c.metadata.get("tags", [])]
    code = [(number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    if [cell.source for _, cell in code] != [cell.source for cell in done]:
        raise ValueError(f"{source.name}: its code is not the code that ran; run it again before publishing")
    for count, ((number, cell), result) in enumerate(zip(code, done, strict=True), 1):
        outputs = [_settled(output) for output in result.outputs if WIDGET not in output.get("data", {})]
        for output in outputs:
            if output.output_type == "error":
                raise ValueError(f"{source.name}, cell {number}: its output is an error, {output.ename}")
            for path in filter(None, map(machine_path, _texts(output))):
                raise ValueError(
                    f"{source.name}, cell {number}: its output holds a path of this machine, {path!r}; "
                    "print a relative path, or silence the warning that names a file"
                )
            if output.output_type == "execute_result":
                output.execution_count = count
        # A cell without code was not run and has no count.
        cell.outputs, cell.execution_count = outputs, count if cell.source.strip() else None
    notebook.metadata.language_info = ran.metadata.get("language_info", {})
    return strip_output(notebook, keep_output=True, keep_count=True, keep_id=True, extra_keys=STRIPPED)


def _check_figures(source: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.suffix in (".csv", ".md", ".tex", ".svg", ".html", ".json") and path.is_file():
            found = machine_path(path.read_text(encoding="utf-8"))
            if found:
                raise ValueError(f"{path.relative_to(source.parent)} holds a path of this machine: {found!r}")


def _copy_figures(source: Path, target: Path, profile: str) -> int:
    """Put the run's artefacts in place of those that this profile published before; return how many rows."""
    new, old = steps.rows(source), steps.rows(target)
    ids = {row["id"] for row in new}
    others = [row for row in old if row["profile"] != profile and row["id"] not in ids]
    steps.delete_files(target, old, others)
    for path in sorted(source.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and path.name != "MANIFEST.csv":
            with replacing(target / path.relative_to(source)) as temporary:
                shutil.copyfile(path, temporary)
    steps.write_rows(target, [*others, *new])
    return len(new)


def publish(paths: list[Path], folder: Path) -> list[str]:
    """Give the notebooks the outputs of the run in ``folder`` and copy its artefacts; return lines that say so.

    Nothing is written unless every notebook and table passes (ValueErrors: see ``published``).
    """
    import nbformat

    ready = [(path, published(path, steps.executed(folder, path.stem))) for path in paths]
    _check_figures(folder / "figures")
    for path, notebook in ready:
        with replacing(path) as temporary:
            nbformat.write(notebook, temporary)
    count = _copy_figures(folder / "figures", FIGURES, folder.name)
    return [
        f"published {len(ready)} notebooks and {count} artefacts of the {folder.name} run",
        "look at `git diff --stat` and at the figures, then commit notebooks/ and figures/ together",
    ]
