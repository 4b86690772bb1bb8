"""``python -m tracekd derive FILE``: derive every problem of a file and count the agreement with its gold."""

from __future__ import annotations

import json
from dataclasses import replace

from tracekd.command_line import Parser
from tracekd.data.forms import FORMS, read_any
from tracekd.data.problem import CATEGORIES, Problem
from tracekd.decompose.agreement import KINDS, MEASURES, compare_all


def report(problems: list[Problem], full: bool = False) -> dict[str, object]:
    """Derive all problems and count.

    Args:
        problems: with their gold.
        full: add ``disagreements``: id, what agrees and what does not, and why, of every one.

    Returns:
        ``n`` and the counts of ``agreement.MEASURES`` (``category_agree`` is None where the file gives no
        label); ``shares`` of the three agreements (0 to 1); ``remainder``, counts by kind.
    """
    if not problems:
        raise ValueError("no problems in the file: expected at least one")
    rows = compare_all(problems)
    counts = {name: int(rows[name].sum()) if rows[name].notna().all() else None for name in MEASURES}
    left = rows[rows.kind != ""]
    result = {
        "n": len(rows),
        **counts,
        "shares": {k: None if counts[k] is None else round(counts[k] / len(rows), 4) for k in MEASURES[:3]},
        "remainder": {f"{KINDS[kind]}: {kind}": int(n) for kind, n in left.kind.value_counts().items()},
    }
    if full:
        result["disagreements"] = left[["id", *MEASURES[:3], "reason", "kind"]].to_dict("records")
    return result


def main(argv: list[str]) -> int:
    """Run the command; prints one JSON object."""
    parser = Parser("derive", __doc__, "python -m tracekd derive data/cotempqa/mix_test.jsonl --list")
    parser.add_argument("file", metavar="FILE", help=f"{FORMS}; plain or .gz")
    parser.add_argument("--dataset", choices=sorted(CATEGORIES), help="the set, if the content does not tell")
    parser.add_argument("--tasks", help="bAbI's tasks beside the paper's 11, such as qa3,qa5; or all")
    parser.add_argument("--list", action="store_true", help="name every disagreement with its reason")
    given = parser.parse_args(argv)
    problems = read_any(given.file, given.dataset, given.tasks.split(",") if given.tasks else None)
    if given.dataset and problems and problems[0].dataset not in CATEGORIES:
        problems = [replace(problem, dataset=given.dataset) for problem in problems]
    print(json.dumps(report(problems, given.list), indent=1, ensure_ascii=False))
    return 0
