"""`python -m tracekd bench`: tokens per second beside peers, each in its own processes, in turns on one machine."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tracekd import config, machine
from tracekd.bench.benches import FOLDER
from tracekd.command_line import Parser, profile_name
from tracekd.config import nearest
from tracekd.data.problems import check_source, label_of, load
from tracekd.data.splits import select
from tracekd.grid import pool
from tracekd.io.records import write_json
from tracekd.run import Run
from tracekd.students import registry, sft

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "trl")
PEERS = {"train": ("trl", "trl_best"), "generate": ("plain", "authors")}
LOADS = ("quiet", "beside a busy loop")


@dataclass(frozen=True)
class Way:
    """A contender in so many processes of so many threads; each process does the whole turn."""

    contender: str
    workers: int
    threads: int


def main(argv: list[str]) -> int:
    """Measure training or generation beside peers, and print one JSON object."""
    made = Parser("bench", main.__doc__, "python -m tracekd bench train --against trl,trl_best --data PATH --rounds 2")
    made.add_argument("what", choices=("train", "generate", "steady"), help="steady: both, also beside a busy loop")
    made.add_argument("--against", default="", help="peers, comma-separated: trl, trl_best (train); plain, authors")
    made.add_argument("--profile", type=profile_name, default="cpu", help="whose student and recipe")
    made.add_argument("--student", help="another than the profile's: a name, folder or Hub id")
    made.add_argument("--data", default="generated")
    made.add_argument("--dataset", default="babi")
    made.add_argument("-n", type=int, default=16, help="examples or problems per turn")
    made.add_argument("--authors-n", type=int, default=1, help="problems for the authors' way, which is slow")
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
    """The batch, a row per turn, their ratios, and how far our outputs and losses are those of the peers."""
    from tracekd.bench import peers as bench_peers  # loads torch

    student, tokenizer = options.student, registry.load_tokenizer(options.student)
    whats = ["train", "generate"] if options.what == "steady" else [options.what]
    others = peers(options.against, [name for what in whats for name in PEERS[what]])
    recipe = replace(
        profile.recipe, epochs=1, batch=options.batch or profile.recipe.batch, accumulation=1,
        max_new_tokens=options.new_tokens, generate_batch=options.batch or profile.recipe.generate_batch,
    )  # fmt: skip
    rows, found, encoded = [], {}, []
    for what in whats:
        items = _problems(options, profile, "train" if what == "train" else "test")
        if what == "train":
            items = encoded = sft.encode_all(sft.build(items, "correct", seed=121), tokenizer, recipe.max_tokens)
        mine = [name for name in others if name in PEERS[what]]
        loads = LOADS if options.what == "steady" else LOADS[:1]
        rows += measure(what, (student, items, recipe, options.authors_n), ways(mine), options.rounds, loads)
        if what == "generate":
            last = {row["contender"]: row["outputs"] for row in rows if row["what"] == what}
            found["outputs_that_differ"] = {
                name: bench_peers.differences(items, last["ours"], last[name], tokenizer) for name in mine
            }
    rows = [{name: value for name, value in row.items() if name != "outputs"} for row in rows]
    if set(others) & set(PEERS["train"]):
        found["losses_on_one_batch"] = bench_peers.losses_on_one_batch(student, encoded[: recipe.batch], recipe)
    return {"batch": recipe.batch, "rows": rows, "ratios": ratios(rows), **found}


def _problems(options, profile, split: str) -> list:
    run = Run("bench", profile, 121, check_source(options.data))
    size = profile.generated.get(options.dataset)
    found = [p for p in load(options.dataset, run.source, size=size, seed=run.seed) if p.split == split]
    return select(found, options.n, run.rng("bench"))


def peers(text: str, known: Sequence[str]) -> list[str]:
    """The contenders of ``--against``.

    Raises:
        ValueError: a name is not known, or TRL, a peer and no requirement, is not installed.
    """
    wanted = [name for name in text.split(",") if name]
    for name in wanted:
        if name not in known:
            raise ValueError(f"--against {name!r}: {nearest(name, known)}")
        if name.startswith("trl") and importlib.util.find_spec("trl") is None:
            raise ValueError(f"--against {name}: TRL is not installed; `python -m pip install trl` adds it")
    return wanted


def ways(others: Sequence[str]) -> list[Way]:
    """Ours as one process on all cores and as one single-threaded worker per core; each peer on all cores."""
    cores = machine.cores()
    made = [Way("ours", 1, cores), Way("ours", cores, 1), *(Way(name, 1, cores) for name in others)]
    return list(dict.fromkeys(made))


def measure(what: str, task: tuple, contenders: Sequence[Way], rounds: int, loads: Sequence[str]) -> list[dict]:
    """Each way in turn, for ``rounds`` rounds under each of the ``loads``.

    ``task``: student, items, recipe and the number of problems for the authors' way.

    Returns:
        Rows: what, contender, workers, threads, load, round, tokens_per_second (of all workers together), peak_gib (of
        one process), and for generation the outputs of one worker.
    """
    rows = []
    with ExitStack() as stack:
        pipes = {way: stack.enter_context(_started(way, what, task)) for way in contenders}
        for number in range(rounds):
            for load in loads:
                for way in contenders:
                    with _busy(load != "quiet"):
                        for pipe in pipes[way]:
                            pipe.send(True)
                        found = [pipe.recv() for pipe in pipes[way]]
                    rate = sum(one["tokens_per_second"] for one in found)
                    about = {"what": what, **vars(way), "load": load, "round": number}
                    rows.append({**about, **found[0], "tokens_per_second": rate})
    return rows


@contextmanager
def _busy(wanted: bool) -> Iterator[None]:
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if wanted else None
    try:
        yield
    finally:
        if loop:
            loop.kill()
            loop.wait()


@contextmanager
def _started(way: Way, what: str, task: tuple) -> Iterator[list]:
    """The processes of a way, which do a turn each time they are sent a message."""
    before, context, pipes, processes = dict(os.environ), multiprocessing.get_context("spawn"), [], []
    os.environ.update({**dict.fromkeys(pool.SINGLE, str(way.threads)), **pool.settings()})
    if way.contender == "ours":
        os.environ.update(pool.HEAP)  # as our workers have it
    try:
        for _ in range(way.workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, way.contender, what, *task), daemon=True)
            process.start()
            pipes.append(ours)
            processes.append(process)
        os.environ.clear()
        os.environ.update(before)
        for pipe in pipes:
            pipe.recv()  # it has loaded its libraries
        yield pipes
    finally:
        for process in processes:
            process.kill()
            process.join()


def _work(pipe, contender: str, what: str, student: str, items: list, recipe, authors_n: int) -> None:
    """Do a turn over ``items`` (encoded examples, or problems) for each message from the pipe."""
    from tracekd.bench import peers as bench_peers  # loads torch

    os.dup2(2, 1)  # TRL prints its log entries; our JSON alone goes to stdout
    make = {"train": bench_peers.training, "generate": bench_peers.generation}[what]
    turn = make(contender, student, recipe)
    if what == "generate":
        turn(items[:2], 2)  # the first pass allocates
    pipe.send(True)
    while pipe.recv():
        pipe.send(turn(items[:authors_n] if contender == "authors" else items))


def ratios(rows: Sequence[dict]) -> list[dict]:
    """One row per way: its median quiet rate, our quiet rates over it, and the share left beside the busy loop.

    Returns:
        Rows: what, contender, workers, threads, quiet (tokens per second), ours_over_this and pool_over_this (medians
        over rounds of our rate by one process and by the pool over this one's), beside_busy_loop (0..1, steady only).
    """
    rates: dict[tuple, list[float]] = {}
    for row in rows:
        way = row["what"], row["contender"], row["workers"], row["threads"], row["load"]
        rates.setdefault(way, []).append(row["tokens_per_second"])
    made = []
    for (what, *way, under), quiet in rates.items():
        if under != "quiet":
            continue
        row = {"what": what, **dict(zip(("contender", "workers", "threads"), way, strict=True))}
        row["quiet"] = statistics.median(quiet)
        for name, mine in (("ours_over_this", (1, machine.cores())), ("pool_over_this", (machine.cores(), 1))):
            row[name] = _ratio(rates[what, "ours", *mine, "quiet"], quiet)
        if busy := rates.get((what, *way, LOADS[1])):
            row["beside_busy_loop"] = _ratio(busy, quiet)
        made.append(row)
    return made


def _ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))
