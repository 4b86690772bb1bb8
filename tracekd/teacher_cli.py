"""``python -m tracekd teacher FILE``: ask a teacher for traces, summaries and explanations, and keep the right ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tracekd.command_line import Parser
from tracekd.derive_cli import FORMS, read_any
from tracekd.freeform import keep
from tracekd.teacher import Endpoint, Teacher, collect, estimate


def main(argv: list[str]) -> int:
    """Run the command: print the estimate; with ``--go`` ask, write the texts, print the counts as JSON."""
    parser = Parser(
        "teacher",
        __doc__,
        "python -m tracekd teacher data/cotempqa/mix.json --url http://localhost:8000/v1 --model MODEL",
    )
    parser.add_argument("file", metavar="FILE", help=FORMS)
    parser.add_argument("--out", default="runs/teacher/texts.jsonl", help="texts of problems answered right")
    parser.add_argument("--url", help="base URL up to /v1 (else TRACEKD_TEACHER_URL)")
    parser.add_argument("--model", help="model name there (else TRACEKD_TEACHER_MODEL); the key: TRACEKD_TEACHER_KEY")
    parser.add_argument("--limit", type=int, help="only the first so many problems")
    parser.add_argument("--price-in", type=float, default=0.0, help="money for a million tokens read")
    parser.add_argument("--price-out", type=float, default=0.0, help="money for a million tokens written")
    parser.add_argument("--workers", type=int, default=4, help="requests at once")
    parser.add_argument("--per-minute", type=int, default=0, help="most requests a minute; 0 for no limit")
    parser.add_argument("--max-tokens", type=int, default=4096, help="longest reply")
    parser.add_argument("--go", action="store_true", help="ask; without it only the estimate is printed")
    given = parser.parse_args(argv)
    problems = read_any(given.file)[: given.limit]
    options = {name: getattr(given, name) for name in ("price_in", "price_out", "workers", "per_minute", "max_tokens")}
    endpoint = Endpoint.from_environment(url=given.url, model=given.model, **options)
    print(json.dumps({"estimate": estimate(problems, endpoint)}))
    if not given.go:
        print("nothing was asked: add --go to start", file=sys.stderr)
        return 0
    out = Path(given.out)
    texts, counts = collect(problems, Teacher(endpoint, out.with_name("cache.jsonl")))
    keep(out, texts)
    print(json.dumps({"kept": str(out), **counts}))
    return 1 if counts["failed"] else 0
