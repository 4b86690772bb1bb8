"""The explorer: one HTML page to read outputs beside their gold steps, with both verdicts. It asks no server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from tracekd.data.problem import Problem
from tracekd.io.records import replacing
from tracekd.scoring import author_outputs, release_rules
from tracekd.scoring.aligned import usable
from tracekd.text import normalise

STEPS = ("cell", "classification_correct", "retrieval_correct", "trace_correct", "answer_correct")


def write_page(path: Path, problems: Mapping[str, Problem], outputs: Iterable[Path], limit: int = 50) -> Path:
    """Write one self-contained HTML page on at most ``limit`` outputs of each file, evenly spaced.

    The files are ours or released ones; outputs of problems that are not among ``problems`` (by id) are left out.
    """
    gold_rows = release_rules.GoldRows(p for p in problems.values() if p.split == "test")
    entries, banner = [], ""
    for file in outputs:
        known = [o for o in filter(usable, author_outputs.read(file, problems)) if o["id"] in problems]
        if any("GENERATED" in str(output.get("source")) for output in known):
            banner = "GENERATED problems"
        adapter = author_outputs.adapter_of(file)
        name = f"{file.parent.name}: {adapter.name if adapter else file.name.partition('.')[0]}"
        spread = known[:: max(1, -(-len(known) // limit))]  # outputs files are in the order of their categories
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
