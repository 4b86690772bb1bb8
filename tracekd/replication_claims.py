"""The paper's claims, in our words, tested on the replication: estimate, interval, test with its margin, verdict.

An estimate is a difference between two training conditions on the same problems, averaged over seeds, or between
answers after right and after wrong traces within one condition. Intervals draw problems and seeds again
(``stats.crossed_bootstrap``). A seed sets a training's first weights and its order; the training problems and their
wrong traces are the same for all seeds, so that nothing here speaks of another draw of them. With one seed the
intervals speak of these trainings alone, and the verdict says so.

Rules of decision, each end of the 90% interval at level 0.05, margin ``MARGIN``:

* ``not lower`` (non-inferiority): holds above minus the margin, fails below it.
* ``not higher``: holds below the margin, fails above it.
* ``no difference`` (equivalence by two one-sided tests, Schuirmann 1987): holds within the margin on both sides, fails
  beyond it on one.
* ``higher``, ``lower`` (superiority by the margin): hold beyond the margin on their side, fail short of it.

An interval that straddles the margin cannot be told. Where there are fewer than ``FEWEST`` problems to tell by, there
is no verdict either: right traces and wrong ones for a link, right answers of one of the two for a difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tracekd import stats
from tracekd import training_interventions as ti
from tracekd.freeform import longhand
from tracekd.replication import SIZE, categories_of, teachers

MARGIN = 0.05  # five points of accuracy
LINK_MARGIN = 0.10  # of the difference between answers after right and after wrong traces
HOLDS, NOT, UNTOLD, NOT_RUN = "holds here", "does not hold here", "cannot be told at this size", "not run"
TOO_FEW = "too few to test"
RULES = ("not lower", "not higher", "no difference", "higher", "lower")
FEWEST = 10  # problems of each kind that a verdict needs
REPEATS = 20_000  # resamples: the ends of intervals then move by less than 0.1 points from one seed to the next


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and the contrast that tests it.

    Attributes:
        sentence: our reading of it, short; set by set, where the paper speaks of its sets and students together.
        rule: one of the rules in the module's text.
        first, second: training conditions, first less second; for a link between trace and answer ``second`` is empty.
        datasets: the sets it is said of.
    """

    sentence: str
    rule: str
    first: str
    second: str = ""
    datasets: tuple[str, ...] = ("cotempqa", "marco", "babi")


CLAIMS = (
    Claim("Incorrect traces do not degrade the answers (against correct ones)", "not lower", "incorrect", "correct"),
    Claim("Incorrect traces do not degrade the answers (against none)", "not lower", "incorrect", "vanilla"),
    Claim("Traces do not help (correct ones against none)", "not higher", "correct", "vanilla"),
    Claim("Trace correctness does not predict the answer", "no difference", "correct"),
    Claim("The verbose traces train best (against none)", "higher", "r1", "vanilla", ("cotempqa",)),
    Claim("The verbose traces train best (against correct ones)", "higher", "r1", "correct", ("cotempqa",)),
    Claim("The verbose traces train best (against summaries)", "higher", "r1", "r1_summary", ("cotempqa",)),
    Claim("The verbose traces train best (against explanations)", "higher", "r1", "r1_explanation", ("cotempqa",)),
    Claim("Swapped traces destroy the answers (against none)", "lower", "swapped", "vanilla", ("cotempqa",)),
    Claim(
        "Swapped traces destroy the answers (against the same traces in place)", "lower", "swapped", "r1", ("cotempqa",)
    ),
)


def cube(frame: pd.DataFrame, conditions: Sequence[str], columns: Sequence[str] = ("answer_correct",)) -> np.ndarray:
    """Verdicts as (problems, seeds, conditions, columns), of the problems and seeds that all conditions have."""
    part = frame[frame.condition.isin(conditions)]
    wide = part.pivot(index="id", columns=["seed", "condition"], values=list(columns)).astype(float)
    seeds = [s for s in sorted(part.seed.unique()) if all((columns[0], s, c) in wide for c in conditions)]
    if not seeds:
        return np.empty((0, 0, len(conditions), len(columns)))
    names = [(name, s, c) for s in seeds for c in conditions for name in columns]
    kept = wide[names].dropna()
    return kept.to_numpy().reshape(len(kept), len(seeds), len(conditions), len(columns))


