"""The explorer: read one output after another beside its gold steps, with both verdicts. Widgets, or one HTML file."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from tracekd import as_published, released
from tracekd.agreement import agreement
from tracekd.freeform import longhand
from tracekd.problems import Problem
from tracekd.records import read_jsonl, replacing
from tracekd.score import verdict
from tracekd.text import normalise

STEPS = ("classification", "retrieval", "trace", "answer")


def entry(
    problem: Problem, text: str, finished: bool, adapter: str, gold_rows: as_published.GoldRows
) -> dict[str, Any]:
    """What the explorer shows of one output: problem, gold steps, stated steps, answer, both verdicts."""
    ours, theirs = verdict(problem, text, finished), {"cell": NO_RULES}
    if problem.dataset in as_published.DATASETS:
        theirs = as_published.verdict(problem, text, gold_rows)
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
    """Entries for our own outputs files, at most ``limit`` a file, evenly spaced; ``teachers`` of ``sft.teachers``."""
    test = [p for p in problems if p.split == "test"]
    known, rows, found = {p.id: p for p in test}, as_published.GoldRows(test), []
    for path in paths:
        outputs = _spread([o for o in read_jsonl(path) if o.get("id") in known], limit)
        for o in outputs:
            teacher = teachers.get((o.get("dataset"), o.get("condition")), "")
            condition = longhand(o.get("condition"), teacher)
            adapter = f"{o.get('dataset')} · {condition} · seed {o.get('seed')}"
            found.append(entry(known[o["id"]], o["text"], o.get("finished", True), adapter, rows))
    return found


def released_entries(folder: Path, dataset: str, limit: int = 200) -> list[dict[str, Any]]:
    """Entries for the authors' outputs where they lie below ``folder``, at most ``limit`` a file, evenly spaced."""
    problems = released.test_problems(dataset, folder)
    known, rows, found = {p.id: p for p in problems}, as_published.GoldRows(problems), []
    for path in sorted((folder / "released" / dataset).glob("*.jsonl*")):
        adapter, joiner = released.adapter_of(path), released.Joiner(problems)
        outputs = (joiner.output(row, adapter, number) for number, row in enumerate(read_jsonl(path), 1))
        usable = _spread([o for o in outputs if o["id"] in known], limit)
        name = f"{dataset} · {adapter.student} · {adapter.condition}"
        found += [entry(known[o["id"]], o["text"], True, name, rows) for o in usable]
    return found


def _spread(items: list, limit: int) -> list:
    """At most ``limit`` items, evenly spaced: files are in the order of their categories."""
    return items[:: -(-len(items) // limit)] if len(items) > limit else items


def page(entries: list[dict[str, Any]], title: str, about: str, banner: str = "") -> str:
    """One self-contained HTML page: opens from the disk, asks no server.

    Args:
        entries: of ``entry``.
        title: heading.
        about: a sentence on student, data and n.
        banner: a warning such as "GENERATED problems"; empty for none.
    """
    template = (files("tracekd") / "explorer.html").read_text(encoding="utf-8")
    # "</" would end the script element from within a string; the question mark keeps JSON's meaning.
    data = json.dumps(entries, ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\u0021--")
    strip = f'<p class="warn">{html.escape(banner)}</p>' if banner else ""
    texts = {"__TITLE__": html.escape(title), "__ABOUT__": html.escape(about), "__BANNER__": strip}
    for name, text in texts.items():
        template = template.replace(name, text)
    return template.replace("__DATA__", data)


def write_page(path: Path, entries: list[dict[str, Any]], title: str, about: str, banner: str = "") -> Path:
    """Write ``page`` to ``path`` in one piece."""
    with replacing(path) as temporary:
        temporary.write_text(page(entries, title, about, banner), encoding="utf-8")
    return path


def show(one: Mapping[str, Any]) -> str:
    """One entry as an HTML fragment, differences marked: blue = gold fact stated, orange = stated but not gold."""
    esc, gold = html.escape, {key for _, key in one["gold_facts"]}
    said = {key for _, key in one["facts"] or ()}
    stated = "".join(
        f"<li style='color:{'#0072B2' if key in gold else '#D55E00'}'>{esc(text)}</li>"
        for text, key in one["facts"] or ()
    )
    missed = "".join(
        f"<li style='color:{'#0072B2' if key in said else '#666666'}'>{esc(text)}</li>"
        for text, key in one["gold_facts"]
    )
    verdicts = "; ".join(f"{name}: {one[key]['cell'] or 'unevaluated'}" for name, key in RULES.items())
    return (
        f"<b>{esc(one['id'])}</b> {esc(one['question'])}<br>gold: {esc(one['category'])}<ul>{missed}</ul>"
        f"answer {esc(' | '.join(one['answers']))}<br>stated ({one['status']}, {one['agreement']}): "
        f"{esc(str(one['label']))}<ul>{stated}</ul>answer {esc(' | '.join(one['stated']))}<br>{verdicts}"
    )


# In place of a cell, for sets that the release has no rules for.
NO_RULES = "no published rules"
RULES = {"aligned": "aligned", "as published": "published"}


def widgets(entries: list[dict[str, Any]]):
    """The explorer as ipywidgets: choose adapter, rule set and cell, then step through the outputs."""
    import ipywidgets as w

    adapters = list(dict.fromkeys(e["adapter"] for e in entries))
    adapter = w.Dropdown(options=adapters, description="adapter")
    rules = w.Dropdown(options=list(RULES), description="rule set")
    cell = w.Dropdown(
        options=["all", "both", "answer_only", "trace_only", "neither", "unevaluated"], description="cell"
    )
    place, view, count = w.BoundedIntText(value=1, min=1, description="output"), w.HTML(), w.Label()

    def chosen() -> list[dict[str, Any]]:
        wanted = RULES[rules.value]
        mine = [e for e in entries if e["adapter"] == adapter.value]
        return [e for e in mine if cell.value in ("all", e[wanted]["cell"] or "unevaluated")]

    def draw(_=None) -> None:
        found = chosen()
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
