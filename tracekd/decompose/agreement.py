"""How far the derivations agree with the gold steps, and why not: disagreements by kind, with counts."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from tracekd.command_line import Parser
from tracekd.data.load_cotempqa import answer_slot, parse
from tracekd.data.problem import Problem
from tracekd.data.problems import FORMS, read_any
from tracekd.decompose import derive_cotempqa
from tracekd.decompose.derive import Derivation, derive
from tracekd.decompose.derive_cotempqa import NO_SHARED_TIME, UNREAD, relate
from tracekd.stats.intervals import wilson
from tracekd.text import normalise

MEASURES = ["answers_agree", "category_agree", "evidence_agree", "underivable"]
# Kind of disagreement to its cause: a convention of the set, noise in its data, or a limit of our rules.
KINDS = pd.read_csv(Path(__file__).with_name("kinds.csv"), index_col="kind").due_to.to_dict()


def step_sizes(problems: Iterable[Problem]) -> pd.DataFrame:
    """Sizes by dataset and category: n, share (of the set, 0 to 1), and means of facts, gold_facts, answers, words."""
    rows = [
        (p.dataset, p.category, 1, len(p.context), len(p.evidence), len(p.answers),
         sum(len(text.split()) for text in (*p.context, p.question)))
        for p in problems
    ]  # fmt: skip
    by, sizes = ["dataset", "category"], ["facts", "gold_facts", "answers", "words"]
    frame = pd.DataFrame(rows, columns=[*by, "n", *sizes])
    table = frame.groupby(by, sort=False).agg({"n": "sum"} | dict.fromkeys(sizes, "mean")).reset_index()
    return table.assign(share=table.n / table.groupby("dataset").n.transform("sum"))[[*by, "n", "share", *sizes]]


def compare(problem: Problem) -> dict[str, object]:
    """Compare a problem's derivation with its gold, sets of normalised texts.

    Returns id, dataset, category; ``MEASURES`` (bool); kind of disagreement (see ``KINDS``, or ""); reason.
    """
    got = derive(problem)
    answers, category = _same(got.answers) == _same(problem.answers), got.category == problem.category
    evidence = _same(problem.context[i] for i in got.evidence) == _same(problem.facts)
    kind = "" if answers and category and evidence else _kind(problem, got, answers, category)
    agree = dict(zip(MEASURES, (answers, category, evidence, bool(got.underivable)), strict=True))
    about = {"id": problem.id, "dataset": problem.dataset, "category": problem.category}
    return {**about, **agree, "kind": kind, "reason": got.underivable or kind}


def summary(rows: pd.DataFrame, by: Sequence[str] = ("dataset", "category")) -> pd.DataFrame:
    """Agreement in counts: one row per group with ``n`` and ``MEASURES``."""
    return rows.assign(n=1).groupby(list(by), sort=False)[["n", *MEASURES]].sum().astype(int).reset_index()


def remainder(rows: pd.DataFrame, by: Sequence[str] = ("dataset", "category")) -> pd.DataFrame:
    """What does not agree: one row per group and ``kind``, with ``due_to`` (see ``KINDS``) and ``n``."""
    table = rows[rows.kind != ""].groupby([*by, "kind"], sort=False).size().rename("n").reset_index()
    table.insert(len(by) + 1, "due_to", table.kind.map(KINDS))
    return table


def _same(texts: Iterable[str]) -> set[str]:
    return {normalise(text) for text in texts}


def _kind(problem: Problem, got: Derivation, answers: bool, category: bool) -> str:
    """The first reason that holds, a key of ``KINDS``."""
    if problem.dataset == "cotempqa":
        return _cotempqa_kind(problem, got, answers, category)
    marco = problem.dataset == "marco"
    reasons = {
        "not derivable": got.underivable and not marco,
        "another sentence says the same": answers and not marco,
        "story allows several answers": not marco,
        "question form has another type": not category,
        "nothing is selected, BM25 still ranks": not problem.evidence,
        "free-text answer is not derived": got.evidence == problem.evidence,
        "BM25 ranks another passage first": True,
    }
    return next(kind for kind, holds in reasons.items() if holds)


def _cotempqa_kind(problem: Problem, got: Derivation, answers: bool, category: bool) -> str:
    """Set gold against the names that the rules compared, and those of them that share time with the event."""
    literal = derive_cotempqa.derive(problem.context, problem.question, habits=False)
    gold, derived, fitting = (_same(names) for names in (problem.answers, got.answers, literal.answers))
    compared, sharing = set(), set()
    for event, other in (step.facts for step in (*got.steps, *literal.steps) if step.kind == "compare"):
        name = normalise(answer_slot(problem.context[other], problem.meta["triple_element"]))
        compared.add(name)
        if relate(parse(problem.context[event]).span, parse(problem.context[other]).span):
            sharing.add(name)
    reasons = {
        "date in a form that is not read": got.underivable.startswith(UNREAD),
        "not derivable": got.underivable not in ("", NO_SHARED_TIME),
        "unexplained": answers and category,
        "gold relation does not follow from the dates": answers,
        "context has the event twice": sum(step.kind == "event" for step in got.steps) > 1,
        "gold adds answers to another question": gold - compared,
        "gold answer shares no time with the event": gold - sharing,
        "gold omits the second person's other relations": gold == fitting and gold < derived,
        "our one-date rule drops an answer that gold keeps": gold == fitting,
        "gold keeps some of several answers that fit": gold <= fitting,
        "gold adds an answer of another relation": True,
    }
    return next(kind for kind, holds in reasons.items() if holds)


def shares(counts: pd.DataFrame, by: Sequence[str] = ("dataset", "category", "part")) -> pd.DataFrame:
    """Agreement in percent from the counts of ``figures/data/derive_agreement.csv``, one row per group of ``by``.

    Of ``counts`` the rows without due_to are used. Columns: n; the three agreements as text, percent with the 95%
    Wilson interval (``not derived`` where no answer was derived at all); underivable (count).
    """
    wide = counts[counts.due_to.isna()].pivot_table("n", list(by), "measure", aggfunc="sum", sort=False).reset_index()
    wide = wide.astype({"n": int, **dict.fromkeys(MEASURES, int)})
    for measure in MEASURES[:3]:
        wide[measure] = [
            "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * share for share in (hits / n, *wilson(hits, n))))
            for hits, n in zip(wide[measure], wide.n, strict=True)
        ]
    wide.loc[wide.underivable == wide.n, "answers_agree"] = "not derived"
    return wide[[*by, "n", *MEASURES]].rename_axis(columns=None)


def main(argv: list[str]) -> int:
    """``python -m tracekd derive FILE``: n, counts of ``MEASURES`` and of kinds, with ``--list`` each disagreement."""
    about = "derive every problem of a file and count the agreement with its gold; prints one JSON object"
    parser = Parser("derive", about, "python -m tracekd derive data/cotempqa/mix_test.jsonl --list")
    parser.add_argument("file", metavar="FILE", help=f"{FORMS}; plain or .gz")
    parser.add_argument("--list", action="store_true", help="name every disagreement with its reason")
    given = parser.parse_args(argv)
    rows = pd.DataFrame(map(compare, read_any(given.file)))
    left = rows[rows.kind != ""]
    result = {"n": len(rows)} | rows[MEASURES].sum().astype(int).to_dict()
    result["remainder"] = {f"{KINDS[kind]}: {kind}": n for kind, n in left.kind.value_counts().to_dict().items()}
    if given.list:
        result["disagreements"] = left[["id", *MEASURES[:3], "reason", "kind"]].to_dict("records")
    print(json.dumps(result, indent=1, ensure_ascii=False))
    return 0