def difference(frame: pd.DataFrame, first: str, second: str, rng: np.random.Generator, repeats: int = REPEATS) -> dict:
    """Accuracy of ``first`` less that of ``second``, mean over problems and seeds, and each seed's own.

    Returns:
        value, low, high, low90, high90 (-1..1), n (problems), seeds, by_seed (a list), fewest (problems that the better
        of the two answers right with any seed); empty where one was not run.
    """
    units = cube(frame, (first, second))[..., 0]
    found = _estimate(units, lambda means: means[:, 0] - means[:, 1], rng, repeats)
    return found and found | {"fewest": int(units.any(axis=1).sum(axis=0).max())}


def link(frame: pd.DataFrame, condition: str, rng: np.random.Generator, repeats: int = REPEATS) -> dict:
    """Share of right answers where the student's own trace is right less where it is wrong.

    Returns:
        as ``difference``, without an estimate where all traces are right or all wrong; fewest (problems with a right
        trace, or with a wrong one, with any seed), right_traces (share of outputs, 0..1).
    """
    units = _by_trace(frame, condition)
    if not units.size:
        return {}
    found = _estimate(units, lambda means: _after(means, 0) - _after(means, 2), rng, repeats)
    found = found or {"n": len(units), "seeds": units.shape[1]}  # all traces right, or all wrong: nothing to compare
    return found | {
        "fewest": int(units[..., [0, 2]].any(axis=1).sum(axis=0).min()),
        "right_traces": float(units[..., 0].mean()),
    }


def _by_trace(frame: pd.DataFrame, condition: str) -> np.ndarray:
    """(problems, seeds, 4): trace right, and answer too; trace wrong, and answer right."""
    units = cube(frame, (condition,), ("trace_correct", "answer_correct"))
    trace, answer = units[:, :, 0, 0], units[:, :, 0, 1]
    return np.stack([trace, trace * answer, 1 - trace, (1 - trace) * answer], axis=-1)


def _after(means: np.ndarray, place: int) -> np.ndarray:
    """P(answer right | trace) from the share of such traces and of right answers with them; NaN without any."""
    return np.divide(means[:, place + 1], means[:, place], out=np.full(len(means), np.nan), where=means[:, place] > 0)


