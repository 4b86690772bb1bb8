"""The explorer: read one output after another beside its gold steps, with both verdicts. Widgets, or one HTML file."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from tracekd.data.problem import Problem
from tracekd.io.records import read_jsonl, replacing
from tracekd.scoring import author_outputs, release_rules
from tracekd.scoring.aligned import spread, verdict
from tracekd.scoring.answer_source import agreement
from tracekd.text import normalise
from tracekd.traces.freeform import longhand

STEPS = ("classification", "retrieval", "trace", "answer")
NO_RULES = "no published rules"  # in place of a cell, for sets that the release has no rules for
CELLS = ("all", "both", "answer_only", "trace_only", "neither", "unevaluated")


def entry(
    problem: Problem, text: str, finished: bool, adapter: str, gold_rows: release_rules.GoldRows
) -> dict[str, Any]:
    """What the explorer shows of one output: problem, gold steps, stated steps, answer, both verdicts."""
    ours, theirs = verdict(problem, text, finished), {"cell": NO_RULES}
    if problem.dataset in release_rules.DATASETS:
        theirs = release_rules.verdict(problem, text, gold_rows)
    facts = ours["facts_stated"]
    return {
        "adapter": adapter, "id": problem.id, "category": problem.category, "question": problem.question,
        "context": problem.context, "answers": problem.answers, "text": text, "status": ours["status"],
        "gold_facts": [(fact, normalise(fact)) for fact in problem.facts],
        "facts": None if facts is None else [(fact, normalise(fact)) for fact in facts],
        "label": ours["classification_stated"], "stated": ours["answer_stated"],
        "agreement": agreement(problem, ours)["agreement"], "gold_row": theirs.get("gold_row"),
        "aligned": {step: ours[f"{step}_correct"] for step in STEPS} | {"cell": ours["cell"]},
        "published": {step: theirs.get(f"{step}_correct") for step in STEPS} | {"cell": theirs["cell"]},
    }  # fmt: skip


def own_entries(
    problems: Iterable[Problem], paths: Iterable[Path], teachers: Mapping[tuple[str, str], str], limit: int = 200
) -> list[dict[str, Any]]:
    """Entries for our own outputs files, at most ``limit`` per file, evenly spaced; ``teachers`` as of ``sft``."""
    known = {p.id: p for p in problems if p.split == "test"}
    rows, found = release_rules.GoldRows(known.values()), []
    for path in paths:
        for o in spread([o for o in read_jsonl(path) if o.get("id") in known], limit):
            condition = longhand(o.get("condition"), teachers.get((o.get("dataset"), o.get("condition")), ""))
            adapter = f"{o.get('dataset')} · {condition} · seed {o.get('seed')}"
            found.append(entry(known[o["id"]], o["text"], o.get("finished", True), adapter, rows))
    return found


def released_entries(folder: Path, dataset: str, limit: int = 200) -> list[dict[str, Any]]:
    """Entries for the authors' outputs below ``folder``, at most ``limit`` per file, evenly spaced."""
    problems = author_outputs.test_problems(dataset, folder)
    known, rows, found = {p.id: p for p in problems}, release_rules.GoldRows(problems), []
    for path in sorted((folder / "released" / dataset).glob("*.jsonl*")):
        adapter, joiner = author_outputs.adapter_of(path), author_outputs.Joiner(problems)
        outputs = [joiner.output(row, adapter, number) for number, row in enumerate(read_jsonl(path), 1)]
        name = f"{dataset} · {adapter.student} · {adapter.condition}"
        usable = spread([o for o in outputs if o["id"] in known], limit)
        found += [entry(known[o["id"]], o["text"], True, name, rows) for o in usable]
    return found


def write_page(path: Path, entries: list[dict[str, Any]], title: str, about: str, banner: str = "") -> Path:
    """Write one self-contained HTML page: it opens from the disk and asks no server.

    Args:
        path: of the page.
        entries: of ``entry``.
        title: heading.
        about: a sentence on student, data and n.
        banner: a warning such as "GENERATED problems"; empty for none.
    """
    page = (files("tracekd.scoring") / "explorer.html").read_text(encoding="utf-8")
    strip = f'<p class="warn">{html.escape(banner)}</p>' if banner else ""
    for name, text in (("TITLE", html.escape(title)), ("ABOUT", html.escape(about)), ("BANNER", strip)):
        page = page.replace(f"__{name}__", text)
    # "</" would end the script element from within a string; the escapes keep JSON's meaning.
    data = json.dumps(entries, ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\u0021--")
    with replacing(path) as temporary:
        temporary.write_text(page.replace("__DATA__", data), encoding="utf-8")
    return path


def show(one: Mapping[str, Any]) -> str:
    """One entry as an HTML fragment: blue = gold fact stated, orange = stated but not gold, grey = gold not stated."""
    gold, said = ({key for _, key in one[name] or ()} for name in ("gold_facts", "facts"))

    def facts(name: str, hits: set[str], other: str) -> str:
        items = [(text, "#0072B2" if key in hits else other) for text, key in one[name] or ()]
        return "<ul>" + "".join(f"<li style='color:{c}'>{html.escape(text)}</li>" for text, c in items) + "</ul>"

    texts = {name: html.escape(str(one[name])) for name in ("id", "question", "category", "label")}
    answers = [html.escape(" | ".join(one[name])) for name in ("answers", "stated")]
    cells = [one[rules]["cell"] or "unevaluated" for rules in ("aligned", "published")]
    return (
        f"<b>{texts['id']}</b> {texts['question']}<br>gold: {texts['category']}{facts('gold_facts', said, '#666666')}"
        f"answer {answers[0]}<br>stated ({one['status']}, {one['agreement']}): {texts['label']}"
        f"{facts('facts', gold, '#D55E00')}answer {answers[1]}<br>aligned: {cells[0]}; as published: {cells[1]}"
    )


def widgets(entries: list[dict[str, Any]]):
    """The explorer as ipywidgets: choose adapter, rule set and cell, then step through the outputs."""
    import ipywidgets as w

    adapter = w.Dropdown(options=list(dict.fromkeys(e["adapter"] for e in entries)), description="adapter")
    rules = w.Dropdown(options=[("aligned", "aligned"), ("as published", "published")], description="rule set")
    cell = w.Dropdown(options=CELLS, description="cell")
    place, view, count = w.BoundedIntText(value=1, min=1, description="output"), w.HTML(), w.Label()

    def draw(_=None) -> None:
        mine = [e for e in entries if e["adapter"] == adapter.value]
        found = [e for e in mine if cell.value in ("all", e[rules.value]["cell"] or "unevaluated")]
        place.max = max(len(found), 1)
        count.value = f"{len(found)} outputs"
        view.value = show(found[min(place.value, len(found)) - 1]) if found else "none"

    for control in (adapter, rules, cell, place):
        control.observe(draw, "value")
    draw()

    class Explorer(w.VBox):
        """Its text form, which notebooks keep, names no widget inside: these hold text of problems."""

        def __repr__(self) -> str:
            return f"an explorer of {len(entries)} outputs; run the notebook to use it"

    return Explorer([w.HBox([adapter, rules, cell]), w.HBox([place, count]), view])
