"""What the rows of ``forced`` show: levels under each trace, what answers follow, effects of a right trace.

Every table has one row per estimate: ``student``, ``dataset``, ``condition``, what it is, ``value``, ``low``, ``high``
(95%, over problems and seeds), ``t_low``, ``t_high`` (two-way random-effects t interval, from two seeds on), ``n``
(problems), ``seeds``; see ``bootstrap.pooled``. An outcome is ``answer_correct`` (0..1) or ``logp_gold`` (nats).

*Mediation* (Pearl 2001, UAI; Imai, Keele & Tingley 2010, Psychological Methods 15:309). The treatment is a right trace
(gold) in place of a wrong one (both_wrong), the mediator that it names the gold answer, which masking takes away: total
= natural direct (masked - both_wrong) + natural indirect, under treatment (gold - masked). Assumptions: notebook 07.
*2 x 2.* ``label_*`` and ``facts_*`` are controlled direct effects: one step is changed, the other held.
*Own traces.* ``observed`` is an association; hard problems make both wrong, so it is no effect. ``repair`` (where the
own trace is wrong) and ``breakage`` (where it is right) are effects on those very problems.
"""

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from tracekd.interventions.forced import VARIANTS
from tracekd.stats import bootstrap, intervals

GROUP = ["student", "dataset", "condition"]
OUTCOMES = ("answer_correct", "logp_gold")
ENDS = ("value", "low", "high", "t_low", "t_high")
FEWEST = 20  # problems below which no sign is read from an interval and nothing is drawn
FEW = 10  # own traces of a kind, below which the observed difference has Newcombe's interval
# What each effect is made of, and on which problems: "all", "mediated" (the gold trace names every gold answer, the
# wrong and the masked one name none), "own_right", "own_wrong".
CONTRASTS = {
    "total": ("gold - both_wrong", "mediated"),
    "natural_direct": ("masked - both_wrong", "mediated"),
    "natural_indirect": ("gold - masked", "mediated"),
    "total_all": ("gold - both_wrong", "all"),
    "label_given_right_facts": ("gold - wrong_label", "all"),
    "label_given_wrong_facts": ("wrong_facts - both_wrong", "all"),
    "facts_given_right_label": ("gold - wrong_facts", "all"),
    "facts_given_wrong_label": ("wrong_label - both_wrong", "all"),
    "interaction": ("gold - wrong_label - wrong_facts + both_wrong", "all"),
    "repair": ("gold - own", "own_wrong"),
    "breakage": ("own - both_wrong", "own_right"),
}
_ABOUT = {**CONTRASTS, "observed": ("own answer right after a right minus after a wrong own trace", "all")}


def frame(rows: Iterable[Mapping]) -> pd.DataFrame:
    """Rows of ``forced`` as a table, without the variants that do not exist; ValueError if one comes twice, or none."""
    table = pd.DataFrame(list(rows))
    if table.empty:
        raise ValueError("no intervention rows: run the interventions first")
    twice = table[table.duplicated([*GROUP, "seed", "id", "variant"])]
    if len(twice):
        first = " ".join(map(str, twice[["condition", "seed", "id", "variant"]].iloc[0]))
        raise ValueError(f"{len(twice)} rows come twice, first {first}: give each file once")
    table = table[table.left_out == ""].copy()
    return table.astype({"answer_correct": bool, "trace_correct": bool, "logp_gold": float, "logp_implied": float})


