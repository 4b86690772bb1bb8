"""Outputs files, ours or the authors' released ones: joined to problems, scored, and shown on the explorer's page."""

import ast
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tracekd.command_line import Parser, file_or_folder
from tracekd.data.load_babi import babi_problem
from tracekd.data.load_cotempqa import cotempqa_problem
from tracekd.data.problem import CATEGORIES, DATASETS, Problem
from tracekd.data.problems import read_any, read_folder
from tracekd.io.records import read_jsonl, replacing, write_csv
from tracekd.scoring import release_rules
from tracekd.scoring.aligned import CELLS, STATUSES, VERDICT, Faults, usable, verdicts
from tracekd.stats.intervals import BOUNDS, association, wilson
from tracekd.text import normalise

RULES = ("aligned", "as_published")
STEPS = ("cell", "classification_correct", "retrieval_correct", "trace_correct", "answer_correct")
_NAME = re.compile(rf"(.+?)_default(?:_({'|'.join(CATEGORIES['cotempqa'])}))?\.jsonl(?:\.gz)?$")
_CONDITIONS = {
    "-sft-adapter-reasoning-facts-perturbed": "incorrect",
    "-sft-adapter-reasoning-facts": "correct",
    "-sft-adapter": "vanilla",
}


class Adapter(NamedTuple):
    """What a released file's name says: adapter, base model, condition, and a prompted CoTempQA file's one category."""

    name: str
    student: str
    condition: str
    category: str | None


def adapter_of(path: str | Path) -> Adapter | None:
    """Read adapter, student and condition from a released file's name; None for other names."""
    if not (match := _NAME.match(Path(path).name)):
        return None
    name, category = match.groups()
    for ending, condition in _CONDITIONS.items():
        if name.endswith(ending):
            return Adapter(name, name.removesuffix(ending), condition, category)
    return Adapter(name, name.split("_", 1)[-1], "prompted", category)


def test_problems(dataset: str | None, path: str | Path) -> list[Problem]:
    """The test problems in a folder or file, in the authors' order, repeated ones included; ValueError without any.

    ``dataset`` None takes whatever a file holds, such as a custom set.
    """
    path = Path(path)
    if not path.is_dir():
        problems = read_any(path)
    elif dataset is None:
        raise ValueError(f"problems {path} is a folder: name the data set too (cotempqa, babi or marco)")
    else:
        folder = path / dataset if (path / dataset).is_dir() else path
        # The release's own test files have the authors' order.
        names = [f"{c}_test.jsonl" for c in CATEGORIES[dataset]] if dataset == "cotempqa" else ["test.csv"]
        whole = dataset != "marco" and all((folder / name).exists() for name in names)
        problems = [p for n in names for p in read_any(folder / n)] if whole else read_folder(dataset, folder)
    found = [p for p in problems if p.split == "test" and dataset in (None, p.dataset)]
    if not found:
        raise ValueError(f"problems {path}: no test problem of {dataset or 'any set'}; give the file that holds it")
    return found


test_problems.__test__ = False  # the name is not pytest's


def read(path: str | Path, problems: Mapping[str, Problem]) -> Iterator[dict]:
    """Yield a file's outputs as records with ``id`` and ``text``; ValueError for a broken row, with file and line.

    Ours are yielded as they are, with the full id of a custom problem. A released row gets its problem's id by question
    and context, a repeated problem in file order, and ``problem``: one of ``problems``, or its own, as ``.../row-N``.
    """
    held = {p.id: p.id.removeprefix(f"{p.dataset}/{p.category}/") for p in problems.values()}
    often = Counter(held.values())
    short = {name: key for key, name in held.items() if often[name] == 1}  # else nothing says which of them is meant
    asked: dict[tuple, list[Problem]] = defaultdict(list)
    for problem in problems.values():
        asked[problem.question, problem.context].append(problem)
    used: Counter = Counter()
    for number, row in enumerate(read_jsonl(path), 1):
        if "id" in row or not {"prediction", "question"} <= set(row):
            key = row.get("id")
            yield {**row, "id": short.get(key, key)} if isinstance(key, str) and key not in problems else row
            continue
        try:
            temporal = "facts" in row
            key = row["question"], tuple(row["facts"] if temporal else ast.literal_eval(row["passage"]))
            if not (copies := asked.get(key)):
                made = {**row, "answer": row["gold"], "passages": row.get("passage")}
                own = cotempqa_problem(made, row["category"], 0, "test") if temporal else babi_problem(made, 0, "test")
                copies = [replace(own, id=f"{own.dataset}/{own.category}/row-{number:04d}")]
        except (KeyError, TypeError, ValueError, SyntaxError) as error:
            raise ValueError(f"{path}, row {number}: {error!r}; expected the fields of a released file") from error
        # One output more than the problem has copies is a duplicate: it gets the last id again.
        problem = copies[min(used[key], len(copies) - 1)]
        used[key] += 1
        yield {"id": problem.id, "text": row["prediction"], "problem": problem}


