"""The replication: costs, accuracy, forced traces; and the paper's claims and our own questions, each with its test.

Estimates are over the problems and seeds that all compared conditions have, with ``bootstrap.crossed``'s intervals. A
claim is about a difference between two training conditions on the same problems, or between answers after right and
after wrong steps within one condition. Rules of decision, by the ends of a 90% interval (level 0.05) and a margin:

* ``not lower`` (non-inferiority): supported above minus the margin, not supported below it.
* ``not higher``: supported below the margin, not supported above it.
* ``no difference`` (equivalence by two one-sided tests, Schuirmann 1987): supported within the margin on both sides,
  not supported beyond it on one.
* ``higher``, ``lower`` (superiority by the margin): supported beyond it on their side, not supported short of it.

Anything else is inconclusive, also what only one of the intervals decides: the bootstrap alone needs more seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files

import numpy as np
import pandas as pd

from tracekd.analysis import tables
from tracekd.analysis.recorded import CORE, SIZE, largest, teachers
from tracekd.analysis.tables import INCONCLUSIVE, NOT_SUPPORTED, NOT_TESTED, SUPPORTED, points
from tracekd.interventions import tables as given
from tracekd.interventions.tables import FEWEST
from tracekd.stats import bootstrap, intervals
from tracekd.traces import freeform

REPEATS = 20_000  # resamples: the ends of intervals then move by less than 0.1 points from one seed to the next
MARGIN, TIE_MARGIN = 0.05, 0.10  # of accuracy; of the difference between answers after right and after wrong steps
PUBLISHED = ("published", "published_low", "published_high")
EVENLY = ("by_category", "by_category_low", "by_category_high")
BY = ["dataset", "source", SIZE, "condition", "teacher"]
TRACED = ("correct", "incorrect", "incorrect_uniform", "any", "foreign")  # traces whose steps can be judged
VARIANTS = ("own", "gold", "wrong_label", "wrong_facts", "both_wrong", "masked", "empty")
EFFECTS = (
    "total_all", "facts_given_right_label", "label_given_right_facts", "total", "natural_direct", "natural_indirect",
)  # fmt: skip
ENDS = ("low", "high", "t_low", "t_high", "low90", "high90", "t_low90", "t_high90", "least_difference")
MISLEADING = {"incorrect", "natural_incorrect"}  # their wrong traces are the ones that ``drawn_reveals`` is about


def costs(adapters: pd.DataFrame) -> pd.DataFrame:
    """What each condition's trainings cost: seeds and means over them; one row per ``BY``, in longhand."""
    costs = ["n", "supervised_tokens", "total_tokens", "target_repetition", "seconds", "mean_loss"]
    groups = adapters.groupby(BY, sort=False)
    made = groups[costs].mean().assign(minutes=lambda t: t.pop("seconds") / 60)
    made.insert(0, "seeds", groups.seed.nunique())
    return freeform.spelled(made.reset_index())


