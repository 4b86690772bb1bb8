"""`python -m tracekd bench`: tokens per second beside peers, each in its own processes, in turns on one machine."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from tracekd import config, machine
from tracekd.command_line import Parser, profile_name
from tracekd.data.problems import check_source, label_of, load
from tracekd.data.splits import select
from tracekd.grid import pool
from tracekd.io.records import write_json
from tracekd.run import Run
from tracekd.students import registry, sft

FOLDER = config.ROOT / "figures" / "data"
ABOUT = ["what", "dataset", "profile", "student", "source", "hardware", "date"]
CONTENDER = [
    *ABOUT[:4], "contender", "workers", "tokens_per_second", "ratio", "peak_gib", "n", "turns", "texts_differ",
    "verdicts_differ", *ABOUT[4:],
]  # fmt: skip
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "trl")
PEERS = {"train": ("trl", "trl_best"), "generate": ("plain", "authors")}
QUIET, BUSY = "quiet", "beside a busy loop"
WAY = ("contender", "workers", "threads")  # so many processes of so many threads; each does the whole turn


def records(folder: Path = FOLDER) -> list[dict]:
    """All recorded benches, by file name."""
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
    for record in (record for record in found if record["what"] in PEERS):
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


def main(argv: list[str]) -> int:
    """Measure training or generation beside peers, and print one JSON object."""
    made = Parser("bench", main.__doc__, "python -m tracekd bench train --against trl,trl_best --data PATH --rounds 2")
    made.add_argument("what", choices=("train", "generate", "steady"), help="steady: both, also beside a busy loop")
    made.add_argument("--against", default="", help="peers, comma-separated: trl, trl_best (train); plain, authors")
    made.add_argument("--profile", type=profile_name, default="cpu", help="whose student and recipe")
    made.add_argument("--student", help="another than the profile's: a name, folder or Hub id")
    made.add_argument("--data", default="generated")
    made.add_argument("--dataset", default="babi")
    made.add_argument("-n", type=int, default=16, help="examples or problems per turn (of the slow authors' way one)")
    made.add_argument("--rounds", type=int, default=2, help="turns of each contender")
    made.add_argument("--batch", type=int, help="examples per update, or problems at once (default: the recipe's)")
    made.add_argument("--new-tokens", type=int, default=64, help="most tokens of an answer")
    made.add_argument("--record", action="store_true", help="write the result to figures/data/, for notebook 03")
    options = made.parse_args(argv)
    profile = config.load(options.profile)
    options.student = options.student or profile.student
    found = {
        **{name: getattr(options, name) for name in ("what", "student", "profile", "dataset")},
        "condition": "correct", "n": options.n, "source": label_of(options.dataset, check_source(options.data)),
        "hardware": machine.hardware(),
        "versions": {name: version(name) for name in PACKAGES if importlib.util.find_spec(name)},
        "commit": machine.commit(), "date": datetime.now(UTC).strftime("%Y-%m-%d"), **beside_peers(options, profile),
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    if options.record:
        where = re.sub(r"\W+", "-", found["hardware"].split(",")[0]).strip("-")
        about = f"{options.what}_{options.dataset}_{Path(options.student).name}"
        write_json(FOLDER / f"bench_{about}_{where}.json", found)
    return 0


def beside_peers(options, profile) -> dict:
    """The batch, a row per turn, their ratios, and how many of our outputs are not those of the peers."""
    from tracekd.bench import peers  # loads torch

    student, tokenizer = options.student, registry.load_tokenizer(options.student)
    whats = [options.what] if options.what in PEERS else list(PEERS)
    others = wanted(options.against, [name for what in whats for name in PEERS[what]])
    recipe = replace(
        profile.recipe, epochs=1, batch=options.batch or profile.recipe.batch, accumulation=1,
        max_new_tokens=options.new_tokens, generate_batch=options.batch or profile.recipe.generate_batch,
    )  # fmt: skip
    run, found = Run("bench", profile, 121, check_source(options.data)), {"batch": recipe.batch, "rows": []}
    loaded = load(options.dataset, run.source, size=profile.generated.get(options.dataset), seed=run.seed)
    for what in whats:
        split = [p for p in loaded if p.split == ("train" if what == "train" else "test")]
        items = select(split, options.n, run.rng("bench"))
        if what == "train":
            items = sft.encode_all(sft.build(items, "correct", seed=121), tokenizer, recipe.max_tokens)
        mine = [name for name in others if name in PEERS[what]]
        loads = (QUIET, BUSY) if options.what == "steady" else (QUIET,)
        rows = measure((what, student, items, recipe), ways(mine), options.rounds, loads)
        last = {row["contender"]: row.pop("outputs", None) for row in rows}
        found["rows"] += rows
        if what == "generate":
            differ = {name: peers.differences(items, last["ours"], last[name], tokenizer) for name in mine}
            found["outputs_that_differ"] = differ
    return found | {"ratios": ratios(found["rows"])}


def wanted(text: str, known: Sequence[str]) -> list[str]:
    """The contenders of ``--against``.

    Raises:
        ValueError: a name is not known, or TRL, a peer and no requirement, is not installed.
    """
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in known:
            raise ValueError(f"--against {name!r}: {config.nearest(name, known)}")
        if name.startswith("trl") and importlib.util.find_spec("trl") is None:
            raise ValueError(f"--against {name}: TRL is not installed; `python -m pip install trl` adds it")
    return names


def ways(others: Sequence[str]) -> list[tuple[str, int, int]]:
    """Ours as one process on all cores and as one single-threaded worker per core; each peer on all cores."""
    cores = machine.cores()
    return list(dict.fromkeys([("ours", 1, cores), ("ours", cores, 1), *((name, 1, cores) for name in others)]))


def measure(task: tuple, contenders: Sequence[tuple], rounds: int, loads: Sequence[str]) -> list[dict]:
    """Each way in turn, for ``rounds`` rounds under each of the ``loads``; ``task``: what, student, items, recipe.

    Returns:
        Rows: what, contender, workers, threads, load, round, tokens_per_second (of all workers together), peak_gib (of
        one process), and for generation the outputs of one worker.
    """
    rows = []
    with ExitStack() as stack:
        turns = {way: stack.enter_context(_started(way, task)) for way in contenders}
        for number in range(rounds):
            for load in loads:
                for way, turn in turns.items():
                    with _busy(load == BUSY):
                        found = turn()
                    about = {"what": task[0], **dict(zip(WAY, way, strict=True)), "load": load, "round": number}
                    rate = sum(one["tokens_per_second"] for one in found)
                    rows.append({**about, **found[0], "tokens_per_second": rate})
    return rows


@contextmanager
def _busy(beside: bool) -> Iterator[None]:
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if beside else None
    try:
        yield
    finally:
        if loop:
            loop.kill()
            loop.wait()


@contextmanager
def _started(way: tuple[str, int, int], task: tuple) -> Iterator[Callable[[], list[dict]]]:
    """The processes of a way, which are loaded; a call lets each of them do a turn."""
    (contender, workers, threads), before = way, dict(os.environ)
    heap = pool.HEAP if contender == "ours" else {}  # as our workers have it
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _load, (context.Barrier(workers), contender, *task)) as processes:
        try:
            os.environ.update({**dict.fromkeys(pool.SINGLE, str(threads)), **pool.settings(), **heap})
            list(processes.map(_ready, range(workers)))
        finally:
            os.environ.clear()
            os.environ.update(before)
        yield lambda: list(processes.map(_do, range(workers)))


_turn: list[Callable[[], dict]] = []  # of this process


def _load(barrier, contender: str, what: str, student: str, items: list, recipe) -> None:
    """Load a contender with its ``items`` (encoded examples, or problems), and wait until all its processes have."""
    from tracekd.bench import peers  # loads torch

    os.dup2(2, 1)  # TRL prints its log entries; our JSON alone goes to stdout
    turn = {"train": peers.training, "generate": peers.generation}[what](contender, student, recipe)
    if what == "generate":
        turn(items[:2], 2)  # the first pass allocates
    _turn.append(lambda: turn(items[:1] if contender == "authors" else items))
    barrier.wait()  # so that no process does the turn of another


def _ready(_: int) -> None:
    """Nothing: a process that does it is loaded."""


def _do(_: int) -> dict:
    return _turn[0]()


def ratios(rows: Sequence[dict]) -> list[dict]:
    """One row per way: its median quiet rate, our quiet rates over it, and the share left beside the busy loop.

    Returns:
        Rows: what, contender, workers, threads, quiet (tokens per second), ours_over_this and pool_over_this (medians
        over rounds of our rate by one process and by the pool over this one's), beside_busy_loop (0..1, steady only).
    """
    turns, cores = pd.DataFrame(rows), machine.cores()
    rates = turns.pivot(index=["what", *WAY], columns=["load", "round"], values="tokens_per_second")
    quiet = rates[QUIET]
    made = quiet.median(axis=1).rename("quiet").to_frame()
    for name, mine in (("ours_over_this", (1, cores)), ("pool_over_this", (cores, 1))):
        made[name] = [(quiet.loc[(way[0], "ours", *mine)] / quiet.loc[way]).median() for way in quiet.index]
    if BUSY in set(turns.load):
        made["beside_busy_loop"] = (rates[BUSY] / quiet).median(axis=1)
    return made.reset_index().to_dict("records")
