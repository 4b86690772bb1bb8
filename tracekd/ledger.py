"""The ledger: every printed number and claim beside what follows here, where that stands, and how it came out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tracekd import replication_claims as rc
from tracekd.findings import percent, points, seed_count, verdict_words
from tracekd.released_tables import OURS, PRINTED, THEIRS
from tracekd.replication import SIZE, marked
from tracekd.tables import accuracy, cells, first_seed
from tracekd.templated import TEACHER

# Where each kind of printed number is looked into: notebook and artefact.
PLACES = {
    "size": ("01_decompose", "01_label_shares"),
    "answer metric": ("06_released_outputs", "06_accuracy"),
    "matrix": ("06_released_outputs", "06_matrices"),
    "claim": ("06_released_outputs", "06_claims"),
    "r1 subset": ("06_released_outputs", "06_seeds_r1"),
    "seeds": ("06_released_outputs", "06_seeds_r1"),
    "study": ("05_human_study", "05_published_means"),
}
STEPS = ("classification", "retrieval", "trace")  # what printed matrices set against the answer
NUMBERS = (
    "kind", "dataset", "category", "student", "condition", "seed", "measure", "unit", "printed", "as_published",
    "aligned", "replicated", "replicated_low", "replicated_high", "replicated_problems", "replicated_outputs",
    "replicated_source", "verdict", "notebook", "artefact",
)  # fmt: skip


def numbers(checked: pd.DataFrame, verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000):
    """Every printed number with its counterparts; columns ``NUMBERS``.

    Args:
        checked: of ``paper_check.check``.
        verdicts: of ``replication.of_sizes``, one student. Its accuracy (percent, with a 95% interval) stands beside
            each printed accuracy of the same set, condition and category, and its first seed's counts beside each
            printed count; these are another student's and another ``n``'s, and ``replicated_source`` says of which
            problems, real or generated. Empty where nothing of the kind was replicated: free-form traces that no
            teacher wrote are not the paper's, and a number over all categories has no counterpart where a category
            that is printed of its set was not tested.
        rng: of the intervals.
        repeats: resamples.
    """
    verdicts = verdicts[verdicts.teacher != TEACHER]
    shares, counts = _shares(verdicts, rng, repeats), _counts(verdicts)
    part_only = _without_a_category(checked, verdicts)
    source = verdicts.groupby("dataset").source.first()
    rows = []
    for row in checked.to_dict("records"):
        found, key = {}, (row["dataset"], row["category"], row["condition"])
        if row["kind"] in ("answer metric", "seeds") and row["measure"] == "acc":
            found = {} if key[:2] in part_only else shares.get(key, {})
        elif row["kind"] == "matrix":
            found = {} if key[:2] in part_only else counts.get((*key, row["measure"]), {})
        if found:
            found = {**found, "replicated_source": source[row["dataset"]]}
        notebook, artefact = PLACES[row["kind"]]
        rows.append({**row, **found, "notebook": notebook, "artefact": artefact})
    return pd.DataFrame(rows).reindex(columns=list(NUMBERS))


def _without_a_category(checked: pd.DataFrame, verdicts: pd.DataFrame) -> set[tuple[str, str]]:
    """(data set, "all") of the sets for which a category is printed that ``verdicts`` has no problem of."""
    printed = checked[checked.kind.isin(["answer metric", "seeds"]) & (checked.category != "all")]
    tested = set(zip(verdicts.dataset, verdicts.category, strict=True))
    pairs = zip(printed.dataset, printed.category, strict=True)
    return {(dataset, "all") for dataset, category in pairs if (dataset, category) not in tested}


def _shares(verdicts: pd.DataFrame, rng, repeats: int) -> dict[tuple, dict]:
    by = ["dataset", "category", "condition"]
    if verdicts.empty:
        return {}
    whole = pd.concat([verdicts.assign(category="all"), verdicts])
    return {
        (row["dataset"], row["category"], row["condition"]): {
            "replicated": 100 * row["value"], "replicated_low": 100 * row["low"], "replicated_high": 100 * row["high"],
            "replicated_problems": row["problems"], "replicated_outputs": row["outputs"],
        }
        for row in accuracy(whole, "answer_correct", rng, repeats, by).to_dict("records")
    }  # fmt: skip


def _counts(verdicts: pd.DataFrame) -> dict[tuple, dict]:
    """Counts of the first seed under the measures' printed names, such as ``trace both`` and ``answer correct``."""
    found = {}
    for (dataset, condition), part in first_seed(verdicts).groupby(["dataset", "condition"], sort=False):
        made = {f"{step} {cell}": n for step in STEPS for cell, n in cells(part, step).items()}
        made |= {f"{step} correct": int(part[f"{step}_correct"].sum()) for step in (*STEPS, "answer")}
        made["unevaluated"] = int((part.status == "no_trace").sum())
        for measure, count in made.items():
            size = {"replicated_problems": part.id.nunique(), "replicated_outputs": len(part)}
            found[dataset, "all", condition, measure] = {"replicated": count, **size}
    return found


