"""`python -m tracekd bench`: tokens per second beside peers, each in its own processes, in turns on one machine."""

import importlib.util
import json
import multiprocessing
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product
from pathlib import Path

import pandas as pd

from tracekd import config, machine
from tracekd.command_line import Parser, count
from tracekd.data.problem import select
from tracekd.data.problems import check_source, label_of, load
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
LOADS = QUIET, BUSY = "quiet", "beside a busy loop"
LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"  # ends with a bench that is killed


def contenders(found: Sequence[dict] | None = None) -> pd.DataFrame:
    """One row for each contender of each bench of training or generation, recorded (by file name) or ``found``.

    Returns columns ``CONTENDER``: tokens_per_second (padding not counted; the median of its turns, of all workers
    together), ratio (ours by one process over this one: the median over rounds), peak_gib (of one process), n (examples
    or problems per turn), texts_differ, verdicts_differ (generation: outputs that are not ours).
    """
    if found is None:
        found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("bench_*.json"))]
    return pd.DataFrame([row for bench in found if bench["what"] in PEERS for row in _rates(bench)])[CONTENDER]


def _rates(bench: dict) -> list[dict]:
    """Rows of a bench for ``contenders``; ``beside_busy_loop`` is the share of the quiet speed that is left there."""
    rows, ours = [], None
    for (what, name, workers), of in pd.DataFrame(bench["rows"]).groupby(["what", "contender", "workers"], sort=False):
        rate, busy = (of[of.load == load].set_index("round").tokens_per_second for load in LOADS)
        ours = rate if (name, workers) == ("ours", 1) else ours  # the first way of each round
        differ = bench.get("outputs_that_differ", {}).get(name, {})
        rows.append({
            **{column: bench[column] for column in ABOUT}, "what": what, "contender": name, "workers": workers,
            "tokens_per_second": rate.median(), "ratio": (ours / rate).median(), "peak_gib": of.peak_gib.max(),
            "n": differ.get("n", bench["n"]), "turns": len(of), "texts_differ": differ.get("text"),
            "verdicts_differ": differ.get("verdict"), "beside_busy_loop": (busy / rate).median(),
        })  # fmt: skip
    return rows


def main(argv: list[str]) -> int:
    """Measure training or generation beside peers, or both beside a busy loop, and print one JSON object."""
    made = Parser("bench", main.__doc__, "python -m tracekd bench train --against trl,trl_best --data PATH --rounds 2")
    made.add_argument("what", choices=(*PEERS, "steady"), help="steady: ours, quiet and beside a busy loop")
    made.add_argument("--against", default="", help="peers, comma-separated: trl, trl_best (train); plain, authors")
    made.add_argument("--profile", choices=config.names(), metavar="NAME", default="cpu", help="whose recipe")
    made.add_argument("--student", help="another than the profile's: a name, folder or Hub id")
    made.add_argument("--data", default="generated")
    made.add_argument("--dataset", default="babi")
    made.add_argument("-n", type=count, default=16, help="examples or problems per turn (of the slow authors' way one)")
    made.add_argument("--rounds", type=count, default=2, help="turns of each contender")
    made.add_argument("--batch", type=count, help="examples per update, or problems at once (default: the recipe's)")
    made.add_argument("--new-tokens", type=count, default=64, help="most tokens of an answer")
    made.add_argument("--record", action="store_true", help="write the result to figures/data/, for notebook 03")
    options = made.parse_args(argv)
    profile = config.load(options.profile)
    options.student = options.student or profile.student
    found = {
        **{name: getattr(options, name) for name in ("what", "student", "profile", "dataset")},
        "condition": "correct", "n": options.n, "source": label_of(options.dataset, check_source(options.data)),
        "hardware": machine.hardware(),
        "versions": {name: version(name) for name in PACKAGES if importlib.util.find_spec(name)},
        "commit": machine.commit(), "date": datetime.now(UTC).strftime("%Y-%m-%d"), **measured(options, profile),
    }  # fmt: skip
    columns = ["what", "contender", "workers", "tokens_per_second", "ratio", "beside_busy_loop"]
    found["ratios"] = pd.DataFrame(_rates(found))[columns].dropna(axis="columns").to_dict("records")
    print(json.dumps(found, indent=1))
    if options.record:
        where = re.sub(r"\W+", "-", found["hardware"].split(",")[0]).strip("-")
        about = f"{options.what}_{options.dataset}_{Path(options.student).name}"
        write_json(FOLDER / f"bench_{about}_{where}.json", found)
    return 0


