"""The ledger: every printed number and claim beside what follows here, what was replicated, and the verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.analysis import paper_check
from tracekd.analysis import released_tables as rt
from tracekd.analysis import replication_claims as rc
from tracekd.analysis.narrative import points, seed_count, verdict_words
from tracekd.analysis.recorded import FOLDER, marked
from tracekd.analysis.released_tables import OURS, PRINTED, THEIRS
from tracekd.analysis.tables import STEPS, accuracy, cells, first_seed
from tracekd.traces.templated import TEACHER

# Where each kind of printed number is looked into: notebook and artefact.
PLACES = {
    "size": ("01_decompose", "01_step_sizes"),
    "answer metric": ("06_released_outputs", "06_accuracy"),
    "matrix": ("06_released_outputs", "06_associations"),
    "claim": ("06_released_outputs", "06_claims"),
    "r1 subset": ("06_released_outputs", "paper_check"),
    "seeds": ("06_released_outputs", "paper_check"),
    "study": ("05_human_study", "05_published_means"),
}
NUMBERS = (
    "kind", "dataset", "category", "student", "condition", "seed", "measure", "unit", "printed", "as_published",
    "aligned", "replicated", "replicated_low", "replicated_high", "replicated_problems", "replicated_outputs",
    "replicated_source", "verdict", "notebook", "artefact",
)  # fmt: skip


def beside_release(tested: pd.DataFrame, folder: Path = FOLDER) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``claims`` and ``paper_check.check`` from the recorded verdicts on the authors' outputs in ``folder``."""
    release = rt.load(folder)
    claimed = claims(tested, release.contrasts, release.compared, rt.r1_accuracies(release.printed))
    return marked(claimed), paper_check.check(release.printed, release.verdicts)


def numbers(checked: pd.DataFrame, verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000):
    """Every printed number with its counterparts; columns ``NUMBERS``.

    Args:
        checked: of ``paper_check.check``.
        verdicts: of ``recorded.of_sizes``, one student. Beside a printed accuracy of the same set, condition and
            category stands its accuracy (percent, 95% interval), beside a printed count that of its first seed. Empty
            where nothing of the kind was replicated: templated traces are not the paper's, and a number over all
            categories has no counterpart where a category that is printed of its set was not tested.
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
        if key[:2] not in part_only and row["kind"] in ("answer metric", "seeds") and row["measure"] == "acc":
            found = shares.get(key, {})
        elif key[:2] not in part_only and row["kind"] == "matrix":
            found = counts.get((*key, row["measure"]), {})
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
    """``replication_claims.tested`` with ``published`` and ``rescored`` beside it, in words, one entry per student.

    ``contrasts``, ``trace`` and ``r1`` are of ``released_tables``: ``contrasts``, ``compared``, ``r1_accuracies``.
    """
    rows = [row | _beside(row, contrasts, trace, r1) for row in tested.to_dict("records")]
    return pd.DataFrame(rows).assign(notebook="08_paper_check", artefact="08_claims")


def _beside(row: dict, contrasts, trace, r1) -> dict[str, str]:
    if {row["first"], row["second"]} & {"r1", "swapped"}:
        return {"published": _r1(row, r1), "rescored": "no outputs in the release"}
    if row["second"]:
        found = {rules: _pair(row, contrasts[contrasts.rules == rules]) for rules in (THEIRS, OURS)}
        return {"published": found[THEIRS], "rescored": found[OURS]}
    part = trace[(trace.step == row["step"]) & (trace.dataset == row["dataset"]) & (trace.condition == row["first"])]
    found = {rules: _link(part[part.rules == rules]) for rules in (PRINTED, OURS)}
    return {"published": found[PRINTED], "rescored": found[OURS]}


def _pair(row: dict, part: pd.DataFrame) -> str:
    """Differences ``first - second`` of the authors' students; the table may hold the pair the other way round."""
    names, words = [row["first"], row["second"]], []
    for pair in part[part.dataset == row["dataset"]].to_dict("records"):
        found = [pair["difference"], pair["low"], pair["high"]]
        if [pair["second"], pair["first"]] == names:
            found = [-found[0], -found[2], -found[1]]
        elif [pair["first"], pair["second"]] != names:
            continue
        words.append(f"{pair['student'].removesuffix('-Instruct')} {points(*found)} (n = {pair['n']})")
    return "; ".join(words) or "no outputs in the release"


def _link(part: pd.DataFrame) -> str:
    gaps = (part.p_answer_given_trace - part.p_answer_given_not_trace).set_axis(part.student).dropna()
    words = [f"{student.removesuffix('-Instruct')} {points(gap)}" for student, gap in gaps.items()]
    return "; ".join(words) or "not in the release"


def _r1(row: dict, r1: pd.DataFrame) -> str:
    """Differences of the mean over categories, in points, on the categories that are printed of both conditions."""
    wide = r1.pivot_table(index=["student", "category"], columns="condition", values="value", sort=False)
    if not {row["first"], row["second"]} <= set(wide):
        return "not in the release"
    words, whole = [], r1.category.nunique()
    for student, gaps in (wide[row["first"]] - wide[row["second"]]).groupby("student", sort=False):
        fewer = "" if gaps.count() == whole else f" ({gaps.count()} of {whole} categories)"
        words.append(f"{student.removesuffix('-Instruct')} {gaps.mean():+.1f}{fewer}")
    return "; ".join(words)


def short(claimed: pd.DataFrame, listed: pd.DataFrame) -> list[str]:
    """The ledger in about twenty lines: each claim with its verdicts, then the printed numbers by how they came out."""
    lines = ["the paper's claims in our words, set by set, tested on the open student (08_claims):"]
    questions = {claim.sentence for claim in rc.QUESTIONS}
    for claim, part in claimed.groupby("claim", sort=False):
        run = part[(part.reason != rc.NOT_RUN) & (part.reveals == "all")]
        words = [f"{row.dataset} {_estimate(row)}: {verdict_words(row)}" for row in marked(run).itertuples()]
        if words or claim not in questions:
            lines.append(f"  {claim}: {'; '.join(words) or f'{rc.NOT_TESTED} ({rc.NOT_RUN})'}")
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


def _estimate(row) -> str:
    traces = f", {row.teacher} traces" if isinstance(row.teacher, str) and row.teacher else ""
    trained = f"trained on {row.training_problems:,}{traces}, {seed_count(row.seeds)}"
    cut = f"; cut at the limit and counted as wrong: {row.cut}" if isinstance(row.cut, str) and row.cut else ""
    estimate = f"{points(row.estimate, row.low, row.high)} points" if row.estimate == row.estimate else "no estimate"
    return f"{estimate} on {row.n} problems ({trained}{cut})"
