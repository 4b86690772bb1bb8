"""The tables of the evaluation notebooks, from verdict frames: the same for our students and for the authors'."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.contingency_tables import StratifiedTable

from tracekd import as_published, stats
from tracekd.agreement import AGREEMENTS, agreement
from tracekd.problems import Problem
from tracekd.records import read_jsonl
from tracekd.score import Faults, verdict, verdicts

STEPS = ("classification", "retrieval", "trace")
BY = ("dataset", "condition")
# Columns of a verdict that hold text of a problem or an output; no committed table has them.
TEXT = ("classification_stated", "facts_stated", "answer_stated")


def verdict_frame(problems: Iterable[Problem], paths: Iterable[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score outputs files of our own students.

    Returns:
        One row an output: the columns of ``score.verdict`` and ``agreement.agreement``, those of
        ``as_published.verdict`` with the prefix ``pub_``, ``student``, ``condition``, ``seed``, ``n_tokens``, and
        ``joined`` (always ``test``, as in the tables of the released outputs). And one row a file: file, outputs,
        malformed, unknown, duplicate.
    """
    known, rows, files = {p.id: p for p in problems}, [], []
    gold_rows = as_published.GoldRows(p for p in known.values() if p.split == "test")
    for path in paths:
        faults, about = Faults(), {}

        def noted(path: Path = path, about: dict = about):
            for output in read_jsonl(path):
                about.setdefault(
                    output.get("id"), {k: output.get(k) for k in ("student", "condition", "seed", "n_tokens")}
                )
                yield output

        found = list(verdicts(known, noted(), faults, partial(_judge, gold_rows)))
        rows += [{**row, **about[row["id"]], "joined": "test"} for row in found]
        counts = {k: v for k, v in faults.counts.items() if k != "missing"}
        files.append({"file": f"{path.parent.name}/{path.name}", "outputs": len(found), **counts})
    return pd.DataFrame(rows), pd.DataFrame(files)


def _judge(gold_rows: as_published.GoldRows, problem: Problem, text: str, finished: bool) -> dict:
    row, theirs = verdict(problem, text, finished), as_published.verdict(problem, text, gold_rows)
    kept = ("evaluated", "other_row", "cell", *(f"{step}_correct" for step in (*STEPS, "answer")))
    return row | agreement(problem, row) | {f"pub_{name}": theirs[name] for name in kept}


def without_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as it may be committed: ids, flags, counts and status, no text of problems or outputs."""
    return frame.drop(columns=[c for c in TEXT if c in frame])


def accuracy(
    frame: pd.DataFrame, column: str, rng: np.random.Generator, repeats: int = 2000, by: Sequence[str] = BY
) -> pd.DataFrame:
    """Share of True for each group with a 95% interval over problems.

    One output a problem: Wilson. Several (seeds): percentile bootstrap that draws problems, with all their seeds.

    Returns:
        columns ``by``, value, low, high (0..1), problems, outputs, seeds, interval (``wilson`` or ``bootstrap``).
    """
    rows = []
    for key, part in frame.groupby(list(by), sort=False, observed=True):
        seeds = part.seed.nunique() if "seed" in part else 1
        if part.id.is_unique:
            found = stats.share(int(part[column].sum()), len(part))
        else:
            sums = part.groupby("id")[column].agg(["sum", "size"]).to_numpy(float)
            found = stats.bootstrap(sums, lambda drawn: drawn[:, 0].sum() / drawn[:, 1].sum(), rng, repeats)
        rows.append(
            {
                **dict(zip(by, key, strict=True)),
                **{name: found[name] for name in ("value", "low", "high")},
                "problems": part.id.nunique(), "outputs": len(part), "seeds": seeds,
                "interval": "wilson" if part.id.is_unique else "bootstrap",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def step_accuracy(frame: pd.DataFrame, rng: np.random.Generator, by: Sequence[str] = BY) -> pd.DataFrame:
    """``accuracy`` of each step in long form, with a column ``step``, and of retrieval at least one gold fact."""
    columns = {step: f"{step}_correct" for step in (*STEPS, "answer")} | {"any gold fact": "retrieval_any"}
    parts = [accuracy(frame, column, rng, by=by).assign(step=step) for step, column in columns.items()]
    return pd.concat(parts, ignore_index=True)


def statuses(frame: pd.DataFrame, by: Sequence[str] = BY) -> pd.DataFrame:
    """How many outputs have each status; a row's counts add up to its ``n``."""
    table = frame.groupby([*by, "status"], sort=False, observed=True).size().unstack(fill_value=0)
    table.insert(0, "n", table.sum(axis=1))
    return table.rename_axis(columns=None).reset_index()


def cells(frame: pd.DataFrame, step: str) -> dict[str, int]:
    """The four counts of a step against the answer."""
    right, answer = frame[f"{step}_correct"].astype(bool), frame["answer_correct"].astype(bool)
    return {
        "both": int((right & answer).sum()),
        "answer_only": int((~right & answer).sum()),
        "trace_only": int((right & ~answer).sum()),
        "neither": int((~right & ~answer).sum()),
    }


