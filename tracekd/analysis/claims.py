"""The paper's claims, in our words, and our own questions, tested on the replication.

An estimate is a difference between two training conditions on the same problems, averaged over seeds, or between
answers after right and after wrong steps within one condition; its intervals are of ``bootstrap.crossed``. Rules of
decision, by the ends of a 90% interval (level 0.05) and a margin:

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

from collections.abc import Mapping
from importlib.resources import files

import numpy as np
import pandas as pd

from tracekd.analysis.recorded import SIZE, teachers
from tracekd.analysis.replication_tables import FEWEST, REPEATS, difference, tie
from tracekd.analysis.tables import INCONCLUSIVE, NOT_SUPPORTED, NOT_TESTED, SUPPORTED, points
from tracekd.traces.freeform import TEMPLATED

MARGIN = 0.05  # five points of accuracy
TIE_MARGIN = 0.10  # of the difference between answers after right and after wrong steps
NOT_RUN = "conditions not trained"
ENDS = ("low", "high", "t_low", "t_high", "low90", "high90", "t_low90", "t_high90", "least_difference")
MISLEADING = {"incorrect", "natural_incorrect"}  # their wrong traces are the ones that ``drawn_reveals`` is about


def load() -> pd.DataFrame:
    """``claims.csv``: one row per claim of the paper and per question of ours (``asked_by``), tested set by set.

    ``first`` minus ``second`` are training conditions. Without a ``second`` the claim is about the tie of the answer
    with a ``step``: ``trace``, or ``classification``, the label, which names no answer. To test another, add a row.
    """
    return pd.read_csv(files("tracekd.analysis") / "claims.csv", keep_default_na=False)


def decide(rule: str, found: Mapping, margin: float) -> str:
    """The verdict of a rule (see the module's text) on an estimate with ``low90``, ``high90`` and ``t_`` ends."""
    verdicts = set()
    for kind in ("", "t_"):
        low, high = (found.get(f"{kind}{end}90", np.nan) for end in ("low", "high"))
        if np.isnan(low):  # one seed has no t interval
            continue
        above, below = low > margin, high < -margin
        supported, not_supported = {
            "not lower": (low > -margin, below),
            "not higher": (high < margin, above),
            "no difference": (-margin < low and high < margin, above or below),
            "higher": (above, high < margin),
            "lower": (below, low > -margin),
        }[rule]
        verdicts.add(SUPPORTED if supported else NOT_SUPPORTED if not_supported else INCONCLUSIVE)
    return verdicts.pop() if len(verdicts) == 1 else INCONCLUSIVE


def tested(
    verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS, claims: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Every claim (of ``load``) on each of its data sets, for each training size with both conditions.

    Answerable questions alone: without an answer, a right trace states no fact and the right answer declines, which is
    one decision.

    Returns:
        claim, dataset, source, reveals (``all``; for claims on incorrect traces also what the wrong trace drawn for a
        problem reveals), training_problems (0: not trained), teacher, rule, first, second, step, margin, estimate with
        its 95% and 90% intervals, least_difference (that these problems and seeds show with 80% power), n, seeds,
        by_seed, fewest, verdict, reason.
    """
    rows = []
    claims = load() if claims is None else claims
    for claim, dataset in [(one, dataset) for one in claims.itertuples() for dataset in one.datasets.split()]:
        part = verdicts[(verdicts.dataset == dataset) & verdicts.answerable]
        parts = {"all": part}
        if "drawn_reveals" in part and MISLEADING & {claim.first, claim.second}:
            parts |= dict(iter(part[part.drawn_reveals.fillna("") != ""].groupby("drawn_reveals")))
        for reveals, some in parts.items():
            made = {}
            for size, of_size in some.groupby(SIZE):
                if claim.second:
                    made[size] = difference(of_size, claim.first, claim.second, rng, repeats)
                else:
                    made[size] = tie(of_size, claim.first, rng, repeats, claim.step)
            made = {size: found for size, found in reversed(made.items()) if found}
            if reveals == "all":
                made = made or {0: {}}
            rows += [_row(claim, dataset, reveals, some, size, found) for size, found in made.items()]
    return pd.DataFrame(rows)


def _row(claim, dataset: str, reveals: str, part: pd.DataFrame, size: int, found: Mapping) -> dict:
    """One row of ``tested``: ``found`` on the problems ``part`` for a training size, empty where it was not run."""
    margin, named = MARGIN if claim.second else TIE_MARGIN, teachers(part[part[SIZE] == size])
    wrote = {named.get((dataset, name), "") for name in (claim.first, claim.second)}
    reasons = {NOT_RUN: not found}  # why a test would mean nothing
    if found:
        reasons = {
            "one seed": found["seeds"] == 1,
            "traces written by rules": TEMPLATED in wrote,
            "generated problems": part.source.astype(str).str.contains("GENERATED").any(),
            f"fewer than {FEWEST} problems of a kind": found["fewest"] < FEWEST,
        }
    reason = "; ".join(words for words, holds in reasons.items() if holds)
    return {
        "claim": claim.claim, "dataset": dataset, "source": part.source.iloc[0] if len(part) else "",
        "reveals": reveals, SIZE: size, "teacher": " and ".join(sorted(wrote - {""})), "rule": claim.rule,
        "first": claim.first, "second": claim.second, "step": claim.step, "margin": margin,
        "estimate": found.get("value", np.nan), **{name: found.get(name, np.nan) for name in ENDS},
        "n": found.get("n", 0), "seeds": found.get("seeds", 0),
        "by_seed": "; ".join(f"{value:+.3f}" for value in found.get("by_seed", ())), "fewest": found.get("fewest", 0),
        "verdict": NOT_TESTED if reason else decide(claim.rule, found, margin), "reason": reason,
    }  # fmt: skip


def overview(claimed: pd.DataFrame) -> pd.DataFrame:
    """One row per claim, one column per data set: difference in points, n, verdict, at the largest size tested."""
    rows = claimed[claimed.reveals == "all"]
    rows = rows.assign(untested=rows.verdict == NOT_TESTED).sort_values("untested", kind="stable")
    rows, cells = rows.drop_duplicates(["claim", "dataset"]), []
    for row in rows.itertuples():
        gap, reason = points(row.estimate, row.low, row.high), row.reason if isinstance(row.reason, str) else ""
        cells.append((f"{gap}, n = {row.n}: " if gap else "") + row.verdict + (f" ({reason})" if reason else ""))
    wide = rows.assign(cell=cells).pivot(index="claim", columns="dataset", values="cell")
    return wide.reindex(claimed.claim.unique()).fillna("")
