"""The paper check: the printed numbers, the released outputs under the published and the id-aligned rules, and claims.

``as published`` is our run of the published rules on these outputs, ``id-aligned`` each output against its own problem.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from scipy.stats import t

from tracekd.analysis import tables
from tracekd.scoring import release_rules, verdict_tables

FOLLOWS = "follows to the digit"
MOVED = "does not follow from the released outputs"
ABSENT = "cannot be checked: we have no outputs for it"
FROM_FILES = "follows from the files"
ELSEWHERE = {
    "size": "not counted here: needs the whole files", "claim": "see 06_claims",
    "study": "cannot be checked: the data are not in our sources",
}  # fmt: skip
NAN = float("nan")
BY = ("dataset", "student", "condition")
PRINTED, THEIRS, OURS = "as printed", "as published", "id-aligned"
CELLS = tuple(tables.CELLS.values())
ORDER = ("vanilla", "correct", "incorrect")


class Release(NamedTuple):
    """Verdicts on the released outputs of both sets, the printed numbers, ``compared`` and ``contrasts``.

    The last are ``tables.contrasts`` of the fine-tuned students' conditions under both rule sets (column ``rules``).
    """

    verdicts: pd.DataFrame
    printed: pd.DataFrame
    compared: pd.DataFrame
    contrasts: pd.DataFrame


def load(folder: str | Path, margin: float = 0.05) -> Release:
    """Read the recorded verdicts in ``folder`` and the printed numbers; ``margin`` is that of the equivalence tests."""
    parts = [verdict_tables.read(folder, dataset).assign(dataset=dataset) for dataset in verdict_tables.DATASETS]
    verdicts, printed = pd.concat(parts, ignore_index=True), published()
    tuned = verdicts[(verdicts.joined == "test") & (verdicts.condition != "prompted")]
    pairs = [
        tables.contrasts(tuned, margin, column, BY[:2], ORDER).assign(rules=rules)
        for rules, column in ((THEIRS, "pub_answer_correct"), (OURS, "answer_correct"))
    ]
    return Release(verdicts, printed, compared(printed, verdicts), pd.concat(pairs, ignore_index=True))


def published() -> pd.DataFrame:
    """Every number that the paper (arXiv 2505.13792) or its release prints, ``published.csv``.

    Columns: kind (``size``, ``answer metric``, ``matrix``, ``r1 subset``, ``seeds``, ``claim``, ``study``), dataset,
    category, student, condition (in our names), seed (may be empty), measure, value, its unit, source (where printed).
    """
    return pd.read_csv(files("tracekd.analysis") / "published.csv", keep_default_na=False, dtype={"seed": str})


def statements() -> pd.DataFrame:
    """``released_claims.csv``: the paper's statements, the evidence from its release, which tests check, and verdicts.

    They rest on the id-aligned outputs unless the evidence says otherwise, and on tests at 0.05 after Holm.
    """
    return pd.read_csv(files("tracekd.analysis") / "released_claims.csv")


def check_recorded(source: str | Path, folder: str | Path) -> list[str]:
    """Score the released files below ``source``, if there, and say how many verdicts moved (ValueError: same files)."""
    if not (Path(source) / "released").is_dir():
        return ["The released files are not here, so the recorded verdict tables are read as they are."]
    sources, said = pd.read_csv(Path(folder) / verdict_tables.SOURCES), []
    for dataset in verdict_tables.DATASETS:
        fresh, scored = verdict_tables.build(source, dataset)
        moved = verdict_tables.moved(fresh, Path(folder) / verdict_tables.table_name(dataset))
        same = set(scored.sha256) == set(sources.sha256[sources.dataset == dataset])
        if same and moved:
            raise ValueError(f"{dataset}: {moved} of {len(fresh)} verdicts moved on unchanged files: record them anew")
        words = "as recorded" if same else "NOT as recorded"
        said.append(f"{dataset}: {len(scored)} files scored afresh, checksums {words}, {moved} verdicts moved.")
    return said


def check(published: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Check every row of ``published`` on the released verdicts (``Release``).

    Returns the rows with ``printed`` (their value), ``as_published`` (the same rule on the released outputs),
    ``aligned``, ``difference`` (as published minus printed), ``verdict``; NaN where there is nothing to compute from.
    """
    key, counted = [*BY, "category"], published[published.kind.isin(["answer metric", "matrix"])]
    wanted = set(counted[key].itertuples(index=False, name=None))
    parts = pd.concat([table, table.assign(category="all")]).groupby(key)
    numbers = {name: _numbers(part) for name, part in parts if name in wanted}
    checked = [_checked(r, table, numbers.get(tuple(r[k] for k in key), {})) for r in published.to_dict("records")]
    here, aligned, verdicts = zip(*checked, strict=True)
    found = published.assign(printed=published.value, as_published=here, aligned=aligned).drop(columns="value")
    return found.assign(difference=(found.as_published - found.printed).round(3), verdict=verdicts)


