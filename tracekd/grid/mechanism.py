"""Many trainings of the from-scratch student: resumable, one thread each, recorded in ``figures/data``."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from tracekd.command_line import Parser, count, each_of
from tracekd.config import ROOT
from tracekd.interventions.from_scratch import KINDS, VARIANTS, Setting, finished
from tracekd.io.records import append_jsonl, locked, recover_jsonl
from tracekd.machine import cores
from tracekd.scoring.verdict_tables import write_table

FILE = "mechanism.csv.gz"  # in figures/data
KEY = ["smeared", "facts", "kind", "steps", "seed", "step"]  # of a look
MADE = ("source", "seconds", "commit", "hardware")
COLUMNS = ["smeared", "kind", "facts", "seed", "steps", "step", "loss", *VARIANTS, "n", *MADE]
FACTS = (2, 3, 5, 8)
# Steps: in 300 all seeds of short trials with smeared keys learned from context facts; plain ones can need over 1,200.
STUDENTS = {"smeared": 300, "plain": 1_200}
SLOW = ("vanilla", "filler", "foreign", "masked")  # with five facts trained four times as long too: they may be slower
DOSED = tuple(kind for kind in KINDS if kind.startswith("wrong_"))  # with five facts alone


def settings(kinds: Sequence[str], seeds: Iterable[int], students: Sequence[str] = tuple(STUDENTS)) -> list[Setting]:
    """The trainings of the recorded experiment, seed by seed, so that a part of them has every kind."""
    found = []
    for seed, name, facts, kind in product(seeds, students, FACTS, kinds):
        lengths = (1, 4) if facts == 5 and kind in SLOW else (1,) if facts == 5 or kind not in DOSED else ()
        found += [Setting(kind, facts, seed, name == "smeared", n * STUDENTS[name], looks=12) for n in lengths]
    return found


def complete(path: Path, wanted: Iterable[Setting], workers: int | None = None) -> Iterator[dict]:
    """Yield the record of each setting (``from_scratch.finished``), those in ``path`` first.

    The others are trained and appended one by one, so that a kill loses the trainings in flight. ``workers`` are
    processes of one thread each (None: one per core); one worker is this process.
    """
    left, names = dict.fromkeys(wanted), tuple(Setting.__dataclass_fields__)
    with locked(path):
        for record in recover_jsonl(path):
            found = Setting(**{name: record.get(name) for name in names})
            if found in left:
                del left[found]
                yield record
        workers = min(workers or cores(), len(left))
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn")) if workers > 1 else None
        waiting = [pool.submit(finished, setting) for setting in left] if pool else []
        try:
            for record in (done.result() for done in as_completed(waiting)) if pool else map(finished, left):
                append_jsonl(path, [record])
                yield record
        finally:
            if pool:
                pool.shutdown(cancel_futures=True)


def table(records: Iterable[dict]) -> pd.DataFrame:
    """One row per look, sorted, with ``COLUMNS``: loss in nats per token, right answers of ``n`` by forced trace."""
    rows = [{**record, **look, "n": record["test"]} for record in records for look in record["curve"]]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(KEY, ignore_index=True)


def main(argv: list[str], folder: Path = ROOT / "figures" / "data") -> int:
    """Train the from-scratch students of notebook 09, once per trace kind, number of facts and seed; resumable."""
    made = Parser("mechanism", main.__doc__, "python -m tracekd mechanism --record --workers 2 --seeds 121 122")
    made.add_argument("--kinds", type=each_of(tuple(KINDS)), default=",".join(KINDS), help="comma-separated")
    made.add_argument("--students", type=each_of(tuple(STUDENTS)), default=",".join(STUDENTS), help="comma-separated")
    made.add_argument("--seeds", type=int, nargs="+", metavar="N", default=range(121, 141), help="121 to 140")
    made.add_argument("--workers", type=count, default=1, metavar="N", help="processes at once, one thread each")
    made.add_argument("--record", action="store_true", help=f"add what is finished to figures/data/{FILE}")
    options = made.parse_args(argv)
    wanted = settings(options.kinds.split(","), options.seeds, options.students.split(","))
    path = Path(os.environ.get("TRACEKD_RUNS") or ROOT / "runs") / "mechanism" / "trainings.jsonl"
    for i, record in enumerate(complete(path, wanted, options.workers), 1):
        about = ", ".join(f"{name} {record[name]}" for name in ("kind", "facts", "seed", "smeared", "steps", "seconds"))
        print(f"{i}/{len(wanted)} {about}: {record['curve'][-1]['own']}/{record['test']} right by itself", flush=True)
    if options.record:
        whole = [record for record in recover_jsonl(path) if record["version"] == Setting.version]
        new = table(whole)  # in place of the same trainings that are recorded, here or elsewhere
        before = pd.read_csv(folder / FILE, dtype={"commit": str}) if (folder / FILE).exists() else new[:0]
        looks = pd.concat([before, new]).drop_duplicates(KEY, keep="last").sort_values(KEY, ignore_index=True)
        print(write_table(folder / FILE, looks))
    return 0