def claims(tested: pd.DataFrame, contrasts: pd.DataFrame, trace: pd.DataFrame, r1: pd.DataFrame) -> pd.DataFrame:
    """The claims of ``replication_claims.tested`` with what was published and what the second look gives beside them.

    Args:
        tested: of ``replication_claims.tested``.
        contrasts: ``06_contrasts``: pairs of conditions of the authors' students under both rule sets.
        trace: ``06_associations``: each step against the answer as printed, as published here and id-aligned.
        r1: published accuracies on the R1 subset, of ``released_tables.r1_accuracies``.

    Returns:
        ``tested`` with the columns ``published``, ``rescored`` (in words, one entry a student), ``notebook`` and
        ``artefact``.
    """
    rows = []
    for row, claim in zip(tested.to_dict("records"), _claims(tested), strict=True):
        rows.append({**row, **_beside(claim, row["dataset"], contrasts, trace, r1),
                     "notebook": "08_paper_check", "artefact": "08_claims"})  # fmt: skip
    return pd.DataFrame(rows)


def _claims(tested: pd.DataFrame) -> list[rc.Claim]:
    known = {(claim.sentence, dataset): claim for claim in rc.CLAIMS for dataset in claim.datasets}
    return [known[row.claim, row.dataset] for row in tested.itertuples()]


def _beside(claim: rc.Claim, dataset: str, contrasts, trace, r1) -> dict[str, str]:
    if {claim.first, claim.second} & {"r1", "swapped"}:
        return {"published": _r1(claim, r1), "rescored": "no outputs in the release"}
    if claim.second:
        found = {rules: _pair(claim, dataset, contrasts[contrasts.rules == rules]) for rules in (THEIRS, OURS)}
        return {"published": found[THEIRS], "rescored": found[OURS]}
    part = trace[(trace.step == claim.step) & (trace.dataset == dataset) & (trace.condition == claim.first)]
    found = {rules: _link(part[part.rules == rules]) for rules in (PRINTED, OURS)}
    return {"published": found[PRINTED], "rescored": found[OURS]}


def _pair(claim: rc.Claim, dataset: str, part: pd.DataFrame) -> str:
    """Differences ``first - second`` of the authors' students; the table may hold the pair the other way round."""
    words = []
    for row in part[part.dataset == dataset].to_dict("records"):
        if (row["first"], row["second"]) == (claim.first, claim.second):
            found = (row["difference"], row["low"], row["high"])
        elif (row["second"], row["first"]) == (claim.first, claim.second):
            found = (-row["difference"], -row["high"], -row["low"])
        else:
            continue
        words.append(f"{row['student'].removesuffix('-Instruct')} {points(*found)} (n = {row['n']})")
    return "; ".join(words) or "no outputs in the release"


