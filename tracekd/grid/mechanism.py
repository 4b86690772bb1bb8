"""Many trainings of the from-scratch student: resumable, one thread each, recorded in ``figures/data``."""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from tracekd.command_line import Parser, each_of
from tracekd.config import ROOT
from tracekd.interventions.from_scratch import KINDS, Setting, finished
from tracekd.io.locks import locked
from tracekd.io.records import append_jsonl, recover_jsonl
from tracekd.machine import cores
from tracekd.scoring.verdict_tables import write_table

FILE = "mechanism.csv.gz"  # in figures/data
KEY = ["smeared", "facts", "kind", "steps", "seed", "step"]  # of a look
FACTS = (2, 3, 5, 8)
# Steps: in 300 every seed of the short trials with smeared keys learned from facts of the context; of the plain student
# some need more than 1,200.
STUDENTS = {"smeared": 300, "plain": 1_200}
SLOW = ("none", "filler", "foreign", "masked")  # trained four times as long too: they may only be slower
DOSED = tuple(kind for kind in KINDS if kind.startswith("wrong_"))  # with five facts alone


def settings(
    kinds: Sequence[str], facts: Sequence[int], seeds: Iterable[int], students: Sequence[str] = tuple(STUDENTS)
) -> list[Setting]:
    """The trainings of the recorded experiment, seed by seed, so that a part of them has every kind."""
    cells = [(kind, k) for k in facts for kind in kinds if k == 5 or kind not in DOSED]
    longer = [(kind, k) for kind, k in cells if kind in SLOW and k == 5]
    found = []
    for seed, (name, steps) in itertools.product(seeds, STUDENTS.items()):
        if name in students:
            about = {"seed": seed, "smeared": name == "smeared"}
            found += [Setting(kind, k, steps=steps, looks=12, **about) for kind, k in cells]
            found += [Setting(kind, k, steps=4 * steps, looks=12, **about) for kind, k in longer]
    return found


def complete(path: Path, wanted: Iterable[Setting], workers: int | None = None) -> Iterator[dict]:
    """Yield the record of each setting (``from_scratch.finished``), those in ``path`` first.

    The others are trained and appended one by one, so that a kill loses the trainings in flight. ``workers`` are
    processes of one thread each (None: one per core).
    """
    left, names = dict.fromkeys(wanted), tuple(Setting.__dataclass_fields__)
    with locked(path):
        for record in recover_jsonl(path):
            found = Setting(**{name: record[name] for name in names}) if {*names} <= {*record} else None
            if found in left:
                del left[found]
                yield record
        if not left:
            return
        with ProcessPoolExecutor(min(workers or cores(), len(left)), mp_context=get_context("spawn")) as pool:
            waiting = [pool.submit(finished, setting) for setting in left]
            try:
                for done in as_completed(waiting):
                    append_jsonl(path, [done.result()])
                    yield done.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def table(records: Iterable[dict]) -> pd.DataFrame:
    """One row per look, sorted.

    Columns: ``smeared``, ``kind``, ``facts``, ``seed``, ``steps`` of the training; ``step`` of the look, its ``loss``
    (nats per token), right answers of ``n`` by forced trace; ``source``, ``seconds``, ``commit``, ``hardware``.
    """
    rows = []
    for record in records:
        about = {name: record[name] for name in ("smeared", "kind", "facts", "seed", "steps")}
        made = {name: record[name] for name in ("source", "seconds", "commit", "hardware")}
        rows += [{**about, **look, "n": record["test"], **made} for look in record["curve"]]
    return pd.DataFrame(rows).sort_values(KEY, ignore_index=True)


def added(path: Path, new: pd.DataFrame) -> pd.DataFrame:
    """Looks as of ``table``: those recorded at ``path``, here or elsewhere, and the ``new`` ones in place of theirs."""
    before = pd.read_csv(path, dtype={"commit": str}) if path.exists() else new[:0]
    rows = pd.concat([before, new], ignore_index=True).drop_duplicates(KEY, keep="last")
    return rows.sort_values(KEY, ignore_index=True)


def _numbers(text: str) -> list[int]:
    """Whole numbers, comma-separated; ``121-140`` are all from one to the other."""
    try:
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected whole numbers such as 2,5 or 121-140") from None
    return [number for part in ends for number in range(part[0], part[-1] + 1)]


def main(argv: list[str], folder: Path = ROOT / "figures" / "data") -> int:
    """Train the from-scratch students of notebook 09, once per trace kind, number of facts and seed; resumable."""
    made = Parser("mechanism", main.__doc__, "python -m tracekd mechanism --record --workers 2 --seeds 121-140")
    made.add_argument("--kinds", type=each_of(tuple(KINDS)), default=",".join(KINDS), help="comma-separated")
    made.add_argument("--students", type=each_of(tuple(STUDENTS)), default=",".join(STUDENTS), help="comma-separated")
    made.add_argument("--k", type=_numbers, default=list(FACTS), metavar="K", help="facts per context (2,3,5,8)")
    made.add_argument("--seeds", type=_numbers, default=[*range(121, 141)], help="such as 121,122 or 121-140")
    made.add_argument("--workers", type=int, default=1, metavar="N", help="processes at once, one thread each")
    made.add_argument("--record", action="store_true", help=f"add what is finished to figures/data/{FILE}")
    options = made.parse_args(argv)
    wanted = settings(options.kinds.split(","), options.k, options.seeds, options.students.split(","))
    path = Path(os.environ.get("TRACEKD_RUNS") or ROOT / "runs") / "mechanism" / "trainings.jsonl"
    for number, record in enumerate(complete(path, wanted, options.workers), 1):
        last, student = record["curve"][-1], "smeared keys" if record["smeared"] else "plain"
        print(
            f"{number}/{len(wanted)} {record['kind']}, {record['facts']} facts, seed {record['seed']}, {student}, "
            f"{record['steps']} steps: {last['own']}/{record['test']} right by itself, {last['gold']} after the right "
            f"trace; {record['seconds']} s",
            flush=True,
        )
    if options.record:
        whole = [record for record in recover_jsonl(path) if record["version"] == Setting.version]
        print(write_table(folder / FILE, added(folder / FILE, table(whole))))
    return 0
