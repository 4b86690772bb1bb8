"""The paper's claims, in our words, tested on the replication: estimate, two intervals, margin, verdict.

An estimate is a difference between two training conditions on the same problems, averaged over seeds, or between
answers after right and after wrong steps within one condition. Two intervals stand beside it: ``low`` to ``high``
draws problems and seeds again, ``t_low`` to ``t_high`` is the two-way random-effects t interval (``resample.crossed``).
A seed sets a training's first weights and its order; the training problems and their wrong traces are the same for all
seeds, so that nothing here speaks of another draw of them.

Rules of decision, each end of a 90% interval at level 0.05, margin ``MARGIN``:

* ``not lower`` (non-inferiority): supported above minus the margin, not supported below it.
* ``not higher``: supported below the margin, not supported above it.
* ``no difference`` (equivalence by two one-sided tests, Schuirmann 1987): supported within the margin on both sides,
  not supported beyond it on one.
* ``higher``, ``lower`` (superiority by the margin): supported beyond the margin on their side, not supported short of
  it.

Anything else is inconclusive, and so is a decision that only one of the two intervals gives: two or three seeds are too
few for the bootstrap alone. A claim is not tested where a test would mean nothing; ``reason`` says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tracekd import resample
from tracekd.findings import INCONCLUSIVE, NOT_SUPPORTED, NOT_TESTED, SUPPORTED
from tracekd.freeform import longhand
from tracekd.replication import SIZE, categories_of, teachers
from tracekd.replication_tables import FEWEST, REPEATS, difference, tie
from tracekd.templated import TEACHER

MARGIN = 0.05  # five points of accuracy
TIE_MARGIN = 0.10  # of the difference between answers after right and after wrong steps
RULES = ("not lower", "not higher", "no difference", "higher", "lower")
NOT_RUN = "conditions not trained"
ENDS = ("low", "high", "t_low", "t_high", "low90", "high90", "t_low90", "t_high90", "least_difference")


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and the contrast that tests it.

    Attributes:
        sentence: our reading of it, short; set by set, where the paper speaks of its sets and students together.
        rule: one of the rules in the module's text.
        first, second: training conditions, first minus second; for a tie of step and answer ``second`` is empty.
        datasets: the sets it is said of.
        step: of a tie: ``trace``, or ``classification``, the label, which names no answer.
    """

    sentence: str
    rule: str
    first: str
    second: str = ""
    datasets: tuple[str, ...] = ("cotempqa", "marco", "babi")
    step: str = "trace"


R1_SETS = ("cotempqa",)
CLAIMS = (
    Claim("Incorrect traces do not lower accuracy, compared with correct ones", "not lower", "incorrect", "correct"),
    Claim("Incorrect traces do not lower accuracy, compared with no traces", "not lower", "incorrect", "vanilla"),
    Claim("Correct traces do not raise accuracy, compared with no traces", "not higher", "correct", "vanilla"),
    Claim("Answers are as often right after wrong traces as after right ones", "no difference", "correct"),
    Claim("Answers are as often right after wrong labels as after right ones", "no difference", "correct",
          step="classification"),
    Claim("R1 traces give the best accuracy, compared with no traces", "higher", "r1", "vanilla", R1_SETS),
    Claim("R1 traces give the best accuracy, compared with correct ones", "higher", "r1", "correct", R1_SETS),
    Claim("R1 traces give the best accuracy, compared with their summaries", "higher", "r1", "r1_summary", R1_SETS),
    Claim("R1 traces give the best accuracy, compared with explanations", "higher", "r1", "r1_explanation", R1_SETS),
    Claim("Swapped R1 traces destroy accuracy, compared with no traces", "lower", "swapped", "vanilla", R1_SETS),
    Claim("Swapped R1 traces destroy accuracy, compared with R1 traces in place", "lower", "swapped", "r1", R1_SETS),
)  # fmt: skip


