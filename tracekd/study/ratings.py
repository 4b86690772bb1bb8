"""Ratings of reasoning traces: read from the survey page's files, checked, scored; and the published numbers.

One row of the long format (``COLUMNS``) is one participant's answer to one item about one trace: ``trace_type`` is one
of ``TRACE_TYPES``, empty for attention checks; ``item`` stands in ``survey_items.toml``, or is ``check_K``, a check
whose right answer is K; ``rating`` is 1 to 5; ``order`` is the trace's place, from 1; ``seconds`` may be missing.
"""

import tomllib
import warnings
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from tracekd.analysis import paper_check

LABELS = {"r1": "R1", "r1_summary": "R1 summary", "r1_explanation": "R1 explanation", "correct": "correct"}
TRACE_TYPES = tuple(LABELS)
# Students of the published R1 conditions, the small ones first.
STUDENTS = ("Llama-3.2-1B-Instruct", "Qwen3-1.7B", "Llama-3.1-8B-Instruct", "Qwen3-8B")
SCALES = ("interpretability", "cognitive_load")
COLUMNS = ("participant", "problem", "trace_type", "item", "rating", "order", "seconds")
POINTS = (1, 2, 3, 4, 5)

# A participant is careless from these values on; the notebook states them beside the results.
SAME_SHARE = 0.95  # share of equal ratings over both scales, which run against each other for a readable trace
FAST = 1.0  # seconds: a median answer below this is too fast to have read the item
FAILED = 0.5  # share of failed attention checks


@cache
def questionnaire() -> dict:
    """The questionnaire in ``survey_items.toml``."""
    return tomllib.loads(Path(__file__).with_name("survey_items.toml").read_text(encoding="utf-8"))


def scale_of() -> dict[str, str]:
    """Item name to scale name, in the questionnaire's order."""
    return {item: scale for scale, about in questionnaire()["scales"].items() for item in about["items"]}


