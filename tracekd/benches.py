"""Recorded benches: what was measured, of which student, on which hardware, on which day."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pandas as pd

from tracekd import profiles
from tracekd.problems import DATASETS
from tracekd.stats import share

PATTERN = "bench_*.json"
CONTENDER = [
    "what",
    "profile",
    "student",
    "contender",
    "tokens_per_second",
    "ratio",
    "peak_gib",
    "n",
    "turns",
    "texts_differ",
    "verdicts_differ",
    "source",
    "hardware",
    "date",
]
INVARIANCE = ["student", "dataset", "condition", "batch", "against", "changed", "value", "low", "high", "hits", "n"]
INVARIANCE += ["source", "hardware", "date"]
FOLDER = profiles.ROOT / "figures" / "data"


def records(folder: Path = FOLDER) -> list[dict]:
    """All recorded benches, see ``python -m tracekd bench --help``, by file name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(PATTERN))]


def tries(path: Path = FOLDER / "recipe_search.csv") -> pd.DataFrame:
    """The recorded tries of recipes on a validation split, see ``recipe_search.attempt`` for the columns."""
    return pd.read_csv(path)


def contenders(found: list[dict]) -> pd.DataFrame:
    """One row for each contender of each bench of training or generation.

    Returns:
        Columns: what, profile (whose recipe), student, contender, tokens_per_second (real tokens; the median of its
        turns), ratio (ours over this one: the median over rounds), peak_gib (above what stood before), n (examples or
        problems a turn), turns, texts_differ, verdicts_differ (generation: how many of its outputs are not ours, on the
        n problems of its turn), source (of the problems), hardware, date.
    """
    rows = []
    for record in found:
        if record["what"] not in ("train", "generate"):
            continue
        key = "trainer" if record["what"] == "train" else "way"
        for name in dict.fromkeys(row[key] for row in record["rows"]):
            turns = [row for row in record["rows"] if row[key] == name]
            differ = record.get("outputs_that_differ", {}).get(name, {})
            rows.append({
                "what": record["what"], "profile": record["profile"], "student": record["student"], "contender": name,
                "tokens_per_second": statistics.median(t["tokens_per_second"] for t in turns),
                "ratio": record["ratios"].get(name, 1.0), "peak_gib": max(t["peak_gib"] for t in turns),
                "n": turns[0].get("n", record["n"]), "turns": len(turns),
                "texts_differ": differ.get("text"), "verdicts_differ": differ.get("verdict"),
                "source": record["source"],
                "hardware": record["hardware"], "date": record["date"],
            })  # fmt: skip
    return pd.DataFrame(rows, columns=CONTENDER)


def by_profile(found: list[dict]) -> pd.DataFrame:
    """One row a profile and machine: what its runs and its student were measured to cost; gaps where nobody measured.

    Returns:
        Columns: profile, student, adapters (how many it trains), run_minutes (the notebooks in ``run_notebooks``),
        run_notebooks, training and generation
        (tokens a second), source (of the run's data), hardware, date. A number that nobody measured is missing.
    """
    speeds = contenders(found)
    rows = []
    for name in profiles.names():
        profile = profiles.load(name)
        about = {
            "profile": name,
            "student": profile.student,
            "adapters": sum(len(profile.conditions_of(d)) for d in DATASETS) * len(profile.seeds),
        }
        mine = speeds[(speeds.profile == name) & (speeds.contender == "ours")]
        runs = {r["hardware"]: r for r in found if r["what"] == "run" and r["profile"] == name}
        machines = sorted({*mine.hardware, *runs}) or [None]
        for machine in machines:
            row = {
                **about,
                "run_minutes": None,
                "run_notebooks": None,
                "training": None,
                "generation": None,
                "source": None,
            }
            if machine in runs:
                took = runs[machine]
                names = sorted(name[:2] for name in took.get("seconds", {}))
                row |= {"run_minutes": took["total"] / 60, "source": took["source"], "run_notebooks": " ".join(names)}
            for what, column in (("train", "training"), ("generate", "generation")):
                rates = mine[(mine.what == what) & (mine.hardware == machine)] if machine else mine[:0]
                row[column] = rates.tokens_per_second.iloc[0] if len(rates) else None
            rows.append({**row, "hardware": machine or "not measured"})
    return pd.DataFrame(rows)


def invariance(found: list[dict]) -> pd.DataFrame:
    """One row for each batch size that was compared: how many outputs it changes, with 95% Wilson intervals.

    Returns:
        Columns: student, dataset, condition, batch, against (the batch size compared with), n, changed (``text`` or
        ``verdict``), value, low, high (shares in 0..1), hits, source (of the problems), hardware, date.
    """
    rows = []
    for record in found:
        for row in record["rows"] if record["what"] == "invariance" else []:
            about = {key: record[key] for key in ("student", "dataset", "condition")}
            about |= {"batch": row["batch"], "against": row["against"]}
            for changed in ("text", "verdict"):
                where = {name: record[name] for name in ("source", "hardware", "date")}
                rows.append({**about, "changed": changed, **share(row[changed], row["n"]), **where})
    return pd.DataFrame(rows, columns=INVARIANCE)
