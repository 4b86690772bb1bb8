"""How far the derivations agree with the gold steps, and why not: disagreements by kind, with counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from tracekd import derive_cotempqa
from tracekd.corrupt import same
from tracekd.derive import Derivation, Step, derive
from tracekd.derive_cotempqa import NO_SHARED_TIME, UNREAD
from tracekd.facts import answer_slot, parse
from tracekd.load_marco import most_words
from tracekd.problems import CATEGORIES, Problem
from tracekd.stats import wilson

# Kind of disagreement to whose doing it is: a convention of the set, noise in its data, or a limit of our rules.
KINDS = {
    "gold keeps some of several answers that fit": "convention",
    "gold keeps to the relation asked for": "convention",
    "gold keeps answers that the one-date habit drops": "limit",
    "gold adds an answer of another relation": "limit",
    "gold adds answers to another question": "noise",
    "gold answer shares no time with the event": "noise",
    "event stands twice in the context": "noise",
    "gold relation does not follow from the dates": "noise",
    "date in a form that is not read": "limit",
    "dates in other forms than the data set's own": "limit",
    "story allows several answers": "noise",
    "another sentence says the same": "convention",
    "free-text answer is not derived": "limit",
    "question form has another type": "limit",
    "nothing is selected, BM25 still ranks": "convention",
    "BM25 ranks another passage first": "limit",
    "own rules name other steps": "limit",
    "not derivable": "limit",
    "unexplained": "limit",
}

_ONE_DATE = "gold keeps answers that the one-date habit drops"
_OTHER_RELATION = "gold adds an answer of another relation"


def compare(problem: Problem, derivation: Derivation | None = None) -> dict[str, object]:
    """Compare one derivation with the gold.

    Returns:
        ``id``, ``dataset``, ``category``; ``answers_agree``, ``category_agree`` (None without a gold label) and
        ``evidence_agree`` (sets of sentences, compared lower-cased without punctuation); ``underivable`` (bool),
        ``reason`` (why, or the kind of disagreement, a key of ``KINDS``, or empty).
    """
    got = derive(problem) if derivation is None else derivation
    answers = {same(a) for a in got.answers} == {same(a) for a in problem.answers}
    category = None if not problem.category else got.category == problem.category
    found = {same(problem.context[i]) for i in got.evidence}
    evidence = found == {same(fact) for fact in problem.facts}
    kind = "" if answers and evidence and category is not False else _kind(problem, got, answers, category is not False)
    return {
        "id": problem.id,
        "dataset": problem.dataset,
        "category": problem.category,
        "answers_agree": answers,
        "category_agree": category,
        "evidence_agree": evidence,
        "underivable": bool(got.underivable),
        "kind": kind,
        "reason": got.underivable or kind,
    }


def compare_all(problems: Iterable[Problem]) -> pd.DataFrame:
    """``compare`` for many problems, one row each."""
    return pd.DataFrame([compare(problem) for problem in problems])


def summary(rows: pd.DataFrame, by: Sequence[str] = ("dataset", "category")) -> pd.DataFrame:
    """Agreement in counts.

    Returns:
        One row a group: ``n``, ``answers_agree``, ``category_agree``, ``evidence_agree``, ``underivable`` (counts).
    """
    columns = ["answers_agree", "category_agree", "evidence_agree", "underivable"]
    groups = rows.groupby(list(by), sort=False)
    table = groups[columns].sum().astype(int).reset_index()
    table.insert(len(by), "n", groups.size().to_numpy())
    return table


def remainder(rows: pd.DataFrame, by: Sequence[str] = ("dataset", "category")) -> pd.DataFrame:
    """What does not agree, by kind.

    Returns:
        One row a group and kind: ``kind``, ``due_to`` (``convention``, ``noise`` or ``limit``), ``n``.
    """
    left = rows[rows.kind != ""]
    table = left.groupby([*by, "kind"], sort=False).size().rename("n").reset_index()
    table.insert(len(by) + 1, "due_to", table.kind.map(KINDS))
    return table


def _kind(problem: Problem, got: Derivation, answers: bool, category: bool) -> str:
    if problem.dataset == "cotempqa":
        return _cotempqa_kind(problem, got, answers, category)
    if problem.dataset == "babi":
        if got.underivable:
            return "not derivable"
        return "another sentence says the same" if answers else "story allows several answers"
    if problem.dataset == "marco":
        if not category:
            return "question form has another type"
        if not problem.evidence:
            return "nothing is selected, BM25 still ranks"
        if got.evidence != problem.evidence:
            return "BM25 ranks another passage first"
        return "free-text answer is not derived"
    if got.category is None or not got.evidence:
        return "not derivable"
    found = {same(problem.context[i]) for i in got.evidence} == {same(fact) for fact in problem.facts}
    return "free-text answer is not derived" if category and found else "own rules name other steps"


def _cotempqa_kind(problem: Problem, got: Derivation, answers: bool, category: bool) -> str:
    if got.underivable.startswith(UNREAD):
        return "date in a form that is not read"
    if got.underivable and got.underivable != NO_SHARED_TIME:
        return "not derivable"
    if any(not parse(problem.context[i]).native for step in got.steps for i in step.facts):
        return "dates in other forms than the data set's own"
    if answers:
        return "unexplained" if category else "gold relation does not follow from the dates"
    return _cotempqa_answers_kind(problem, got)


def _cotempqa_answers_kind(problem: Problem, got: Derivation) -> str:
    if sum(step.kind == "event" for step in got.steps) > 1:
        return "event stands twice in the context"
    literal = derive_cotempqa.derive(problem.context, problem.question, habits=False)
    gold, derived, fitting = (_same_names(names) for names in (problem.answers, got.answers, literal.answers))
    compared, sharing = _named(problem, (*got.steps, *literal.steps))
    if gold - compared:
        return "gold adds answers to another question"
    if gold - sharing:
        return "gold answer shares no time with the event"
    if gold == fitting:
        return "gold keeps to the relation asked for" if gold < derived else _ONE_DATE
    return "gold keeps some of several answers that fit" if gold <= fitting else _OTHER_RELATION


def _same_names(names: Iterable[str]) -> set[str]:
    return {same(name) for name in names}


def _named(problem: Problem, steps: Iterable[Step]) -> tuple[set[str], set[str]]:
    """The names that a derivation compared, and those of them that share time with the event."""
    compared, sharing = set(), set()
    for event, other in (step.facts for step in steps if step.kind == "compare"):
        name = same(answer_slot(problem.context[other], problem.meta["triple_element"]))
        compared.add(name)
        if derive_cotempqa.relate(parse(problem.context[event]).span, parse(problem.context[other]).span):
            sharing.add(name)
    return compared, sharing


def shares(counts: pd.DataFrame, by: Sequence[str] = ("dataset", "category", "part")) -> pd.DataFrame:
    """Agreement in percent from ``committed_table``'s counts.

    Returns:
        One row a group: ``n``; ``answers_agree``, ``category_agree`` and ``evidence_agree`` as text, percent with its
        95% Wilson interval; ``underivable`` (count). Where no answer was derived at all, ``answers_agree`` says so.
    """
    wide = counts[counts.due_to.isna()].pivot_table("n", list(by), "measure", aggfunc="sum", sort=False).reset_index()
    for measure in ("answers_agree", "category_agree", "evidence_agree"):
        wide[measure] = [_percent(int(hits), int(n)) for hits, n in zip(wide[measure], wide.n, strict=True)]
    wide.loc[wide.underivable == wide.n, "answers_agree"] = "not derived"
    numbers = {"n": wide.n.astype(int), "underivable": wide.underivable.astype(int)}
    measures = ["answers_agree", "category_agree", "evidence_agree"]
    return wide.assign(**numbers)[[*by, "n", *measures, "underivable"]].rename_axis(columns=None)


def _percent(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{100 * hits / n:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def evidence_rules(problems: Iterable[Problem]) -> pd.DataFrame:
    """How often the authors' rule for MS MARCO's evidence names a selected passage (``load_marco.most_words``).

    Args:
        problems: MS MARCO with the selected passages as evidence; those without any are passed over.

    Returns:
        One row a query type and one for ``all``: ``n``, ``agree`` (the passage with most words in common with the
        answer is a selected one), ``no_word`` (no passage shares a word with it), and ``percent`` with its interval.
    """
    able = [p for p in problems if p.dataset == "marco" and p.evidence]
    found = [(p.category, most_words(p.context, p.answers), p.evidence) for p in able]
    rows = []
    for name in (*(c for c in CATEGORIES["marco"] if any(c == label for label, _, _ in found)), "all"):
        part = [(rule, gold) for label, rule, gold in found if name in (label, "all")]
        agree = sum(set(rule) <= set(gold) and bool(rule) for rule, gold in part)
        none = sum(not rule for rule, _ in part)
        percent = _percent(agree, len(part)) if part else ""
        rows.append({"category": name, "n": len(part), "agree": agree, "no_word": none, "percent": percent})
    return pd.DataFrame(rows)


def committed_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Agreement and remainder on real problems as one table of counts, for ``figures/data/derive_agreement.csv``.

    bAbI's rules were written on its train file and checked on its test file, MS MARCO's on even query ids and checked
    on odd ones. CoTempQA's habits were read off all problems at hand (see ``derive_cotempqa``), so none of them counts
    as checked on.

    Returns:
        One row a data set, category, part (``written on`` or ``checked on``) and row kind: ``measure`` is one of the
        columns of ``summary``, or a kind of the remainder, with ``due_to``; ``n`` is its count.
    """
    problems = list(problems)
    rows = compare_all(problems)
    rows["part"] = [_part(problem) for problem in problems]
    by = ["dataset", "category", "part"]
    agreed = summary(rows, by).melt(by, var_name="measure", value_name="count").rename(columns={"count": "n"})
    left = remainder(rows, by).rename(columns={"kind": "measure"})
    return pd.concat([agreed, left]).sort_values(by, kind="stable", ignore_index=True)


def _part(problem: Problem) -> str:
    """See ``committed_table``; an MS MARCO record without a query id counts by its position."""
    if problem.dataset == "marco":
        return "checked on" if problem.id[-1] in "13579" else "written on"
    return "checked on" if problem.dataset == "babi" and problem.split == "test" else "written on"
