"""Recorded benches: what was measured, of which student, on which hardware, on which day."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pandas as pd

from tracekd import config

FOLDER = config.ROOT / "figures" / "data"
ABOUT = ("source", "hardware", "date")
CONTENDER = [
    "what", "dataset", "profile", "student", "contender", "workers", "tokens_per_second", "ratio", "peak_gib", "n",
    "turns", "texts_differ", "verdicts_differ", *ABOUT,
]  # fmt: skip


def records(folder: Path = FOLDER) -> list[dict]:
    """All recorded benches, see ``python -m tracekd bench --help``, by file name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("bench_*.json"))]


def tries(path: Path = FOLDER / "recipe_search.csv") -> pd.DataFrame:
    """The recorded recipes on a validation split, see ``tune.attempt`` for the columns."""
    return pd.read_csv(path)


def contenders(found: list[dict]) -> pd.DataFrame:
    """One row for each contender of each recorded bench of training or generation.

    Returns:
        Columns ``CONTENDER``: tokens_per_second (padding not counted; the median of its turns, of all workers
        together), ratio (ours by one process over this one: the median over rounds), peak_gib (of one process), n
        (examples or problems per turn), texts_differ, verdicts_differ (generation: outputs that are not ours).
    """
    rows = []
    for record in found:
        if record["what"] not in ("train", "generate"):
            continue
        turns: dict[tuple, list[dict]] = {}
        for row in record["rows"]:  # the first records name a contender by its trainer or way, and have one process
            name = row.get("contender") or row.get("trainer") or row["way"]
            turns.setdefault((name, row.get("workers", 1)), []).append(row)
        rates = {way: [row["tokens_per_second"] for row in of] for way, of in turns.items()}
        for (name, workers), of in turns.items():
            pairs = zip(rates["ours", 1], rates[name, workers], strict=True)
            differ = record.get("outputs_that_differ", {}).get(name, {})
            rows.append({
                **{column: record[column] for column in ("what", "dataset", "profile", "student", *ABOUT)},
                "contender": name, "workers": workers,
                "tokens_per_second": statistics.median(rates[name, workers]),
                "ratio": statistics.median(a / b for a, b in pairs), "peak_gib": max(row["peak_gib"] for row in of),
                "n": differ.get("n", record["n"]), "turns": len(of),
                "texts_differ": differ.get("text"), "verdicts_differ": differ.get("verdict"),
            })  # fmt: skip
    return pd.DataFrame(rows, columns=CONTENDER)
