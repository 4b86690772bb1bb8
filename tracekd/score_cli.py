"""``python -m tracekd score``: score outputs files, ours or the authors' released ones; one JSON object a file."""

from __future__ import annotations

import csv
import gzip
import json
import math
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from tracekd import as_published, released
from tracekd.agreement import agreement
from tracekd.command_line import Parser, failed, file_or_folder
from tracekd.problems import DATASETS, Problem
from tracekd.records import open_text, replacing
from tracekd.schema import write_dictionary
from tracekd.score import CELLS, STATUSES, Faults, verdict, verdicts

STEPS = ("classification", "retrieval", "trace", "answer")
COLUMNS = {
    "aligned": (
        "file", "id", "dataset", "category", "status", "classification_stated", "classification_correct",
        "retrieval_correct", "retrieval_precision", "retrieval_recall", "retrieval_any", "trace_correct",
        "reveals", "answer_stated", "answer_correct", "answer_f1", "answer_rouge_l", "answer_contains", "trace_words",
        "cell", "agreement", "masked_trace_correct",
    ),
    "as_published": (
        "file", "id", "dataset", "category", "status", "evaluated", "gold_row", "other_row", "classification_correct",
        "retrieval_correct", "trace_correct", "answer_correct", "cell", "acc", "f1", "p", "r",
    ),
}  # fmt: skip


def test_problems(path: Path, dataset: str | None) -> dict[str, Problem]:
    """The test problems at ``path`` by id, in any form that ``forms.read_any`` knows, or a known set's folder.

    Raises:
        FileNotFoundError: there is nothing at ``path``.
        ValueError: it cannot be read, holds no test problem, or no ``dataset`` is named where one is needed.
    """
    if path.is_dir() and dataset is None:
        raise ValueError(f"problems {path} is a folder: say which set of it with --dataset {'|'.join(DATASETS)}")
    try:
        found = released.test_problems(dataset, path)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error, RecursionError) as error:
        raise ValueError(f"problems {path}: cannot be read as UTF-8 text or .gz ({error})") from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"problems {path}: not in the form of {dataset or 'a problem set'} ({error!r})") from error
    return {p.id: p for p in found}


test_problems.__test__ = False  # the name is not pytest's


def read_lines(path: Path, faults: Faults) -> Iterator[tuple[int, dict]]:
    """Yield (line number, object) of a JSON-lines file; a line that is none, or cannot be read, counts as malformed."""
    number = 0
    try:
        with open_text(path) as file:
            for number, line in enumerate(file, 1):
                line = line.lstrip("\ufeff")
                if not line.strip():
                    continue
                row = None
                with suppress(ValueError, RecursionError):
                    row = json.loads(line)
                if isinstance(row, dict):
                    yield number, row
                else:
                    faults.add("malformed", f"line {number}: no JSON object")
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        faults.add("malformed", f"after line {number}: {error}; the rest of the file cannot be read")


def outputs_of(path: Path, problems: Mapping[str, Problem], faults: Faults) -> Iterator[dict]:
    """Yield a file's outputs as records with ``id`` and ``text``; released rows are joined by content.

    A problem of an own set may be named by its id in the own file, without set and category.
    """
    short = {p.id.removeprefix(f"{p.dataset}/{p.category}/"): p.id for p in problems.values()}
    joiner = adapter = None
    for number, row in read_lines(path, faults):
        if not released.is_released(row):
            if wrong := _unusable(row):
                faults.add("malformed", f"line {number}: {wrong}")
            else:
                yield row if row["id"] in problems else {**row, "id": short.get(row["id"], row["id"])}
            continue
        try:
            if joiner is None:
                joiner, adapter = released.Joiner(problems.values()), released.adapter_of(path)
            yield {**joiner.output(row, adapter, number), "row": row, "number": number}
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
            faults.add("malformed", f"line {number}: {error}")


