"""``python -m tracekd score``: score outputs files, ours or the authors' released ones; one JSON object per file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tracekd.command_line import Parser, file_or_folder
from tracekd.data.problem import DATASETS, Problem
from tracekd.io.records import write_csv
from tracekd.scoring import author_outputs, release_rules
from tracekd.scoring.aligned import CELLS, STATUSES, VERDICT, Faults, usable, verdicts
from tracekd.stats.intervals import BOUNDS, association, wilson

RULES = ("aligned", "as_published")


def scored(path: Path, problems: Mapping[str, Problem], rules: str) -> tuple[pd.DataFrame, Faults]:
    """The verdicts of one outputs file, a row per output, and what could not be joined.

    The release's rules count repeated rows, and released rows that ask no test problem, too. ValueError, which names
    the file: a line is no JSON object, or not one output could be scored.
    """
    adapter = author_outputs.adapter_of(path)
    if adapter and adapter.category:  # a prompted CoTempQA file asks the problems of one category
        problems = {key: p for key, p in problems.items() if p.category == adapter.category}
    outputs, faults = list(author_outputs.read(path, problems)), {}
    rows = list(verdicts(problems, outputs, faults))
    if rules == "as_published":
        gold_rows = release_rules.GoldRows(problems.values())
        asked = [(o.get("problem") or problems.get(o["id"]), o["text"]) for o in filter(usable, outputs)]
        rows = [release_rules.verdict(problem, text, gold_rows) for problem, text in asked if problem]
    if not rows:
        first = {f"{len(names)} {kind}": names[0] for kind, names in faults.items() if names}
        raise ValueError(f"{path}: not one output could be scored: {first}")
    return pd.DataFrame(rows), faults


def summary(rows: pd.DataFrame, faults: Faults) -> dict[str, Any]:
    """Counts, shares with their 95% intervals (``NAME_ci``), association, join errors of the verdicts of one file."""
    found: dict[str, Any] = {"n": len(rows), "status": {s: int((rows.status == s).sum()) for s in STATUSES}}
    for step in ("classification", "retrieval", "trace", "answer"):
        hits = int(rows[f"{step}_correct"].sum())
        found |= {step: hits, f"{step}_share": hits / len(rows), f"{step}_ci": [*wilson(hits, len(rows))]}
    tied = association(**{name: int((rows.cell == name).sum()) for name in CELLS.values()})
    for name in (name for name in tied if name != "n" and not name.endswith(BOUNDS[1:])):
        bounds = [tied[name + end] for end in BOUNDS[1:] if name + end in tied]
        found |= {name: tied[name]} | ({f"{name}_ci": bounds} if bounds else {})
    if "evaluated" in rows:  # the release's rules
        found |= {"unevaluated": int((~rows.evaluated).sum()), "other_gold_row": int(rows.other_row.sum())}
        found["metrics"] = {
            name: {"n": len(part), **release_rules.metric_row(part[list(release_rules.METRICS)].sum(), len(part))}
            for name, part in [*rows.groupby("category"), ("all", rows)]
        }
    counts = {kind: len(names) for kind, names in faults.items()}
    return found | counts | {"faults": {kind: names[:10] for kind, names in faults.items() if names}}


def main(argv: list[str]) -> int:
    """Score the files named in ``argv`` and print one JSON object per file."""
    example = "python -m tracekd score --problems FILE --outputs runs/smoke/outputs/babi/*.jsonl --csv verdicts.csv"
    parser = Parser("score", f"{__doc__} Of several answers in an output the last that is not empty counts.", example)
    add = parser.add_argument
    add("--dataset", choices=DATASETS, help="the set; none for a set of your own")
    add("--problems", required=True, type=file_or_folder, help="the test problems, a known set's or your own")
    add("--outputs", required=True, nargs="+", type=file_or_folder, help="JSON-lines files, ours or released")
    add("--rules", default="aligned", choices=RULES, help="aligned by id (default), or as the release does")
    add("--csv", type=Path, help="write one verdict row per output here, and what its columns mean beside it")
    args = parser.parse_args(argv)
    problems = {p.id: p for p in author_outputs.test_problems(args.dataset, args.problems)}
    dataset, tables = next(iter(problems.values())).dataset, []
    if args.rules == "as_published" and dataset not in release_rules.DATASETS:
        raise ValueError(f"the release has no rules for set {dataset!r}: use --rules aligned")
    for path in args.outputs:
        rows, faults = scored(path, problems, args.rules)
        tables.append(rows.assign(file=path.name))
        found = {"dataset": dataset, "file": path.name, "rules": args.rules, **summary(rows, faults)}
        # NaN has no place in JSON: undefined is null.
        print(json.dumps(json.loads(json.dumps(found), parse_constant=lambda _: None), ensure_ascii=False), flush=True)
    if args.csv:
        table = pd.concat(tables, ignore_index=True)
        write_csv(args.csv, table[[name for name in VERDICT.column if name in table]])
        write_csv(args.csv.with_name("verdict_columns.csv"), VERDICT)
    return 0
