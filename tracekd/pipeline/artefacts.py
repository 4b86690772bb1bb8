"""Artefacts: figures and tables that can be cited, each with its data, caption, stamp and a row in the manifest.

Below a figures folder stand pictures, ``tables/`` (CSV, Markdown, LaTeX), ``data/`` (what pictures show, and records)
and ``MANIFEST.csv``. Nothing beyond the standard library is imported at the top, as ``runner`` asks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tracekd.config import ROOT
from tracekd.io.records import replacing, write_csv
from tracekd.machine import commit
from tracekd.text import named

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

FIGURES = ROOT / "figures"
RECORDED = FIGURES / "data"  # records that runs and commands keep, committed
DASH = "\N{EN DASH}"
# What is not real, by the word that says so, and the tag where the source has no words of its own.
STAMPS = {"GENERATED": "GENERATED problems", "SIMULATED": "SIMULATED data", "TEMPLATED": "TEMPLATED traces"}
# What a reader of a printed table can do without; the CSV file has it.
DETAILS = [
    "source", "rule", "teacher", "profile", "hardware", "interval", "both", "answer_only", "trace_only", "neither",
    "only_first", "only_second", "chi2", "expected_min", "test", "p_value", "tost_p", "t_low", "t_high", "low90",
    "high90", "t_low90", "t_high90", "by_seed", "fewest", "outputs", "asked", "gold_names",
]  # fmt: skip


def table_path(stem: str, figures: Path = FIGURES) -> Path:
    """The CSV file of a table, such as ``04_accuracy_table``, below a figures folder (default: the committed one)."""
    return figures / "tables" / f"{stem}.csv"


def stamp_of(source: str, name: str, frame: pd.DataFrame | None) -> str:
    """The tag of an artefact whose data are not all real: parts of ``source`` (separated by ``;``) that say so.

    A stamp word counts also in the artefact's ``name``, and in any text of ``frame``, where ``templated`` is one too.
    """
    texts = [name]
    for _, column in () if frame is None else frame.select_dtypes(exclude="number").items():
        texts += set(map(str, column.dropna()))
    seen = re.sub(r"\(templated\)|(?<!\S)templated(?!\S)", "TEMPLATED", " ".join(texts).replace("_", " "))
    parts = re.split(r";\s*(?:recorded: )?", source.removeprefix("recorded: "))
    tags = [part for part in parts if any(word in part for word in STAMPS)]
    tags += [tag for word, tag in STAMPS.items() if re.search(rf"\b{word}\b", seen) and word not in " ".join(tags)]
    return "; ".join(dict.fromkeys(tags))


def save_figure(run, fig: Figure, name: str, *, data: pd.DataFrame | None = None, **about: Any) -> None:
    """Save ``fig`` as PDF and PNG, its data as CSV below ``data/``, and its manifest row.

    Where the data are not all real (see ``stamp_of``), a small tag below the figure and the file's keywords say so.
    ``name`` begins with the notebook's number; ``data`` is the frame that was plotted.
    ``about``: ``caption`` (with units; ValueError where it is empty), ``n`` (problems, or with a unit:
    ``"900 outputs"``), ``student`` ("" for none) and ``source`` in words, by default the run's.
    """
    folder = run.folder / "figures"
    row, tag = _about(run, name, data, **about)
    if tag and not any(text.get_gid() == "stamp" for text in fig.texts):
        # Below the figure, or above it where a legend of the whole figure is at its bottom edge.
        fig.draw_without_rendering()
        low = any(legend.get_window_extent().y0 < fig.bbox.height / 2 for legend in fig.legends)
        fig.text(0, low, tag, fontsize=6, color="#B34700", va="bottom" if low else "top", gid="stamp")
    # Without the second of each, every save differs in its date alone.
    for suffix, dated in ((".pdf", "CreationDate"), (".png", "Software")):
        with replacing(folder / f"{name}{suffix}") as temporary:
            fig.savefig(temporary, metadata={dated: None} | ({"Keywords": tag} if tag else {}))
    if data is not None:
        write_csv(folder / "data" / f"{name}.csv", data)
    _record(run, row, "figure", [f"{name}.pdf", f"{name}.png"], "" if data is None else f"data/{name}.csv")


def save_table(run, frame: pd.DataFrame, name: str, *, digits: int = 3, **about: Any) -> None:
    """Save ``frame`` below ``tables/`` as CSV (six digits), Markdown and LaTeX (``digits``), and its manifest row.

    Markdown and LaTeX carry the stamp (see ``stamp_of``), leave ``DETAILS`` to the CSV file, have an interval in its
    estimate's cell, p-values (columns ``p``, ``p_holm``, ``NAME_p`` and so on) that would round to nothing as
    ``<0.001``, and a dash for what is undefined. Arguments: see ``save_figure``.
    """
    path = table_path(name, run.folder / "figures")
    row, tag = _about(run, name, frame, **about)
    write_csv(path, frame)
    words = {"n =": row["n"], "student:": row["student"], "seed of the run:": row["seed"], "data:": row["source"]}
    note = f"{row['caption']} " + "; ".join(f"{key} {value}" for key, value in words.items() if value) + "."
    read = frame.drop(columns=DETAILS, errors="ignore")
    note += " The CSV file has more columns." if len(read.columns) < len(frame.columns) else ""
    note += f" {DASH} means undefined." if read.isna().to_numpy().any() else ""
    shown = read.apply(lambda column: column.map(lambda value: _shown(value, digits, str(column.name))))
    shown = _with_intervals(shown)
    note += " [Low, high]: 95% interval." if len(shown.columns) < len(read.columns) else ""
    sides = ["right" if frame[name].dtype.kind in "biuf" else "left" for name in shown]
    text = shown.to_markdown(index=False, disable_numparse=True, colalign=sides)
    text += f"\n\n{f'**{tag}.** ' if tag else ''}{note}\n"
    latex = f"% {note}\n" + shown.to_latex(index=False, escape=True).replace("<", "$<$")
    latex += f"\\par{{\\footnotesize {tag.replace('_', chr(92) + '_')}}}\n" if tag else ""
    for suffix, content in ((".md", text), (".tex", latex)):
        with replacing(path.with_suffix(suffix)) as temporary:
            temporary.write_text(content, encoding="utf-8")
    _record(run, row, "table", [f"tables/{name}{suffix}" for suffix in (".csv", ".md", ".tex")], f"tables/{name}.csv")


def _with_intervals(shown: pd.DataFrame) -> pd.DataFrame:
    """``low`` and ``high`` in the cell of the column before them, ``NAME_low`` and ``NAME_high`` in that of NAME."""
    names = [*map(str, shown)]
    for end in (name for name in names if name == "low" or (name.endswith("_low") and name[:-4] in names)):
        name = end[:-4] or names[names.index(end) - 1]
        ends = " [" + shown[end] + ", " + shown[f"{end[:-3]}high"] + "]"
        shown = shown.assign(**{name: shown[name].astype(str) + ends.where(shown[end] != DASH, "")})
        shown = shown.drop(columns=[end, f"{end[:-3]}high"])
    return shown


def _shown(value: object, digits: int, column: str) -> object:
    # ``p_answer_given_trace`` and its like are shares, no p-values.
    is_p = re.fullmatch(r"(.*_)?p(_value|_holm\w*|_adjusted)?|tost_holm", column)
    if value is None or str(value) == "<NA>" or value != value:
        return DASH
    if not isinstance(value, float):
        return named(value) if isinstance(value, str) else value
    return f"<{10**-digits:.{digits}f}" if is_p and value < 10**-digits else f"{value:.{digits}f}"


def _about(run, name: str, frame, *, caption: str, n: int | str, student=None, source=None) -> tuple[dict, str]:
    """What the manifest says of an artefact (see ``save_figure``), and its tag; ValueError for an empty caption."""
    if not caption.strip():
        raise ValueError(f"artefact {name!r} needs a caption: what is shown, in which unit")
    source = run.source_label if source is None else source
    tag = stamp_of(source, name, frame)
    missing = [part for part in tag.split("; ") if part and part not in source]
    row = dict.fromkeys(("id", "kind", "caption", "notebook", "files", "data"), "")
    row |= {"id": name, "caption": named(" ".join(caption.split())), "notebook": run.notebook}
    row |= {"student": run.student if student is None else student, "source": "; ".join([source, *missing])}
    return row | {"n": str(n), "seed": str(run.seed), "profile": run.profile.name, "commit": commit()}, tag


def _record(run, row: dict[str, str], kind: str, files: list[str], data: str) -> None:
    """Put one row into the manifest, in place of the row that had its id."""
    figures = run.folder / "figures"
    row |= {"kind": kind, "files": " ".join(files), "data": data}
    write_rows(figures, [*(old for old in rows(figures) if old["id"] != row["id"]), row])


def rows(figures: Path) -> list[dict[str, str]]:
    """The rows of a folder's ``MANIFEST.csv``; none where there is none."""
    import pandas as pd

    path = figures / "MANIFEST.csv"
    return pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records") if path.exists() else []


def files(row: dict[str, str]) -> list[str]:
    """The files of a manifest row below its folder, the data behind it included."""
    return list(dict.fromkeys([*row["files"].split(), *row["data"].split()]))


def write_rows(figures: Path, remaining: list[dict[str, str]]) -> None:
    """Write a ``MANIFEST.csv`` sorted by id in one piece; files that only rows taken out of it name are deleted."""
    import pandas as pd

    for file in {f for row in rows(figures) for f in files(row)} - {f for row in remaining for f in files(row)}:
        (figures / file).unlink(missing_ok=True)
    if remaining:
        write_csv(figures / "MANIFEST.csv", pd.DataFrame(remaining).sort_values("id"))
    else:
        (figures / "MANIFEST.csv").unlink(missing_ok=True)
