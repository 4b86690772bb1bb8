"""Tables that set the release's rules beside the id-aligned ones, from the verdict tables and the printed numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tracekd import released_verdicts, stats
from tracekd.replicates import over_seeds

BY = ("dataset", "student", "condition")
FLAGS = released_verdicts.FLAGS
PRINTED, THEIRS, OURS = "as printed", "as published", "id-aligned"
CELLS = ("both", "answer_only", "trace_only", "neither")


def verdict_tables(folder) -> pd.DataFrame:
    """The verdict tables of both sets in one frame, with a column ``dataset``."""
    parts = [released_verdicts.read(folder, dataset).assign(dataset=dataset) for dataset in released_verdicts.DATASETS]
    return pd.concat(parts, ignore_index=True)


def inventory(table: pd.DataFrame) -> pd.DataFrame:
    """What each adapter's outputs are: rows, how they join the test problems, how they read, mean words of traces."""
    groups = table.groupby(list(BY), sort=False)
    found = groups.size().rename("rows").to_frame()
    for name in ("test", "repeat", "other"):
        found[name] = groups.joined.agg(lambda column, name=name: int((column == name).sum()))
    for name in ("ok", "untagged", "no_trace", "no_answer", "truncated"):
        found[name] = groups.status.agg(lambda column, name=name: int((column == name).sum()))
    found["trace_words"] = table[table.trace_words > 0].groupby(list(BY)).trace_words.mean().round(1)
    return found.reset_index()


def both_rules(table: pd.DataFrame) -> pd.DataFrame:
    """The verdicts under either rule set in long form, with a column ``rules``.

    ``as published`` has the outputs that the release's matrices evaluate, ``id-aligned`` one output a test problem.
    """
    theirs = table[table.pub_evaluated]
    theirs = theirs.assign(**{flag: theirs[f"pub_{flag}"] for flag in FLAGS}, cell=theirs.pub_cell, rules=THEIRS)
    return pd.concat([theirs, table[table.joined == "test"].assign(rules=OURS)], ignore_index=True)


def changes(table: pd.DataFrame) -> pd.DataFrame:
    """What the second look changes, one row an adapter, on the test problems.

    Returns:
        columns ``BY``, n, other_row (compared with another problem's row), and for each of classification,
        retrieval, trace and answer ``STEP_lost`` (right as published, wrong aligned) and ``STEP_gained`` (the
        other way), and ``moved`` (outputs in another cell of the trace x answer table).
    """
    rows = []
    for key, part in table[table.joined == "test"].groupby(list(BY), sort=False):
        row = {**dict(zip(BY, key, strict=True)), "n": len(part), "other_row": int(part.pub_other_row.sum())}
        for flag in FLAGS:
            name, theirs, ours = flag.removesuffix("_correct"), part[f"pub_{flag}"], part[flag]
            row |= {f"{name}_lost": int((theirs & ~ours).sum()), f"{name}_gained": int((ours & ~theirs).sum())}
        row["moved"] = int((part.cell != part.pub_cell.fillna("unevaluated")).sum())
        rows.append(row)
    return pd.DataFrame(rows)


def lost_answers(table: pd.DataFrame) -> pd.DataFrame:
    """Answers that are right as published and wrong id-aligned, by what they hold; one row an adapter.

    Returns:
        columns ``BY``, lost, ``further answers`` (all gold answers and others), ``words around`` (one stated answer
        that holds the gold answers within other words, or lists them in another form), ``gold missing`` (a gold
        answer does not stand in it as whole words), as counts.
    """
    part = table[(table.joined == "test") & table.pub_answer_correct & ~table.answer_correct]
    kind = np.select(
        [~part.answer_contains, part.answers_given > 1], ["gold missing", "further answers"], "words around"
    )
    counts = part.assign(kind=kind).groupby([*BY, "kind"], sort=False).size().unstack(fill_value=0)
    counts = counts.reindex(columns=["further answers", "words around", "gold missing"], fill_value=0)
    counts.insert(0, "lost", counts.sum(axis=1))
    return counts.rename_axis(columns=None).reset_index()


def moves(table: pd.DataFrame) -> pd.DataFrame:
    """From which published cell to which aligned cell: counts, rows ``BY`` and published cell, one column a cell."""
    part = table[table.joined == "test"]
    part = part.assign(published=part.pub_cell.fillna("unevaluated"))
    counts = part.groupby([*BY, "published", "cell"], sort=False).size().unstack(fill_value=0)
    return counts.reindex(columns=list(CELLS), fill_value=0).rename_axis(columns=None).reset_index()


def printed_associations(published: pd.DataFrame) -> pd.DataFrame:
    """The printed confusion matrices put through ``stats.association_row``: one row a matrix, with ``step``."""
    rows = []
    part = published[published.kind == "matrix"]
    for key, group in part.groupby(list(BY), sort=False):
        values = dict(zip(group.measure, group.value, strict=True))
        for step in ("classification", "retrieval", "trace"):
            counts = {cell: int(values[f"{step} {cell}"]) for cell in CELLS}
            rows.append({**dict(zip(BY, key, strict=True)), "step": step, **stats.association_row(counts)})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=stats.holm(table.p_value))


