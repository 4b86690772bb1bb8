"""One worker and many, quiet and beside a busy loop, ours and the peers': tokens a second in turns on one machine."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tracekd import machine, pool

BUSY = "while True: pass"


def ways(peers: list[str]) -> list[tuple[str, int, int]]:
    """Contender, processes, threads of each: one worker, all workers, one process on all cores (ours and the peers)."""
    cores = machine.cores()
    mine = [("ours", 1, 1), ("ours", cores, 1), ("ours", 1, cores)]
    return list(dict.fromkeys([*mine, *((name, 1, cores) for name in peers)]))


def measure(what: str, task: tuple, peers: list[str], rounds: int) -> list[dict]:
    """Each way in turn, quiet and beside one busy loop.

    Args:
        what: ``train`` or ``generate``.
        task: the arguments of the turn, see ``_work``.
        peers: names of other contenders.
        rounds: turns of each way under each load.

    Returns:
        Rows: what, contender, workers, threads, load, round, tokens_per_second (of all workers together).
    """
    rows = []
    for contender, workers, threads in ways(peers):
        with _started(what, task, contender, workers, threads) as pipes:
            for number in range(rounds):
                for load in ("quiet", "beside a busy loop"):
                    with _busy(load != "quiet"):
                        for pipe in pipes:
                            pipe.send(True)
                        rate = sum(pipe.recv() for pipe in pipes)
                    about = {"contender": contender, "workers": workers, "threads": threads, "load": load}
                    rows.append({"what": what, **about, "round": number, "tokens_per_second": rate})
    return rows


def summary(rows: list[dict]) -> list[dict]:
    """One row a way: its quiet rate, what it keeps beside the loop, and our pool's quiet rate over its own."""
    of: dict[tuple, dict[str, list[float]]] = {}
    for row in rows:
        way = tuple(row[name] for name in ("what", "contender", "workers", "threads"))
        of.setdefault(way, {}).setdefault(row["load"], []).append(row["tokens_per_second"])
    quiet = {way: statistics.median(rates["quiet"]) for way, rates in of.items()}
    made = []
    for way, rates in of.items():
        mine = {key: rate for key, rate in quiet.items() if key[:2] == (way[0], "ours") and key[3] == 1}
        kept = statistics.median(b / q for q, b in zip(rates["quiet"], rates["beside a busy loop"], strict=True))
        about = dict(zip(("what", "contender", "workers", "threads"), way, strict=True))
        ratio = mine[max(mine)] / quiet[way]
        made.append({**about, "quiet": quiet[way], "kept_beside_a_busy_loop": kept, "pool_over_this": ratio})
    return made


@contextmanager
def _busy(wanted: bool) -> Iterator[None]:
    loop = subprocess.Popen([sys.executable, "-c", BUSY]) if wanted else None
    try:
        yield
    finally:
        if loop:
            loop.kill()
            loop.wait()


@contextmanager
def _started(what: str, task: tuple, contender: str, workers: int, threads: int) -> Iterator[list]:
    """So many processes of so many threads, which do a turn each time they are told to."""
    settings = {**dict.fromkeys(pool.SINGLE, str(threads)), **pool.settings()}
    before, context, pipes, processes = dict(os.environ), multiprocessing.get_context("spawn"), [], []
    os.environ.update(settings)
    try:
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, what, contender, *task), daemon=True)
            process.start()
            pipes.append(ours)
            processes.append(process)
        for pipe in pipes:
            pipe.recv()  # it has loaded its libraries and done a first, short turn
        yield pipes
    finally:
        os.environ.clear()
        os.environ.update(before)
        for process in processes:
            process.kill()
            process.join()


def _work(pipe, what: str, contender: str, student: str, items: list, recipe, batch: int) -> None:
    """Do a turn over ``items`` (encoded examples, or problems) each time the pipe says so, and send its rate."""
    from tracekd import bench_generate, bench_train, students

    if what == "train":

        def turn(some):
            return bench_train.turn(contender, student, some, recipe, 121)["tokens_per_second"]
    else:
        tokenizer = students.load_tokenizer(student)
        model = bench_generate.loaded(student, None, ours=contender == "ours")

        def turn(some):
            limit = recipe.max_new_tokens
            return bench_generate.turn(contender, model, tokenizer, some, limit, batch)[0]["tokens_per_second"]

    turn(items[: 2 * recipe.batch])
    pipe.send(True)
    while pipe.recv():
        pipe.send(turn(items))
