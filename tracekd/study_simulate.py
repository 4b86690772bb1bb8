"""SIMULATED ratings of the human study, with every assumption in one table, and power by simulation.

A rating is a normal value, rounded and held within 1 to 5: ``clip(round(mean of the trace type + participant +
liking + answer))``. Its expected value is ``1 + sum of P(value > k + 0.5) over k = 1..4``; the latent mean is solved
so that the mean rating is the wanted one. Nothing here is evidence about people: it shows what such data could and
could not show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats as sps
from scipy.optimize import brentq

from tracekd.study import POINTS, SCALES, TRACE_TYPES, latin_square, published_mean, questionnaire, scale_of

CUTS = np.arange(1, 5) + 0.5
# Means that no source of ours states. Guesses: between the published ends, in the order that the paper describes.
ASSUMED = {
    "interpretability": {"r1_summary": 3.9, "r1_explanation": 4.3},
    "cognitive_load": {"r1_summary": 3.8, "r1_explanation": 3.0, "correct": 2.3},
}


@dataclass(frozen=True)
class Assumptions:
    """What the simulator assumes beside the means.

    Attributes:
        participants: as in the published study.
        person_sd: spread of participants around the mean of a trace type, in points before rounding, shared by all
            their ratings on a scale.
        kind_sd: spread of a participant's liking for one trace type, shared by that trace's items.
        answer_sd: spread of the single answer.
        seconds: median time of an answer; log-normal with ``seconds_sd`` on the log scale.
        careless_share: participants who give one point throughout, quickly, and fail the checks that expect another.
        careless_seconds: their median time.
        check_pass: chance that any other participant passes a check.
    """

    participants: int = 100
    person_sd: float = 0.5
    kind_sd: float = 0.7
    answer_sd: float = 0.7
    seconds: float = 6.0
    seconds_sd: float = 0.6
    careless_share: float = 0.04
    careless_seconds: float = 0.7
    check_pass: float = 0.99

    @property
    def spread(self) -> float:
        """Standard deviation of a value before rounding."""
        return float(np.sqrt(self.person_sd**2 + self.kind_sd**2 + self.answer_sd**2))


DEFAULTS = Assumptions()


def target(scale: str, kind: str) -> tuple[float, str]:
    """Mean rating to simulate and where it comes from: ``published`` or ``assumed``."""
    known = published_mean(scale, kind)
    return (known, "published") if np.isfinite(known) else (ASSUMED[scale][kind], "assumed")


def assumption_table(assumed: Assumptions = DEFAULTS) -> pd.DataFrame:
    """Every number that the simulated ratings rest on: what, value, origin (published or assumed), remark."""
    rows = [
        (f"mean {scale.replace('_', ' ')}, {kind}", *target(scale, kind), "mean rating, 1 to 5")
        for scale in SCALES
        for kind in TRACE_TYPES
    ]
    rows += [
        ("participants", assumed.participants, "published", "Prolific, United States"),
        ("design", "within", "assumed", "each participant rates all four trace types, each on one problem"),
        ("items", len(scale_of()), "assumed", "the questionnaire's; the paper's wording is not in our sources"),
        ("spread of participants", assumed.person_sd, "assumed", "standard deviation, points before rounding"),
        ("spread of liking for a trace type", assumed.kind_sd, "assumed", "standard deviation, points before rounding"),
        ("spread of single answers", assumed.answer_sd, "assumed", "standard deviation, points before rounding"),
        ("seconds an answer", assumed.seconds, "assumed", f"median; log-normal, {assumed.seconds_sd} on the log scale"),
        ("careless participants", assumed.careless_share, "assumed", "share; one point throughout, too fast"),
        ("checks passed by the others", assumed.check_pass, "assumed", "share"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "value", "origin", "remark"])


def expected(mean: float | np.ndarray, spread: float) -> float:
    """Mean rating when the value before rounding is normal with this mean and spread."""
    return float(1 + sps.norm.sf(CUTS, loc=mean, scale=spread).sum())


def latent_mean(wanted: float, spread: float) -> float:
    """The mean before rounding that gives a mean rating of ``wanted``.

    Raises:
        ValueError: a mean rating outside 1 to 5.
    """
    if not 1 < wanted < 5:
        raise ValueError(f"mean rating {wanted} cannot be simulated: it must lie between 1 and 5")
    return float(brentq(lambda m: expected(m, spread) - wanted, -20, 26))


def _round(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), POINTS[0], POINTS[-1])


def _shift(noise: np.ndarray, wanted: float) -> float:
    """The shift that brings the mean of the rounded noise as near to ``wanted`` as whole ratings allow."""
    low, high = -20.0, 26.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _round(noise + middle).mean() < wanted else (low, middle)
    return high


def simulate(rng: np.random.Generator, assumed: Assumptions = DEFAULTS, design: str = "within") -> pd.DataFrame:
    """SIMULATED ratings in the long format whose sample means equal the wanted ones as nearly as whole ratings allow.

    Args:
        rng: source of all draws.
        assumed: the assumptions.
        design: ``within`` (everyone rates all four) or ``between`` (a quarter of the participants each).

    Returns:
        The long format of ``study``, attention checks included; problems are named ``simulated/1`` to ``simulated/4``.
    """
    people, kinds = assumed.participants, np.arange(len(TRACE_TYPES))
    lazy = rng.permutation(people) < round(people * assumed.careless_share)
    lazy_point = rng.integers(1, 6, size=people)
    order = latin_square(len(kinds))[rng.permutation(people) % len(kinds)]
    rows = []
    for scale in SCALES:
        items = [item for item, of in scale_of().items() if of == scale]
        person = rng.normal(0, assumed.person_sd, (people, 1, 1))
        liking = rng.normal(0, assumed.kind_sd, (people, len(kinds), 1))
        noise = person + liking + rng.normal(0, assumed.answer_sd, (people, len(kinds), len(items)))
        asked = np.ones((people, len(kinds)), bool) if design == "within" else order[:, :1] == kinds
        for k, kind in enumerate(TRACE_TYPES):
            mine = asked[:, k]
            straight = np.repeat(lazy_point[mine & lazy], len(items))
            honest = noise[mine & ~lazy, k, :]
            # The careless are part of the sample whose mean is published: the others make up for them.
            wanted = (target(scale, kind)[0] * mine.sum() * len(items) - straight.sum()) / honest.size
            ratings = np.where(lazy[:, None], lazy_point[:, None], _round(noise[:, k] + _shift(honest, wanted)))
            for p in np.flatnonzero(mine):
                place = 1 if design == "between" else int(np.flatnonzero(order[p] == k)[0]) + 1
                rows += [(p, place, kind, item, int(r)) for item, r in zip(items, ratings[p], strict=True)]
    rows += _checks(rng, assumed, lazy, lazy_point)
    frame = pd.DataFrame(rows, columns=["person", "order", "trace_type", "item", "rating"])
    median = np.where(lazy[frame["person"]], assumed.careless_seconds, assumed.seconds)
    frame["seconds"] = np.round(rng.lognormal(np.log(median), assumed.seconds_sd), 1)
    frame["participant"] = "P" + (frame["person"] + 1).astype(str).str.zfill(4)
    frame["problem"] = "simulated/" + frame["order"].astype(str)
    columns = ["participant", "problem", "trace_type", "item", "rating", "order", "seconds"]
    return frame.sort_values(["person", "order"], kind="stable")[columns].reset_index(drop=True)


def _checks(rng: np.random.Generator, assumed: Assumptions, lazy: np.ndarray, lazy_point: np.ndarray) -> list[tuple]:
    rows = []
    for check in questionnaire()["checks"]:
        right = rng.random(len(lazy)) < assumed.check_pass
        given = np.where(lazy, lazy_point, np.where(right, check["expected"], 3))
        rows += [(p, check["page"], "", f"check_{check['expected']}", int(r)) for p, r in enumerate(given)]
    return rows


def simulate_scores(
    rng: np.random.Generator, means: dict[str, float], design: str, participants: int, assumed: Assumptions, items: int
) -> pd.DataFrame:
    """Scores of one scale, participants x trace types, for power: means hold in expectation, nobody is careless."""
    shape = (participants, len(means), items)
    noise = rng.normal(0, assumed.person_sd, (participants, 1, 1)) + rng.normal(0, assumed.kind_sd, (*shape[:2], 1))
    level = np.array([latent_mean(m, assumed.spread) for m in means.values()])[:, None]
    table = _round(noise + rng.normal(0, assumed.answer_sd, shape) + level).mean(axis=2)
    if design == "between":
        group = np.arange(participants) % len(means)
        table = np.where(group[:, None] == np.arange(len(means)), table, np.nan)
    return pd.DataFrame(table, columns=list(means))