def r1_accuracies(published: pd.DataFrame) -> pd.DataFrame:
    """Published accuracy on the R1 subset: columns student, condition, category, value (percent)."""
    part = published[(published.kind == "r1 subset") & (published.measure == "acc")]
    return part[["student", "condition", "category", "value"]]


def r1_conditions(published: pd.DataFrame) -> pd.DataFrame:
    """Published accuracy on the R1 subset: mean over its categories, in percent, and how many it is a mean of."""
    groups = r1_accuracies(published).groupby(["student", "condition"], sort=False).value
    return groups.agg(value="mean", categories="size").reset_index()


def seeds(published: pd.DataFrame) -> pd.DataFrame:
    """Published accuracy over seeds 121 to 123: mean and range of the mean over categories, in percent.

    A seed whose four categories are not all published is left out: its mean would be one of other categories.
    """
    part = published[(published.kind == "seeds") & (published.measure == "acc")]
    whole = part.groupby(["student", "condition", "seed"]).category.transform("nunique") == 4
    return over_seeds(part[whole].rename(columns={"value": "accuracy"}), ["student", "condition"], "accuracy")


def compared(published: pd.DataFrame, frame: pd.DataFrame, associate) -> pd.DataFrame:
    """Every trace-bearing adapter's associations as printed, as published and aligned, with ``rules`` and ``title``.

    Args:
        published: ``published.load()``.
        frame: of ``both_rules``.
        associate: ``tables.associations``.
    """
    stated = frame[frame.condition.isin(["correct", "incorrect"])]
    parts = [printed_associations(published).assign(rules=PRINTED)]
    parts += [associate(stated[stated.rules == rules], BY).assign(rules=rules) for rules in (THEIRS, OURS)]
    table = pd.concat(parts, ignore_index=True)
    title = table.dataset + ", " + table.student.str.replace("-Instruct", "") + ", " + table.condition
    order = pd.Categorical(table.rules, [PRINTED, THEIRS, OURS], ordered=True)
    return table.assign(title=title, order=order).sort_values(["title", "order"], kind="stable").drop(columns="order")


def three_steps(compared: pd.DataFrame) -> pd.DataFrame:
    """How the 28% comes about: CoTempQA, Qwen3-1.7B trained on correct traces, under each reading in turn.

    The printed matrix comes from an older set of outputs than the released ones. The id-aligned trace asks for exactly
    the gold facts, which often name the answer; the label alone does not.

    Args:
        compared: of ``compared``.

    Returns:
        columns reading, n, joint (step and answer both right, of all outputs), p_answer_given_trace,
        p_answer_given_not_trace (of outputs where the step is right, wrong), phi; each with ``_low``, ``_high`` (95%).
    """
    part = compared[(compared.dataset == "cotempqa") & (compared.student == "Qwen3-1.7B")]
    part = part[part.condition == "correct"].set_index(["rules", "step"])
    readings = {
        "printed matrix": (PRINTED, "trace"),
        "released outputs, our reading of the published rule": (THEIRS, "trace"),
        "released outputs, id-aligned": (OURS, "trace"),
        "released outputs, id-aligned, label alone": (OURS, "classification"),
    }
    names = ("joint", "p_answer_given_trace", "p_answer_given_not_trace", "phi")
    wanted = ["n", *(f"{name}{end}" for name in names for end in ("", "_low", "_high"))]
    rows = [{"reading": reading, **part.loc[key, wanted]} for reading, key in readings.items()]
    return pd.DataFrame(rows).astype({"n": int})


def dependent(table: pd.DataFrame, common: bool = False) -> pd.DataFrame:
    """For each rule set: in how many trace x answer tables independence is rejected.

    Args:
        table: of ``compared``.
        common: count only tables (data set, student, condition) for which every rule set has a test.

    Returns:
        indexed by rules: tables (with a test), small (an expected count below 5, where Fisher's exact test takes the
        place of chi-squared), rejected (unadjusted at 0.05: a chi-squared above 3.841, the paper's threshold, or
        Fisher's p below 0.05), rejected_holm (after Holm's adjustment over the rule set's table).
    """
    trace = table[(table.step == "trace") & table.p_value.notna()]
    if common:
        of = trace.groupby(["dataset", "student", "condition"], observed=True).rules
        trace = trace[of.transform("nunique") == trace.rules.nunique()]
    flags = trace.assign(tables=1, small=trace.expected_min < 5, rejected=trace.p_value < 0.05)
    flags["rejected_holm"] = trace.p_holm < 0.05
    return flags.groupby("rules", sort=False)[["tables", "small", "rejected", "rejected_holm"]].sum()
