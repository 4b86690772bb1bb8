"""What the columns of verdict tables hold: the one data dictionary, written beside every table of verdicts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tracekd.io.records import write_csv

_TABLE = pd.read_csv(Path(__file__).with_name("verdict_columns.csv"))
VERDICT: dict[str, str] = dict(zip(_TABLE.column, _TABLE.meaning, strict=True))


def write_dictionary(table: Path) -> None:
    """Write ``verdict_columns.csv`` (column, meaning) beside a verdict table, the same one for every table there."""
    write_csv(table.with_name("verdict_columns.csv"), _TABLE)