def scored(path: Path, problems: Mapping[str, Problem], rules: str) -> tuple[pd.DataFrame, Faults]:
    """The verdicts of one file, and what could not be joined; the release counts repeated and foreign rows, too."""
    adapter = adapter_of(path)
    if adapter and adapter.category:  # a prompted CoTempQA file asks the problems of one category
        problems = {key: p for key, p in problems.items() if p.category == adapter.category}
    outputs, faults = list(read(path, problems)), {}
    rows = list(verdicts(problems, outputs, faults))
    if rules == "as_published":
        gold_rows = release_rules.GoldRows(problems.values())
        asked = [(problems.get(o["id"]) or o.get("problem"), o) for o in filter(usable, outputs)]
        asked = [(p, o) for p, o in asked if isinstance(p, Problem)]  # your own file may have such a field
        rows = [release_rules.verdict(p, o["text"], gold_rows, o.get("finished", True)) for p, o in asked]
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
    """Score outputs files, ours or released: one JSON object per file; an output's last answer that has text counts."""
    example = "python -m tracekd score --problems FILE --outputs runs/smoke/outputs/babi/*.jsonl --csv verdicts.csv"
    parser = Parser("score", main.__doc__, example)
    add = parser.add_argument
    add("--dataset", choices=DATASETS, help="the set; none for a set of your own")
    add("--problems", required=True, type=file_or_folder, help="the test problems, a known set's or your own")
    add("--outputs", required=True, nargs="+", type=file_or_folder, help="JSON-lines files, ours or released")
    add("--rules", default="aligned", choices=RULES, help="aligned by id (default), or as the release does")
    add("--csv", type=Path, help="write one verdict row per output here, and what its columns mean beside it")
    args = parser.parse_args(argv)
    problems = {p.id: p for p in test_problems(args.dataset, args.problems)}
    dataset, tables = next(iter(problems.values())).dataset, []
    if args.rules == "as_published" and dataset not in release_rules.DATASETS:
        raise ValueError(f"the release has no rules for set {dataset!r}: use --rules aligned")
    for path in args.outputs:
        rows, faults = scored(path, problems, args.rules)
        tables.append(rows.assign(file=str(path)))
        found = {"dataset": dataset, "file": str(path), "rules": args.rules, **summary(rows, faults)}
        # NaN has no place in JSON: undefined is null.
        print(json.dumps(json.loads(json.dumps(found), parse_constant=lambda _: None), ensure_ascii=False), flush=True)
    if args.csv:
        table = pd.concat(tables, ignore_index=True)
        write_csv(args.csv, table[[name for name in VERDICT.column if name in table]])
        write_csv(args.csv.with_name("verdict_columns.csv"), VERDICT)
    return 0


def write_page(path: Path, problems: Mapping[str, Problem], outputs: Iterable[Path], limit: int = 50) -> Path:
    """Write one self-contained HTML page on at most ``limit`` outputs of each file, evenly spaced; it asks no server.

    The files are ours or released ones; outputs of problems that are not among ``problems`` (by id) are left out.
    """
    gold_rows = release_rules.GoldRows(p for p in problems.values() if p.split == "test")
    entries, banner = [], ""
    for file in outputs:
        known = [o for o in filter(usable, read(file, problems)) if o["id"] in problems]
        if any("GENERATED" in str(output.get("source")) for output in known):
            banner = "GENERATED problems"
        adapter = adapter_of(file)
        name = f"{file.parent.name}: {adapter.name if adapter else file.name.partition('.')[0]}"
        spread = known[:: max(1, -(-len(known) // limit))]  # released files are by category, ours by length
        entries += [{"file": name, **_entry(problems[output["id"]], output, gold_rows)} for output in spread]
    page = (files("tracekd.scoring") / "explorer.html").read_text(encoding="utf-8").replace("__BANNER__", banner)
    # "</" would end the script element from within a string; the escapes keep JSON's meaning.
    data = json.dumps(entries, ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\u0021--")
    with replacing(path) as temporary:
        temporary.write_text(page.replace("__DATA__", data), encoding="utf-8")
    return path


def _entry(problem: Problem, output: Mapping, gold_rows: release_rules.GoldRows) -> dict[str, Any]:
    """What the page shows of one output: problem, gold steps, stated steps, answer, both verdicts."""
    row = release_rules.beside(gold_rows, problem, output["text"], output.get("finished", True))
    verdicts = {
        name: [row[p + step] for step in STEPS] for name, p in {"id-aligned": "", "as published": "pub_"}.items()
    }
    gold, stated = ([(f, normalise(f)) for f in facts or ()] for facts in (problem.facts, row["facts_stated"]))
    return {
        "id": problem.id, "category": problem.category, "question": problem.question, "context": problem.context,
        "answers": problem.answers, "gold": gold, "facts": None if row["facts_stated"] is None else stated,
        "label": row["classification_stated"], "stated": row["answer_stated"], "status": row["status"],
        "text": output["text"],
        "verdicts": {
            name: [cell or "not evaluated", *flags]
            for name, (cell, *flags) in verdicts.items() if None not in flags
        },
    }  # fmt: skip
