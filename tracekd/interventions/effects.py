"""Total, direct and indirect effect of trace correctness on the answer, from the rows of ``forced``.

Y(v) is the outcome under the trace of variant v: the answer is right (0 or 1), or the log-probability of the gold
answer (nats). Effects are means over problems of differences within a problem and seed, with 95% intervals
(``bootstrap.pooled``).

*Mediation.* Treatment T: is the given trace right (gold) or wrong in both steps (both_wrong)? Mediator M: does the
trace name the gold answer? Masking sets M to 0 and leaves T at 1, so each potential outcome is one variant: Y(1, M(1))
= Y(gold), Y(0, M(0)) = Y(both_wrong), Y(1, M(0)) = Y(masked). Hence total = gold - both_wrong, natural direct = masked
- both_wrong, natural indirect = gold - masked, and total = direct + indirect (Pearl 2001, "Direct and indirect
effects", UAI; Robins & Greenland 1992, Epidemiology 3:143; Imai, Keele & Tingley 2010, Psychological Methods 15:309).
``ASSUMPTIONS`` says under what. Y(0, M(1)), a wrong trace that names the gold answer, is not among the variants, so
whether T and M interact is not identified.

*2 x 2.* ``label_*`` and ``facts_*`` are controlled direct effects (Pearl 2001): one step is changed, the other held at
a value that we set. They need no assumption beyond the intervention itself.

*Own traces.* ``observed`` is the association in what the student wrote itself, as confusion matrices show it; hard
problems make both wrong, so it is no effect. ``repair`` (gold - own, where the own trace is wrong) and ``breakage``
(own - both_wrong, where it is right) are effects on those very problems.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tracekd.interventions.tables import ENDS, GROUP, OUTCOMES, contrasts, kind_of, summary, wide
from tracekd.stats import bootstrap, intervals

ASSUMPTIONS = (
    "We set the trace and the student is deterministic, so nothing confounds trace and answer.",
    "All that matters of the mediator is whether the trace names the gold answer. A wrong trace names other things "
    "instead, a masked one nothing. A student that copies is led astray by the one and not by the other, and that "
    "difference counts as direct effect.",
    "Masking hides the answer and does nothing else. Training never showed a mask; what its strangeness does lowers "
    "the masked outcome, and so counts as indirect effect.",
    "Effects are those on the problems whose gold facts name every gold answer, and whose wrong and masked traces name "
    "none. Yes-no questions and counts are mostly not among them.",
    "Forced traces have the rule-made wording, which is unusual for a student trained on another form, or on none.",
)
# What each effect is made of, and on which problems: "all", "mediated" (see ASSUMPTIONS), "own_right", "own_wrong".
CONTRASTS: dict[str, tuple[dict[str, int], str]] = {
    "total": ({"gold": 1, "both_wrong": -1}, "mediated"),
    "natural_direct": ({"masked": 1, "both_wrong": -1}, "mediated"),
    "natural_indirect": ({"gold": 1, "masked": -1}, "mediated"),
    "total_all": ({"gold": 1, "both_wrong": -1}, "all"),
    "label_given_right_facts": ({"gold": 1, "wrong_label": -1}, "all"),
    "label_given_wrong_facts": ({"wrong_facts": 1, "both_wrong": -1}, "all"),
    "facts_given_right_label": ({"gold": 1, "wrong_facts": -1}, "all"),
    "facts_given_wrong_label": ({"wrong_label": 1, "both_wrong": -1}, "all"),
    "interaction": ({"gold": 1, "wrong_label": -1, "wrong_facts": -1, "both_wrong": 1}, "all"),
    "repair": ({"gold": 1, "own": -1}, "own_wrong"),
    "breakage": ({"own": 1, "both_wrong": -1}, "own_right"),
}  # fmt: skip
FEW = 10  # own traces of a kind, below which the observed difference has Newcombe's interval


def effects(table: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """The effects of ``CONTRASTS`` and ``observed``; see the module's text.

    Columns beside those of ``tables``: effect, outcome, contrast (in words), problems (which ones), asked
    (problems that were asked at all), gold_names (those of them whose gold trace names every gold answer). Without any
    problem, value and interval are NaN and n is 0.
    """
    wanted = {name: weights for name, (weights, _) in CONTRASTS.items()}
    found = contrasts(table, wanted, "effect", rng, repeats, about=_about)
    head = {"effect": "observed", "outcome": "answer_correct"}
    observed = [
        dict(zip(GROUP, name, strict=True)) | head | _observed(part, rng, repeats)
        for name, part in table.groupby(GROUP, sort=False)
    ]
    found = pd.concat([found, pd.DataFrame(observed)], ignore_index=True)
    words = {name: _words(weights) for name, weights in wanted.items()}
    words["observed"] = "own answer right after a right minus after a wrong own trace"
    problems = {name: which for name, (_, which) in CONTRASTS.items()} | {"observed": "all"}
    found = found.assign(contrast=found.effect.map(words), problems=found.effect.map(problems))
    gold = table[table.variant == "gold"]
    asked = gold.groupby(GROUP, sort=False).id.nunique().rename("asked")
    named = gold[gold.names_gold.astype(bool)].groupby(GROUP, sort=False).id.nunique()
    counts = asked.to_frame().assign(gold_names=named).fillna({"gold_names": 0}).astype(int)
    return found.merge(counts.reset_index(), how="left", on=GROUP)


def _words(weights: Mapping[str, int]) -> str:
    terms = " ".join(f"{'+' if weight > 0 else '-'} {name}" for name, weight in weights.items())
    return terms.removeprefix("+ ")


def _about(part: pd.DataFrame) -> dict[str, pd.Index]:
    """The (id, seed) that each restricted effect is about."""
    at = part.set_index(["id", "seed"])
    by = {name: at[at.variant == name] for name in ("own", "gold", "masked", "both_wrong")}
    named = by["gold"].index[by["gold"].names_gold.astype(bool)]
    for name in ("masked", "both_wrong"):
        named = named.intersection(by[name].index[~by[name].names_any.astype(bool)])
    right = by["own"].trace_correct.astype(bool)
    only = {"mediated": named, "own_right": by["own"].index[right], "own_wrong": by["own"].index[~right]}
    return {name: only[which] for name, (_, which) in CONTRASTS.items() if which != "all"}


def _observed(part: pd.DataFrame, rng, repeats: int) -> dict:
    """P(answer right | own trace right) minus P(answer right | own trace wrong), as the student wrote them."""
    own = part[part.variant == "own"]
    head = {"n": own.id.nunique(), "seeds": own.seed.nunique()}
    right, answer = own.trace_correct.astype(float), own.answer_correct.astype(float)
    columns = {"both": right * answer, "right": right, "only": (1 - right) * answer, "wrong": 1 - right}
    table = own[["id", "seed"]].assign(**columns).set_index(["id", "seed"])
    counts = dict(table.sum().astype(int))
    if head["n"] < 2 or not counts["right"] or not counts["wrong"]:
        return dict.fromkeys(ENDS, np.nan) | head
    # (problems, seeds, columns); a trace that was not written counts in neither group.
    units = np.stack([table[name].unstack("seed").fillna(0) for name in columns], axis=-1)
    found = bootstrap.crossed(units, lambda m: bootstrap.ratio(m[:, :2]) - bootstrap.ratio(m[:, 2:]), rng, repeats)
    # Few of a kind, or no resample that differs, leave a bootstrap too narrow.
    few = min(counts["right"], counts["wrong"]) < FEW
    if head["seeds"] == 1 and (found["low"] == found["high"] or few):
        cells = (counts["both"], counts["only"], counts["right"] - counts["both"], counts["wrong"] - counts["only"])
        found |= intervals.association(*cells)["difference"]
    return {name: found[name] for name in ENDS} | head


def between_conditions(table: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Trained on correct minus trained on incorrect traces, same problems and seeds, under the same kind of trace.

    ``total`` has each student answer after its own trace, where both wrote one. ``direct_VARIANT`` gives both the same
    trace: controlled direct effects of training. ``eliminated_VARIANT`` = total - direct is the part of the total that
    goes away once both have that trace (VanderWeele 2013, Epidemiology 24:175); it is not the natural indirect effect.

    Columns: student, dataset, first, second, effect, outcome, and those of ``tables``.
    """
    rows, first, second = [], "correct", "incorrect"
    for (student, dataset), part in table.groupby(["student", "dataset"], sort=False):
        for outcome in OUTCOMES:
            of = {c: wide(part[part.condition == c], outcome) for c in (first, second)}
            gap = of[first] - of[second]  # what only one of them has becomes NaN
            found = {"total": gap["own"]}
            for variant in ("gold", "both_wrong", "empty"):
                found[f"direct_{variant}"] = gap[variant]
                found[f"eliminated_{variant}"] = gap["own"] - gap[variant]
            for effect, values in found.items():
                head = {"student": student, "dataset": dataset, "first": first, "second": second, "effect": effect}
                rows.append(head | {"outcome": outcome} | summary(values, kind_of(outcome, 0), rng, repeats))
    return pd.DataFrame(rows)
