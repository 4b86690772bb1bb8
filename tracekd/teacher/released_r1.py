"""The release's R1 sets: which problem the message of each row belongs to, in the first rows of its files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tracekd import config
from tracekd.data.problem import CATEGORIES, at, check_fields
from tracekd.io.records import numbered_jsonl

ROWS = Path("released") / "r1_set_rows.jsonl"
KEPT = config.ROOT / "figures" / "data" / "r1_sets.csv"
MESSAGE = ["message_question", "message_label", "message_answer"]


def counted(source: str | Path) -> tuple[pd.DataFrame, str]:
    """The counts and an example in words, from the rows below ``source``; without them the recorded counts and "".

    ValueError, with the line, where a field is missing or a file is none of the four.
    """
    path, rows = Path(source) / ROWS, []
    if not path.is_file():
        return pd.read_csv(KEPT), ""
    for number, row in numbered_jsonl(path):
        with at(f"{path.name}, line {number}"):
            check_fields(row, ("category", "row_question", *MESSAGE), ())
            if row["category"] not in CATEGORIES["cotempqa"]:
                raise ValueError(f"category is {row['category']!r}, expected {', '.join(CATEGORIES['cotempqa'])}")
            rows.append({"row": number, **row})
    rows = pd.DataFrame(rows)
    return counts(rows), _example(rows)


def counts(rows: pd.DataFrame) -> pd.DataFrame:
    """Count the rows of each file, and of all: a row holds its own question and that of its message.

    Returns:
        Columns file, rows, same_problem, another_problem (by question), distinct_messages, most_repeated (rows that
        hold the file's most frequent message), another_category (rows whose message has another category's label).
    """
    own, message = rows.row_question == rows.message_question, rows[MESSAGE].agg("\n".join, axis=1)
    flags = rows.assign(file=rows.category, same=own, another=~own, message=message)
    flags["moved"] = rows.message_label != rows.category
    found = pd.concat([flags, flags.assign(file="all")]).groupby("file").agg(
        rows=("row", "size"), same_problem=("same", "sum"), another_problem=("another", "sum"),
        distinct_messages=("message", "nunique"), most_repeated=("message", lambda part: part.value_counts().max()),
        another_category=("moved", "sum"),
    )  # fmt: skip
    return found.reindex([name for name in (*CATEGORIES["cotempqa"], "all") if name in found.index]).reset_index()


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
