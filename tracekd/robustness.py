"""Robustness of reading: outputs rewritten in forms that a careful reader would not mind, and what verdicts do."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from tracekd import as_published, traces
from tracekd.lists import first_list, quoted_list
from tracekd.problems import Problem
from tracekd.records import read_jsonl
from tracekd.score import verdict
from tracekd.stats import share

_TAG = re.compile(r"<(/?)(think|answer)>")
_FACTS = re.compile(r"(I need to use the following (?:facts?|texts?) to answer the question: )")
_LABEL = re.compile(r"^(.* is: )(.*?)(\.)$", re.MULTILINE)
_STEPS = ("classification_correct", "retrieval_correct", "answer_correct")


def _lists(write: Callable[[Sequence[str]], str], answers: bool = True) -> Callable[[str], str]:
    """Rewrites the fact list of a trace, and an answer that is a list, item by item."""

    def rewrite(text: str) -> str:
        head, lead, tail = _FACTS.split(text, maxsplit=1) if _FACTS.search(text) else ("", "", text)
        if lead and (literal := first_list(tail)) and (items := quoted_list(literal)):
            tail = write(items) + tail[len(literal) :]
        before, tag, answer = tail.partition("<answer>")
        if tag and answers and (literal := first_list(answer)) and (items := quoted_list(literal)):
            answer = write(items) + answer[len(literal) :]
        return head + lead + before + tag + answer

    return rewrite


def _tags(write: Callable[[re.Match], str]) -> Callable[[str], str]:
    return lambda text: _TAG.sub(write, text)


def _in_trace(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: re.sub(r"(?<=<think>)[^<]+(?=</think>)", lambda match: change(match[0]), text, count=1)


def _facts_first(trace: str) -> str:
    label, _, facts = trace.strip().partition("\n")
    return f"{facts}\n{label}" if _FACTS.match(facts) and "\n" not in facts else trace


def _bold(text: str) -> str:
    text = _in_trace(lambda trace: _LABEL.sub(r"\1**\2**\3", trace, count=1))(text)
    return re.sub(r"<answer>([^<\[]+)</answer>", r"<answer>**\1**</answer>", text)


def _quoted(left: str, right: str) -> Callable[[Sequence[str]], str]:
    return lambda items: "[" + ", ".join(f"{left}{item}{right}" for item in items) + "]"


# What leaves an output as it is does not count for it: there is no list to rewrite in an output without one.
VARIATIONS: dict[str, Callable[[str], str]] = {
    "tags in capitals, with spaces": _tags(lambda tag: f"<{tag[1]} {tag[2].upper()} >"),
    "tags escaped as HTML": _tags(lambda tag: f"&lt;{tag[1]}{tag[2]}&gt;"),
    "all marks escaped as HTML": html.escape,
    "tags escaped as Markdown": _tags(lambda tag: f"\\<{tag[1]}{tag[2]}\\>"),
    "no <think>": lambda text: text.replace("<think>", "", 1) if "</think>" in text else text,
    "no </think>": lambda text: text.replace("</think>", "", 1) if "<think>" in text and "<answer>" in text else text,
    "an empty trace before it": lambda text: re.sub(
        r"<think>(?=\s*\w)", "<think>\n\n</think>\n\n<think>", text, count=1
    ),
    "a chat template's tokens": lambda text: f"<|im_start|>assistant\n{text.removeprefix('assistant')}<|im_end|>\n",
    "a role word": lambda text: text if text.startswith("assistant") else f"assistant\n\n{text}",
    "a code fence around it": lambda text: f"```\n{text.removeprefix('assistant').strip()}\n```",
    "the answer before the trace": lambda text: re.sub(
        r"(<think>.*</think>)\s*(<answer>.*</answer>)", r"\2 \1", text, flags=re.DOTALL
    ),
    "the facts before the label": _in_trace(_facts_first),
    "prose before the trace": lambda text: text.replace("<think>", "Let me think about it.\n<think>", 1),
    "prose after the facts": _in_trace(lambda trace: f"{trace.rstrip()}\nThis settles the question."),
    "prose after the answer": lambda text: text.replace("</answer>", "</answer>\nI hope that this helps."),
    "'**Answer:**' for its tag": lambda text: re.sub(
        r"</think>\s*<answer>(.*?)</answer>", r"</think>\n\n**Answer:** \1", text, flags=re.DOTALL
    ),
    "lists as JSON": _lists(lambda items: json.dumps(list(items), ensure_ascii=False)),
    "lists in curly quotes": _lists(_quoted("“", "”")),
    "facts as bullets": _lists(lambda items: "\n" + "\n".join(f"- {item}" for item in items), answers=False),
    "label and answer in bold": _bold,
}


def sample(problems: Iterable[Problem], paths: Iterable[Path], limit: int = 100) -> list[tuple[Problem, str, bool]]:
    """Outputs to rewrite, evenly spaced, at most ``limit`` of each file, and as many gold targets of each data set.

    Args:
        problems: all that an output may belong to; the gold targets are those of the test problems.
        paths: outputs files.
        limit: outputs per file.

    Returns:
        Problem, text, finished; a gold target is the ``correct`` condition's.
    """
    known, found = {p.id: p for p in problems}, []
    for path in paths:
        rows = [row for row in read_jsonl(path) if row.get("id") in known]
        found += [(known[row["id"]], row["text"], row.get("finished", True)) for row in _spread(rows, limit)]
    for dataset in dict.fromkeys(p.dataset for p in known.values()):
        test = [p for p in known.values() if p.split == "test" and p.dataset == dataset]
        found += [(p, traces.target(p, traces.build(p, "correct")), True) for p in _spread(test, limit)]
    return found


def _spread(rows: Sequence, limit: int) -> Sequence:
    return rows[:: max(1, -(-len(rows) // limit))]


def counts(
    outputs: Iterable[tuple[Problem, str, bool]],
    gold_rows: as_published.GoldRows,
    variations: Mapping[str, Callable[[str], str]] = VARIATIONS,
) -> pd.DataFrame:
    """How often verdicts stay the same when an output is rewritten.

    Args:
        outputs: problem, text, finished.
        gold_rows: of the test problems, for the release's rules.
        variations: name to a function of the text.

    Returns:
        One row per variation: variation, n (outputs that it changes), aligned (of these, outputs whose label, facts and
        answer get the same id-aligned verdicts), n_published (those of the data sets that the release has rules for),
        as_published (same flags under its rules).
    """
    rows = {name: {"variation": name, "n": 0, "aligned": 0, "n_published": 0, "as_published": 0} for name in variations}
    for problem, text, finished in outputs:
        ruled = problem.dataset in as_published.DATASETS
        ours = _flags(verdict(problem, text, finished))
        theirs = _flags(as_published.verdict(problem, text, gold_rows)) if ruled else ()
        for name, change in variations.items():
            if (changed := change(text)) == text:
                continue
            rows[name]["n"] += 1
            rows[name]["aligned"] += _flags(verdict(problem, changed, finished)) == ours
            rows[name]["n_published"] += ruled
            if ruled:
                found = _flags(as_published.verdict(problem, changed, gold_rows))
                rows[name]["as_published"] += found == theirs
    return pd.DataFrame(rows.values())


def _flags(row: Mapping) -> tuple:
    return (row.get("evaluated"), *(row[name] for name in _STEPS))


def table(counted: pd.DataFrame) -> pd.DataFrame:
    """``counts`` for reading: variation, n, and the shares in percent that stay the same with 95% Wilson intervals."""
    shown = counted[["variation", "n"]].copy()
    for column, total in (("aligned", "n"), ("as_published", "n_published")):
        found = [share(hits, n) for hits, n in zip(counted[column], counted[total], strict=True)]
        shown[column] = [
            "" if not s["n"] else "{value:.1%} [{low:.1%}, {high:.1%}]".format(**s).replace("%", "") for s in found
        ]
    return shown
