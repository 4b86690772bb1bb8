"""``python -m tracekd teacher FILE``: ask a teacher for traces, summaries and explanations, and keep the right ones."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tracekd.command_line import Parser, file_or_folder
from tracekd.config import nearest
from tracekd.data.problem import DATASETS, Problem
from tracekd.data.problems import FORMS, datasets_of, load, read_any
from tracekd.io.records import read_jsonl
from tracekd.teacher.client import ABOUT, Endpoint, Teacher, collect, estimate
from tracekd.traces.freeform import keep

EXAMPLE = """
    python -m tracekd teacher ../shared/data --dataset cotempqa --limit 20 \\
      --url http://localhost:8000/v1 --model deepseek-r1-distill-qwen-7b        # what it would cost
    ... the same with --go                                                        # asks, and writes --out
    ./run_all.sh --profile grid-r1 --texts runs/teacher/texts.jsonl               # trains on it
"""
_TYPES = {"int": int, "float": float, "str": str}


def asked(path: str, dataset: str | None = None) -> list[Problem]:
    """The problems to ask: a file's, all of them; the training problems of a data folder's set or of a custom set.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file has none of the known forms, or the folder's set is not named.
    """
    place = Path(path)
    if place.is_dir():
        here = [name for name in DATASETS if (place / name).is_dir()]
        if dataset not in here:
            known = f"--dataset {dataset!r}: {nearest(dataset, here)}" if dataset and here else f"it has {here}"
            raise ValueError(f"{path} is a folder: name a set of it with --dataset ({known})")
        return [p for p in load(dataset, path) if p.split == "train"]
    if place.suffix == ".jsonl":
        first = next(read_jsonl(place), {})
        if {"id", "context", "category"} <= first.keys() and "dataset" not in first:
            return [p for p in load(datasets_of(path)[0], path) if p.split == "train"]
    return read_any(path, dataset)


def options(argv: list[str]) -> tuple[argparse.Namespace, list[Problem], Endpoint]:
    """Read and check the options; what is not known or not possible exits with 2 before anything is asked."""
    made = Parser("teacher", __doc__, EXAMPLE)
    about = f"{FORMS}; or a data folder, with --dataset"
    made.add_argument("file", metavar="FILE", type=file_or_folder, help=about)
    made.add_argument("--dataset", help="which set of a data folder; its training problems are asked")
    made.add_argument("--out", type=Path, default="runs/teacher/texts.jsonl", help="texts of problems answered right")
    made.add_argument("--limit", type=int, help="only the first so many problems")
    for name, about in ABOUT.items():
        kind = Endpoint.__dataclass_fields__[name].type
        made.add_argument(f"--{name.replace('_', '-')}", type=_TYPES[kind], metavar=kind.upper(), help=about)
    made.add_argument("--go", action="store_true", help="ask; without it only the estimate is printed")
    given = made.parse_args(argv)
    if given.limit is not None and given.limit < 1:
        made.error(f"--limit {given.limit}: expected 1 or more")
    try:
        endpoint = Endpoint.from_environment(**{name: getattr(given, name) for name in ABOUT})
        return given, asked(str(given.file), given.dataset)[: given.limit], endpoint
    except ValueError as error:
        made.error(str(error))


def main(argv: list[str]) -> int:
    """Print the estimate; with ``--go`` ask, write the texts, print the counts as JSON; 1 where a problem failed."""
    given, problems, endpoint = options(argv)
    print(json.dumps({"estimate": estimate(problems, endpoint)}))
    if not given.go:
        print("nothing was asked: add --go to start", file=sys.stderr)
        return 0
    texts, counts = collect(problems, Teacher(endpoint, given.out.with_name("cache.jsonl")))
    keep(given.out, texts)
    print(json.dumps({"written": str(given.out), **counts}, ensure_ascii=False))
    if counts["stopped"]:
        print(f"stopped: {counts['stopped']}", file=sys.stderr)
    return 1 if counts["failed"] or counts["not_asked"] else 0
