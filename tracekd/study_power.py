"""Power and minimum detectable effect of the study's tests, by simulation under the simulator's assumptions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats as sps

from tracekd.stats import wilson
from tracekd.study import TRACE_TYPES
from tracekd.study_simulate import DEFAULTS, Assumptions, simulate_scores
from tracekd.study_stats import dunn_z, friedman, kruskal

DESIGNS = ("within", "between")
ALPHA = 0.05
PAIRS = len(TRACE_TYPES) * (len(TRACE_TYPES) - 1) // 2
EFFECTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.2)


def p_values(table: pd.DataFrame, design: str) -> dict[str, float]:
    """P of the test over all trace types, and of the first against the second type, uncorrected.

    The tests are those of the analysis: Friedman and Wilcoxon within, Kruskal-Wallis and Dunn between.
    """
    groups = {kind: table[kind].dropna().round(9) for kind in table.columns}
    first, second = list(groups)[:2]
    if design == "within":
        d = groups[first] - groups[second]
        return {"any": friedman(table)["p"], "pair": float(sps.wilcoxon(d).pvalue) if d.any() else 1.0}
    z = dunn_z({kind: values.to_numpy() for kind, values in groups.items()})[first, second]
    return {"any": kruskal(table)["p"], "pair": float(2 * sps.norm.sf(abs(z)))}


def power(
    rng: np.random.Generator,
    repeats: int,
    *,
    participants: int = 100,
    effects: tuple[float, ...] = EFFECTS,
    base: float = 3.5,
    items: int = 4,
    designs: tuple[str, ...] = DESIGNS,
    assumed: Assumptions = DEFAULTS,
) -> pd.DataFrame:
    """Share of simulated studies in which a test rejects, for each design and effect.

    One trace type's mean rating differs by ``effect`` from ``base``, which the three others share. The pair is tested
    at 0.05 / 6, Holm's first step over six pairs: the level that the smallest p of the six must reach.

    Args:
        rng: source of all draws.
        repeats: simulated studies a design and effect.
        participants: in all; a between design has a quarter of them a trace type.
        effects: differences of mean rating, in points.
        base: mean rating of the others.
        items: answers in a participant's score.
        designs: ``within``, ``between``.
        assumed: spreads of the simulator.

    Returns:
        One row a design, test and effect: design, test (``any``: over all four types; ``pair``), participants, effect,
        repeats, power (0 to 1), low, high (95%, Wilson).
    """
    rows = []
    for design in designs:
        for effect in effects:
            means = {TRACE_TYPES[0]: base + effect} | dict.fromkeys(TRACE_TYPES[1:], base)
            found = [
                p_values(simulate_scores(rng, means, design, participants, assumed, items), design)
                for _ in range(repeats)
            ]
            for test, level in (("any", ALPHA), ("pair", ALPHA / PAIRS)):
                hits = int(sum(p[test] < level for p in found))
                low, high = wilson(hits, repeats)
                rows.append(
                    {"design": design, "test": test, "participants": participants, "effect": effect}
                    | {"repeats": repeats, "power": hits / repeats, "low": low, "high": high}
                )
    return pd.DataFrame(rows)


def minimum_detectable(curves: pd.DataFrame, wanted: float = 0.8) -> pd.DataFrame:
    """The effect at which a curve first reaches ``wanted``, between its points by straight lines.

    Returns:
        One row a design and test: design, test, participants, power (wanted), effect (points; missing where the
        curve does not reach it).
    """
    rows = []
    for (design, test, n), curve in curves.groupby(["design", "test", "participants"], sort=False):
        curve = curve.sort_values("effect")
        # Chance may bend a curve down; power itself does not fall as the effect grows.
        rising = np.maximum.accumulate(curve["power"].to_numpy())
        at = np.nan
        if rising[-1] >= wanted:
            i = int(np.argmax(rising >= wanted))
            x, y = curve["effect"].to_numpy(), rising
            at = x[i] if i == 0 else x[i - 1] + (wanted - y[i - 1]) * (x[i] - x[i - 1]) / (y[i] - y[i - 1])
        rows.append({"design": design, "test": test, "participants": n, "power": wanted, "effect": at})
    return pd.DataFrame(rows)
