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


def counted(source: str | Path) -> tuple[pd.DataFrame, str]:
    """The counts and an example in words, from the rows below ``source``; without them the recorded counts and "".

    Raises:
        ValueError: a field is missing, or a file is none of the four; the message names the line.
    """
    path = Path(source) / ROWS
    if not path.is_file():
        return pd.read_csv(KEPT), ""
    rows = list(numbered_jsonl(path))
    for number, row in rows:
        if not row.keys() >= _NEEDED or row["category"] not in FILES:
            expected = f"{', '.join(sorted(_NEEDED))}, and as category {', '.join(FILES)}"
            raise ValueError(f"{path.name}, line {number}: {str(row)[:200]}; expected {expected}")
    rows = pd.DataFrame([row for _, row in rows])
    return counts(rows), _example(rows)


def counts(rows: pd.DataFrame) -> pd.DataFrame:
    """Count the rows of each file, and of all: a row holds its own question and that of its message.

    Returns:
        Columns file, rows, same_problem, another_problem (by question), distinct_messages, most_repeated (rows that
        hold the file's most frequent message), another_category (rows whose message has another category's label).
    """
    other, message = rows.row_question != rows.message_question, ["message_question", "message_label", "message_answer"]
    made = []
    for name in (*FILES, "all"):
        part = rows if name == "all" else rows[rows.category == name]
        if len(part):
            another, repeated = int(other[part.index].sum()), part[message].value_counts(dropna=False)
            moved = int((part.message_label != part.category).sum())
            made.append((name, len(part), len(part) - another, another, len(repeated), int(repeated.iloc[0]), moved))
    return pd.DataFrame(
        made,
        columns=["file", "rows", "same_problem", "another_problem", "distinct_messages", "most_repeated",
                 "another_category"],
    )  # fmt: skip


def _example(rows: pd.DataFrame) -> str:
    """The most repeated message of all and the first row that holds it for another problem, by their questions."""
    others = rows[rows.message_question != rows.row_question]
    if others.empty:
        return ""
    most = others.message_question.value_counts().index[0]
    row = others[others.message_question == most].iloc[0]
    asked, answered = (q.removesuffix("Only return the answer.").strip() for q in (row.row_question, most))
    return (
        f'Row {row.row} of the file {row.category} is about the question "{asked}" The message that the student was '
        f'trained on in its place asks "{answered}", a problem labelled {row.message_label}. The same message fills '
        f"{(rows.message_question == most).sum()} of the {len(rows)} rows."
    )
