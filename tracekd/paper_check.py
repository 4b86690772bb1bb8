"""The paper check: each printed number beside what its own rule gives here and what the id-aligned verdict gives."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tracekd import as_published, stats
from tracekd.tables import cells

FOLLOWS = "follows to the digit"
MOVED = "does not follow from the released outputs"
ABSENT = "cannot be checked: the release has no outputs for it"
OUTSIDE = "cannot be checked: the data are not in our sources"
UNCOUNTED = "not counted here: needs the whole files"
SIZE = "follows from the files"


def check(published: pd.DataFrame, verdicts: Mapping[str, pd.DataFrame], sizes: Mapping[tuple, int]) -> pd.DataFrame:
    """Check every row of ``published.load()``.

    Args:
        published: the printed numbers.
        verdicts: dataset to its table of released verdicts (``released_verdicts.read``).
        sizes: (dataset, category, measure) to a count made here; sizes that are not in it stay unchecked.

    Returns:
        The printed rows with ``printed`` (their value), ``as_published`` (the same rule on the released outputs),
        ``aligned`` (the id-aligned counterpart, in the same unit), ``difference`` (as published here less printed),
        ``aligned_less_printed``, and ``verdict``. NaN where there is nothing to compute from.
    """
    rows = []
    for row in published.to_dict("records"):
        here, aligned, verdict = float("nan"), float("nan"), ABSENT
        table = verdicts.get(row["dataset"])
        if row["kind"] == "size":
            here = aligned = sizes.get((row["dataset"], row["category"], row["measure"]), float("nan"))
            verdict = UNCOUNTED if here != here else SIZE if here == row["value"] else "the files have another count"
        elif row["kind"] == "study":
            verdict = OUTSIDE
        elif row["kind"] == "claim":
            here, aligned, verdict = _claim(row, verdicts)
        elif row["kind"] in ("answer metric", "matrix") and table is not None:
            part = table[(table.student == row["student"]) & (table.condition == row["condition"])]
            if row["category"] != "all":
                part = part[part.category == row["category"]]
            if len(part):
                find = _metric if row["kind"] == "answer metric" else _matrix
                here, aligned = find(row["measure"], part)
                verdict = FOLLOWS if here == row["value"] else MOVED
        rows.append({**row, "printed": row["value"], "as_published": here, "aligned": aligned, "verdict": verdict})
    found = pd.DataFrame(rows).drop(columns="value")
    found.insert(found.columns.get_loc("verdict"), "difference", (found.as_published - found.printed).round(3))
    found.insert(found.columns.get_loc("verdict"), "aligned_less_printed", (found.aligned - found.printed).round(3))
    return found


def _metric(measure: str, part: pd.DataFrame) -> tuple[float, float]:
    """A published answer metric: percent, one decimal. Only acc and f1 have an id-aligned counterpart."""
    test = part[part.joined == "test"]
    theirs = {"acc": part.pub_answer_correct.sum(), **{name: part[f"pub_{name}"].sum() for name in ("f1", "p", "r")}}
    ours = dict.fromkeys(as_published.METRICS, float("nan"))
    ours |= {"acc": test.answer_correct.sum(), "f1": test.answer_f1.sum()}
    return tuple(
        as_published.metric_row(sums, n).get(measure, float("nan"))
        for sums, n in ((theirs, len(part)), (ours, len(test)))
    )


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
    renamed = evaluated.drop(columns=[c for c in evaluated if f"pub_{c}" in evaluated]).rename(
        columns=lambda name: name.removeprefix("pub_")
    )
    return float(cells(renamed, step)[cell]), float(cells(test, step)[cell])


def _claim(row: Mapping, verdicts: Mapping[str, pd.DataFrame]) -> tuple[float, float, str]:
    if "led to" not in row["measure"] or "cotempqa" not in verdicts:
        return float("nan"), float("nan"), "a threshold; see the chi-squared of each matrix"
    table = verdicts["cotempqa"]
    part = table[(table.student == "Qwen3-1.7B") & (table.condition == "correct")]
    joint = stats.association(**_cells_of(part[part.pub_evaluated], "pub_"))
    aligned = stats.association(**_cells_of(part[part.joined == "test"], ""))
    theirs, ours = joint["p_answer_given_trace"]["value"], aligned["p_answer_given_trace"]["value"]
    words = f"a joint share; right answers among right traces: {theirs:.0%} as published, {ours:.0%} aligned"
    return round(100 * joint["joint"]["value"], 1), round(100 * aligned["joint"]["value"], 1), words


def _cells_of(part: pd.DataFrame, prefix: str) -> dict[str, int]:
    counts = part[f"{prefix}cell"].value_counts()
    return {name: int(counts.get(name, 0)) for name in ("both", "answer_only", "trace_only", "neither")}


def summary(checked: pd.DataFrame) -> pd.DataFrame:
    """How many printed numbers of each kind and set have each verdict."""
    short = checked.assign(verdict=checked.verdict.where(checked.kind != "claim", "see the claim's own row"))
    counts = short.groupby(["kind", "dataset", "verdict"], sort=False).size()
    return counts.rename("numbers").reset_index()


def compact(checked: pd.DataFrame) -> pd.DataFrame:
    """The paper check at reading length: one row a published row, matrix, mean or statement instead of each number.

    Returns:
        columns ``what``, ``measure``, ``printed``, ``as_published``, ``aligned``, ``difference`` (as published here
        less printed), ``verdict``. An answer row shows its acc and the verdict on all five numbers; a matrix its count
        of trace and answer both right and the verdict on all its numbers; R1 and seed results the mean of acc over
        categories (and seeds).
    """
    rows = []
    for key, part in checked.groupby(["kind", "dataset", "student", "condition", "category"], sort=False):
        kind, measures = key[0], part.measure
        if kind in ("r1 subset", "seeds"):
            continue
        if kind in ("answer metric", "matrix"):
            shown = part[measures == ("acc" if kind == "answer metric" else "trace both")]
            follow = int((part.verdict == FOLLOWS).sum())
            verdict = part.verdict.iloc[0] if part.verdict.nunique() == 1 else f"{follow} of {len(part)} numbers follow"
            rows += _short(shown.assign(verdict=verdict))
        else:
            rows += _short(part)
    means = checked[checked.kind.isin(["r1 subset", "seeds"]) & (checked.measure == "acc")]
    for key, part in means.groupby(["kind", "student", "condition"], sort=False):
        row = part.iloc[0].copy()
        row["measure"], row["category"], row["printed"] = f"acc, mean of {len(part)}", "", round(part.printed.mean(), 2)
        rows += _short(row.to_frame().T.assign(kind=key[0]))
    return pd.DataFrame(rows)


def _short(part: pd.DataFrame) -> list[dict]:
    found = []
    for row in part.to_dict("records"):
        names = (
            row["kind"],
            row["dataset"],
            row["category"],
            str(row["student"]).removesuffix("-Instruct"),
            row["condition"],
        )
        what = ", ".join(name for name in names if name and name != "all")
        numbers = {name: row[name] for name in ("printed", "as_published", "aligned", "difference")}
        found.append({"what": what, "measure": row["measure"], **numbers, "verdict": row["verdict"]})
    return found
