"""``python -m tracekd score``: score outputs files, ours or the authors' released ones; one JSON object per file."""

from __future__ import annotations

import csv
import gzip
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tracekd.command_line import Parser, failed, file_or_folder
from tracekd.data.problem import DATASETS, Problem
from tracekd.io.records import open_text, replacing
from tracekd.schema import VERDICT, write_dictionary
from tracekd.scoring import author_outputs, release_rules
from tracekd.scoring.aligned import CELLS, STATUSES, JoinErrors, verdict, verdicts
from tracekd.scoring.answer_source import agreement
from tracekd.scoring.release_rules import GoldRows
from tracekd.stats.intervals import association, share

RULES = ("aligned", "as_published")
STEPS = ("classification", "retrieval", "trace", "answer")
# Counted over aligned verdicts beside the steps. Of several <answer> tags the last one that is not empty counts.
EXTRA = ("answer_contains", "retrieval_any", "masked_trace_correct", "several_answers")
# What a file raises that breaks off, or is not in the form that its name promises.
_BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError)
_OTHER_FORM = (KeyError, TypeError, AttributeError, IndexError, RecursionError)


def test_problems(path: Path, dataset: str | None) -> dict[str, Problem]:
    """The test problems at ``path`` by id, in any form that ``problems.read_any`` knows, or a known set's folder.

    Raises:
        FileNotFoundError: there is nothing at ``path``.
        ValueError: it cannot be read, holds no test problem, or no ``dataset`` is named where one is needed.
    """
    try:
        return {p.id: p for p in author_outputs.test_problems(dataset, path)}
    except (*_BROKEN, *_OTHER_FORM) as error:
        raise ValueError(f"problems {path}: not in the form of {dataset or 'a problem set'} ({error!r})") from error


test_problems.__test__ = False  # the name is not pytest's


def read_lines(path: Path, errors: JoinErrors) -> Iterator[tuple[int, dict]]:
    """Yield (line number, object) of a JSON-lines file; a line that is none, or cannot be read, counts as malformed."""
    number = 0
    try:
        with open_text(path) as file:
            for number, line in enumerate(file, 1):
                if not (line := line.lstrip("\ufeff")).strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    row = None
                if isinstance(row, dict):
                    yield number, row
                else:
                    errors.add("malformed", f"line {number}: no JSON object")
    except _BROKEN as error:
        errors.add("malformed", f"after line {number}: {error}; the rest of the file cannot be read")


def outputs_of(path: Path, problems: Mapping[str, Problem], errors: JoinErrors) -> Iterator[dict]:
    """Yield a file's outputs as records with ``id`` and ``text``; released rows are joined by content.

    A problem of a custom set may be named by its id in the custom file, without set and category.
    """
    short = {p.id.removeprefix(f"{p.dataset}/{p.category}/"): p.id for p in problems.values()}
    joiner = adapter = None
    for number, row in read_lines(path, errors):
        if not author_outputs.is_released(row):
            if wrong := _unusable(row):
                errors.add("malformed", f"line {number}: {wrong}")
            else:
                yield row if row["id"] in problems else {**row, "id": short.get(row["id"], row["id"])}
            continue
        try:
            if joiner is None:
                joiner, adapter = author_outputs.Joiner(problems.values()), author_outputs.adapter_of(path)
            yield {**joiner.output(row, adapter, number), "row": row, "number": number}
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
            errors.add("malformed", f"line {number}: {error}")


def _unusable(row: Mapping[str, Any]) -> str:
    """What is wrong with a record that should be an output; empty where nothing is."""
    for name, kind in (("id", str), ("text", str), ("finished", bool)):
        if not isinstance(value := row.get(name, True if kind is bool else None), kind):
            return f"{name!r} is {str(value)[:40]!r}, expected {kind.__name__} (found: {', '.join(map(str, row))[:80]})"
    if any("\ud800" <= char <= "\udfff" for char in row["id"] + row["text"]):
        return "'id' or 'text' holds half of a surrogate pair, which is no character"
    return ""


def published_verdicts(problems: Mapping[str, Problem], outputs: Iterator[dict], errors: JoinErrors) -> Iterator[dict]:
    """Yield one verdict per output under the release's rules, which count repeated and unknown rows too."""
    rows, seen = GoldRows(problems.values()), set()
    for output in outputs:
        problem = problems.get(output["id"])
        if problem is None:
            errors.add("unknown", output["id"])
            if "row" not in output:
                continue
            problem = author_outputs.problem_of(output["row"], next(iter(problems.values())).dataset, output["number"])
        elif output["id"] in seen:
            errors.add("duplicate", output["id"])
        seen.add(output["id"])
        yield release_rules.verdict(problem, output["text"], rows)
    for key in problems:
        if key not in seen:
            errors.add("missing", key)