def _checked(row: Mapping, table: pd.DataFrame, numbers: Mapping) -> tuple[float, float, str]:
    """A printed number by the published rules, its id-aligned counterpart and the verdict."""
    size = (row["kind"], row["category"], row["measure"]) == ("size", "all", "test problems")
    if size and (n := table[(table.dataset == row["dataset"]) & (table.joined == "test")].id.nunique()):
        return n, n, FROM_FILES if n == row["value"] else "the files have another count"
    if row["kind"] in ELSEWHERE:
        return NAN, NAN, ELSEWHERE[row["kind"]]
    here, aligned = numbers.get((row["kind"], row["measure"]), (NAN, NAN))
    return here, aligned, ABSENT if here != here else FOLLOWS if here == row["value"] else MOVED


def _numbers(part: pd.DataFrame) -> dict[tuple[str, str], tuple[float, float]]:
    """Every printed (kind, measure) of some outputs: by the published rules, and of all test outputs aligned.

    Metrics are percent, to one decimal; only acc and f1 have an id-aligned counterpart. Matrices count the evaluated
    outputs, though the release counts a right answer before it skips what has no trace.
    """
    evaluated, test = part[part.pub_evaluated], part[part.joined == "test"]
    sums = {"acc": part.pub_answer_correct.sum(), **{name: part[f"pub_{name}"].sum() for name in ("f1", "p", "r")}}
    own = {"acc": test.answer_correct.sum(), "f1": test.answer_f1.sum(), "p": NAN, "r": NAN}
    theirs, ours = release_rules.metric_row(sums, len(part)), release_rules.metric_row(own, len(test))
    found = {("answer metric", name): (theirs[name], ours[name]) for name in theirs}
    found["matrix", "unevaluated"] = len(part) - len(evaluated), (test.status == "no_trace").sum()
    for step in (*tables.STEPS, "answer"):
        right = (part if step == "answer" else evaluated)[f"pub_{step}_correct"].sum()
        found["matrix", f"{step} correct"] = right, test[f"{step}_correct"].sum()
        here, aligned = tables.cells(_theirs(evaluated), step), tables.cells(test, step)
        found |= {("matrix", f"{step} {cell}"): (here[cell], aligned[cell]) for cell in CELLS}
    return {name: (float(here), float(aligned)) for name, (here, aligned) in found.items()}


