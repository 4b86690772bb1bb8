"""The paper's claims, in our words, and our own questions, tested on the replication: estimate, intervals, verdict.

An estimate is a difference between two training conditions on the same problems, averaged over seeds, or between
answers after right and after wrong steps within one condition. ``low`` to ``high`` resamples problems and seeds, and
``t_low`` to ``t_high`` is the two-way random-effects t interval (``bootstrap.crossed``). A seed sets a training's first
weights and its order, not its problems.

Rules of decision, by the ends of a 90% interval (level 0.05) and a margin:

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

from tracekd.analysis.narrative import INCONCLUSIVE, NOT_SUPPORTED, NOT_TESTED, SUPPORTED
from tracekd.analysis.recorded import SIZE, categories_of, teachers
from tracekd.analysis.replication_tables import FEWEST, REPEATS, difference, tie
from tracekd.traces.freeform import longhand
from tracekd.traces.templated import TEACHER

MARGIN = 0.05  # five points of accuracy
TIE_MARGIN = 0.10  # of the difference between answers after right and after wrong steps
NOT_RUN = "conditions not trained"
ENDS = ("low", "high", "t_low", "t_high", "low90", "high90", "t_low90", "t_high90", "least_difference")


@dataclass(frozen=True)
class Claim:
    """A claim and the contrast that tests it, set by set, where the paper speaks of its sets and students together.

    ``first`` minus ``second`` are training conditions. Without a ``second`` the claim is about the tie of the answer
    with a step: ``trace``, or ``classification``, the label, which names no answer.
    """

    sentence: str
    rule: str
    first: str
    second: str = ""
    datasets: tuple[str, ...] = ("cotempqa", "marco", "babi")
    step: str = "trace"


R1 = ("cotempqa",)
BABI = ("babi",)
CLAIMS = (
    Claim("Incorrect traces do not lower accuracy, compared with correct ones", "not lower", "incorrect", "correct"),
    Claim("Incorrect traces do not lower accuracy, compared with no traces", "not lower", "incorrect", "vanilla"),
    Claim("Correct traces do not raise accuracy, compared with no traces", "not higher", "correct", "vanilla"),
    Claim("Answers are as often right after wrong traces as after right ones", "no difference", "correct"),
    Claim("Answers are as often right after wrong labels as after right ones", "no difference", "correct",
          step="classification"),
    Claim("R1 traces give the best accuracy, compared with no traces", "higher", "r1", "vanilla", R1),
    Claim("R1 traces give the best accuracy, compared with correct ones", "higher", "r1", "correct", R1),
    Claim("R1 traces give the best accuracy, compared with their summaries", "higher", "r1", "r1_summary", R1),
    Claim("R1 traces give the best accuracy, compared with explanations", "higher", "r1", "r1_explanation", R1),
    Claim("Swapped R1 traces destroy accuracy, compared with no traces", "lower", "swapped", "vanilla", R1),
    Claim("Swapped R1 traces destroy accuracy, compared with R1 traces in place", "lower", "swapped", "r1", R1),
)  # fmt: skip
# What the paper leaves open, and its R1 claims where R1's final messages are taught as answers, as in the release.
QUESTIONS = (
    Claim("Uniform wrong traces do as the default ones", "no difference", "incorrect_uniform", "incorrect",
          ("babi", "cotempqa")),
    Claim("The release's kind of wrong traces does as the default one", "no difference", "incorrect_as_published",
          "incorrect", ("babi", "cotempqa")),
    Claim("Blind traces do not lower accuracy, compared with correct ones", "not lower", "any", "correct", BABI),
    Claim("Blind traces do as incorrect ones", "no difference", "any", "incorrect", BABI),
    Claim("Other problems' traces do not lower accuracy, compared with correct ones", "not lower", "foreign", "correct",
          BABI),
    Claim("Natural wrong traces do not lower accuracy, compared with correct ones", "not lower", "natural",
          "natural_correct", BABI),
    Claim("Natural wrong traces do as the default ones", "no difference", "natural", "natural_incorrect", BABI),
    Claim("With R1's messages as answers, R1 traces raise accuracy, compared with no traces", "higher",
          "r1_as_released", "vanilla_as_released", R1),
    Claim("With R1's messages as answers, swapped traces lower accuracy, compared with no traces", "lower",
          "swapped_as_released", "vanilla_as_released", R1),
)  # fmt: skip
MISLEADING = {"incorrect", "natural_incorrect"}  # their wrong traces are the ones that ``drawn_reveals`` is about


def decide(rule: str, found: Mapping, margin: float) -> str:
    """The verdict of a rule (see the module's text) on an estimate with ``low90``, ``high90`` and ``t_`` ends."""
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


def tested(
    verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS, claims: Sequence[Claim] = CLAIMS
) -> pd.DataFrame:
    """Every claim on each of its data sets, on answerable questions, for each training size with both conditions.

    Where a question has no answer, a right trace states no fact and the right answer declines: one decision, which a
    student may take of all questions alike.

    Returns:
        claim, dataset, source, categories, reveals (``all``; for claims on incorrect traces also what the wrong trace
        drawn for a problem reveals), training_problems (0: not trained), teacher, rule, first, second, step, contrast,
        margin, estimate with its 95% and 90% intervals, least_difference (that these problems and seeds show with 80%
        power), n, seeds, by_seed, cut (share of outputs cut at the limit, from one percent on), fewest, right_traces,
        verdict, reason, note.
    """
    rows = []
    for claim in claims:
        for dataset in claim.datasets:
            part = verdicts[(verdicts.dataset == dataset) & verdicts.answerable]
            for reveals, some in _parts(part, claim):
                sizes = [(size, _found(claim, of_size, rng, repeats)) for size, of_size in some.groupby(SIZE)]
                made = [(size, found) for size, found in reversed(sizes) if found]
                made = made or [(0, {})] * (reveals == "all")
                rows += [_row(claim, dataset, some, size, found) | {"reveals": reveals} for size, found in made]
    mixed = set(verdicts.dataset[~verdicts.answerable])
    table = pd.DataFrame(rows)
    alone = table.categories + ", answerable questions alone"
    return table.assign(categories=table.categories.where(~table.dataset.isin(mixed), alone))


def _parts(part: pd.DataFrame, claim: Claim) -> Iterator[tuple[str, pd.DataFrame]]:
    """The problems together, and for claims on incorrect traces by what the wrong trace drawn for each reveals."""
    yield "all", part
    if "drawn_reveals" in part and MISLEADING & {claim.first, claim.second}:
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


def _contrast(claim: Claim, names: Sequence[str]) -> str:
    """What is compared, in words; ``names`` are the conditions in longhand."""
    if claim.second:
        return f"accuracy: {' minus '.join(names)}"
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