def score_file(
    path: Path, problems: Mapping[str, Problem], rules: str, table: csv.DictWriter | None = None
) -> dict[str, Any]:
    """Score one outputs file in one pass, so that memory does not grow with it; ``table`` takes each verdict.

    Returns:
        Counts, shares with their 95% intervals (``NAME_ci``), association, join errors; the file's JSON object.
    """
    errors, counts, sums = JoinErrors(), Counter(), {}
    try:
        category = author_outputs.adapter_of(path).category
    except ValueError:
        category = None
    if category:
        problems = {key: p for key, p in problems.items() if p.category == category}
    outputs = outputs_of(path, problems, errors)
    if rules == "aligned":
        rows = verdicts(problems, outputs, errors, _with_agreement)
    else:
        rows = published_verdicts(problems, outputs, errors)
    for row in rows:
        counts.update(["n", row["status"], row["cell"] or "unevaluated", ("agreement", row.get("agreement"))])
        for name in (*(f"{step}_correct" for step in STEPS), *EXTRA, "other_row"):
            counts[name] += row.get(name, 0)
        for part in {row["category"], "all"} if rules == "as_published" else ():
            sums.setdefault(part, Counter()).update({"n": 1, **{name: row[name] for name in release_rules.METRICS}})
        if table:
            table.writerow({**row, "file": path.name})
    found = {"file": path.name, "rules": rules, **_summary(counts)}
    if rules == "aligned":
        found |= {name: counts[name] for name in EXTRA}
        found["agreement"] = {key[1]: n for key, n in counts.items() if key[0] == "agreement"}
    else:
        found |= {"unevaluated": counts["unevaluated"], "other_gold_row": counts["other_row"]}
        found["metrics"] = {
            part: {"n": s["n"], **release_rules.metric_row(s, s["n"])} for part, s in sorted(sums.items())
        }
    return found | errors.counts | {"faults": {kind: names for kind, names in errors.named.items() if names}}


def _with_agreement(problem: Problem, text: str, finished: bool) -> dict[str, Any]:
    row = verdict(problem, text, finished)
    return row | agreement(problem, row) | {"several_answers": text.lower().count("<answer") > 1}


def _summary(counts: Counter) -> dict[str, Any]:
    """Counts, shares and the association of trace and answer."""
    found: dict[str, Any] = {"n": counts["n"], "status": {name: counts[name] for name in STATUSES}}
    for step in STEPS:
        hits = counts[f"{step}_correct"]
        part = share(hits, counts["n"])
        found |= {step: hits, f"{step}_share": part["value"], f"{step}_ci": [part["low"], part["high"]]}
    cells = {name: counts[name] for name in CELLS.values()}
    for name, value in (cells | association(**cells)).items():
        if isinstance(value, dict):
            found |= {name: value["value"], f"{name}_ci": [value["low"], value["high"]]}
        elif name != "n":
            found[name] = value
    return found


def main(argv: list[str]) -> int:
    """Score the files named in ``argv``; 2 where one has nothing to score, 1 with ``--strict`` where one has faults."""
    args = _parser().parse_args(argv)
    problems = test_problems(args.problems, args.dataset)
    dataset = next(iter(problems.values())).dataset
    if args.rules == "as_published" and dataset not in DATASETS:
        raise ValueError(f"the release has no rules for set {dataset!r}: use --rules aligned")
    faulty, empty = False, []
    with ExitStack() as stack:
        table = None
        if args.csv:
            file = stack.enter_context(stack.enter_context(replacing(args.csv)).open("w", newline="", encoding="utf-8"))
            table = csv.DictWriter(file, _columns(args.rules, problems), extrasaction="ignore", lineterminator="\n")
            table.writeheader()
            write_dictionary(args.csv)
        for path in args.outputs:
            found = score_file(path, problems, args.rules, table)
            faulty |= bool(found["faults"])
            if not found["n"]:
                first = {kind: names[0] for kind, names in found["faults"].items()}
                empty.append(f"{path}: not one output could be scored, first faults {first}")
            print(json.dumps(_finite({"dataset": dataset, **found}), ensure_ascii=False), flush=True)
    if empty:
        return failed("; ".join(empty), 2)
    return 1 if args.strict and faulty else 0


def _columns(rules: str, problems: Mapping[str, Problem]) -> list[str]:
    """Those of ``schema.VERDICT`` that the rules' verdicts have."""
    one = next(iter(problems.values()))
    made = _with_agreement(one, "", True) if rules == "aligned" else release_rules.verdict(one, "", GoldRows([one]))
    return ["file", *(name for name in VERDICT if name in made)]


def _finite(value: Any) -> Any:
    """NaN has no place in JSON: undefined is null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parser() -> Parser:
    example = "python -m tracekd score --problems FILE --outputs runs/smoke/outputs/babi/*.jsonl --csv verdicts.csv"
    parser = Parser("score", f"{__doc__} Of several answers in an output the last that is not empty counts.", example)
    add = parser.add_argument
    add("--dataset", choices=DATASETS, help="the set; none for a set of your own")
    add("--problems", required=True, type=file_or_folder, help="the test problems, a known set's or your own")
    add("--outputs", required=True, nargs="+", type=file_or_folder, help="JSON-lines files, ours or released")
    add("--rules", default="aligned", choices=RULES, help="aligned by id (default), or as the release does")
    add("--csv", type=Path, help="write one verdict row per output here, and what its columns mean beside it")
    add("--strict", action="store_true", help="exit 1 on malformed lines, unknown, repeated or missing problems")
    return parser