def _theirs(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` with the release's flags in place of the id-aligned ones."""
    return table.assign(**{flag: table[f"pub_{flag}"] for flag in verdict_tables.FLAGS})


def by_kind(checked: pd.DataFrame) -> pd.DataFrame:
    """How many printed numbers of each kind (columns) have each verdict (rows), as they come."""
    verdict = checked.verdict.str.partition(":")[0].rename("verdict")
    return pd.crosstab(verdict, checked.kind).reindex(index=verdict.unique(), columns=checked.kind.unique())


def compared(published: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """``tables.association_table`` of every trace-bearing adapter under three ``rules``, with a ``title`` for pictures.

    Counted are, in this order, the printed matrices, the outputs that they evaluate, one output per test problem.
    """
    matrices = published[published.kind == "matrix"].set_index("measure").groupby(list(BY), sort=False).value
    printed = tables.association_table(
        (dict(zip(BY, key, strict=True)) | {"step": step}, {cell: value[f"{step} {cell}"] for cell in CELLS})
        for key, value in matrices
        for step in tables.STEPS
    )
    stated = verdicts[verdicts.condition.isin(["correct", "incorrect"])]
    theirs = tables.associations(_theirs(stated[stated.pub_evaluated]), BY)
    parts = {PRINTED: printed, THEIRS: theirs, OURS: tables.associations(stated[stated.joined == "test"], BY)}
    table = pd.concat([part.assign(rules=rules) for rules, part in parts.items()], ignore_index=True)
    title = table.dataset + ", " + table.student.str.replace("-Instruct", "") + ", " + table.condition
    return table.assign(title=title).sort_values("title", kind="stable")  # within a title: the order of the rules


def three_steps(release: Release) -> pd.DataFrame:
    """How the 28% comes about: CoTempQA, Qwen3-1.7B trained on correct traces, by ``reading``, else as ``compared``.

    The third: outputs whose own problem the published rule looks up. Last: categories whose cells expect 10 or more.
    """
    readings = {
        (PRINTED, "trace"): "printed matrix",
        (THEIRS, "trace"): "released outputs, our reading of the published rule",
        (OURS, "trace"): "released outputs, id-aligned",
        (OURS, "classification"): "released outputs, id-aligned, label alone",
    }
    part = release.compared.set_index("title").loc["cotempqa, Qwen3-1.7B, correct"].set_index(["rules", "step"])
    outputs = release.verdicts.query("dataset == 'cotempqa' and student == 'Qwen3-1.7B' and condition == 'correct'")
    own = tables.associations(_theirs(outputs[outputs.pub_evaluated & ~outputs.pub_other_row]), ["condition"])
    own = own[own.step == "trace"].assign(reading="the published rule, where it looks up the output's own problem")
    within = tables.associations(outputs[outputs.joined == "test"], ["category"])
    within = within[(within.step == "classification") & (within.expected_min >= 10)]
    within = within.assign(reading="label alone, only the category " + within.category)
    part = part.loc[[*readings]].assign(reading=[*readings.values()])
    return pd.concat([part[:2], own, part[2:], within], ignore_index=True)


def replicates(release: Release) -> pd.DataFrame:
    """Accuracy with incorrect minus ``other`` traces in the printed CoTempQA replicates: mean, t interval over seeds.

    Shares of 1, categories weighted by their test problems; a seed that lacks one (Qwen3-1.7B without traces, 122) does
    not count. Columns: other, student, value, seeds, low, high (95%).
    """
    size = release.verdicts.query("dataset == 'cotempqa' and joined == 'test'").groupby("category").id.nunique()
    printed = release.printed.query("kind == 'seeds' and measure == 'acc'")
    wide = printed.pivot(index=["student", "seed"], columns=["condition", "category"], values="value")
    means = pd.DataFrame({c: wide[c] @ (size / size.sum()) / 100 for c in ORDER})
    gaps = means[[*ORDER[:2]]].rsub(means.incorrect, axis=0).melt(var_name="other", ignore_index=False).dropna()
    found = gaps.groupby(["other", "student"]).value.agg(value="mean", error="sem", seeds="size").reset_index()
    half = t.ppf(0.975, found.seeds - 1) * found.pop("error")
    return found.assign(low=found.value - half, high=found.value + half)


def dependent(table: pd.DataFrame, common: bool = False) -> pd.DataFrame:
    """For each rule set of ``compared``: in how many trace x answer tables independence is rejected.

    With ``common`` only the tables (data set, student, condition) for which every rule set has a test are counted.
    Returns indexed by rules: tables (with a test), small (an expected count below 5: Fisher's exact test), rejected (at
    0.05: chi-squared above 3.841, or Fisher's p), rejected_holm (after Holm's adjustment over the rule set).
    """
    trace = table[(table.step == "trace") & table.p_value.notna()]
    if common:
        rules = trace.groupby(list(BY)).rules
        trace = trace[rules.transform("nunique") == trace.rules.nunique()]
    flags = trace.assign(tables=1, small=trace.expected_min < 5, rejected=trace.p_value < 0.05)
    flags["rejected_holm"] = trace.p_holm < 0.05
    return flags.groupby("rules", sort=False)[["tables", "small", "rejected", "rejected_holm"]].sum()
