"""``python -m tracekd derive FILE``: derive every problem of a file and count the agreement with its gold."""

from __future__ import annotations

import json

from tracekd.command_line import Parser
from tracekd.data.problem import Problem
from tracekd.data.problems import FORMS, read_any
from tracekd.decompose.agreement import KINDS, MEASURES, compare_all


def report(problems: list[Problem], full: bool = False) -> dict[str, object]:
    """Derive all problems and count.

    Returns:
        ``n`` and the counts of ``agreement.MEASURES``; ``shares`` of the three agreements (0 to 1); ``remainder``,
        counts by kind; with ``full`` also ``disagreements``: id, what agrees and what does not, and why, of every one.
    """
    rows = compare_all(problems)
    counts = {name: int(rows[name].sum()) for name in MEASURES}
    left = rows[rows.kind != ""]
    result = {
        "n": len(rows),
        **counts,
        "shares": {name: round(counts[name] / len(rows), 4) for name in MEASURES[:3]},
        "remainder": {f"{KINDS[kind]}: {kind}": int(n) for kind, n in left.kind.value_counts().items()},
    }
    if full:
        result["disagreements"] = left[["id", *MEASURES[:3], "reason", "kind"]].to_dict("records")
    return result


def main(argv: list[str]) -> int:
    """Run the command; prints one JSON object."""
    parser = Parser("derive", __doc__, "python -m tracekd derive data/cotempqa/mix_test.jsonl --list")
    parser.add_argument("file", metavar="FILE", help=f"{FORMS}; plain or .gz")
    parser.add_argument("--list", action="store_true", help="name every disagreement with its reason")
    given = parser.parse_args(argv)
    print(json.dumps(report(read_any(given.file), given.list), indent=1, ensure_ascii=False))
    return 0
