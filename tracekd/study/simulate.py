"""SIMULATED ratings of the human study, with every assumption in one table, and the power of its tests.

A rating is a normal value, rounded and held within 1 to 5: ``clip(round(mean of the trace type + participant +
liking + answer))``. Its expected value is ``1 + sum of P(value > k + 0.5) over k = 1..4``; the latent mean is solved
so that the mean rating is the wanted one. Nothing here is evidence about people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats as sps
from scipy.optimize import brentq

from tracekd.stats.intervals import wilson
from tracekd.study import ratings as study
from tracekd.study.ratings import COLUMNS, POINTS, SCALES, TRACE_TYPES, latin_square, published_mean, scale_of
from tracekd.study.stats import DECIMALS, friedman, wilcoxon_p

CUTS = np.arange(1, 5) + 0.5
# Means that no source of ours states. Guesses: between the published ends, in the order that the paper describes.
ASSUMED = {
    "interpretability": {"r1_summary": 3.9, "r1_explanation": 4.3},
    "cognitive_load": {"r1_summary": 3.8, "r1_explanation": 3.0, "correct": 2.3},
}
# The level that each test's p is held against; a pair's is the one that Holm's method asks of the smallest p of six.
LEVELS = {"any": 0.05, "pair": 0.05 / 6}
EFFECTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.2)


@dataclass(frozen=True)
class Assumptions:
    """What the simulator assumes beside the means; standard deviations in points before rounding."""

    participants: int = 100  # as in the published study
    person_sd: float = 0.5  # of participants around a trace type's mean, shared by all their ratings on a scale
    kind_sd: float = 0.7  # of a participant's liking for one trace type, shared by that trace's items
    answer_sd: float = 0.7  # of the single answer
    seconds: float = 6.0  # median time of an answer; log-normal with ``seconds_sd`` on the log scale
    seconds_sd: float = 0.6
    careless_share: float = 0.04  # give one point throughout, quickly, and fail the checks that expect another
    careless_seconds: float = 0.7  # their median time
    check_pass: float = 0.99  # chance that any other participant passes a check


ASSUME = Assumptions()


def target(scale: str, kind: str) -> tuple[float, str]:
    """Mean rating to simulate and where it comes from: ``published`` or ``assumed``."""
    known = published_mean(scale, kind)
    return (known, "published") if np.isfinite(known) else (ASSUMED[scale][kind], "assumed")


def assumption_table() -> pd.DataFrame:
    """Every number that the simulated ratings rest on: quantity, value, origin (published or assumed), remark."""
    rows = [
        (f"mean {scale.replace('_', ' ')}, {kind}", *target(scale, kind), "mean rating, 1 to 5")
        for scale in SCALES
        for kind in TRACE_TYPES
    ]
    spread = "standard deviation, points before rounding"
    rows += [
        ("participants", ASSUME.participants, "published", "Prolific, United States"),
        ("spread of participants", ASSUME.person_sd, "assumed", spread),
        ("spread of liking for a trace type", ASSUME.kind_sd, "assumed", spread),
        ("spread of single answers", ASSUME.answer_sd, "assumed", spread),
        ("seconds per answer", ASSUME.seconds, "assumed", f"median; log-normal, {ASSUME.seconds_sd} on the log scale"),
        ("careless participants", ASSUME.careless_share, "assumed", "share; one point throughout, too fast"),
        ("checks passed by the others", ASSUME.check_pass, "assumed", "share"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "value", "origin", "remark"])


def expected(mean: float, spread: float) -> float:
    """Mean rating when the value before rounding is normal with this mean and spread."""
    return float(1 + sps.norm.sf(CUTS, loc=mean, scale=spread).sum())


def latent_mean(wanted: float, spread: float) -> float:
    """The mean before rounding that gives a mean rating of ``wanted``; ValueError outside 1 to 5."""
    if not 1 < wanted < 5:
        raise ValueError(f"mean rating {wanted} cannot be simulated: it must lie between 1 and 5")
    return float(brentq(lambda m: expected(m, spread) - wanted, -20, 26))


def rounded(values: np.ndarray) -> np.ndarray:
    """Values as ratings: whole points from 1 to 5."""
    return np.clip(np.rint(values), POINTS[0], POINTS[-1])


def _shift(noise: np.ndarray, wanted: float) -> float:
    """The shift that brings the mean of the rounded noise as near to ``wanted`` as whole ratings allow."""
    low, high = -20.0, 26.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rounded(noise + middle).mean() < wanted else (low, middle)
    return high


def simulate(rng: np.random.Generator) -> pd.DataFrame:
    """SIMULATED ratings whose sample means are the wanted ones as nearly as whole ratings allow.

    Returns:
        The long format of ``ratings``, attention checks included; problems are ``simulated/1`` to ``simulated/4``.
    """
    people, kinds = ASSUME.participants, len(TRACE_TYPES)
    lazy = rng.permutation(people) < round(people * ASSUME.careless_share)
    lazy_point = rng.integers(1, 6, size=people)
    order = latin_square(kinds)[rng.permutation(people) % kinds]
    rows = []
    for scale in SCALES:
        items = [item for item, of in scale_of().items() if of == scale]
        person = rng.normal(0, ASSUME.person_sd, (people, 1, 1))
        liking = rng.normal(0, ASSUME.kind_sd, (people, kinds, 1))
        noise = person + liking + rng.normal(0, ASSUME.answer_sd, (people, kinds, len(items)))
        for k, kind in enumerate(TRACE_TYPES):
            honest = noise[~lazy, k, :]
            # The careless are part of the sample whose mean is published: the others make up for them.
            wanted = (target(scale, kind)[0] * people - lazy_point[lazy].sum()) * len(items) / honest.size
            ratings = np.where(lazy[:, None], lazy_point[:, None], rounded(noise[:, k] + _shift(honest, wanted)))
            for p in range(people):
                place = int(np.flatnonzero(order[p] == k)[0]) + 1
                rows += [(p, place, kind, item, int(r)) for item, r in zip(items, ratings[p], strict=True)]
    for check in study.questionnaire()["checks"]:
        right = rng.random(people) < ASSUME.check_pass
        given = np.where(lazy, lazy_point, np.where(right, check["expected"], 3))
        rows += [(p, check["page"], "", f"check_{check['expected']}", int(r)) for p, r in enumerate(given)]
    frame = pd.DataFrame(rows, columns=["person", "order", "trace_type", "item", "rating"])
    median = np.where(lazy[frame["person"]], ASSUME.careless_seconds, ASSUME.seconds)
    frame["seconds"] = np.round(rng.lognormal(np.log(median), ASSUME.seconds_sd), 1)
    frame["participant"] = "P" + (frame["person"] + 1).astype(str).str.zfill(4)
    frame["problem"] = "simulated/" + frame["order"].astype(str)
    return frame.sort_values(["person", "order"], kind="stable")[list(COLUMNS)].reset_index(drop=True)


def simulate_scores(rng: np.random.Generator, means: dict[str, float], people: int, items: int = 4) -> pd.DataFrame:
    """SIMULATED scores of one scale, participants x trace types: means hold in expectation, nobody is careless."""
    shape = (people, len(means), items)
    noise = rng.normal(0, ASSUME.person_sd, (people, 1, 1)) + rng.normal(0, ASSUME.kind_sd, (*shape[:2], 1))
    spread = float(np.sqrt(ASSUME.person_sd**2 + ASSUME.kind_sd**2 + ASSUME.answer_sd**2))
    level = np.array([latent_mean(m, spread) for m in means.values()])[:, None]
    table = rounded(noise + rng.normal(0, ASSUME.answer_sd, shape) + level).mean(axis=2)
    return pd.DataFrame(table, columns=list(means))


def p_values(table: pd.DataFrame) -> dict[str, float]:
    """P of the analysis' tests: over all trace types (``any``), and of the first two (``pair``), uncorrected."""
    first, second = (table[kind] for kind in table.columns[:2])
    return {"any": friedman(table)["p"], "pair": wilcoxon_p((first - second).round(DECIMALS))}


