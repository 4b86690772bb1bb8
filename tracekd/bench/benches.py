"""Recorded benches: what was measured, of which student, on which hardware, on which day."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from tracekd import config

FOLDER = config.ROOT / "figures" / "data"
ABOUT = ["what", "dataset", "profile", "student", "source", "hardware", "date"]
CONTENDER = [
    *ABOUT[:4], "contender", "workers", "tokens_per_second", "ratio", "peak_gib", "n", "turns", "texts_differ",
    "verdicts_differ", *ABOUT[4:],
]  # fmt: skip


def records(folder: Path = FOLDER) -> list[dict]:
    """All recorded benches, see ``python -m tracekd bench --help``, by file name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("bench_*.json"))]


def tries(path: Path = FOLDER / "recipe_search.csv") -> pd.DataFrame:
    """The recipes tried on a validation split of the training problems, as recorded; ``exact`` with its interval."""
    return pd.read_csv(path)


def contenders(found: list[dict]) -> pd.DataFrame:
    """One row for each contender of each recorded bench of training or generation.

    Returns:
        Columns ``CONTENDER``: tokens_per_second (padding not counted; the median of its turns, of all workers
        together), ratio (ours by one process over this one: the median over rounds), peak_gib (of one process), n
        (examples or problems per turn), texts_differ, verdicts_differ (generation: outputs that are not ours).
    """
    rows = []
    for record in (record for record in found if record["what"] in ("train", "generate")):
        turns = pd.DataFrame(record["rows"])
        ours = turns[(turns.contender == "ours") & (turns.workers == 1)].set_index("round").tokens_per_second
        for (name, workers), of in turns.groupby(["contender", "workers"], sort=False):
            differ = record.get("outputs_that_differ", {}).get(name, {})
            rate = of.set_index("round").tokens_per_second
            rows.append({
                **{column: record[column] for column in ABOUT}, "contender": name, "workers": workers,
                "tokens_per_second": rate.median(), "ratio": (ours / rate).median(), "peak_gib": of.peak_gib.max(),
                "n": differ.get("n", record["n"]), "turns": len(of),
                "texts_differ": differ.get("text"), "verdicts_differ": differ.get("verdict"),
            })  # fmt: skip
    return pd.DataFrame(rows, columns=CONTENDER)
