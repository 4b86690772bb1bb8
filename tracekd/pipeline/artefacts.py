"""Artefacts: figures and tables that can be cited, each with its data, caption, stamp and a row in the manifest.

Below a figures folder stand pictures, ``tables/`` (CSV, Markdown, LaTeX), ``data/`` (what pictures show, and records)
and ``MANIFEST.csv``.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from tracekd.config import ROOT
from tracekd.io.records import replacing, write_csv
from tracekd.machine import commit
from tracekd.pipeline import steps

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

FIGURES = ROOT / "figures"
RECORDED = FIGURES / "data"  # records that runs and commands keep, committed
DASH = "\N{EN DASH}"
# What is not real, by the word that says so, and the tag where the source has no words of its own.
STAMPS = {"GENERATED": "GENERATED problems", "SIMULATED": "SIMULATED data", "TEMPLATED": "TEMPLATED traces"}


def table_path(stem: str, figures: Path = FIGURES) -> Path:
    """The CSV file of a table, such as ``04_accuracy_table``, below a figures folder (default: the committed one)."""
    return figures / "tables" / f"{stem}.csv"


def data_path(name: str, figures: Path = FIGURES) -> Path:
    """A file of a figure's data, or of records, such as ``leakage_real.csv``."""
    return figures / "data" / name


def stamp_of(source: str, *said: str, frame: pd.DataFrame | None = None) -> str:
    """The tag of an artefact whose data are not all real: "" for real data.

    Args:
        source: the data source in words, parts separated by ``;``; a part that names what is not real is the tag.
        *said: further words to look at, such as the artefact's name.
        frame: the data; a stamp word in any text of it counts, and a condition or teacher ``templated``.
    """
    texts = [*said]
    if frame is not None:
        for _, column in frame.select_dtypes(exclude="number").items():
            texts += set(map(str, column.dropna()))
    seen = " ".join(texts).replace("_", " ")
    seen = re.sub(r"\(templated\)|(?<!\S)templated(?!\S)", "TEMPLATED", seen)
    parts = [re.sub(r"^recorded: ", "", part.strip()) for part in source.split(";")]
    tags = [part for part in parts if any(word in part for word in STAMPS)]
    tags += [tag for word, tag in STAMPS.items() if re.search(rf"\b{word}\b", seen) and word not in " ".join(tags)]
    return "; ".join(dict.fromkeys(tags))


def save_figure(
    run,
    fig: Figure,
    name: str,
    *,
    caption: str,
    n: int | str,
    data: pd.DataFrame | str | None = None,
    student: str | None = None,
    source: str | None = None,
) -> None:
    """Save ``fig`` as PDF and PNG, its data as CSV below ``data/``, and its manifest row.

    Where the data are not all real (see ``stamp_of``), a small tag below the figure and the file's keywords say so.

    Args:
        run: the open ``run.Run``.
        fig: the matplotlib figure.
        name: stem of the files, which begins with the notebook's number.
        caption: a full sentence or more, with units; n and source are kept apart.
        n: number of problems behind it; where it is not problems, with its unit: ``"900 outputs"``.
        data: the frame that was plotted, or the name of a file in ``data/`` that holds it.
        student: short name; None for the run's, "" where no student took part.
        source: data source in words; None for the run's.

    Raises:
        ValueError: an empty caption.
    """
    folder = run.path("figures", "data", "x").parent.parent
    source = run.source_label if source is None else source
    tag = stamp_of(source, name, frame=data if isinstance(data, pd.DataFrame) else None)
    if tag and not any(text.get_gid() == "stamp" for text in fig.texts):
        _stamp(fig, tag)
    for suffix in (".pdf", ".png"):
        with replacing(folder / f"{name}{suffix}") as temporary:
            # Without the first of each, every save differs in its date alone.
            metadata = {"CreationDate": None} if suffix == ".pdf" else {"Software": None}
            fig.savefig(temporary, metadata={**metadata, "Keywords": tag} if tag else metadata)
    if isinstance(data, pd.DataFrame):
        write_csv(folder / "data" / f"{name}.csv", data)
        data = f"{name}.csv"
    data = f"data/{data}" if data else ""
    _record(run, name, "figure", caption, n, data, student, source, tag, [f"{name}.pdf", f"{name}.png"])


def _stamp(fig: Figure, tag: str) -> None:
    """Write ``tag`` below the figure, or above it where a legend of the whole figure is at its bottom edge."""
    fig.draw_without_rendering()
    low = any(legend.get_window_extent().y0 < fig.bbox.height / 2 for legend in fig.legends)
    fig.text(0, low, tag, fontsize=6, color="#B34700", va="bottom" if low else "top", gid="stamp")