def _unusable(row: Mapping[str, Any]) -> str:
    """What is wrong with a record that should be an output; empty where nothing is."""
    for name in ("id", "text"):
        if not isinstance(row.get(name), str):
            return f"{name!r} is {str(row.get(name))[:40]!r}, expected a text (found: {', '.join(map(str, row))[:80]})"
        if any("\ud800" <= char <= "\udfff" for char in row[name]):
            return f"{name!r} holds half of a surrogate pair, which is no character"
    if not isinstance(row.get("finished", True), bool):
        return f"'finished' is {str(row['finished'])[:40]!r}, expected true or false"
    return ""


def published_verdicts(problems: Mapping[str, Problem], outputs: Iterator[dict], faults: Faults) -> Iterator[dict]:
    """Yield one verdict an output under the release's rules, which count every row: repeated and unknown ones too."""
    rows, seen = as_published.GoldRows(problems.values()), set()
    for output in outputs:
        key, text, problem = output.get("id"), output.get("text"), problems.get(output.get("id"))
        if not isinstance(key, str) or not isinstance(text, str):
            faults.add("malformed", "an output without 'id' and 'text' strings")
            continue
        if problem is None:
            faults.add("unknown", key)
            if "row" not in output:
                continue
            problem = released.problem_of(output["row"], next(iter(problems.values())).dataset, output["number"])
        elif key in seen:
            faults.add("duplicate", key)
        seen.add(key)
        yield as_published.verdict(problem, text, rows)
    for key in problems:
        if key not in seen:
            faults.add("missing", key)


# Counted over aligned verdicts beside the steps. Of several <answer> tags the last one that is not empty counts.
EXTRA = ("answer_contains", "retrieval_any", "masked_trace_correct", "several_answers")


class Tally:
    """Counts over one file, so that memory does not grow with it."""

    def __init__(self, rules: str) -> None:
        """Begin empty for one rule set."""
        self.rules, self.n = rules, 0
        self.status, self.right, self.cells, self.more = Counter(), Counter(), Counter(), Counter()
        self.metrics: dict[str, Counter] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one verdict."""
        self.n += 1
        self.status[row["status"]] += 1
        self.cells[row["cell"] or "unevaluated"] += 1
        for step in STEPS:
            self.right[step] += row[f"{step}_correct"]
        for name in (*EXTRA, "other_row"):
            self.more[name] += row.get(name, 0)
        self.more[row.get("agreement", "")] += 1
        if self.rules == "as_published":
            for category in {row["category"], "all"}:
                sums = self.metrics.setdefault(category, Counter())
                sums.update({name: row[name] for name in as_published.METRICS})
                sums["n"] += 1

    def summary(self) -> dict[str, Any]:
        """The file's JSON object: counts, shares and their 95% intervals (``NAME_ci``), association, metrics."""
        from tracekd.stats import association, share

        cells = {name: self.cells[name] for name in CELLS.values()}
        found: dict[str, Any] = {"n": self.n, "status": {name: self.status[name] for name in STATUSES}}
        for step in STEPS:
            part = share(self.right[step], self.n)
            found |= {step: self.right[step], f"{step}_share": part["value"], f"{step}_ci": [part["low"], part["high"]]}
        found |= cells
        if self.rules == "as_published":
            found |= {"unevaluated": self.cells["unevaluated"], "other_gold_row": self.more["other_row"]}
        for name, value in association(**cells).items():
            if isinstance(value, dict):
                found |= {name: value["value"], f"{name}_ci": [value["low"], value["high"]]}
            elif name != "n":
                found[name] = value
        if self.rules == "aligned":
            found |= {name: self.more.pop(name, 0) for name in EXTRA}
            found["agreement"] = {k: v for k, v in self.more.items() if k and k != "other_row"}
        else:
            found["metrics"] = {
                name: {"n": sums["n"], **as_published.metric_row(sums, sums["n"])}
                for name, sums in sorted(self.metrics.items())
            }
        return found


