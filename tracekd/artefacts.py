"""Artefacts: figures and tables that can be cited, each with its data, caption and a row in the manifest."""

from __future__ import annotations

import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tracekd import machine
from tracekd.profiles import ROOT
from tracekd.records import replacing, write_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tracekd.profiles import Run

COLUMNS = [
    "id",
    "kind",
    "caption",
    "notebook",
    "files",
    "data",
    "student",
    "source",
    "n",
    "seed",
    "profile",
    "commit",
]
DASH = "\N{EN DASH}"
SHOWN = ("torch", "transformers", "peft", "bitsandbytes", "numpy", "pandas", "scipy", "statsmodels")


def commit() -> str:
    """The commit of the code that runs, with ``+`` when the library differs from it; ``unknown`` outside git."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--exclude=*", "--abbrev=10"]
    dirty = ["git", "-C", str(ROOT), "status", "--porcelain", "--", "tracekd", "notebooks/*.py"]
    try:
        name = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(dirty, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + ("+" if changed else "")


def hardware() -> str:
    """The machine in a few words: GPU if any, else processor cores, and the memory."""
    memory = f"{machine.memory() / 2**30:.0f} GiB"
    if machine.has_gpu():
        import torch

        return f"{torch.cuda.get_device_name(0)}, {memory} host memory"
    threads = machine.cores()
    return f"{threads} CPU thread{'s' if threads > 1 else ''} ({platform.machine()}), {memory}"


def opening(run: Run) -> str:
    """What every notebook prints first: profile, student, data source, hardware, versions."""
    lines = [f"profile    {run.profile.name}: {run.profile.about}", f"seed       {run.seed}"]
    lines += [f"student    {run.student}", f"data       {run.source_label}", f"hardware   {hardware()}"]
    if run.texts:
        lines.append(
            f"traces     free-form ones as in {'/'.join(Path(run.texts).parts[-2:])} (--texts templated: by rules)"
        )
    found = []
    for package in SHOWN:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} -")
    lines += [f"versions   Python {platform.python_version()}, {', '.join(found)}", f"commit     {commit()}"]
    return "\n".join(lines)


def manifest(run: Run) -> pd.DataFrame:
    """The run's ``figures/MANIFEST.csv``; empty with the right columns where there is none yet."""
    path = run.folder / "figures" / "MANIFEST.csv"
    return pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else pd.DataFrame(columns=COLUMNS)


def save_figure(
    run: Run,
    fig: Figure,
    name: str,
    *,
    caption: str,
    n: int | str,
    data: pd.DataFrame | str | None = None,
    student: str | None = None,
    source: str | None = None,
) -> None:
    """Save ``fig`` as PDF and PNG below ``figures/``, its data as CSV below ``figures/data/``, and its manifest row.

    Args:
        run: the open run.
        fig: the matplotlib figure.
        name: stem of the files, which begins with the notebook's number.
        caption: a full sentence or more, with units; n and source are kept apart.
        n: number of problems behind it; where it is not problems, with its unit: ``"900 outputs"``.
        data: the frame that was plotted, or the name of a file in ``figures/data/`` that holds it.
        student: short name; None for the run's, "" where no student took part.
        source: data source in words; None for the run's.

    Raises:
        ValueError: an empty caption.
    """
    folder = run.path("figures", "data", "x").parent.parent
    for suffix in (".pdf", ".png"):
        with replacing(folder / f"{name}{suffix}") as temporary:
            # Without these two, each save differs in its dates alone.
            metadata = {"CreationDate": None} if suffix == ".pdf" else {"Software": None}
            fig.savefig(temporary, metadata=metadata)
    _record(run, name, "figure", caption, n, _keep(folder, name, data), student, source, (".pdf", ".png"))


def save_table(
    run: Run,
    frame: pd.DataFrame,
    name: str,
    *,
    caption: str,
    n: int | str,
    student: str | None = None,
    source: str | None = None,
    digits: int = 3,
) -> None:
    """Save ``frame`` as CSV (six digits), Markdown and LaTeX (``digits``) below ``figures/``, and its manifest row.

    Markdown and LaTeX show p-values (columns ``p``, ``p_value``, ``p_holm``, ``NAME_p`` and so on) that would round
    to nothing as ``<0.001``, and a dash for what is undefined; the CSV keeps the numbers.

    Args:
        run: the open run.
        frame: the table.
        name: stem of the files, which begins with the notebook's number.
        caption: a full sentence or more, with units.
        n: number of problems behind it; where it is not problems, with its unit: ``"900 outputs"``.
        student: short name; None for the run's, "" where no student took part.
        source: data source in words; None for the run's.
        digits: decimals shown.

    Raises:
        ValueError: an empty caption.
    """
    folder = run.path("figures", "data", "x").parent.parent
    write_csv(folder / f"{name}.csv", frame)
    shown = frame.apply(lambda column: column.map(lambda value: _shown(value, digits, _is_p(column.name))))
    about = {"student": run.student if student is None else student, "seed": run.seed}
    about["data"] = run.source_label if source is None else source
    stamp = f"{caption} n = {n}; " + "; ".join(f"{key}: {value}" for key, value in about.items() if value != "") + "."
    if frame.isna().to_numpy().any():
        stamp += f" {DASH} means undefined."
    with replacing(folder / f"{name}.md") as temporary:
        sides = ["right" if pd.api.types.is_numeric_dtype(kind) else "left" for kind in frame.dtypes]
        text = shown.to_markdown(index=False, disable_numparse=True, colalign=sides)
        temporary.write_text(f"{text}\n\n{stamp}\n", encoding="utf-8")
    with replacing(folder / f"{name}.tex") as temporary:
        temporary.write_text(
            f"% {stamp}\n{shown.to_latex(index=False, escape=True).replace('<', '$<$')}", encoding="utf-8"
        )
    _record(run, name, "table", caption, n, f"{name}.csv", student, source, (".csv", ".md", ".tex"))


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


def _keep(folder: Path, name: str, data: pd.DataFrame | str | None) -> str:
    if isinstance(data, pd.DataFrame):
        write_csv(folder / "data" / f"{name}.csv", data)
        return f"data/{name}.csv"
    return data or ""


def _record(run, name, kind, caption, n, data, student, source, suffixes) -> None:
    """Put one row into the manifest, in place of the row that had its id."""
    if not caption.strip():
        raise ValueError(f"artefact {name!r} needs a caption: what is shown, in which unit")
    row = {
        "id": name, "kind": kind, "caption": " ".join(caption.split()), "notebook": run.notebook,
        "files": " ".join(name + suffix for suffix in suffixes), "data": data,
        "student": run.student if student is None else student,
        "source": run.source_label if source is None else source,
        "n": str(n), "seed": str(run.seed), "profile": run.profile.name, "commit": commit(),
    }  # fmt: skip
    rows = manifest(run)
    rows = pd.concat([rows[rows.id != name], pd.DataFrame([row])]).sort_values("id")
    write_csv(run.folder / "figures" / "MANIFEST.csv", rows[COLUMNS])