def levels(table: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Both outcomes under each ``variant``, each on the problems that have it; further columns: ``outcome``."""
    return _contrasts(table, {name: name for name in (*VARIANTS, *table.variant)}, "variant", rng, repeats)


def follow_shares(table: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """What answers follow where trace and context disagree (the implied answer is not the gold one).

    Further columns: ``variant`` (``given``: all but ``own``, a problem's rows averaged); ``follows``: ``trace``,
    ``context``, ``neither``, or ``prefers_trace`` (the implied answer has the higher log-probability).
    """
    apart = table[table.disagrees.eq(True)]
    apart = apart.assign(**{kind: apart.follows.eq(kind) for kind in ("trace", "context", "neither")})
    apart["prefers_trace"] = apart.logp_implied > apart.logp_gold
    given = apart[apart.variant != "own"].assign(variant="given")
    rows = [
        {**_named(key), "variant": of, "follows": kind}
        | _summary(part.groupby(["id", "seed"])[kind].mean(), "share", rng, repeats)
        for (*key, of), part in pd.concat([apart, given]).groupby([*GROUP, "variant"], sort=False)
        for kind in ("trace", "context", "neither", "prefers_trace")
    ]
    return pd.DataFrame(rows, columns=[*rows[0]] if rows else [*GROUP, "variant", "follows", *ENDS, "n", "seeds"])


def effects(table: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """The effects of ``CONTRASTS`` and ``observed``; without any problem, value and interval are NaN and n is 0.

    Further columns: effect, outcome, contrast (in words), problems (which ones), asked (problems that were asked at
    all), gold_names (those of them whose gold trace names every gold answer).
    """
    found = _contrasts(table, {name: words for name, (words, _) in CONTRASTS.items()}, "effect", rng, repeats)
    observed = [
        _named(key) | {"effect": "observed", "outcome": "answer_correct"} | _observed(part, rng, repeats)
        for key, part in table.groupby(GROUP, sort=False)
    ]
    found = pd.concat([found, pd.DataFrame(observed)], ignore_index=True)
    found["contrast"], found["problems"] = zip(*found.effect.map(_ABOUT), strict=True)
    gold = table[table.variant == "gold"].assign(named=lambda t: t.id.where(t.names_gold.astype(bool)))
    counts = gold.groupby(GROUP, sort=False).agg(asked=("id", "nunique"), gold_names=("named", "nunique"))
    return found.merge(counts.reset_index(), how="left", on=GROUP)


def sign(row: Mapping) -> str:
    """``above zero`` or ``below zero`` by both intervals, ``inconclusive``, or ``not tested``: too few problems."""
    if math.isnan(row["low"]) or row["n"] < FEWEST:
        return "not tested"
    if np.nanmin([row["low"], row.get("t_low", np.nan)]) > 0:
        return "above zero"
    return "below zero" if np.nanmax([row["high"], row.get("t_high", np.nan)]) < 0 else "inconclusive"


def by_reveals(table: pd.DataFrame, make: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """``make`` of all problems and by what their ``both_wrong`` trace reveals (first column: ``reveals``).

    Records without the column have the row ``all`` alone.
    """
    parts = {"all": table}
    if "reveals" in table and (table.reveals.fillna("") != "").any():
        wrong = table[table.variant == "both_wrong"].drop_duplicates(["dataset", "id"])
        revealed = table.merge(wrong[["dataset", "id", "reveals"]], on=["dataset", "id"], suffixes=("_of_trace", ""))
        parts |= dict(iter(revealed.groupby("reveals", sort=False)))
    made = pd.concat({name: make(part) for name, part in parts.items()}, names=["reveals"])
    return made.reset_index("reveals").reset_index(drop=True)


def _named(key: Iterable[str]) -> dict[str, str]:
    return dict(zip(GROUP, key, strict=True))


def _summary(values: pd.Series, kind: str, rng: np.random.Generator, repeats: int) -> dict:
    """Mean of values that are indexed by (id, seed), with intervals (``bootstrap.pooled``), ``n`` and ``seeds``."""
    found = bootstrap.pooled(values, rng, repeats, kind)
    return {name: found[name] for name in (*ENDS, "n", "seeds")}


def _contrasts(
    table: pd.DataFrame, wanted: Mapping[str, str], column: str, rng: np.random.Generator, repeats: int
) -> pd.DataFrame:
    """Sums of variants' outcomes, such as "gold - own", within a problem and then over problems.

    ``wanted`` has them by name, which goes into ``column``; an effect of ``CONTRASTS`` is over its problems alone.
    """
    rows = []
    for key, part in table.groupby(GROUP, sort=False):
        only = _about(part) if column == "effect" else {}
        for outcome in OUTCOMES:
            wide = part.pivot(index=["id", "seed"], columns="variant", values=outcome)
            wide = wide.reindex(columns=list(dict.fromkeys([*VARIANTS, *wide.columns]))).astype(float)
            for label, words in wanted.items():
                values = wide.eval(words)
                values = values[values.index.isin(only[label])] if label in only else values
                kind = "difference" if "-" in words else "share"
                found = _summary(values, kind if outcome == "answer_correct" else "other", rng, repeats)
                rows.append({**_named(key), column: label, "outcome": outcome, **found})
    return pd.DataFrame(rows)


def _about(part: pd.DataFrame) -> dict[str, pd.Index]:
    """The (id, seed) that each restricted effect is about."""
    at = part.set_index(["id", "seed"])
    own, right = at.index[at.variant == "own"], at.index[(at.variant == "own") & at.trace_correct.astype(bool)]
    named = at.index[(at.variant == "gold") & at.names_gold.astype(bool)]
    for name in ("masked", "both_wrong"):
        named = named.intersection(at.index[(at.variant == name) & ~at.names_any.astype(bool)])
    only = {"mediated": named, "own_right": right, "own_wrong": own.difference(right)}
    return {name: only[which] for name, (_, which) in CONTRASTS.items() if which != "all"}


def _observed(part: pd.DataFrame, rng: np.random.Generator, repeats: int) -> dict:
    """P(answer right | own trace right) minus P(answer right | own trace wrong), as the student wrote them."""
    own = part[part.variant == "own"].set_index(["id", "seed"])
    head = {"n": own.index.unique("id").size, "seeds": own.index.unique("seed").size}
    right, answer = own.trace_correct.astype(float), own.answer_correct.astype(float)
    table = pd.DataFrame({"both": right * answer, "right": right, "only": (1 - right) * answer, "wrong": 1 - right})
    both, all_right, only, all_wrong = table.sum().astype(int)
    if head["n"] < 2 or not all_right or not all_wrong:
        return dict.fromkeys(ENDS, np.nan) | head
    # (problems, seeds, columns); a trace that was not written counts in neither group.
    units = np.stack([table[name].unstack("seed").fillna(0) for name in table], axis=-1)
    found = bootstrap.shares_apart(units, rng, repeats)
    if head["seeds"] == 1 and min(all_right, all_wrong) < FEW:  # few of a kind leave a bootstrap too narrow
        found |= dict(zip(ENDS[:3], intervals.newcombe(both, all_right, only, all_wrong), strict=True))
    return {name: found[name] for name in ENDS} | head