def accuracies(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """``tables.accuracy`` of right answers per ``BY``: untrained students first, then larger trainings before smaller.

    Further columns: contains, cut (shares of outputs that contain the answer, that met the limit); by the published
    metric, where recorded, ``PUBLISHED`` and ``EVENLY``, its mean over categories, as printed for R1's students.
    """
    exact, lenient = (tables.accuracy(verdicts, f"answer_{name}", rng, repeats, BY) for name in ("correct", "contains"))
    cut = verdicts.assign(cut=verdicts.status == "truncated").groupby(BY, sort=False).cut.mean()
    shares = exact.assign(contains=lenient.value).merge(cut.reset_index(), on=BY)
    whole, parts = verdicts.groupby(BY), verdicts.groupby([*BY, "category"])
    even = whole.id.transform("size") / whole.category.transform("nunique") / parts.id.transform("size")
    for names, weight in ((PUBLISHED, 1), (EVENLY, even)):
        weighted = verdicts.assign(theirs=verdicts.pub_answer_correct * weight)
        theirs = tables.accuracies(weighted, {"theirs": ""}, rng, repeats, BY)
        theirs = theirs.rename(columns=dict(zip(tables.ENDS, names, strict=False)))[[*BY, *names]]
        shares = shares.merge(theirs, on=BY, how="left")
    falling = {"key": lambda part: -part.replace(0, np.inf) if part.name == SIZE else part}
    return freeform.spelled(shares.sort_values(["dataset", SIZE], kind="stable", ignore_index=True, **falling))


def cube(frame: pd.DataFrame, conditions: Sequence[str], columns: Sequence[str] = ("answer_correct",)) -> np.ndarray:
    """Verdicts as (problems, seeds, conditions, columns), of the problems and seeds that all conditions have."""
    part = frame[frame.condition.isin(conditions)]
    wide = part.pivot(index="id", columns=["seed", "condition"], values=list(columns)).astype(float)
    seeds = [s for s in sorted(part.seed.unique()) if all((columns[0], s, c) in wide for c in conditions)]
    if not seeds:
        return np.empty((0, 0, len(conditions), len(columns)))
    whole = wide[[(name, s, c) for s in seeds for c in conditions for name in columns]].dropna()
    return whole.to_numpy().reshape(len(whole), len(seeds), len(conditions), len(columns))


def difference(frame: pd.DataFrame, first: str, second: str, rng: np.random.Generator, repeats: int = REPEATS) -> dict:
    """Accuracy of ``first`` minus that of ``second``, mean over problems and seeds; empty where one was not run.

    Returns what ``bootstrap.crossed`` does (-1..1), by_seed, fewest (problems that the better one ever answers right).
    """
    units = cube(frame, (first, second))[..., 0]
    if not units.size:
        return {}
    found = bootstrap.crossed(units, lambda means: means[:, 0] - means[:, 1], rng, repeats)
    if (units[..., 0] == units[..., 1]).all():  # no resample differs, though the next problem may
        found |= dict.fromkeys(bootstrap.T_ENDS, np.nan)
        for level, mark in ((0.95, ""), (0.9, "90")):
            ends = intervals.paired_difference([False] * len(units), [False] * len(units), level)
            found |= {f"low{mark}": ends["low"], f"high{mark}": ends["high"]}
    by_seed = (units[..., 0] - units[..., 1]).mean(axis=0)
    return found | {"by_seed": by_seed.tolist(), "fewest": int(units.any(axis=1).sum(axis=0).max())}


def tie(
    frame: pd.DataFrame, condition: str, rng: np.random.Generator, repeats: int = REPEATS, step: str = "trace"
) -> dict:
    """Share of right answers where ``step`` of the student's own trace is right minus where it is wrong.

    Returns as ``difference``, no estimate where all steps are alike; fewest: problems with a right, or a wrong, step.
    """
    steps = cube(frame, (condition,), (f"{step}_correct", "answer_correct"))[:, :, 0]
    if not steps.size:
        return {}
    right, answer = steps[..., 0], steps[..., 1]
    # (problems, seeds, 4): answer and step right, step right; answer right and step wrong, step wrong
    units = np.stack([right * answer, right, (1 - right) * answer, 1 - right], axis=-1)
    about = {"n": len(units), "seeds": units.shape[1], "fewest": int(units[..., [1, 3]].any(axis=1).sum(axis=0).min())}
    if not about["fewest"]:  # all right, or all wrong: nothing to compare
        return about
    by_seed = bootstrap.ratio(units.mean(axis=0)[:, :2]) - bootstrap.ratio(units.mean(axis=0)[:, 2:])
    return bootstrap.shares_apart(units, rng, repeats) | about | {"by_seed": by_seed.tolist()}


def by_trace(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """``tables.accuracy`` of answers to answerable questions, all and after the student's own right and wrong traces.

    Columns beside those of ``BY``: facts (number of gold facts, or ``all``), trace (all, right, wrong; students taught
    ``TRACED`` alone have the latter two). No row on fewer than ``FEWEST`` problems.
    """
    some = verdicts[verdicts.answerable & (verdicts[SIZE] > 0)].assign(facts="all")
    some = pd.concat([some, some.assign(facts=some.n_facts.astype(str))]).assign(trace="all")
    traced = some[some.condition.isin(TRACED)]
    some = pd.concat([some, traced.assign(trace=traced.trace_correct.map({True: "right", False: "wrong"}))])
    found = tables.accuracy(some, "answer_correct", rng, repeats, [*BY[:-1], "facts", "trace"])
    return found[found.problems >= FEWEST]


def forced(asked: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """What right answers do after forced traces (``asked``: of ``recorded.load``, in longhand), size by size.

    Returns columns training_problems, quantity, reveals (what a problem's wrong trace reveals, or all) and those of
    ``tables.effects``. ``quantity`` is ``effect`` (of a right trace), ``accuracy`` (after the trace in ``effect``) or
    ``follows`` (share of answers that follow ``effect`` where trace and context disagree).
    """

    def by_size(make: Callable) -> pd.DataFrame:
        parts = {size: make(rows) for size, rows in sorted(asked.groupby(SIZE), reverse=True)}
        return pd.concat(parts, names=[SIZE]).reset_index(SIZE).reset_index(drop=True)

    levels = by_size(lambda rows: given.by_reveals(rows, lambda part: given.levels(part, rng, repeats)))
    moved = by_size(lambda rows: given.by_reveals(rows, lambda part: given.effects(part, rng, repeats)))
    follows = by_size(lambda rows: given.follow_shares(rows, rng, repeats))
    follows = follows[follows.variant == "given"].drop(columns="variant").rename(columns={"follows": "effect"})
    parts = {
        "effect": moved[moved.effect.isin(EFFECTS)],
        "accuracy": levels[levels.variant.isin(VARIANTS)].rename(columns={"variant": "effect"}),
        "follows": follows.assign(outcome="answer_correct", reveals="all"),
    }
    table = pd.concat([part.assign(quantity=name) for name, part in parts.items()], ignore_index=True)
    table = table[(table.outcome == "answer_correct") & (table.n >= FEWEST)].drop(columns="outcome")
    return table[[SIZE, "quantity", *table.columns.drop([SIZE, "quantity"])]]


def forced_panel(asked: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Accuracy after the gold, no and a wrong trace of students taught no, correct, incorrect or blind ones.

    Of ``asked`` (as for ``forced``) at ``recorded.largest`` sizes, sets with all seeds. Columns of ``levels``.
    """
    some = largest(asked[asked.condition.isin([*CORE, "any"]) & asked.variant.isin(["gold", "empty", "both_wrong"])])
    levels = given.levels(some, rng, repeats)
    levels = levels[(levels.outcome == "answer_correct") & (levels.n >= FEWEST)]
    return levels[levels.groupby("dataset").seeds.transform("min") == levels.seeds.max()]


def claims() -> pd.DataFrame:
    """``claims.csv``: one row per claim of the paper and per question of ours (``asked_by``), tested set by set.

    ``first`` minus ``second`` are conditions; without ``second``: the tie of answers with a ``step`` (trace, or label).
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


def tested(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """Every claim (of ``claims``) on each of its data sets, for each training size with both conditions.

    Answerable questions alone: for the others, to state no fact and to decline are one decision.
    Returns claim, dataset, source, reveals (``all``; for claims on incorrect traces also what the wrong trace drawn for
    a problem reveals), training_problems (0: not trained), teacher, rule, first, second, step, margin, estimate with
    its 95% and 90% intervals, least_difference (that these problems and seeds show with 80% power), ``PUBLISHED`` (by
    the published answer metric), n, seeds, by_seed, fewest, verdict, reason.
    """
    rows = []
    for claim, dataset in [(one, dataset) for one in claims().itertuples() for dataset in one.datasets.split()]:
        part = verdicts[(verdicts.dataset == dataset) & verdicts.answerable]
        parts = {"all": part}
        if "drawn_reveals" in part and MISLEADING & {claim.first, claim.second}:
            parts |= dict(iter(part[part.drawn_reveals.fillna("") != ""].groupby("drawn_reveals")))
        for reveals, some in parts.items():
            made = {size: _found(claim, of_size, rng, repeats) for size, of_size in some.groupby(SIZE)}
            made = {size: found for size, found in reversed(made.items()) if found}
            made = made or ({0: {}} if reveals == "all" else {})
            rows += [_row(claim, dataset, reveals, some, size, found) for size, found in made.items()]
    return pd.DataFrame(rows)


def _found(claim, frame: pd.DataFrame, rng: np.random.Generator, repeats: int) -> dict:
    """A claim's estimate on one training size, and by the published answer metric (``PUBLISHED``)."""
    if not claim.second:
        return tie(frame, claim.first, rng, repeats, claim.step)
    found = difference(frame, claim.first, claim.second, rng, repeats)
    frame = frame.assign(answer_correct=frame.pub_answer_correct)
    theirs = difference(frame, claim.first, claim.second, rng, repeats)
    return found and found | {name: theirs.get(end, np.nan) for name, end in zip(PUBLISHED, tables.ENDS, strict=False)}


def _row(claim, dataset: str, reveals: str, part: pd.DataFrame, size: int, found: Mapping) -> dict:
    """One row of ``tested``: ``found`` on the problems ``part`` for a training size, empty where it was not run."""
    margin, named = MARGIN if claim.second else TIE_MARGIN, teachers(part[part[SIZE] == size])
    wrote = {named.get((dataset, name), "") for name in (claim.first, claim.second)}
    reasons = {  # why a test would mean nothing
        "conditions not trained": not found,
        "one seed": found and found["seeds"] == 1,
        "traces written by rules": found and freeform.TEMPLATED in wrote,
        "generated problems": found and part.source.astype(str).str.contains("GENERATED").any(),
        f"fewer than {FEWEST} problems of a kind": found and found["fewest"] < FEWEST,
    }
    reason = "; ".join(words for words, holds in reasons.items() if holds)
    return {
        "claim": claim.claim, "dataset": dataset, "source": part.source.iloc[0] if len(part) else "",
        "reveals": reveals, SIZE: size, "teacher": " and ".join(sorted(wrote - {""})), "rule": claim.rule,
        "first": claim.first, "second": claim.second, "step": claim.step, "margin": margin,
        "estimate": found.get("value", np.nan), **{name: found.get(name, np.nan) for name in (*ENDS, *PUBLISHED)},
        "n": found.get("n", 0), "seeds": found.get("seeds", 0),
        "by_seed": "; ".join(f"{value:+.3f}" for value in found.get("by_seed", ())), "fewest": found.get("fewest", 0),
        "verdict": NOT_TESTED if reason else decide(claim.rule, found, margin), "reason": reason,
    }  # fmt: skip


def overview(claimed: pd.DataFrame) -> pd.DataFrame:
    """Claims by data sets, at the largest size tested: points, n, verdict; then, if others, points as published."""
    rows = claimed[claimed.reveals == "all"].assign(untested=claimed.verdict == NOT_TESTED)
    rows, cells = rows.sort_values("untested", kind="stable").drop_duplicates(["claim", "dataset"]), []
    for row in rows.itertuples():
        gap, reason = points(row.estimate, row.low, row.high), f" ({row.reason})" if row.reason else ""
        theirs = "" if row.published == row.estimate else points(row.published, row.published_low, row.published_high)
        theirs = f"; published metric {theirs}" if theirs else ""
        cells.append((f"{gap}, n = {row.n}: " if gap else "") + row.verdict + reason + theirs)
    wide = rows.assign(cell=cells).pivot(index="claim", columns="dataset", values="cell")
    return wide.reindex(claimed.claim.unique()).fillna("")
