"""``python -m tracekd derive FILE``: derive every problem of a file and count the agreement with its gold."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

from tracekd.derive import derive
from tracekd.derive_agreement import KINDS, compare_all
from tracekd.forms import FORMS, read_any
from tracekd.problems import CATEGORIES, Problem


def report(problems: list[Problem], full: bool = False) -> dict[str, object]:
    """Derive all problems and count.

    Args:
        problems: with their gold.
        full: add ``disagreements``: id, what disagrees, and why, of every one.

    Returns:
        Counts ``n``, ``answers_agree``, ``category_agree`` (None where the file gives no label), ``evidence_agree``,
        ``underivable``; ``shares`` of the three agreements (0 to 1); ``remainder``, counts by kind;
        ``problems_per_second``, of the derivation alone.
    """
    if not problems:
        raise ValueError("no problems in the file: expected at least one")
    start = time.perf_counter()
    for problem in problems:
        derive(problem)
    seconds = time.perf_counter() - start
    rows = compare_all(problems)
    labelled = rows.category_agree.notna().all()
    counts = {
        "n": len(rows),
        "answers_agree": int(rows.answers_agree.sum()),
        "category_agree": int(rows.category_agree.sum()) if labelled else None,
        "evidence_agree": int(rows.evidence_agree.sum()),
        "underivable": int(rows.underivable.sum()),
    }
    kinds = rows[rows.kind != ""].kind.value_counts()
    result = {
        **counts,
        "shares": {k: None if v is None else round(v / len(rows), 4) for k, v in counts.items() if k.endswith("agree")},
        "remainder": {f"{KINDS[kind]}: {kind}": int(n) for kind, n in kinds.items()},
        "problems_per_second": round(len(rows) / seconds),
    }
    if full:
        result["disagreements"] = _listed(rows)
    return result


def _listed(rows) -> list[dict[str, object]]:
    listed = []
    for row in rows[rows.kind != ""].to_dict("records"):
        wrong = [name for name in ("answers", "category", "evidence") if row[f"{name}_agree"] is False]
        listed.append({"id": row["id"], "disagree": wrong, "reason": row["reason"], "kind": row["kind"]})
    return listed


def main(argv: list[str]) -> int:
    """Run the command; prints one JSON object."""
    example = "example: python -m tracekd derive ../shared/data/cotempqa/mix_train.jsonl --list"
    about = __doc__.replace("``", "")
    parser = argparse.ArgumentParser(prog="python -m tracekd derive", description=about, epilog=example)
    parser.add_argument("file", metavar="FILE", help=f"{FORMS}; plain or .gz")
    parser.add_argument("--dataset", choices=sorted(CATEGORIES), help="the set, where the content should not tell")
    parser.add_argument("--tasks", help="bAbI's tasks beside the paper's 11, such as qa3,qa5; or all")
    parser.add_argument("--list", action="store_true", help="name every disagreement with its reason")
    given = parser.parse_args(argv)
    problems = read_any(given.file, given.dataset, given.tasks.split(",") if given.tasks else None)
    if given.dataset and problems and problems[0].dataset not in CATEGORIES:
        problems = [replace(problem, dataset=given.dataset) for problem in problems]
    print(json.dumps(report(problems, given.list), indent=1, ensure_ascii=False))
    return 0