def associations(frame: pd.DataFrame, by: Sequence[str] = BY, steps: Sequence[str] = STEPS) -> pd.DataFrame:
    """One row a group and step: the 2x2 counts and everything of ``stats.association_row``, p-values Holm-adjusted.

    With several seeds the counts are pooled; their intervals then are too narrow, and ``replicates`` is the test.
    """
    rows = [
        {**dict(zip(by, key, strict=True)), "step": step, **stats.association_row(cells(part, step))}
        for key, part in frame.groupby(list(by), sort=False, observed=True)
        for step in steps
    ]
    table = pd.DataFrame(rows)
    return table.assign(p_holm=stats.holm(table.p_value))


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of ``associations`` that a reader needs, in reading order; the data file of a figure has all."""
    first = table.columns[: table.columns.get_loc("step") + 1]
    kept = (
        "n", "both", "answer_only", "trace_only", "neither", "joint", "p_answer_given_trace",
        "p_answer_given_not_trace", "phi", "phi_low", "phi_high", "chi2", "expected_min", "test", "p_value", "p_holm",
    )  # fmt: skip
    return table[[*first, *kept]]


def contrasts(
    frame: pd.DataFrame,
    margin: float = 0.05,
    column: str = "answer_correct",
    within: Sequence[str] = ("dataset",),
    order: Sequence[str] = (),
) -> pd.DataFrame:
    """Every pair of conditions on the same problems: exact McNemar with Holm over the table, and equivalence.

    Only the first seed of each condition enters, since replicates of a problem are no new problems.

    Returns:
        columns ``within``, first, second, n, only_first, only_second, difference, low, high, p_value, p_holm,
        tost_p, equivalent (within ``margin``), detectable (least difference found with 80% power).
    """
    rows = []
    for key, part in frame.groupby(list(within), sort=False, observed=True):
        first_seed = part[part.seed == part.groupby("condition").seed.transform("min")] if "seed" in part else part
        wide = first_seed.pivot(index="id", columns="condition", values=column)
        names = [c for c in (order or part.condition.unique()) if c in wide]
        for first, second in combinations(names, 2):
            pair = wide[[first, second]].dropna().astype(bool)
            if pair.empty:
                continue
            test, same = stats.mcnemar(pair[first], pair[second]), stats.tost(pair[first], pair[second], margin)
            rows.append(
                {
                    **dict(zip(within, key, strict=True)), "first": first, "second": second, "n": len(pair),
                    "only_first": test["only_first"], "only_second": test["only_second"],
                    "difference": test["value"], "low": test["low"], "high": test["high"],
                    "p_value": test["p_value"], "tost_p": same["p_value"], "equivalent": same["equivalent"],
                    "detectable": same["detectable"],
                }
            )  # fmt: skip
    table = pd.DataFrame(rows)
    if len(table):
        table.insert(table.columns.get_loc("p_value") + 1, "p_holm", stats.holm(table.p_value))
    return table


def agreements(frame: pd.DataFrame, by: Sequence[str] = BY) -> pd.DataFrame:
    """Where the answer came from: one row a group and kind, with n, share of the group, and answers right in it."""
    rows = []
    for key, part in frame.groupby(list(by), sort=False, observed=True):
        for kind in AGREEMENTS:
            those = part[part.agreement == kind]
            share = stats.share(len(those), len(part))
            rows.append(
                {
                    **dict(zip(by, key, strict=True)), "agreement": kind, "n": len(those), "value": share["value"],
                    "low": share["low"], "high": share["high"], "answers_right": int(those.answer_correct.sum()),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def masked(frame: pd.DataFrame, by: Sequence[str] = BY) -> pd.DataFrame:
    """Phi of the answer with the trace, with the trace whose answers are masked, and with the label alone.

    The label names no answer, so what it shares with the answer is not there by copying.
    """
    names = {
        "trace": "trace_correct",
        "trace, answers masked": "masked_trace_correct",
        "label": "classification_correct",
    }
    rows = []
    for key, part in frame.groupby(list(by), sort=False, observed=True):
        for name, column in names.items():
            found = stats.association_row(cells(part.assign(masked_correct=part[column]), "masked"))
            kept = {
                k: found[k] for k in ("n", "both", "answer_only", "trace_only", "neither", "phi", "phi_low", "phi_high")
            }
            rows.append({**dict(zip(by, key, strict=True)), "compared": name, **kept})
    return pd.DataFrame(rows)


def stratified(frame: pd.DataFrame, step: str, by: Sequence[str] = BY, strata: str = "category") -> pd.DataFrame:
    """A step against the answer within strata: the pooled odds ratio of Mantel and Haenszel, and their test.

    Categories differ in difficulty, for the label and for the answer alike; that alone makes the two hang together in
    a table over all categories. Within categories it cannot.

    Returns:
        columns ``by``, step, n, strata (those where no margin is empty), odds_ratio (0 or infinite where a cell is
        empty in all of them; its interval is then NaN), low, high (95%), p_value.
    """
    rows = []
    for key, part in frame.groupby(list(by), sort=False, observed=True):
        tables = [np.array(list(cells(group, step).values()), float) for _, group in part.groupby(strata)]
        # Order both, answer_only, trace_only, neither: rows are the answer, columns the step.
        squares = [t.reshape(2, 2) for t in tables]
        usable = [s for s in squares if min(*s.sum(0), *s.sum(1)) > 0]
        row = {**dict(zip(by, key, strict=True)), "step": step, "n": len(part), "strata": len(usable)}
        if usable:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore", RuntimeWarning)  # an empty cell in every stratum: odds of 0 or infinity
                pooled = StratifiedTable(usable)
                low, high = pooled.oddsratio_pooled_confint()
                row |= {"odds_ratio": pooled.oddsratio_pooled, "low": low, "high": high}
                row["p_value"] = float(pooled.test_null_odds(correction=False).pvalue)
        rows.append(row)
    return pd.DataFrame(rows, columns=[*by, "step", "n", "strata", "odds_ratio", "low", "high", "p_value"])
