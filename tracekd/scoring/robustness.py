"""Robustness of reading: outputs rewritten in forms that a careful reader would not mind, and what verdicts do."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from tracekd.data.problem import Problem
from tracekd.io.records import read_jsonl
from tracekd.lists import first_list, quoted_list
from tracekd.scoring import release_rules
from tracekd.scoring.aligned import spread, verdict
from tracekd.scoring.release_rules import GoldRows
from tracekd.stats.intervals import share
from tracekd.traces import templates

_FACTS = re.compile(r"(I need to use the following (?:facts?|texts?) to answer the question: )")
_FLAGS = ("evaluated", "classification_correct", "retrieval_correct", "answer_correct")
Rewrite = Callable[[str], str]


def _replaced(pattern: str, new: str | Callable, count: int = 0) -> Rewrite:
    return lambda text: re.sub(pattern, new, text, count=count, flags=re.DOTALL)


def _lists(write: Callable[[Sequence[str]], str], answers: bool = True) -> Rewrite:
    """Rewrites the fact list of a trace, and an answer that is a list, item by item."""

    def rewritten(text: str) -> str:
        literal = first_list(text)
        items = quoted_list(literal) if literal else None
        return write(items) + text[len(literal) :] if items else text

    def rewrite(text: str) -> str:
        head, lead, tail = _FACTS.split(text, maxsplit=1) if _FACTS.search(text) else ("", "", text)
        before, tag, answer = (rewritten(tail) if lead else tail).partition("<answer>")
        return head + lead + before + tag + (rewritten(answer) if tag and answers else answer)

    return rewrite


def _in_trace(change: Rewrite) -> Rewrite:
    return lambda text: re.sub(r"(?<=<think>)[^<]+(?=</think>)", lambda match: change(match[0]), text, count=1)


def _facts_first(trace: str) -> str:
    label, _, facts = trace.strip().partition("\n")
    return f"{facts}\n{label}" if _FACTS.match(facts) and "\n" not in facts else trace


def _bold(text: str) -> str:
    text = _in_trace(lambda trace: re.sub(r"^(.* is: )(.*?)(\.)$", r"\1**\2**\3", trace, count=1, flags=re.M))(text)
    return re.sub(r"<answer>([^<\[]+)</answer>", r"<answer>**\1**</answer>", text)


_TAG = r"<(/?)(think|answer)>"
# A rewriting that leaves an output as it is does not count for it.
VARIATIONS: dict[str, Rewrite] = {
    "tags in capitals, with spaces": _replaced(_TAG, lambda tag: f"<{tag[1]} {tag[2].upper()} >"),
    "tags escaped as HTML": _replaced(_TAG, r"&lt;\1\2&gt;"),
    "all marks escaped as HTML": html.escape,
    "tags escaped as Markdown": _replaced(_TAG, r"\\<\1\2\\>"),
    "no <think>": lambda text: text.replace("<think>", "", 1) if "</think>" in text else text,
    "no </think>": lambda text: text.replace("</think>", "", 1) if "<think>" in text and "<answer>" in text else text,
    "an empty trace before it": _replaced(r"<think>(?=\s*\w)", "<think>\n\n</think>\n\n<think>", 1),
    "a chat template's tokens": lambda text: f"<|im_start|>assistant\n{text.removeprefix('assistant')}<|im_end|>\n",
    "a role word": lambda text: text if text.startswith("assistant") else f"assistant\n\n{text}",
    "a code fence around it": lambda text: f"```\n{text.removeprefix('assistant').strip()}\n```",
    "the answer before the trace": _replaced(r"(<think>.*</think>)\s*(<answer>.*</answer>)", r"\2 \1"),
    "the facts before the label": _in_trace(_facts_first),
    "prose before the trace": lambda text: text.replace("<think>", "Let me think about it.\n<think>", 1),
    "prose after the facts": _in_trace(lambda trace: f"{trace.rstrip()}\nThis settles the question."),
    "prose after the answer": lambda text: text.replace("</answer>", "</answer>\nI hope that this helps."),
    "'**Answer:**' for its tag": _replaced(r"</think>\s*<answer>(.*?)</answer>", r"</think>\n\n**Answer:** \1"),
    "lists as JSON": _lists(lambda items: json.dumps(list(items), ensure_ascii=False)),
    "lists in curly quotes": _lists(lambda items: "[" + ", ".join(f"“{item}”" for item in items) + "]"),
    "facts as bullets": _lists(lambda items: "\n" + "\n".join(f"- {item}" for item in items), answers=False),
    "label and answer in bold": _bold,
}


def sample(problems: Iterable[Problem], paths: Iterable[Path], limit: int = 100) -> list[tuple[Problem, str, bool]]:
    """Outputs to rewrite as (problem, text, finished): evenly spaced, at most ``limit`` of each file.

    As many targets of the ``correct`` condition of each data set's test problems come on top.
    """
    known, found = {p.id: p for p in problems}, []
    for path in paths:
        rows = [row for row in read_jsonl(path) if row.get("id") in known]
        found += [(known[row["id"]], row["text"], row.get("finished", True)) for row in spread(rows, limit)]
    for dataset in dict.fromkeys(p.dataset for p in known.values()):
        test = [p for p in known.values() if p.split == "test" and p.dataset == dataset]
        found += [(p, templates.target(p, templates.build(p, "correct")), True) for p in spread(test, limit)]
    return found


def counts(
    outputs: Iterable[tuple[Problem, str, bool]], gold_rows: GoldRows, variations: Mapping[str, Rewrite] = VARIATIONS
) -> pd.DataFrame:
    """How often verdicts on label, facts and answer all stay the same when an output is rewritten.

    Returns:
        One row per variation: variation, n (outputs that it changes), aligned (of these, how many keep their id-aligned
        verdicts), n_published (those of the sets that the release has rules for), as_published (the same under these).
    """
    found = Counter()
    for problem, text, finished in outputs:
        ruled, before = problem.dataset in release_rules.DATASETS, _judged(problem, text, finished, gold_rows)
        for name, change in variations.items():
            if (changed := change(text)) == text:
                continue
            ours, theirs = (a == b for a, b in zip(before, _judged(problem, changed, finished, gold_rows), strict=True))
            found.update({(name, "n"): 1, (name, "aligned"): ours, (name, "n_published"): ruled})
            found[name, "as_published"] += ruled and theirs
    columns = ("n", "aligned", "n_published", "as_published")
    return pd.DataFrame([{"variation": name, **{c: found[name, c] for c in columns}} for name in variations])


def _judged(problem: Problem, text: str, finished: bool, gold_rows: GoldRows) -> list[tuple]:
    """The flags under both rule sets; none under the release's where it has no rules."""
    ruled = problem.dataset in release_rules.DATASETS
    found = verdict(problem, text, finished), release_rules.verdict(problem, text, gold_rows) if ruled else {}
    return [tuple(row.get(name) for name in _FLAGS) for row in found]


def table(counted: pd.DataFrame) -> pd.DataFrame:
    """``counts`` for reading: variation, n, and the shares in percent that stay the same with 95% Wilson intervals."""
    shown = counted[["variation", "n"]].copy()
    for column, total in (("aligned", "n"), ("as_published", "n_published")):
        shares = [share(hits, n) for hits, n in zip(counted[column], counted[total], strict=True)]
        ends = [[100 * s[name] for name in ("value", "low", "high")] for s in shares]
        shown[column] = ["" if v != v else f"{v:.1f} [{low:.1f}, {high:.1f}]" for v, low, high in ends]
    return shown