def decide(rule: str, found: Mapping, margin: float) -> str:
    """The verdict of a rule (see the module's text) on an estimate with ``low90``, ``high90`` and ``t_`` ends.

    Raises:
        ValueError: a rule that is not known.
    """
    if rule not in RULES:
        raise ValueError(f"rule {rule!r}: expected one of {', '.join(RULES)}")
    ends = [(found["low90"], found["high90"])]
    if found.get("t_low90", np.nan) == found.get("t_low90", np.nan):
        ends.append((found["t_low90"], found["t_high90"]))
    verdicts = {_by_interval(rule, low, high, margin) for low, high in ends}
    return verdicts.pop() if len(verdicts) == 1 else INCONCLUSIVE


def _by_interval(rule: str, low: float, high: float, margin: float) -> str:
    above, below = low > margin, high < -margin
    supported, not_supported = {
        "not lower": (low > -margin, below),
        "not higher": (high < margin, above),
        "no difference": (-margin < low and high < margin, above or below),
        "higher": (above, high < margin),
        "lower": (below, low > -margin),
    }[rule]
    return SUPPORTED if supported else NOT_SUPPORTED if not_supported else INCONCLUSIVE


def tested(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """Every claim on every data set that it is tested on, on its answerable questions.

    Where a question has no answer, a right trace states no fact and the right answer declines: one decision, which a
    student may take of all questions alike.

    Args:
        verdicts: of ``replication.load``, one student.
        rng: of the intervals.
        repeats: resamples.

    Returns:
        columns claim, dataset, source, categories (of the test problems), reveals (``all``; and, for claims on
        incorrect traces where the records say it, what the wrong trace of a problem reveals), training_problems,
        teacher (who wrote free-form traces), rule, first, second, step, contrast (in words), margin, estimate, low,
        high (95%), t_low, t_high, low90, high90, t_low90, t_high90, least_difference (that these n and seeds could show
        with 80% power), n, seeds, by_seed (in words), cut (in words: outputs that ran into the limit and count as
        wrong, of the conditions where they are one percent or more), fewest, right_traces, verdict, reason, note. One
        row for each training size that has both conditions, largest first; where none has, one row of size 0.
    """
    rows = []
    for claim in CLAIMS:
        for dataset in claim.datasets:
            part = verdicts[(verdicts.dataset == dataset) & verdicts.answerable]
            for reveals, some in _parts(part, claim):
                sizes = [(size, _found(claim, of_size, rng, repeats)) for size, of_size in some.groupby(SIZE)]
                made = [(size, found) for size, found in reversed(sizes) if found] or [(0, {})]
                rows += [_row(claim, dataset, some, size, found) | {"reveals": reveals} for size, found in made]
    left = set(verdicts.dataset[~verdicts.answerable])
    table = pd.DataFrame(rows)
    return table.assign(
        categories=table.categories.where(~table.dataset.isin(left), table.categories + ", answerable questions alone")
    )


def _parts(part: pd.DataFrame, claim: Claim) -> Iterator[tuple[str, pd.DataFrame]]:
    """The problems together, and for claims on incorrect traces by what the wrong trace drawn for each reveals."""
    yield "all", part
    if "drawn_reveals" in part and "incorrect" in (claim.first, claim.second):
        yield from part[part.drawn_reveals.fillna("") != ""].groupby("drawn_reveals", sort=True)


def _found(claim: Claim, part: pd.DataFrame, rng: np.random.Generator, repeats: int) -> dict:
    if claim.second:
        return difference(part, claim.first, claim.second, rng, repeats)
    return tie(part, claim.first, rng, repeats, claim.step)


def _row(claim: Claim, dataset: str, part: pd.DataFrame, size: int, found: Mapping) -> dict:
    margin = MARGIN if claim.second else TIE_MARGIN
    part_of_size, both = part[part[SIZE] == size], [name for name in (claim.first, claim.second) if name]
    named = teachers(part_of_size)
    wrote = [named.get((dataset, name), "") for name in both]
    full = list(map(longhand, both, wrote))
    reason = _not_tested(part, wrote, found)
    verdict = NOT_TESTED if reason else decide(claim.rule, found, margin)
    return {
        "claim": claim.sentence, "dataset": dataset, "source": part.source.iloc[0] if len(part) else "",
        "categories": categories_of(part), "reveals": "all", SIZE: size,
        "teacher": " and ".join(sorted(set(wrote) - {""})), "rule": claim.rule, "first": claim.first,
        "second": claim.second, "step": "" if claim.second else claim.step, "contrast": _contrast(claim, full),
        "margin": margin,
        "estimate": found.get("value", np.nan), **{name: found.get(name, np.nan) for name in ENDS},
        "n": found.get("n", 0), "seeds": found.get("seeds", 0),
        "by_seed": "; ".join(f"{value:+.3f}" for value in found.get("by_seed", ())),
        "cut": _cut(part_of_size, both, full), "fewest": found.get("fewest", 0),
        "right_traces": found.get("right_traces", np.nan), "verdict": verdict, "reason": reason,
        "note": _note(found) if verdict == INCONCLUSIVE else "",
    }  # fmt: skip


def _contrast(claim: Claim, names: Sequence[str] = ()) -> str:
    """What is compared, in words; ``names`` are the conditions in longhand."""
    if claim.second:
        return f"accuracy: {' minus '.join(names or (claim.first, claim.second))}"
    steps = {"trace": "traces", "classification": "labels"}[claim.step]
    return f"{claim.first}: accuracy after right minus after wrong {steps}"


def _cut(part: pd.DataFrame, both: list[str], full: list[str]) -> str:
    """Outputs that ran into the limit, on the seeds that all of ``both`` have, in words."""
    seeds = set.intersection(*(set(part.seed[part.condition == name]) for name in both))
    compared = part[part.seed.isin(seeds)]
    cut = (compared.status == "truncated").groupby(compared.condition).mean()
    return "; ".join(
        f"{long} {100 * cut[name]:.1f}%" for name, long in zip(both, full, strict=True) if cut.get(name, 0) >= 0.01
    )


def _not_tested(part: pd.DataFrame, wrote: list[str], found: Mapping) -> str:
    """Why a test would mean nothing; empty where it means something."""
    if not found:
        return NOT_RUN
    reasons = {
        "one seed": found["seeds"] == 1,
        "traces written by rules": TEACHER in wrote,
        "generated problems": part.source.astype(str).str.contains("GENERATED").any(),
        f"fewer than {FEWEST} problems of a kind": found["fewest"] < FEWEST,
    }
    return "; ".join(reason for reason, holds in reasons.items() if holds)


def _note(found: Mapping) -> str:
    """Where an estimate that its margin leaves inconclusive lies by both 95% intervals."""
    below = found["high"] < 0 and not found["t_high"] >= 0
    above = found["low"] > 0 and not found["t_low"] <= 0
    return f"both 95% intervals {'below' if below else 'above'} 0" if below or above else ""


def power_beforehand(verdicts: pd.DataFrame, problems: Mapping[str, int], seeds: int) -> pd.DataFrame:
    """The least difference that each comparison could show, before it is run, from a pilot's variances.

    Args:
        verdicts: the pilot, of ``replication.load``. Pairs with two seeds or more count, at a set's largest size.
            Where a claim has no pilot on its set, its widest one on another set stands in, else the widest of its kind.
        problems: test problems planned for each data set.
        seeds: trainings planned for each condition.

    Returns:
        columns claim, dataset, problems, seeds, pilot (whose variances), least_difference (with 80% power at 0.05).
    """
    pilots = {}
    for (dataset, size), part in verdicts[verdicts.answerable].groupby(["dataset", SIZE]):
        for claim in CLAIMS:
            found = _found(claim, part, np.random.default_rng(0), 1)  # one resample, which is not looked at
            if found.get("seeds", 0) > 1 and "components" in found:
                pilots[claim, dataset] = (f"{dataset}, {size:,}: {_contrast(claim)}", found["components"])
    rows = []
    for claim in CLAIMS:
        for dataset in (name for name in claim.datasets if name in problems):
            own = [pilots[claim, dataset]] if (claim, dataset) in pilots else []
            own = own or [pilot for (other, _), pilot in pilots.items() if other == claim]
            own = own or [pilot for (other, _), pilot in pilots.items() if bool(other.second) == bool(claim.second)]
            least = {name: resample.least_difference(c, problems[dataset], seeds) for name, c in own}
            widest = max(least, key=least.get, default="")
            about = {"claim": claim.sentence, "dataset": dataset, "problems": problems[dataset], "seeds": seeds}
            rows.append(about | {"pilot": widest, "least_difference": least.get(widest, np.nan)})
    return pd.DataFrame(rows)