def score_file(path: Path, problems: Mapping[str, Problem], rules: str, write=None) -> dict[str, Any]:
    """Score one outputs file in one pass; ``write`` takes each verdict row."""
    faults, tally = Faults(), Tally(rules)
    try:
        category = released.adapter_of(path).category
    except ValueError:
        category = None
    if category:
        problems = {key: p for key, p in problems.items() if p.category == category}
    outputs = outputs_of(path, problems, faults)
    if rules == "aligned":
        rows = verdicts(problems, outputs, faults, _with_agreement)
    else:
        rows = published_verdicts(problems, outputs, faults)
    for row in rows:
        tally.add(row)
        if write:
            write(row)
    named = {kind: names for kind, names in faults.named.items() if names}
    return {"file": path.name, "rules": rules, **tally.summary(), **faults.counts, "faults": named}


def _with_agreement(problem: Problem, text: str, finished: bool) -> dict[str, Any]:
    row = verdict(problem, text, finished)
    return row | agreement(problem, row) | {"several_answers": text.lower().count("<answer") > 1}


def main(argv: list[str]) -> int:
    """Score the files named in ``argv``; 2 where one has nothing to score, 1 with ``--strict`` where one has faults."""
    args = _parser().parse_args(argv)
    problems = test_problems(args.problems, args.dataset)
    dataset = next(iter(problems.values())).dataset
    if args.rules == "as_published" and dataset not in DATASETS:
        raise ValueError(f"the release has no rules for set {dataset!r}: use --rules aligned")
    for path in args.outputs:
        if not path.is_file():
            raise FileNotFoundError(f"outputs {path}: no such file")
    faulty, empty = False, []
    with ExitStack() as stack:
        table = None
        if args.csv:
            file = stack.enter_context(stack.enter_context(replacing(args.csv)).open("w", newline="", encoding="utf-8"))
            table = csv.DictWriter(file, COLUMNS[args.rules], extrasaction="ignore", lineterminator="\n")
            table.writeheader()
            write_dictionary(args.csv)
        for path in args.outputs:
            write = (lambda row, name=path.name: table.writerow({**row, "file": name})) if table else None
            start = time.process_time()
            found = score_file(path, problems, args.rules, write)
            if args.time:
                seconds = time.process_time() - start
                speed = f"{seconds:.2f} s of processor time, {found['n'] / seconds:,.0f} a second"
                print(f"{path.name}: {found['n']} outputs in {speed}", file=sys.stderr)
            if args.likeness:
                from tracekd.similarity import likeness

                found["likeness"] = likeness(problems, outputs_of(path, problems, Faults()))
            faulty |= bool(found["faults"])
            if not found["n"]:
                first = {kind: names[0] for kind, names in found["faults"].items()}
                empty.append(f"{path}: not one output could be scored, first faults {first}")
            print(json.dumps(_finite({"dataset": dataset, **found}), ensure_ascii=False), flush=True)
    if empty:
        return failed("; ".join(empty), 2)
    return 1 if args.strict and faulty else 0


def _finite(value: Any) -> Any:
    """NaN has no place in JSON: undefined is null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parser() -> Parser:
    example = """
        python -m tracekd score --dataset babi --problems runs/smoke/problems/babi.jsonl \\
            --outputs runs/smoke/outputs/babi/correct-121.jsonl --csv verdicts.csv
    """
    parser = Parser(
        "score", f"{__doc__} Of several answers in an output the last one that is not empty counts.", example
    )
    add = parser.add_argument
    add("--dataset", choices=DATASETS, help="the set; none for a set of your own")
    add("--problems", required=True, type=file_or_folder, help="the test problems, a known set's or your own")
    add("--outputs", required=True, nargs="+", type=file_or_folder, help="JSON-lines files, ours or released")
    add("--rules", default="aligned", choices=tuple(COLUMNS), help="aligned by id (default), or as the release does")
    add("--csv", type=Path, help="write one verdict row an output here, and what its columns mean beside it")
    add("--likeness", action="store_true", help="also BLEU and ROUGE-L of traces to gold traces, and lengths (slow)")
    add("--time", action="store_true", help="print the speed of scoring to standard error")
    add("--strict", action="store_true", help="exit 1 on malformed lines, unknown, repeated or missing problems")
    return parser
