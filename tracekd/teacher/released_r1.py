"""The release's R1 sets: which problem the message of each row belongs to, in the first rows of its files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tracekd import config
from tracekd.io.records import numbered_jsonl

ROWS = Path("released") / "r1_set_rows.jsonl"
KEPT = config.ROOT / "figures" / "data" / "r1_sets.csv"
FILES = ("equal", "overlap", "during", "mix")
_NEEDED = {"category", "row", "row_question", "message_question", "message_label", "message_answer"}
_SAME = "Only return the answer."


def read(path: str | Path) -> pd.DataFrame:
    """Read the rows: one row per row of a release's file, with the question that it is about and that of its message.

    Raises:
        ValueError: a field is missing, or a file is none of the four; the message names the line.
    """
    rows = list(numbered_jsonl(path))
    for number, row in rows:
        if (missing := _NEEDED - set(row)) or row["category"] not in FILES:
            wrong = f"{min(missing)} is missing" if missing else f"category is {row['category']!r}"
            raise ValueError(f"{Path(path).name}, line {number}: {wrong}; expected {', '.join(sorted(_NEEDED))}")
    return pd.DataFrame([row for _, row in rows])


def counts(rows: pd.DataFrame) -> pd.DataFrame:
    """Count the rows (of ``read``) of each file, and of all.

    Returns:
        Columns file, rows, same_problem, another_problem (by question), distinct_messages, most_repeated (rows that
        hold the file's most frequent message), another_category (rows whose message has another category's label).
    """
    rows = rows.assign(
        other=rows.row_question != rows.message_question, label=rows.message_label != rows.category,
        message=list(zip(rows.message_question, rows.message_label, rows.message_answer, strict=True)),
    )  # fmt: skip
    parts = [(name, rows[rows.category == name]) for name in FILES] + [("all", rows)]
    return pd.DataFrame(
        {
            "file": name, "rows": len(part), "same_problem": int((~part.other).sum()),
            "another_problem": int(part.other.sum()), "distinct_messages": part.message.nunique(),
            "most_repeated": int(part.message.value_counts().max()), "another_category": int(part.label.sum()),
        }
        for name, part in parts
        if len(part)
    )  # fmt: skip


def counted(source: str | Path) -> tuple[pd.DataFrame, str]:
    """The counts and an example in words, from the rows below ``source``; without them the recorded counts and ""."""
    path = Path(source) / ROWS
    if not path.is_file():
        return pd.read_csv(KEPT), ""
    rows = read(path)
    return counts(rows), example(rows)


def example(rows: pd.DataFrame) -> str:
    """The most repeated message of all and the first row that holds it for another problem, by their questions."""
    others = rows[rows.message_question != rows.row_question]
    if others.empty:
        return ""
    most = others.message_question.value_counts().index[0]
    row = others[others.message_question == most].iloc[0]
    asked, answered = (text.removesuffix(_SAME).strip() for text in (row.row_question, row.message_question))
    return (
        f'Row {row.row} of the file {row.category} is about the question "{asked}" The message that the student was '
        f'trained on in its place asks "{answered}", a problem labelled {row.message_label}. The same message fills '
        f"{(rows.message_question == most).sum()} of the {len(rows)} rows."
    )


def claims(found: pd.DataFrame) -> pd.DataFrame:
    """What the published comparison on the R1 subset can tell by ``counts``, as ``released_claims.claims`` says it."""
    row = found.set_index("file").loc["all"]
    first = (
        "On the R1 subset, decomposed traces do not reach the accuracy of R1 traces.",
        f"In the first rows of the four files, {row.rows} in all and no random sample, {row.another_problem} hold "
        f"another problem's message in the sets for correct and incorrect. There are {row.distinct_messages} distinct "
        f"messages, and {row.another_category} rows have another category's label.",
        "not tested: the students learned from different examples",
    )
    second = (
        "On the R1 subset, R1 traces are compared with summaries, explanations, swapped traces and no trace.",
        "These five sets share their rows, and each teaches R1's final message, often prose, as the answer.",
        "the examples are the same; how much is due to the prose answers is not tested",
    )
    return pd.DataFrame([first, second], columns=["statement", "evidence", "verdict"])
