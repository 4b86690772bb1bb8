"""SIMULATED ratings of the human study, with every assumption in one table, and the power of its tests.

A rating is a normal value, rounded and held within 1 to 5: ``clip(round(mean of the trace type + participant +
liking + answer))``. Its expected value is ``1 + sum of P(value > k + 0.5) over k = 1..4``; the latent mean is solved
so that the mean rating is the wanted one. Nothing here is evidence about people.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats as sps
from scipy.optimize import brentq

from tracekd.stats.intervals import wilson
from tracekd.study.ratings import (
    COLUMNS,
    POINTS,
    SCALES,
    TRACE_TYPES,
    latin_square,
    published_mean,
    questionnaire,
    scale_of,
)  # fmt: skip
from tracekd.study.stats import DECIMALS, friedman, wilcoxon_p

# Means that no source of ours states. Guesses: between the published ends, in the order that the paper describes.
ASSUMED = {
    "interpretability": {"r1_summary": 3.9, "r1_explanation": 4.3},
    "cognitive_load": {"r1_summary": 3.8, "r1_explanation": 3.0, "correct": 2.3},
}
PEOPLE = 100  # as in the published study
# Standard deviations, points before rounding: of participants around a trace type's mean, shared by all their ratings
# on a scale; of a participant's liking for one trace type, shared by that trace's items; of the single answer.
PERSON_SD, KIND_SD, ANSWER_SD = 0.5, 0.7, 0.7
SECONDS, SECONDS_SD = 6.0, 0.6  # an answer's median time; log-normal, its standard deviation on the log scale
# The careless give one point throughout, quickly (their median time), and fail the checks that expect another.
CARELESS, CARELESS_SECONDS = 0.04, 0.7
CHECK_PASS = 0.99  # chance that any other participant passes a check
# The level that each test's p is held against; a pair's is the one that Holm's method asks of the smallest p of six.
LEVELS = {"any": 0.05, "pair": 0.05 / 6}
EFFECTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.2)


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
        ("participants", PEOPLE, "published", "Prolific, United States"),
        ("spread of participants", PERSON_SD, "assumed", spread),
        ("spread of liking for a trace type", KIND_SD, "assumed", spread),
        ("spread of single answers", ANSWER_SD, "assumed", spread),
        ("seconds per answer", SECONDS, "assumed", f"median; log-normal, {SECONDS_SD} on the log scale"),
        ("careless participants", CARELESS, "assumed", "share; one point throughout, too fast"),
        ("checks passed by the others", CHECK_PASS, "assumed", "share"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "value", "origin", "remark"])


def expected(mean: float, spread: float) -> float:
    """Mean rating when the value before rounding is normal with this mean and spread."""
    return float(1 + sps.norm.sf(np.arange(1, 5) + 0.5, loc=mean, scale=spread).sum())


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


def _noise(rng: np.random.Generator, people: int, items: int) -> np.ndarray:
    """What ratings of one scale differ by, before rounding: participants x trace types x items."""
    kinds = len(TRACE_TYPES)
    person, liking = rng.normal(0, PERSON_SD, (people, 1, 1)), rng.normal(0, KIND_SD, (people, kinds, 1))
    return person + liking + rng.normal(0, ANSWER_SD, (people, kinds, items))


def simulate(rng: np.random.Generator) -> pd.DataFrame:
    """SIMULATED ratings whose sample means are the wanted ones as nearly as whole ratings allow.

    Returns:
        The long format of ``ratings``, attention checks included; problems are ``simulated/1`` to ``simulated/4``.
    """
    kinds = len(TRACE_TYPES)
    lazy = rng.permutation(PEOPLE) < round(PEOPLE * CARELESS)
    lazy_point = rng.integers(1, 6, size=PEOPLE)
    places = np.argsort(latin_square(kinds)[rng.permutation(PEOPLE) % kinds], axis=1) + 1
    parts = []
    for scale in SCALES:
        items = [item for item, of in scale_of().items() if of == scale]
        noise = _noise(rng, PEOPLE, len(items))
        for k, kind in enumerate(TRACE_TYPES):
            honest = noise[~lazy, k]
            # The careless are part of the sample whose mean is published: the others make up for them.
            wanted = (target(scale, kind)[0] * PEOPLE - lazy_point[lazy].sum()) * len(items) / honest.size
            ratings = np.where(lazy[:, None], lazy_point[:, None], rounded(noise[:, k] + _shift(honest, wanted)))
            rated = (
                pd.DataFrame(ratings, columns=items).stack().rename_axis(["person", "item"]).reset_index(name="rating")
            )
            parts.append(rated.assign(trace_type=kind, order=places[rated["person"], k]))
    for check in questionnaire()["checks"]:
        right = rng.random(PEOPLE) < CHECK_PASS
        given = np.where(lazy, lazy_point, np.where(right, check["expected"], 3))
        about = {"order": check["page"], "trace_type": "", "item": f"check_{check['expected']}"}
        parts.append(pd.DataFrame({"person": range(PEOPLE), "rating": given} | about))
    frame = pd.concat(parts, ignore_index=True).astype({"rating": int})
    median = np.where(lazy[frame["person"]], CARELESS_SECONDS, SECONDS)
    frame["seconds"] = np.round(rng.lognormal(np.log(median), SECONDS_SD), 1)
    frame["participant"] = "P" + (frame["person"] + 1).astype(str).str.zfill(4)
    frame["problem"] = "simulated/" + frame["order"].astype(str)
    return frame.sort_values(["person", "order"], kind="stable")[list(COLUMNS)].reset_index(drop=True)


def simulate_scores(rng: np.random.Generator, means: dict[str, float], people: int, items: int = 4) -> pd.DataFrame:
    """SIMULATED scores of one scale, participants x trace types: means hold in expectation, nobody is careless."""
    spread = float(np.sqrt(PERSON_SD**2 + KIND_SD**2 + ANSWER_SD**2))
    level = np.array([latent_mean(m, spread) for m in means.values()])[:, None]
    return pd.DataFrame(rounded(_noise(rng, people, items) + level).mean(axis=2), columns=list(means))


def power(
    rng: np.random.Generator,
    repeats: int,
    participants: int = PEOPLE,
    effects: tuple[float, ...] = EFFECTS,
    base: float = 3.5,
) -> pd.DataFrame:
    """Share of simulated studies in which a test of the analysis rejects, for each effect, by the levels of ``LEVELS``.

    One trace type's mean rating differs by ``effect`` points from ``base``, which the three others share.

    Returns:
        test (``any``: over all four types; ``pair``), participants, effect, repeats (simulated studies), power (0 to
        1), low, high (95%, Wilson).
    """
    rows = []
    for effect in effects:
        means = {TRACE_TYPES[0]: base + effect} | dict.fromkeys(TRACE_TYPES[1:], base)
        hits = dict.fromkeys(LEVELS, 0)
        for _ in range(repeats):
            table = simulate_scores(rng, means, participants)
            pair = (table[TRACE_TYPES[0]] - table[TRACE_TYPES[1]]).round(DECIMALS)
            hits["any"] += friedman(table)["p"] < LEVELS["any"]
            hits["pair"] += wilcoxon_p(pair) < LEVELS["pair"]
        for test, count in hits.items():
            rows.append((test, participants, effect, repeats, count / repeats, *wilson(count, repeats)))
    return pd.DataFrame(rows, columns=["test", "participants", "effect", "repeats", "power", "low", "high"])


def minimum_detectable(curves: pd.DataFrame, wanted: float = 0.8) -> dict[str, float]:
    """Each test's effect (points) at which its curve reaches ``wanted``, by straight lines; NaN where it does not."""
    found = {}
    for test, curve in curves.groupby("test", sort=False):
        # Chance may bend a curve down; power itself does not fall as the effect grows.
        found[test] = float(np.interp(wanted, np.maximum.accumulate(curve["power"]), curve["effect"], right=np.nan))
    return found
