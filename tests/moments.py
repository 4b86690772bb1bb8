"""Commands in processes of their own that wait, or die by SIGKILL at a set moment: for test_resilience.

A fork server imports torch once, so that a process costs a second and not ten.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

from tqdm import tqdm

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    ["tracekd.grid.run_grid", "tracekd.students.generate", "transformers.models.llama.modeling_llama"]
)

# More steps and batches than the profile has, so that there is something to be killed in:
# 24 steps with checkpoints after 10, 20 and 24; 32 answers in 8 batches.
RECIPE = {"epochs": 2, "generate_batch": 4, "max_new_tokens": 12}


def enlarge() -> None:
    """Give the smoke profile these settings, in this process."""
    from tracekd import config

    smoke = config._entries()["smoke"]
    smoke["recipe"].update(RECIPE)
    smoke["train"]["babi"] = 96


def start(runs: Path, argv: list[str], errors: Path, moment: dict | None = None) -> multiprocessing.Process:
    """Start ``python -m tracekd`` with ``argv`` in a process group of its own; its stderr goes to ``errors``."""
    process = context.Process(target=_command, args=(str(runs), argv, str(errors), moment or {}), daemon=True)
    process.start()
    return process


def _command(runs: str, argv: list[str], errors: str, moment: dict) -> None:
    os.setsid()
    os.environ["TRACEKD_RUNS"] = runs
    for stream, target in ((sys.stdout, os.devnull), (sys.stderr, errors)):
        os.dup2(os.open(target, os.O_WRONLY | os.O_CREAT), stream.fileno())
    enlarge()
    # The bars' own lock is a semaphore of the system, which a killed process would leave behind.
    tqdm.set_lock(threading.RLock())
    for name, value in moment.items():
        globals()[f"_{name}"](value)
    from tracekd.__main__ import main

    sys.exit(main(argv))


def _die() -> None:
    os.killpg(0, signal.SIGKILL)


def _held(until: str) -> None:
    """Stay in a step until a file is there, so that another process surely finds this one at work."""
    from tracekd.students import train

    def begin(self, args, state, control, **_):
        while not Path(until).exists():
            time.sleep(0.02)

    train.Progress.on_step_begin = begin


def _die_at_step(step: int) -> None:
    from tracekd.students import train

    def end(self, args, state, control, **_):
        if state.global_step == step:
            _die()

    train.Progress.on_step_end = end


def _die_before_record(_: bool) -> None:
    """Die between the finished adapter and the record that says so."""
    from tracekd.students import train

    train.write_jsonl = lambda *_: _die()


def _die_writing_batch(number: int) -> None:
    """Die with half of a batch's lines written, the last of them torn."""
    import json

    from tracekd.students import generate

    append, done = generate.append_jsonl, []

    def torn(path, rows):
        done.append(path)
        if len(done) < number:
            return append(path, rows)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text[: len(text) * 5 // 8])
            file.flush()
            _die()

    generate.append_jsonl = torn
