"""The paper check: each printed number beside what its own rule gives here and what the id-aligned verdict gives."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import pandas as pd

from tracekd.analysis.tables import cells
from tracekd.scoring import release_rules
from tracekd.stats import intervals

FOLLOWS = "follows to the digit"
MOVED = "does not follow from the released outputs"
ABSENT = "cannot be checked: the release has no outputs for it"
OUTSIDE = "cannot be checked: the data are not in our sources"
UNCOUNTED = "not counted here: needs the whole files"
SIZE = "follows from the files"
NAN = float("nan")


def published() -> pd.DataFrame:
    """Every number that the paper (arXiv 2505.13792) or its release prints, ``published.csv``.

    Columns: kind (``size``, ``answer metric``, ``matrix``, ``r1 subset``, ``seeds``, ``claim``, ``study``), dataset,
    category, student, condition (in our names), seed (empty where none is stated), measure, value (in ``unit``), unit,
    source (where it is printed).
    """
    return pd.read_csv(files("tracekd.analysis") / "published.csv", keep_default_na=False, dtype={"seed": str})


def check(published: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Check every row of ``published`` on the released verdicts (``released_tables.Release``).

    Returns:
        The printed rows with ``printed`` (their value), ``as_published`` (the same rule on the released outputs),
        ``aligned`` (the id-aligned counterpart, in the same unit), ``difference`` (as published here minus printed)
        and ``verdict``. NaN where there is nothing to compute from.
    """
    rows, keys = [], ["dataset", "student", "condition"]
    parts = dict(iter(table.groupby(keys)))  # once, not for each of 1,450 numbers
    for row in published.to_dict("records"):
        part = parts.get(tuple(row[key] for key in keys), table[:0])
        here, aligned, verdict = _checked(row, table, part)
        printed = row.pop("value")
        rows.append({**row, "printed": printed, "as_published": here, "aligned": aligned, "verdict": verdict})
    found = pd.DataFrame(rows)
    found.insert(found.columns.get_loc("verdict"), "difference", (found.as_published - found.printed).round(3))
    return found


def _checked(row: Mapping, table: pd.DataFrame, part: pd.DataFrame) -> tuple[float, float, str]:
    if row["kind"] == "size":
        if (row["category"], row["measure"]) != ("all", "test problems") or row["dataset"] not in set(table.dataset):
            return NAN, NAN, UNCOUNTED
        n = table[(table.dataset == row["dataset"]) & (table.joined == "test")].id.nunique()
        return n, n, SIZE if n == row["value"] else "the files have another count"
    if row["kind"] == "study":
        return NAN, NAN, OUTSIDE
    if row["kind"] == "claim":
        return _claim(row, table)
    if row["category"] != "all":
        part = part[part.category == row["category"]]
    if row["kind"] not in ("answer metric", "matrix") or part.empty:
        return NAN, NAN, ABSENT
    here, aligned = (_metric if row["kind"] == "answer metric" else _matrix)(row["measure"], part)
    return here, aligned, FOLLOWS if here == row["value"] else MOVED


def _metric(measure: str, part: pd.DataFrame) -> tuple[float, float]:
    """A published answer metric: percent, one decimal. Only acc and f1 have an id-aligned counterpart."""
    test = part[part.joined == "test"]
    theirs = {"acc": part.pub_answer_correct.sum(), **{name: part[f"pub_{name}"].sum() for name in ("f1", "p", "r")}}
    ours = {"acc": test.answer_correct.sum(), "f1": test.answer_f1.sum(), "p": NAN, "r": NAN}
    return tuple(release_rules.metric_row(sums, len(of))[measure] for sums, of in ((theirs, part), (ours, test)))


def _matrix(measure: str, part: pd.DataFrame) -> tuple[float, float]:
    """A published count: of the evaluated outputs under the release's rule, and of all test outputs aligned."""
    evaluated, test = part[part.pub_evaluated], part[part.joined == "test"]
    if measure == "unevaluated":
        return float(len(part) - len(evaluated)), float((test.status == "no_trace").sum())
    step, cell = measure.split(" ")
    if cell == "correct":
        # The release counts a right answer before it skips what has no trace.
        theirs = part if step == "answer" else evaluated
        return float(theirs[f"pub_{step}_correct"].sum()), float(test[f"{step}_correct"].sum())
    flags = {f"{name}_correct": evaluated[f"pub_{name}_correct"] for name in (step, "answer")}
    return float(cells(evaluated.assign(**flags), step)[cell]), float(cells(test, step)[cell])


def _claim(row: Mapping, table: pd.DataFrame) -> tuple[float, float, str]:
    if "led to" not in row["measure"]:
        return NAN, NAN, "a threshold; see the chi-squared of each matrix"
    part = table[(table.dataset == "cotempqa") & (table.student == "Qwen3-1.7B") & (table.condition == "correct")]
    counts = (part[part.pub_evaluated].pub_cell.value_counts(), part[part.joined == "test"].cell.value_counts())
    theirs, ours = (intervals.association_row(found) for found in counts)
    given = [f"{found['p_answer_given_trace']:.0%}" for found in (theirs, ours)]
    words = f"a joint share; right answers among right traces: {given[0]} as published, {given[1]} aligned"
    return round(100 * theirs["joint"], 1), round(100 * ours["joint"], 1), words


def by_kind(checked: pd.DataFrame) -> pd.DataFrame:
    """How many printed numbers of each kind (columns) have each verdict (rows), as they come."""
    verdict = checked.verdict.str.partition(":")[0].where(checked.kind != "claim", "see 06_claims").rename("verdict")
    return pd.crosstab(verdict, checked.kind).reindex(index=verdict.unique(), columns=checked.kind.unique())


def compact(checked: pd.DataFrame) -> pd.DataFrame:
    """The paper check at reading length: one row per published row, matrix, mean or statement.

    An answer row shows its acc and the verdict on all five numbers; a matrix its count of trace and answer both right
    and the verdict on all its numbers; R1 and seed results the mean of acc over categories (and seeds). Columns
    ``what``, ``measure``, ``printed``, ``as_published``, ``aligned``, ``difference``, ``verdict``.
    """
    parts, shown = [], {"answer metric": "acc", "matrix": "trace both"}
    means, by = checked.kind.isin(["r1 subset", "seeds"]), ["kind", "dataset", "student", "condition", "category"]
    for (kind, *_), part in checked[~means].groupby(by, sort=False):
        if kind in shown:
            follow = f"{int((part.verdict == FOLLOWS).sum())} of {len(part)} numbers follow"
            verdict = part.verdict.iloc[0] if part.verdict.nunique() == 1 else follow
            part = part[part.measure == shown[kind]].assign(verdict=verdict)
        parts.append(part)
    for _, part in checked[means & (checked.measure == "acc")].groupby(["kind", "student", "condition"], sort=False):
        mean = {"measure": f"acc, mean of {len(part)}", "category": "", "printed": round(part.printed.mean(), 2)}
        parts.append(part.head(1).assign(**mean))
    table = pd.concat(parts, ignore_index=True)
    names = table[["kind", "dataset", "category", "student", "condition"]].astype(str)
    names["student"] = names.student.str.removesuffix("-Instruct")
    table["what"] = [", ".join(name for name in row if name and name != "all") for row in names.to_numpy()]
    return table[["what", "measure", "printed", "as_published", "aligned", "difference", "verdict"]]