def shares_by_trace(frame: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """How often trace and answer are both right, and the answer after right and after wrong traces, over all seeds.

    Args:
        frame: verdicts of one size and student.
        rng: of the intervals, over problems and seeds.
        repeats: resamples.

    Returns:
        columns dataset, condition, n (problems), seeds, right_outputs and wrong_outputs (with such a trace), and
        right_traces (share of outputs), joint, p_answer_given_trace, p_answer_given_not_trace (0..1), each with
        ``_low`` and ``_high`` (95%); as ``plots_scores.share_bars`` takes them. NaN where fewer than ``FEWEST``
        problems had such a trace. Where all answers are alike, resampling cannot tell how far another problem's may
        lie: Wilson's interval stands there, on the problems that had such a trace.
    """
    # Name: the statistic, and whose problems it counts.
    statistics = {
        "right_traces": (lambda means: means[:, 0], [0, 2]),
        "joint": (lambda means: means[:, 1], [0, 2]),
        "p_answer_given_trace": (lambda means: _after(means, 0), [0]),
        "p_answer_given_not_trace": (lambda means: _after(means, 2), [2]),
    }
    rows = []
    for (dataset, condition), part in frame.groupby(["dataset", "condition"], sort=False, observed=True):
        units = _by_trace(part, condition)
        row = {"dataset": dataset, "condition": condition, "n": units.shape[0], "seeds": units.shape[1]}
        row |= {"right_outputs": int(units[..., 0].sum()), "wrong_outputs": int(units[..., 2].sum())}
        for name, (statistic, places) in statistics.items():
            many = int(units[..., places].any(axis=(1, 2)).sum())
            found = _estimate(units, statistic, rng, repeats) if many >= FEWEST else {}
            if found and found["value"] in (0, 1):
                found["low"], found["high"] = stats.wilson(int(found["value"]) * many, many)
            found = found or dict.fromkeys(("value", "low", "high"), np.nan)
            row |= {name: found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def _estimate(units: np.ndarray, statistic, rng: np.random.Generator, repeats: int) -> dict:
    """A ``statistic`` (see ``stats.crossed_bootstrap``) with intervals, n, seeds, by_seed; empty where it has none."""
    if not units.size or np.isnan(statistic(units.mean(axis=(0, 1))[None])[0]):
        return {}
    found = stats.crossed_bootstrap(units, statistic, rng, repeats)
    by_seed = statistic(units.mean(axis=0)).tolist()
    return found | {"n": len(units), "seeds": units.shape[1], "by_seed": by_seed}


def decide(rule: str, found: Mapping, margin: float) -> str:
    """The verdict of a rule (see the module's text) on an estimate.

    Raises:
        ValueError: a rule that is not known.
    """
    if rule not in RULES:
        raise ValueError(f"rule {rule!r}: expected one of {', '.join(RULES)}")
    if not found:
        return NOT_RUN
    if found["fewest"] < FEWEST:
        return TOO_FEW
    low, high = found["low90"], found["high90"]
    above, below = low > margin, high < -margin
    holds, fails = {
        "not lower": (low > -margin, below),
        "not higher": (high < margin, above),
        "no difference": (-margin < low and high < margin, above or below),
        "higher": (above, high < margin),
        "lower": (below, low > -margin),
    }[rule]
    return HOLDS if holds else NOT if fails else UNTOLD


def tested(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """Every claim on every data set that it is tested on, on its answerable questions.

    Where a question has no answer, a right trace states no fact and the right answer declines: one decision, which a
    student may take of all questions alike.

    Args:
        verdicts: of ``replication.load``, one student.
        rng: of the intervals.
        repeats: resamples.

    Returns:
        columns claim, dataset, source, categories (of the test problems), training_problems, teacher (who wrote
        free-form traces, if the claim has such), rule, contrast, margin, value, low, high (95%), low90, high90, n,
        seeds, by_seed (in words), cut (in words: outputs that ran into the limit and count as wrong, of the conditions
        where they are one percent or more), fewest, right_traces, verdict. One row for each training size that has both
        conditions, largest first; where none has, one row "not run" of size 0 with NaN.
    """
    rows = []
    for claim in CLAIMS:
        for dataset in claim.datasets:
            part = verdicts[(verdicts.dataset == dataset) & verdicts.answerable]
            sizes = [(size, _found(claim, some, rng, repeats)) for size, some in part.groupby(SIZE)]
            for size, found in [(s, f) for s, f in reversed(sizes) if f] or [(0, {})]:
                rows.append(_row(claim, dataset, part, size, found))
    left = set(verdicts.dataset[~verdicts.answerable])
    return pd.DataFrame(rows).assign(
        categories=lambda t: t.categories.where(~t.dataset.isin(left), t.categories + ", answerable questions alone")
    )


def _found(claim: Claim, part: pd.DataFrame, rng: np.random.Generator, repeats: int) -> dict:
    if claim.second:
        return difference(part, claim.first, claim.second, rng, repeats)
    return link(part, claim.first, rng, repeats)


def _row(claim: Claim, dataset: str, part: pd.DataFrame, size: int, found: Mapping) -> dict:
    margin = MARGIN if claim.second else LINK_MARGIN
    part_of_size, both = part[part[SIZE] == size], [name for name in (claim.first, claim.second) if name]
    named = teachers(part_of_size)
    wrote = [named.get((dataset, name), "") for name in both]
    full = list(map(longhand, both, wrote))
    contrast = f"accuracy of {' less '.join(full)}"
    if not claim.second:
        contrast = f"{claim.first}: right answers after right less after wrong traces"
    seeds = set.intersection(*(set(part_of_size.seed[part_of_size.condition == name]) for name in both))
    compared = part_of_size[part_of_size.seed.isin(seeds)]
    cut = (compared.status == "truncated").groupby(compared.condition).mean()
    cut = [f"{long} {100 * cut[name]:.1f}%" for name, long in zip(both, full, strict=True) if cut.get(name, 0) >= 0.01]
    return {
        "claim": claim.sentence, "dataset": dataset, "source": part.source.iloc[0] if len(part) else "",
        "categories": categories_of(part), SIZE: size,
        "teacher": " and ".join(sorted(set(wrote) - {""})), "rule": claim.rule, "contrast": contrast, "margin": margin,
        **{name: found.get(name, np.nan) for name in ("value", "low", "high", "low90", "high90")},
        "n": found.get("n", 0), "seeds": found.get("seeds", 0),
        "by_seed": "; ".join(f"{value:+.3f}" for value in found.get("by_seed", ())),
        "cut": "; ".join(cut), "fewest": found.get("fewest", 0), "right_traces": found.get("right_traces", np.nan),
        "verdict": _words(decide(claim.rule, found, margin), found),
    }  # fmt: skip


def _words(verdict: str, found: Mapping) -> str:
    notes = ["one seed"] if found.get("seeds") == 1 else []
    if verdict == UNTOLD and not found["low"] <= 0 <= found["high"]:
        notes.append(f"95% interval {'below' if found['high'] < 0 else 'above'} 0")
    return f"{verdict} ({'; '.join(notes)})" if notes else verdict


def plain(verdict: str) -> str:
    """A verdict without its notes, such as ``(one seed)``."""
    return verdict.partition(" (")[0]


def two_by_two(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """The 2 x 2 of training: what a wrong label and wrong facts each change in accuracy, per data set and size.

    Effects are means over the other step's two values; the interaction is the difference between these two values'
    effects. Columns: dataset, training_problems, effect, value, low, high, n, seeds. Data sets and sizes without all
    four conditions are left out.
    """
    # Axes of the conditions as in ``ti.TWO_BY_TWO``: right-right, label wrong, facts wrong, both wrong.
    weights = {
        "wrong label": np.array([-0.5, 0.5, -0.5, 0.5]),
        "wrong facts": np.array([-0.5, -0.5, 0.5, 0.5]),
        "interaction": np.array([1.0, -1.0, -1.0, 1.0]),
    }
    rows = []
    for (dataset, size), part in verdicts.groupby(["dataset", SIZE], sort=False):
        units = cube(part, ti.TWO_BY_TWO)[..., 0]
        for effect, weight in weights.items():
            found = _estimate(units, lambda means, w=weight: means @ w, rng, repeats)
            if found:
                kept = {name: found[name] for name in ("value", "low", "high", "n", "seeds")}
                rows.append({"dataset": dataset, SIZE: size, "effect": effect, **kept})
    return pd.DataFrame(rows, columns=["dataset", SIZE, "effect", "value", "low", "high", "n", "seeds"])


def doses(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """Accuracy at each share of corrupted traces, less that at none, per data set and training size.

    Only seeds that have every dose enter, so that all differences rest on the same trainings. Columns: dataset,
    training_problems, dose (percent), accuracy, change, low, high (of the change), n, seeds.
    """
    rows = []
    for (dataset, size), part in verdicts.groupby(["dataset", SIZE], sort=False):
        units = cube(part, tuple(ti.BY_DOSE))[..., 0]
        for place, dose in enumerate(ti.BY_DOSE.values()):
            found = _estimate(units, lambda means, k=place: means[:, k] - means[:, 0], rng, repeats)
            if found:
                kept = {name: found[name] for name in ("low", "high", "n", "seeds")}
                accuracy = float(units[:, :, place].mean())
                head = {"dataset": dataset, SIZE: size, "dose": dose}
                rows.append(head | {"accuracy": accuracy, "change": found["value"], **kept})
    return pd.DataFrame(rows, columns=["dataset", SIZE, "dose", "accuracy", "change", "low", "high", "n", "seeds"])