def save_table(
    run,
    frame: pd.DataFrame,
    name: str,
    *,
    caption: str,
    n: int | str,
    student: str | None = None,
    source: str | None = None,
    digits: int = 3,
) -> None:
    """Save ``frame`` below ``tables/`` as CSV (six digits), Markdown and LaTeX (``digits``), and its manifest row.

    Markdown and LaTeX show p-values (columns ``p``, ``p_value``, ``p_holm``, ``NAME_p`` and so on) that would round
    to nothing as ``<0.001``, and a dash for what is undefined; the CSV keeps the numbers. Both carry the stamp of data
    that are not all real (see ``stamp_of``). Arguments and errors: see ``save_figure``.
    """
    path = table_path(name, run.path("figures", "MANIFEST.csv").parent)
    source = run.source_label if source is None else source
    tag = stamp_of(source, name, frame=frame)
    write_csv(path, frame)
    shown = frame.apply(lambda column: column.map(lambda value: _shown(value, digits, _is_p(column.name))))
    about = {"student": run.student if student is None else student, "seed": run.seed, "data": source}
    note = f"{caption} n = {n}; " + "; ".join(f"{key}: {value}" for key, value in about.items() if value != "") + "."
    if frame.isna().to_numpy().any():
        note += f" {DASH} means undefined."
    sides = ["right" if pd.api.types.is_numeric_dtype(kind) else "left" for kind in frame.dtypes]
    text = shown.to_markdown(index=False, disable_numparse=True, colalign=sides)
    text += f"\n\n{f'**{tag}.** ' if tag else ''}{note}\n"
    latex = f"% {note}\n" + shown.to_latex(index=False, escape=True).replace("<", "$<$")
    if tag:
        latex += f"\\par{{\\footnotesize {tag.replace('_', chr(92) + '_')}}}\n"
    for suffix, content in ((".md", text), (".tex", latex)):
        with replacing(path.with_suffix(suffix)) as temporary:
            temporary.write_text(content, encoding="utf-8")
    files = [f"tables/{name}{suffix}" for suffix in (".csv", ".md", ".tex")]
    _record(run, name, "table", caption, n, files[0], student, source, tag, files)


def _is_p(name: str) -> bool:
    """Whether a column holds p-values by its name; ``p_answer_given_trace`` does not, it is a share."""
    return bool(re.fullmatch(r"(.*_)?p(_value|_holm\w*|_adjusted)?", str(name)))


def _shown(value: object, digits: int, is_p: bool) -> object:
    if value is None or value is pd.NA or value != value:
        return DASH
    if not isinstance(value, float):
        return value
    if is_p and value < 10**-digits:
        return f"<{10**-digits:.{digits}f}"
    return f"{value:.{digits}f}"


def _record(run, name, kind, caption, n, data, student, source, tag, files) -> None:
    """Put one row into the manifest, in place of the row that had its id."""
    if not caption.strip():
        raise ValueError(f"artefact {name!r} needs a caption: what is shown, in which unit")
    missing = [part for part in tag.split("; ") if part and part not in source]
    row = {
        "id": name, "kind": kind, "caption": " ".join(caption.split()), "notebook": run.notebook,
        "function": functions(kind), "files": " ".join(files), "data": data,
        "student": run.student if student is None else student, "source": "; ".join([source, *missing]),
        "n": str(n), "seed": str(run.seed), "profile": run.profile.name, "commit": commit(),
    }  # fmt: skip
    figures = run.folder / "figures"
    steps.write_rows(figures, [*(old for old in steps.rows(figures) if old["id"] != name), row])


def functions(kind: str) -> str:
    """``module.function`` of each of our functions that the notebook cell which saves an artefact calls.

    Of a figure those that draw (take ``ax``) alone. Where the cell calls none: those of the last cell that does. The
    cells that have run are in the kernel's ``In``.
    """
    frame: Any = sys._getframe()
    while frame and not ("In" in frame.f_globals and frame.f_globals.get("__name__") == "__main__"):
        frame = frame.f_back
    called: list[Callable] = []
    for source in reversed(frame.f_globals["In"] if frame else []):
        called = called or _called(source, frame.f_globals)
    drawn = [f for f in called if kind == "figure" and {"ax", "axes"} & set(inspect.signature(f).parameters)]
    return " ".join(dict.fromkeys(f"{f.__module__}.{f.__qualname__}" for f in drawn or called))


def _called(source: str, names: dict[str, Any]) -> list[Callable]:
    """The library's functions that a cell calls, in the order of its syntax tree; none of one that is no code."""
    try:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    except SyntaxError:
        return []
    found = []
    for call in calls:
        first, *rest = ast.unparse(call.func).split(".")
        value = names.get(first)
        for part in rest:
            value = getattr(value, part, None)
        value = getattr(value, "__wrapped__", value)  # of a cached function
        if inspect.isfunction(value) and value.__module__.startswith("tracekd") and value.__name__ != "open_run":
            found.append(value)
    return found