def latin_square(n: int) -> np.ndarray:
    """Orders of an even number of things, one per row, balanced by place and by predecessor (Williams, 1949)."""
    first = [0] + [(k + 1) // 2 if k % 2 else n - k // 2 for k in range(1, n)]
    return (np.array(first) + np.arange(n)[:, None]) % n


@dataclass(frozen=True)
class Study:
    """Ratings in the long format, their source in words, and how many rows were left out, by reason."""

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
        return f"{stem}_SIMULATED" if self.simulated else stem

    def about(self, caption: str) -> dict:
        """Caption (it begins with SIMULATED for simulated ratings), n, student and source, to save an artefact with."""
        caption = f"SIMULATED ratings, no evidence about people. {caption}" if self.simulated else caption
        return {"caption": caption, "n": f"{self.n} participants", "student": "", "source": self.source}

    def table(self, frame: pd.DataFrame, p: tuple[str, ...] = ()) -> Styler:
        """The frame as a notebook shows it: two decimals, powers of ten in the columns ``p``, stamped if simulated."""
        shown = frame.style.hide().format(precision=2, na_rep="").format("{:.1e}", subset=list(p), na_rep="")
        return shown.set_caption("SIMULATED ratings") if self.simulated else shown

    def __str__(self) -> str:
        """Participants, answers, source and what was left out, in one line."""
        dropped = "; ".join(f"{reason}: {rows} rows" for reason, rows in self.left_out.items()) or "nothing"
        return f"{self.n} participants, {len(self.ratings)} answers; source: {self.source}; left out: {dropped}"


def read(path: str | Path) -> Study:
    """Read ratings: a CSV file in the long format, or a folder of the files that participants downloaded.

    Left out and counted: answers given twice at the same place, and incomplete participants. The others are numbered
    anew, so that a platform's ids stay in the files. ValueError for no file, a wrong value, or where nothing is left.
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
    ratings = ratings.assign(participant=ids).sort_values(["participant", "order"], kind="stable", ignore_index=True)
    return Study(ratings, f"ratings file {path.name}", left_out={why: n for why, n in left_out.items() if n})


def _checked(path: Path) -> pd.DataFrame:
    """One file with numbers as numbers; ValueError names the first value that is not as its column asks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row has more cells than the header: lost else
            rows = pd.read_csv(path, dtype=str, na_filter=False, encoding="utf-8-sig", index_col=False)
    except (ValueError, pd.errors.ParserWarning) as error:  # pandas' own errors, and those of decoding
        raise ValueError(f"{path.name}: no CSV file in UTF-8 ({error}): give it as the survey page wrote it") from None
    if missing := [column for column in COLUMNS if column not in rows]:
        raise ValueError(f"{path.name}: no column {', '.join(missing)}: the long format has {', '.join(COLUMNS)}")
    given = rows[list(COLUMNS)].apply(lambda column: column.str.strip())
    number = given[["rating", "order", "seconds"]].apply(pd.to_numeric, errors="coerce").astype(float)
    check = given["item"].str.fullmatch("check_[1-5]")
    kinds, known = ", ".join(TRACE_TYPES), ", ".join(scale_of())
    for column, good, expected in (
        ("participant", given["participant"].ne(""), "an id"),
        ("trace_type", given["trace_type"].isin(TRACE_TYPES) | check, f"{kinds}, or nothing for a check"),
        ("item", given["item"].isin(scale_of()) | check, f"{known}, or check_1 to check_5"),
        ("rating", number["rating"].isin(POINTS), "a whole number from 1 to 5"),
        ("order", number["order"].ge(1) & number["order"].mod(1).eq(0), "the trace's place, from 1"),
        ("seconds", number["seconds"].between(0, np.inf, "left") | given["seconds"].eq(""), "seconds, or nothing"),
    ):
        if not good.all():
            line, wrong = good.idxmin(), (~good).sum()
            value = rows[column][line]
            raise ValueError(f"{path.name}, line {line + 2}: {column} {value!r} ({wrong} rows): expected {expected}")
    return given.assign(**number, trace_type=given["trace_type"].mask(check, "")).astype({"rating": int})


def is_check(items: pd.Series) -> pd.Series:
    """True for attention checks."""
    return items.str.startswith("check_")


def answers(ratings: pd.DataFrame) -> pd.DataFrame:
    """The ratings without attention checks, with their ``scale``."""
    rows = ratings[~is_check(ratings["item"])]
    return rows.assign(scale=rows["item"].map(scale_of()))


def scores(ratings: pd.DataFrame, scale: str) -> pd.DataFrame:
    """Mean rating of each participant for each trace type on one scale: participants x trace types, 1 to 5."""
    rows = answers(ratings).query("scale == @scale")
    return rows.pivot_table("rating", "participant", "trace_type").reindex(columns=list(TRACE_TYPES))


def shares(ratings: pd.DataFrame) -> pd.DataFrame:
    """Shares of the points: scale, trace_type, participants, ratings, then columns 1 to 5 (sum 1)."""
    grouped = answers(ratings).groupby(["scale", "trace_type"])
    found = grouped.agg(participants=("participant", "nunique"), ratings=("rating", "size"))
    found = found.join(grouped["rating"].value_counts(normalize=True).unstack().reindex(columns=POINTS)).fillna(0.0)
    return found.loc[[(scale, kind) for scale in SCALES for kind in TRACE_TYPES]].reset_index()


def careless(ratings: pd.DataFrame) -> pd.Series:
    """Whether each participant answered without reading: one of the thresholds at the top of this module is passed."""
    rated, asked = answers(ratings).groupby("participant"), ratings[is_check(ratings["item"])]
    same = rated["rating"].agg(lambda r: r.value_counts(normalize=True).iloc[0])
    wrong = asked["rating"] != asked["item"].str.removeprefix("check_").astype(int)
    failed = wrong.groupby(asked["participant"]).mean().astype(float).reindex(same.index)
    return (same >= SAME_SHARE) | (rated["seconds"].median() < FAST) | (failed >= FAILED)


@cache
def published() -> pd.DataFrame:
    """Published mean ratings, and the accuracy of students trained on the same trace types, from ``published.csv``.

    Index: quantity (a scale: mean rating, 1 to 5; ``accuracy``: percent, mean over the four CoTempQA categories of the
    R1 subset) and student ("" for ratings). Columns: trace types and ``vanilla``; missing where no source has a value.
    """
    table = paper_check.published()
    rated = table[table["kind"] == "study"].assign(student="", quantity=lambda t: t["measure"].str.replace(" ", "_"))
    subset = table[(table["kind"] == "r1 subset") & (table["measure"] == "acc")].assign(quantity="accuracy")
    index = pd.MultiIndex.from_tuples([(scale, "") for scale in SCALES] + [("accuracy", name) for name in STUDENTS])
    means = pd.concat([rated, subset]).groupby(["quantity", "student", "condition"])["value"].mean().unstack()
    return means.reindex(index=index.set_names(["quantity", "student"]), columns=[*TRACE_TYPES, "vanilla"])