def measured(options, profile) -> dict:
    """``batch``, ``rows`` (one a turn) and ``outputs_that_differ``, for generation: how many of ours by peer."""
    from tracekd.bench import peers  # loads torch

    steady, rows, outputs = options.what == "steady", [], {}
    others = wanted(options.against, PEERS.get(options.what, ()))
    recipe = replace(
        profile.recipe, epochs=1, batch=options.batch or profile.recipe.batch, accumulation=1,
        max_new_tokens=options.new_tokens, generate_batch=options.batch or profile.recipe.generate_batch,
    )  # fmt: skip
    run, tokenizer = Run("bench", profile, 121, check_source(options.data)), registry.load_tokenizer(options.student)
    loaded = load(options.dataset, run.source, size=profile.generated.get(options.dataset), seed=run.seed)
    for what in PEERS if steady else [options.what]:
        split = [p for p in loaded if p.split == ("train" if what == "train" else "test")]
        items = select(split, options.n, run.rng("bench"))
        if what == "train":
            items = sft.encode_all(sft.build(items, "correct", seed=121), tokenizer, recipe.max_tokens, recipe.habits)
        for number, beside, way in product(range(options.rounds), LOADS if steady else [QUIET], ways(others)):
            with busy_loop(beside):
                row = turn(way, (what, options.student, items, recipe))
            outputs[way[0]] = row.pop("outputs", None)
            rows.append({"what": what, **row, "load": beside, "round": number})
    found = {"batch": recipe.batch, "rows": rows}
    if options.what == "generate":
        differ = {name: peers.differences(items, outputs["ours"], outputs[name], tokenizer) for name in others}
        found["outputs_that_differ"] = differ
    return found


@contextmanager
def busy_loop(load: str) -> Iterator[None]:
    """Keep one core busy meanwhile, by a process of its own, where the load is ``BUSY``."""
    loop = subprocess.Popen([sys.executable, "-c", LOOP]) if load == BUSY else None
    try:
        yield
    finally:
        if loop:
            loop.kill()
            loop.wait()


def wanted(text: str, known: Sequence[str]) -> list[str]:
    """The contenders of ``--against``; ValueError for one that is not known or, TRL being optional, not installed."""
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in known:
            raise ValueError(f"--against {name!r}: {config.nearest(name, known)}")
        if name.startswith("trl") and importlib.util.find_spec("trl") is None:
            raise ValueError(f"--against {name}: TRL is not installed; `python -m pip install trl` adds it")
    return names


def ways(others: Sequence[str]) -> list[tuple[str, int, int]]:
    """Contender, processes, threads of each: ours on all cores by one process and by one a core, peers by one."""
    cores = machine.cores()
    return list(dict.fromkeys([("ours", 1, cores), ("ours", cores, 1), *((name, 1, cores) for name in others)]))


def turn(way: tuple[str, int, int], task: tuple) -> dict:
    """One turn by processes that begin together: tokens_per_second of all; peak_gib and outputs of one."""
    contender, workers, threads = way
    context, heap = multiprocessing.get_context("spawn"), pool.HEAP if contender == "ours" else {}
    with (
        pool.environment(threads, heap),
        ProcessPoolExecutor(workers, context, setattr, (_do, "barrier", context.Barrier(workers))) as processes,
    ):
        found = [one.result() for one in [processes.submit(_do, contender, *task) for _ in range(workers)]]
    rate = sum(one["tokens_per_second"] for one in found)
    return {"contender": contender, "workers": workers, "threads": threads, **found[0], "tokens_per_second": rate}


def _do(contender: str, what: str, *task) -> dict:
    """Load a contender, wait until all processes have, and do the turn."""
    from tracekd.bench import peers

    os.dup2(2, 1)  # TRL prints its log entries; our JSON alone goes to stdout
    return {"train": peers.training, "generate": peers.generation}[what](contender, *task, _do.barrier.wait)
