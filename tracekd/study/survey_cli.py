"""``python -m tracekd survey build|pictures|check``: make the survey's page, and look at what comes back."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracekd.command_line import Parser, file_or_folder
from tracekd.data.problem import DATASETS, Problem
from tracekd.data.problems import check_source, load, source_of
from tracekd.io.records import read_jsonl, replacing, write_csv
from tracekd.study import ratings as study
from tracekd.study import survey, survey_build
from tracekd.study.files import read, read_scale
from tracekd.study.importing import clean
from tracekd.study.source import PICTURE_FOLDER
from tracekd.traces import templated, templates
from tracekd.traces.freeform import CONDITIONS

# Name, page (see survey_build.picture), width and height of the window, pixels cut off above.
PICTURES = (
    ("consent", 0, 900, 900, 0),
    ("desktop", 3, 900, 3000, 0),
    ("phone", 3, 390, 1800, 750),
    ("end", 99, 900, 900, 0),
)
FREE = ("r1", "r1_summary", "r1_explanation")
THINK = re.compile(r"<think>(.*?)</think>", re.DOTALL)
BUILD = "python -m tracekd survey build --problems 4 --output survey.html"
CHECK = "python -m tracekd survey check ratings.csv --scale 1-7 --output clean.csv"


def given_traces(paths: list[Path]) -> dict[tuple[str, str], tuple[str, str]]:
    """Traces from JSON-lines files: a teacher's texts (``freeform.keep``), SFT sets, or id, condition and text.

    Returns:
        (problem id, condition) to (text of the trace, its source): the record's ``source``, else its ``client``, where
        "" means rules, else ``client``.

    Raises:
        ValueError: a record without a trace, or a file without a record.
    """
    found = {}
    for path in paths:
        before = len(found)
        for number, row in enumerate(read_jsonl(path), start=1):
            texts = {kind: row.get(field) for kind, field in CONDITIONS.items() if kind in FREE and "trace" in row}
            if "condition" in row:
                texts = {row["condition"]: row.get("text") or "".join(THINK.findall(row.get("target", "")))}
            texts = {kind: text.strip() for kind, text in texts.items() if isinstance(text, str) and text.strip()}
            if not (row.get("id") and texts):
                raise ValueError(
                    f"{path.name}, record {number}: expected a teacher's texts (id, trace, summary, explanation), or "
                    "id, condition and target (or text) with a trace"
                )
            source = row.get("source") or row.get("teacher", "teacher") or "rules"
            found |= {(row["id"], kind): (text, source) for kind, text in texts.items()}
        if len(found) == before:
            raise ValueError(f"{path.name}: no trace beside those of earlier files; expected some")
    return found


def traces_of(problem: Problem, data: str, given: dict[tuple[str, str], tuple[str, str]], seed: int) -> list[dict]:
    """The four traces of a problem as pages: those given; else ``correct`` by rules, the others templated.

    Returns:
        Four pages, or none where a trace is neither given nor can be written from the derivation.
    """
    have = {kind: given[problem.id, kind] for kind in study.TRACE_TYPES if (problem.id, kind) in given}
    have.setdefault("correct", (templates.build(problem, "correct").text, "rules"))
    if len(have) < len(study.TRACE_TYPES) and (written := templated.write(problem, seed)):
        for kind, text in zip(FREE, (written.trace, written.summary, written.explanation), strict=True):
            have.setdefault(kind, (text, templated.TEACHER))
    if len(have) < len(study.TRACE_TYPES):
        return []
    return [survey.show(problem, kind, *have[kind], data) for kind in study.TRACE_TYPES]


def build(args: argparse.Namespace) -> int:
    """Write the page and say how to use it."""
    if args.problems < 1:
        raise ValueError(f"--problems {args.problems}: expected 1 or more")
    source = check_source(args.data)
    data = "generated" if source_of(args.dataset, source) == "generated" else "real"
    # Without traces of a teacher the problems come from the test split, which no student has seen.
    problems = [p for p in load(args.dataset, source, seed=args.seed) if args.traces or args.ids or p.split == "test"]
    given = given_traces(args.traces)
    able = [p for p in problems if p.evidence and (not given or any((p.id, k) in given for k in study.TRACE_TYPES))]
    ready = {p.id: made for p in able if (made := traces_of(p, data, given, args.seed))}
    if unfit := [i for i in args.ids if i not in ready]:
        raise ValueError(f"--ids {' '.join(unfit)}: not in the data, or without evidence or traces to show")
    rng = np.random.default_rng(args.seed)
    chosen = args.ids or [p.id for p in survey.choose([p for p in able if p.id in ready], args.problems, rng)]
    shown = [page for i in chosen for page in ready[i]]
    plan = survey.plan(shown, args.design, items=args.items, post=args.post, study=args.study)
    html = survey.page(plan, *survey_build.fetch())
    with replacing(args.output) as temporary:
        temporary.write_text(html, encoding="utf-8")
    print(
        f"{args.output}: {args.output.stat().st_size / 1024:.0f} KiB, opens by double-click\n{survey.describe(plan)}\n"
        f"links for exact balance: {args.output.name}?sequence=1 to ?sequence={len(plan['sequences'])}; without one, "
        "the page draws a sequence by chance\nanswers: collect the downloaded files in one folder, then "
        "python -m tracekd survey check FOLDER"
    )
    return 0


def pictures(args: argparse.Namespace) -> int:
    """Photograph the consent page, a rating page on a desktop and on a phone, and the end."""
    if b"jsPsych" not in args.page.read_bytes():
        raise ValueError(f"{args.page}: not the survey's page: give the HTML file that `survey build` wrote")
    args.output.mkdir(parents=True, exist_ok=True)
    for name, *window in PICTURES:
        survey_build.picture(args.page, args.output / f"05_survey_{name}.png", *window)
        print(f"05_survey_{name}.png")
    return 0


def cleaned(path: Path, design: str | None, output: Path | None, **reading) -> None:
    """Read and clean ratings (``importing.clean``), print what was touched, and write both to ``output``."""
    read_scale(reading.get("scale", ""))  # a slip in an option is named before any file is read
    made = clean(read(path), design, **reading)
    ratings, flags = made.ratings, study.careless(made.ratings)
    print(f"{len(ratings)} answers of {ratings['participant'].nunique()} participants, {study.design(ratings)} design")
    print(made.summary.to_string(index=False) if len(made.report) else "no row was touched")
    print(f"careless by the stated rules: {int(flags['careless'].sum())}")
    if output:
        write_csv(output, ratings)
        write_csv(output.with_name(output.stem + "_report.csv"), made.report)
        print(f"written: {output.name}, {output.stem}_report.csv")


def checked(path: Path, folder: Path, *, scale: str = "", labels: str = "", status: Sequence[str] = ()) -> Path:
    """The ratings file that a run works on, checked before any notebook runs.

    Returns:
        ``path`` itself, or, where options say how to read it, a file in ``folder`` with the ratings so read.
    """
    name = path.stem + (f"_from_{scale}" if scale else "") + ("_labelled" if labels else "")
    output = folder / f"{name}.csv" if scale or labels or status else None
    cleaned(path, None, output, scale=scale, labels=labels, status=status)
    return (output or path).resolve()


def check(args: argparse.Namespace) -> int:
    """Clean ratings, report every row touched, and write both where asked."""
    cleaned(args.ratings, args.design, args.output, scale=args.scale, labels=args.labels, status=args.status)
    return 0


def parser() -> Parser:
    """The command line."""
    top = Parser("survey", __doc__, f"{BUILD}\n{CHECK}")
    commands = top.add_subparsers(dest="command", required=True)
    one = commands.add_parser("build", help="write the survey as one HTML page (needs npm once)", example=BUILD)
    one.add_argument("--dataset", default="cotempqa", choices=DATASETS)
    one.add_argument("--data", default="generated", help="generated, hub or a folder (default: generated)")
    one.add_argument("--problems", type=int, default=4, help="problems to show (default 4; within: a multiple of 4)")
    one.add_argument("--ids", nargs="+", default=[], metavar="ID", help="show these problems")
    one.add_argument(
        "--traces", type=file_or_folder, action="extend", nargs="+", default=[], help="SFT sets or teacher's traces"
    )
    one.add_argument("--design", default="within", choices=study.DESIGNS)
    one.add_argument("--items", type=Path, help="questionnaire to use in place of tracekd/survey_items.toml")
    one.add_argument("--post", default="", metavar="URL", help="address that finished answers are sent to")
    one.add_argument("--study", default="study", help="short name, in each answer")
    one.add_argument("--seed", type=int, default=121)
    one.add_argument("--output", type=Path, default=Path("survey.html"))
    one.set_defaults(run=build)
    two = commands.add_parser("check", help="clean ratings and report every row touched", example=CHECK)
    two.add_argument("ratings", type=file_or_folder, help="a table (CSV, .xlsx) or JSON file, or a folder of them")
    two.add_argument("--scale", default="", help="of the answers, such as 1-7, --scale=-2-2 or cognitive_load=0-20")
    two.add_argument("--labels", default="", metavar="FILE", help="CSV with columns label and point (1 to 5, or empty)")
    two.add_argument("--status", nargs="+", default=[], help="values of the status column that mark real answers")
    two.add_argument("--design", choices=study.DESIGNS, help="select participants of this design")
    two.add_argument("--output", type=Path, help="write the clean ratings here, the report beside them")
    two.set_defaults(run=check)
    example = "python -m tracekd survey pictures survey.html --output pictures"
    three = commands.add_parser("pictures", help="photograph a survey's pages with headless Chromium", example=example)
    three.add_argument("page", type=file_or_folder, help="the survey's HTML file")
    three.add_argument("--output", type=Path, default=PICTURE_FOLDER, help="folder (default: figures/data)")
    three.set_defaults(run=pictures)
    return top


def main(argv: list[str]) -> int:
    """Run a command."""
    args = parser().parse_args(argv)
    return args.run(args)