def _link(part: pd.DataFrame) -> str:
    gaps = (part.p_answer_given_trace - part.p_answer_given_not_trace).set_axis(part.student).dropna()
    words = [f"{student.removesuffix('-Instruct')} {points(gap)}" for student, gap in gaps.items()]
    return "; ".join(words) or "not in the release"


def _r1(claim: rc.Claim, r1: pd.DataFrame) -> str:
    """Differences of the mean over categories, in points, on the categories that are printed of both conditions."""
    wide = r1.pivot_table(index=["student", "category"], columns="condition", values="value", sort=False)
    if not {claim.first, claim.second} <= set(wide):
        return "not in the release"
    words, whole = [], r1.category.nunique()
    for student, gaps in (wide[claim.first] - wide[claim.second]).groupby("student", sort=False):
        less = "" if gaps.count() == whole else f" ({gaps.count()} of {whole} categories)"
        words.append(f"{student.removesuffix('-Instruct')} {gaps.mean():+.1f}{less}")
    return "; ".join(words)


def short(claimed: pd.DataFrame, listed: pd.DataFrame) -> list[str]:
    """The ledger in about twenty lines: each claim with its verdicts, then the printed numbers by how they came out."""
    lines = ["the paper's claims in our words, set by set, tested on the open student (08_claims):"]
    for claim, part in claimed.groupby("claim", sort=False):
        run = part[(part.reason != rc.NOT_RUN) & (part.reveals == "all")]
        words = [f"{row.dataset} {_estimate(row)}: {verdict_words(row)}" for row in marked(run).itertuples()]
        words = words or [f"{rc.NOT_TESTED} ({rc.NOT_RUN})"]
        lines.append(f"  {claim}: {'; '.join(words)}")
    lines.append("every printed number (08_ledger):")
    verdicts = listed.verdict.str.partition(":")[0].where(listed.kind != "claim", "see 06_claims")
    for verdict, part in listed.groupby(verdicts, sort=False):
        kinds = ", ".join(f"{kind} {n}" for kind, n in part.kind.value_counts(sort=False).items())
        lines.append(f"  {verdict}: {kinds}")
    have = listed[listed.replicated.notna()]
    distinct = len(have.drop_duplicates(["dataset", "category", "condition", "measure"]))
    many = f"{len(have)} of {len(listed)}, {distinct} distinct quantities (students and seeds share one)"
    lines.append(f"  with a counterpart of our own: {many}")
    return lines


def declining(apart: pd.DataFrame) -> list[str]:
    """How much of a set's right answers rests on declining to answer, one line a number.

    Args:
        apart: of ``replication_tables.answer_measures``.
    """
    lines = []
    for (dataset, size, condition), part in apart.groupby(["dataset", SIZE, "condition"], sort=False):
        rows = {(bool(row.answerable), row.measure): row for row in part.itertuples()}
        if not {(True, "exact"), (False, "exact"), (True, "declines")} <= set(rows):
            continue
        who = f"{dataset}{f', trained on {size:,}' if size else ''}, {condition}"
        said = {
            (True, "exact"): "right on {} of the answerable questions",
            (False, "exact"): "right on {} of the unanswerable questions",
            (True, "declines"): "declines {} of the answerable questions",
        }
        for key, words in said.items():
            row = rows[key]
            lines.append(f"{who}: {words.format(percent(row.value, row.low, row.high))} (n = {row.problems}).")
    return lines


def _estimate(row) -> str:
    traces = f", {row.teacher} traces" if isinstance(row.teacher, str) and row.teacher else ""
    trained = f"trained on {row.training_problems:,}{traces}, {seed_count(row.seeds)}"
    cut = f"; cut at the limit and counted as wrong: {row.cut}" if isinstance(row.cut, str) and row.cut else ""
    estimate = f"{points(row.estimate, row.low, row.high)} points" if row.estimate == row.estimate else "no estimate"
    return f"{estimate} on {row.n} problems ({trained}{cut})"
