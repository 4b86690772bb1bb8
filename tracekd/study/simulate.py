"""SIMULATED ratings of the human study, from the assumptions in ``assumptions.csv``, and the power of its tests.

A rating is normal: ``clip(round(mean of the trace type + participant + liking + answer))``, no evidence about people.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats as sps
from scipy.optimize import bisect, brentq

from tracekd.stats.intervals import wilson
from tracekd.study import ratings
from tracekd.study.ratings import SCALES, TRACE_TYPES, Study, scale_of
from tracekd.study.stats import DECIMALS, friedman, wilcoxon_p

SECONDS_SD = 0.6  # of an answer's time, on the log scale
CARELESS_SECONDS = 0.7  # median time of the careless, who fail the checks that expect another point than theirs
LEAST, MOST = -20.0, 26.0  # between which the mean before rounding is looked for
# The level that each test's p is held against; a pair's is the one that Holm's method asks of the smallest p of six.
LEVELS = {"any": 0.05, "pair": 0.05 / 6}
PARTICIPANTS = 100  # of a simulated study, as in the paper
EFFECTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.2)


def open_study(path: str | Path, rng: np.random.Generator) -> Study:
    """The ratings at ``path`` (see ``ratings.read``), or simulated ones where it is empty."""
    return ratings.read(path) if path else Study(simulate(rng), "SIMULATED ratings (tracekd.study.simulate)", True)


def assumption_table() -> pd.DataFrame:
    """Every number that the simulated ratings rest on: quantity, value, origin (published or assumed), remark."""
    table, known = pd.read_csv(Path(__file__).with_name("assumptions.csv")), ratings.published()
    means = {f"mean {s.replace('_', ' ')}, {kind}": known.loc[(s, ""), kind] for s in SCALES for kind in TRACE_TYPES}
    return table.assign(value=table["quantity"].map(means).fillna(table["value"]))


def latent_mean(wanted: float, spread: float) -> float:
    """The mean of normal values of this spread whose expected rating, 1 + sum of P(value > k + 0.5), is ``wanted``."""
    cuts = np.arange(1, 5) + 0.5
    return float(brentq(lambda m: 1 + sps.norm.sf(cuts, loc=m, scale=spread).sum() - wanted, LEAST, MOST))


def rounded(values: np.ndarray) -> np.ndarray:
    """Values as ratings: whole points from 1 to 5."""
    return np.clip(np.rint(values), 1, 5)


def _noise(rng: np.random.Generator, spreads: list[float], people: int, items: int) -> np.ndarray:
    """What ratings of one scale differ by, before rounding: participants x trace types x items."""
    shapes = (people, 1, 1), (people, len(TRACE_TYPES), 1), (people, len(TRACE_TYPES), items)
    person, liking, answer = (rng.normal(0, sd, shape) for sd, shape in zip(spreads, shapes, strict=True))
    return person + liking + answer


def simulate(rng: np.random.Generator) -> pd.DataFrame:
    """SIMULATED ratings in the long format; sample means are the wanted ones as nearly as whole ratings allow."""
    assumed, kinds, parts = assumption_table().set_index("quantity")["value"], len(TRACE_TYPES), []
    people, seconds = int(assumed["participants"]), assumed["seconds per answer"]
    lazy_share, attention = assumed["careless participants"], assumed["checks passed by the others"]
    lazy, point = rng.permutation(people) < round(people * lazy_share), rng.integers(1, 6, size=people)
    places = np.argsort(ratings.latin_square(kinds)[rng.permutation(people) % kinds], axis=1) + 1
    for scale in SCALES:
        items = [item for item, of in scale_of().items() if of == scale]
        noise = _noise(rng, list(assumed.filter(like="spread")), people, len(items))
        for k, kind in enumerate(TRACE_TYPES):
            honest, mean = noise[~lazy, k], assumed[f"mean {scale.replace('_', ' ')}, {kind}"]
            # The careless are part of the sample whose mean is published: the others make up for them.
            wanted = (mean * people - point[lazy].sum()) * len(items) / honest.size
            shift = bisect(lambda s, h=honest, w=wanted: rounded(h + s).mean() - w, LEAST, MOST) + 1e-9
            given = np.where(lazy[:, None], point[:, None], rounded(noise[:, k] + shift))
            rated = pd.DataFrame(given, columns=items).rename_axis("person").rename_axis("item", axis=1)
            rated = rated.stack().reset_index(name="rating")
            parts.append(rated.assign(trace_type=kind, order=places[rated["person"], k]))
    for check in ratings.questionnaire()["checks"]:
        right = rng.random(people) < attention
        given = np.where(lazy, point, np.where(right, check["expected"], 3))
        about = {"order": check["page"], "trace_type": "", "item": f"check_{check['expected']}"}
        parts.append(pd.DataFrame({"person": range(people), "rating": given} | about))
    frame = pd.concat(parts, ignore_index=True).astype({"rating": int})
    median = np.where(lazy[frame["person"]], CARELESS_SECONDS, seconds)
    frame["seconds"] = np.round(rng.lognormal(np.log(median), SECONDS_SD), 1)
    frame["participant"] = "P" + (frame["person"] + 1).astype(str).str.zfill(4)
    frame["problem"] = "simulated/" + frame["order"].astype(str)
    return frame.sort_values(["person", "order"], kind="stable")[list(ratings.COLUMNS)].reset_index(drop=True)


def power(rng: np.random.Generator, repeats: int, effects: tuple[float, ...] = EFFECTS):
    """Share of SIMULATED studies in which a test rejects at ``LEVELS``: one type differs from the others, all at 3.5.

    Columns: test (``any``: over all four types; ``pair``), participants, effect (points), repeats (simulated studies),
    power (0 to 1), low, high (95%, Wilson). Means hold in expectation; nobody is careless.
    """
    assumed, rows = assumption_table().set_index("quantity")["value"], []
    spreads = list(assumed.filter(like="spread"))
    for effect in effects:
        level = np.array([latent_mean(3.5 + by, float(np.linalg.norm(spreads))) for by in (effect, 0, 0, 0)])[:, None]
        hits = dict.fromkeys(LEVELS, 0)
        for _ in range(repeats):
            scores = rounded(_noise(rng, spreads, PARTICIPANTS, 4) + level).mean(axis=2)
            hits["any"] += friedman(pd.DataFrame(scores, columns=TRACE_TYPES))["p"] < LEVELS["any"]
            hits["pair"] += wilcoxon_p((scores[:, 0] - scores[:, 1]).round(DECIMALS)) < LEVELS["pair"]
        for test, count in hits.items():
            rows.append((test, PARTICIPANTS, effect, repeats, count / repeats, *wilson(count, repeats)))
    return pd.DataFrame(rows, columns=["test", "participants", "effect", "repeats", "power", "low", "high"])


def minimum_detectable(curves: pd.DataFrame) -> dict[str, float]:
    """Each test's effect (points) at which its curve reaches 0.8, by straight lines; NaN where it does not."""
    # Chance may bend a curve down; power itself does not fall as the effect grows.
    rising = curves.assign(power=curves.groupby("test")["power"].cummax()).groupby("test", sort=False)
    return {test: float(np.interp(0.8, c["power"], c["effect"], right=np.nan)) for test, c in rising}
