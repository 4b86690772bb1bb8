"""``python -m tracekd survey build|read``: make the survey's page, and read what comes back."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.command_line import Parser, file_or_folder
from tracekd.data.problem import DATASETS, Problem
from tracekd.data.problems import check_source, load, source_of
from tracekd.io.records import read_jsonl, replacing, write_csv
from tracekd.study import source, survey
from tracekd.study.ratings import TRACE_TYPES, careless
from tracekd.traces import templated, templates
from tracekd.traces.freeform import CONDITIONS

FREE = ("r1", "r1_summary", "r1_explanation")
THINK = re.compile(r"<think>(.*?)</think>", re.DOTALL)
BUILD = "python -m tracekd survey build --problems 4 --output survey.html"
READ = "python -m tracekd survey read downloads/ --output ratings.csv"


def given_traces(paths: list[Path]) -> dict[tuple[str, str], tuple[str, str]]:
    """Traces from JSON-lines files: a teacher's texts (``freeform.keep``) or SFT sets.

    Returns:
        (problem id, condition) to (text of the trace, its teacher's name, or ``rules``).

    Raises:
        ValueError: a record without a trace.
    """
    found = {}
    for path in paths:
        for number, row in enumerate(read_jsonl(path), start=1):
            if "condition" in row:
                texts = {row["condition"]: "".join(THINK.findall(str(row.get("target"))))}
            else:
                texts = {kind: row.get(CONDITIONS[kind]) for kind in FREE}
            texts = {kind: text.strip() for kind, text in texts.items() if isinstance(text, str) and text.strip()}
            if not (row.get("id") and texts):
                raise ValueError(
                    f"{path.name}, record {number}: expected a teacher's texts (id, trace, summary, explanation), or "
                    "id, condition and target with a trace"
                )
            teacher = row.get("teacher", "teacher") or "rules"
            found |= {(row["id"], kind): (text, teacher) for kind, text in texts.items() if kind in TRACE_TYPES}
    if paths and not found:
        names = ", ".join(path.name for path in paths)
        raise ValueError(f"{names}: no trace of a type that the survey shows: {', '.join(TRACE_TYPES)}")
    return found


def pages(problem: Problem, data: str, given: dict[tuple[str, str], tuple[str, str]], seed: int) -> list[dict]:
    """The four traces of a problem as pages: those given; else ``correct`` by rules, the others templated.

    Returns:
        Four pages, or none where a trace is neither given nor can be written from the derivation.
    """
    traces = {kind: given[problem.id, kind] for kind in TRACE_TYPES if (problem.id, kind) in given}
    traces.setdefault("correct", (templates.build(problem, "correct").text, "rules"))
    if len(traces) < len(TRACE_TYPES) and (written := templated.write(problem, seed)):
        for kind, text in zip(FREE, (written.trace, written.summary, written.explanation), strict=True):
            traces.setdefault(kind, (text, templated.TEACHER))
    if len(traces) < len(TRACE_TYPES):
        return []
    about = {"problem": problem.id, "context": list(problem.context), "question": problem.question}
    about |= {"answer": ", ".join(problem.answers), "data": data}
    return [about | {"trace_type": k, "trace": traces[k][0].strip(), "source": traces[k][1]} for k in TRACE_TYPES]


def choose(problems: Sequence[Problem], count: int, rng: np.random.Generator) -> list[Problem]:
    """``count`` problems, spread over the categories as evenly as they allow; ValueError for none or too many."""
    if not 0 < count <= len(problems):
        raise ValueError(f"{count} problems asked for, {len(problems)} have evidence and all traces")
    shuffled = [problems[i] for i in rng.permutation(len(problems))]
    turn = pd.Series([p.category for p in shuffled], dtype=str).groupby(lambda i: shuffled[i].category).cumcount()
    return [shuffled[i] for i in turn.sort_values(kind="stable").index[:count]]


def build(args: argparse.Namespace) -> int:
    """Write the page and say how to use it."""
    origin = check_source(args.data)
    data = "generated" if source_of(args.dataset, origin) == "generated" else "real"
    given = given_traces(args.traces)
    with_trace = {problem for problem, _ in given}
    # Without traces of a teacher the problems come from the test split, which no student has seen.
    problems = [
        p
        for p in load(args.dataset, origin, seed=args.seed)
        if p.evidence and (p.id in with_trace if given else p.split == "test")
    ]
    ready = {p.id: made for p in problems if (made := pages(p, data, given, args.seed))}
    chosen = choose([p for p in problems if p.id in ready], args.problems, np.random.default_rng(args.seed))
    shown = [page for problem in chosen for page in ready[problem.id]]
    plan = survey.plan(shown, args.post)
    with replacing(args.output) as temporary:
        temporary.write_text(survey.page(plan, *survey.fetch()), encoding="utf-8")
    sources = ", ".join(sorted({f"{page['trace_type']}: {page['source']}" for page in shown}))
    print(
        f"{args.output}: opens by double-click; {len(chosen)} {data} problems; traces: {sources}\n"
        f"links for exact balance: {args.output.name}?sequence=1 to ?sequence={len(plan['sequences'])}; without one, "
        "the page draws a sequence by chance\nanswers: collect the downloaded files in one folder, then "
        "python -m tracekd survey read FOLDER"
    )
    return 0


def read(args: argparse.Namespace) -> int:
    """Read ratings, say what was left out, and write them as one file where asked."""
    study = source.read(args.ratings)
    flags = careless(study.ratings)[["straight_line", "fast", "failed_checks", "careless"]].sum()
    print(f"{study}\nparticipants flagged: {', '.join(f'{name} {count}' for name, count in flags.items())}")
    if args.output:
        write_csv(args.output, study.ratings)
        print(f"written: {args.output.name}")
    return 0


def parser() -> Parser:
    """The command line."""
    top = Parser("survey", __doc__, f"{BUILD}\n{READ}")
    commands = top.add_subparsers(dest="command", required=True)
    one = commands.add_parser("build", help="write the survey as one HTML page (needs npm once)", example=BUILD)
    one.add_argument("--dataset", default="cotempqa", choices=DATASETS)
    one.add_argument("--data", default="generated", help="generated, hub or a folder (default: generated)")
    one.add_argument("--problems", type=int, default=4, help="problems to show, a multiple of 4 (default 4)")
    one.add_argument(
        "--traces", type=file_or_folder, action="extend", nargs="+", default=[], help="SFT sets or teacher's traces"
    )
    one.add_argument("--post", default="", metavar="URL", help="address that finished answers are sent to")
    one.add_argument("--seed", type=int, default=121)
    one.add_argument("--output", type=Path, default=Path("survey.html"))
    one.set_defaults(run=build)
    two = commands.add_parser("read", help="read ratings and say what was left out", example=READ)
    two.add_argument("ratings", type=file_or_folder, help="a downloaded file, or a folder of them")
    two.add_argument("--output", type=Path, help="write all ratings as one CSV file, participants numbered")
    two.set_defaults(run=read)
    return top


def main(argv: list[str]) -> int:
    """Run a command."""
    args = parser().parse_args(argv)
    return args.run(args)