def power(
    rng: np.random.Generator,
    repeats: int,
    participants: int = 100,
    effects: tuple[float, ...] = EFFECTS,
    base: float = 3.5,
) -> pd.DataFrame:
    """Share of simulated studies in which a test rejects, for each effect, by the levels of ``LEVELS``.

    One trace type's mean rating differs by ``effect`` points from ``base``, which the three others share.

    Returns:
        test (``any``: over all four types; ``pair``), participants, effect, repeats (simulated studies), power (0 to
        1), low, high (95%, Wilson).
    """
    rows = []
    for effect in effects:
        means = {TRACE_TYPES[0]: base + effect} | dict.fromkeys(TRACE_TYPES[1:], base)
        found = [p_values(simulate_scores(rng, means, participants)) for _ in range(repeats)]
        for test, level in LEVELS.items():
            hits = sum(p[test] < level for p in found)
            rows.append((test, participants, effect, repeats, hits / repeats, *wilson(hits, repeats)))
    return pd.DataFrame(rows, columns=["test", "participants", "effect", "repeats", "power", "low", "high"])


def minimum_detectable(curves: pd.DataFrame, wanted: float = 0.8) -> dict[str, float]:
    """Each test's effect (points) at which its curve first reaches ``wanted``, by straight lines between its points.

    Missing where the curve does not reach it.
    """
    found = {}
    for test, curve in curves.groupby("test", sort=False):
        # Chance may bend a curve down; power itself does not fall as the effect grows.
        x, y = curve["effect"].to_numpy(), np.maximum.accumulate(curve["power"].to_numpy())
        i = int(np.argmax(y >= wanted))
        at = x[i] if i == 0 else x[i - 1] + (wanted - y[i - 1]) * (x[i] - x[i - 1]) / (y[i] - y[i - 1])
        found[test] = float(at) if y[-1] >= wanted else np.nan
    return found
