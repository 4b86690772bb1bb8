"""The ratings that notebook 05 works on: the survey page's downloads, or SIMULATED ratings that say so everywhere."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from tracekd.study.ratings import COLUMNS, POINTS, TRACE_TYPES, is_check, scale_of
from tracekd.study.simulate import simulate

STAMP = "SIMULATED"
EXPECTED = {
    "participant": "an id",
    "trace_type": f"{', '.join(TRACE_TYPES)}, or nothing for a check",
    "item": f"{', '.join(scale_of())}, or check_1 to check_5",
    "rating": "a whole number from 1 to 5",
    "order": "the trace's place in the participant's sequence: 1, 2, ...",
    "seconds": "a number of seconds, or nothing",
}


@dataclass(frozen=True)
class Study:
    """Ratings in the long format of ``ratings``, their source in words, and how many rows were left out, by reason."""

    ratings: pd.DataFrame
    source: str
    simulated: bool = False
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Participants."""
        return int(self.ratings["participant"].nunique())

    def name(self, stem: str) -> str:
        """The artefact's name; ends in ``_SIMULATED`` for simulated ratings."""
        return f"{stem}_{STAMP}" if self.simulated else stem

    def about(self, caption: str) -> dict:
        """Caption (it begins with SIMULATED for simulated ratings), n, student and source, to save an artefact with."""
        caption = f"{STAMP} ratings, no evidence about people. {caption}" if self.simulated else caption
        return {"caption": caption, "n": f"{self.n} participants", "student": "", "source": self.source}

    def table(self, frame: pd.DataFrame, p: tuple[str, ...] = ()) -> Styler:
        """The frame as a notebook shows it: two decimals, powers of ten in the columns ``p``, stamped if simulated."""
        shown = frame.style.hide().format(precision=2, na_rep="").format("{:.1e}", subset=list(p), na_rep="")
        return shown.set_caption(f"{STAMP} ratings") if self.simulated else shown

    def __str__(self) -> str:
        """Participants, answers, source and what was left out, in one line."""
        dropped = "; ".join(f"{reason}: {rows} rows" for reason, rows in self.left_out.items()) or "nothing"
        return f"{self.n} participants, {len(self.ratings)} answers; source: {self.source}; left out: {dropped}"


def open_study(path: str | Path, rng: np.random.Generator) -> Study:
    """The ratings at ``path`` (see ``read``), or simulated ones where it is empty."""
    return read(path) if path else Study(simulate(rng), f"{STAMP} ratings (tracekd.study.simulate)", True)


def read(path: str | Path) -> Study:
    """Read ratings: a CSV file in the long format, or a folder of the files that participants downloaded.

    Answers that a participant gave a second time at the same place are left out, as a file saved twice has them; so
    are participants who did not rate every item for every trace type. Both are counted. Participants are numbered anew
    in the order of their ids, so that ids of a recruiting platform stay in the files.

    Raises:
        ValueError: no file, a column is missing, a value is not what ``EXPECTED`` says, or nothing is left.
    """
    path = Path(path)
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path.name}/: no .csv file: give the folder with the files that the survey page downloads")
    rows = pd.concat(map(_checked, files), ignore_index=True)
    whole = rows.drop_duplicates(["participant", "order", "item"])
    rated = whole[~is_check(whole["item"])].drop_duplicates(["participant", "trace_type", "item"])
    complete = rated.groupby("participant").size() == len(TRACE_TYPES) * len(scale_of())
    ratings = whole[whole["participant"].isin(complete.index[complete])]
    left_out = {"given twice": len(rows) - len(whole), "incomplete participants": len(whole) - len(ratings)}
    if ratings.empty:
        raise ValueError(f"{path.name}: no participant rated all items for all trace types ({len(rows)} rows read)")
    ids = [f"P{i + 1:04d}" for i in pd.factorize(ratings["participant"], sort=True)[0]]
    ratings = ratings.assign(participant=ids).sort_values(["participant", "order"], kind="stable")
    left_out = {reason: count for reason, count in left_out.items() if count}
    return Study(ratings.reset_index(drop=True), f"ratings file {path.name}", left_out=left_out)


def _checked(path: Path) -> pd.DataFrame:
    """One file with numbers as numbers; ValueError names the first value that is not as ``EXPECTED``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row has more cells than the header: lost else
            rows = pd.read_csv(path, dtype=str, na_filter=False, encoding="utf-8-sig", index_col=False)
    except (ValueError, pd.errors.ParserWarning) as error:  # pandas' own errors, and those of decoding
        raise ValueError(f"{path.name}: no CSV file in UTF-8 ({error}): give it as the survey page wrote it") from None
    if missing := [column for column in COLUMNS if column not in rows]:
        raise ValueError(f"{path.name}: no column {', '.join(missing)}: the long format has {', '.join(COLUMNS)}")
    given = pd.DataFrame({column: rows[column].str.strip() for column in COLUMNS})
    numeric = ("rating", "order", "seconds")
    number = {column: pd.to_numeric(given[column], errors="coerce").astype(float) for column in numeric}
    check = given["item"].str.fullmatch("check_[1-5]")
    right = {
        "participant": given["participant"].ne(""),
        "trace_type": given["trace_type"].isin(TRACE_TYPES) | check,
        "item": given["item"].isin(scale_of()) | check,
        "rating": number["rating"].isin(POINTS),
        "order": number["order"].ge(1) & number["order"].mod(1).eq(0),
        "seconds": number["seconds"].between(0, np.inf, inclusive="left") | given["seconds"].eq(""),
    }
    for column, good in right.items():
        if not good.all():
            line, value = good.idxmin(), rows[column][good.idxmin()]
            raise ValueError(
                f"{path.name}, line {line + 2}: {column} {value!r} ({(~good).sum()} rows): expected {EXPECTED[column]}"
            )
    ratings = given.assign(**number).astype({"rating": int, "order": float, "seconds": float})
    return ratings.assign(trace_type=ratings["trace_type"].mask(check, ""))
