"""What the columns of verdict tables hold: the one data dictionary, written beside every table of verdicts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tracekd.io.records import write_csv

_STEP = "of the trace, set against the gold step of the problem with the same id; a step that is not stated is wrong"
VERDICT = {
    "file": "outputs file that the row comes from",
    "student": "model that wrote the output",
    "condition": "how it was trained: prompted (not at all), vanilla, correct, incorrect, r1, ...",
    "adapter": "released adapter, as the published tables name it",
    "seed": "seed of training",
    "row": "line number in the released file, from 1",
    "id": "problem id: dataset/category/number",
    "dataset": "cotempqa, babi, marco, or the name of an own set",
    "category": "gold label of the classification step",
    "joined": "test: asks a test problem; repeat: asks it again; other: asks none",
    "status": "how the output could be read: ok, untagged, no_trace, no_answer, truncated",
    "classification_stated": "label as stated; two different ones joined by ' | '; empty: none",
    "classification_correct": f"the label {_STEP}",
    "facts_stated": "facts as stated",
    "retrieval_correct": f"the set of facts {_STEP}",
    "retrieval_precision": "share of the stated facts that are gold, 0 to 1",
    "retrieval_recall": "share of the gold facts that are stated, 0 to 1",
    "retrieval_any": "at least one gold fact is stated",
    "trace_correct": "classification and retrieval are both correct",
    "answer_stated": "answers as stated",
    "answer_correct": "the set of answers is the gold set; MS MARCO: each is one of the references",
    "answer_f1": "F1 over whole answers, 0 to 1; MS MARCO: over words, best reference",
    "answer_rouge_l": "MS MARCO: ROUGE-L F1 of the answer, best reference, 0 to 1; empty for other sets",
    "answer_contains": "lenient: each gold answer (MS MARCO: one) stands in the answer text as whole words",
    "cell": "trace and answer correct: both, answer_only, trace_only, neither",
    "passes_check": "label and facts are those derived without gold; empty where the derivation does not apply",
    "drawn_reveals": "what the wrong trace drawn for a problem reveals: none, excludes, names, derives; empty: no draw",
    "reveals": "what the stated facts reveal of the answer: right (the gold facts), none, excludes, names, derives",
    "n_facts": "number of gold facts of the problem",
    "repetition": "share of the output's four-word sequences that stand in it before, 0 to 1",
    "answerable": "the gold answer is not 'No Answer Present.'",
    "declined": "the answer is 'No Answer Present.'",
    "n_tokens": "tokens generated",
    "teacher": "who wrote free-form traces: a model's name, templated; empty: rules or none",
    "source": "where the problems come from",
    "pub_...": "the same column under the release's rules; empty for sets that it has no rules for",
    "evaluated": "release's rules: its matrices count this output",
    "gold_row": "release's rules: id of the row that the output is compared with",
    "other_row": "release's rules: that row is not the problem's own",
    "acc": "release's answer metric, 0 or 1",
    "f1": "release's answer metric, 0 to 1",
    "p": "release's answer metric: precision, 0 to 1",
    "r": "release's answer metric: recall, 0 to 1",
}  # fmt: skip


def write_dictionary(table: Path) -> Path:
    """Write ``verdict_columns.csv`` (column, meaning) beside a verdict table, the same one for every table there."""
    path = table.with_name("verdict_columns.csv")
    rows = [{"column": name, "meaning": meaning} for name, meaning in VERDICT.items()]
    write_csv(path, pd.DataFrame(rows))
    return path
