"""The three sets from the Hub, by its own clients; and ``auto``, which asks the Hub once and falls back in one line.

Every function raises ``DataUnavailable`` where the Hub does not give a set; the message says why and what to do.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tracekd.data import load_babi, load_cotempqa, load_marco
from tracekd.data.problem import CATEGORIES, DataUnavailable, Problem, as_row, build, read_problems
from tracekd.io.records import waiting, write_json, write_jsonl

log = logging.getLogger(__name__)
REPOSITORIES = {"cotempqa": "Warrieryes/CotempQA", "marco": "microsoft/ms_marco", "babi": "facebook/babi_qa"}
BABI_ARCHIVE = "data/tasks_1-20_v1-2.tar.gz"
# Longest waits in seconds for an answer and for a file; the clients' time-outs bound neither look-ups nor retries.
ANSWER, FILE = 10, 300
ADVICE = (
    "You can: check the connection (HTTPS_PROXY, HF_ENDPOINT, HF_HUB_OFFLINE) and run again, later where the Hub is "
    "busy; log in with `hf auth login` where it wants that; give a folder with the files (--data PATH); or use "
    "generated problems (--data generated), which need no network"
)


def hub_cotempqa() -> list[Problem]:
    """CoTempQA from its four files on the Hub."""
    files = [hub_file("cotempqa", f"{category}.json") for category in CATEGORIES["cotempqa"]]
    return [problem for file in files for problem in load_cotempqa.read_file(file)]


def hub_babi() -> list[Problem]:
    """BAbI v1.2 from its own archive on the Hub: see ``load_babi.read_archive``."""
    log.warning("babi: the archive's own splits; which stories the authors took (3,773 train, 376 test) is not known")
    return load_babi.read_archive(hub_file("babi", BABI_ARCHIVE))


def hub_marco(*, seed: int = 121, test_share: float | None = None) -> list[Problem]:
    """MS MARCO QA v2.1 as the authors drew it: 1,000 training and 200 test problems of each of the five query types.

    The Hub's training split is streamed in an order drawn by ``seed`` (files shuffled, rows within a buffer) until
    every type is full; the Hub's cache then keeps the chosen ones. Which ones the authors took is not known.
    """
    from datasets import config, load_dataset
    from huggingface_hub.constants import HF_HUB_CACHE
    from tqdm import tqdm

    config.STREAMING_READ_MAX_RETRIES = config.STREAMING_OPEN_MAX_RETRIES = 1  # its 20 rounds of waiting look hung
    stored = Path(HF_HUB_CACHE) / "tracekd" / f"marco_v2.1_problems_seed{seed}.jsonl"
    if not stored.exists():
        ask("marco")
        with reaching(name := REPOSITORIES["marco"]):
            rows = load_dataset(name, "v2.1", split="train", streaming=True).shuffle(seed=seed, buffer_size=5000)
            rows = tqdm(rows, "MS MARCO from the Hub, about 20,000 rows", unit="row", mininterval=5)
            found = filter(None, build(name, enumerate(rows), load_marco.read_row, unique=False))
            chosen = load_marco.draw(found, np.random.default_rng(seed), until_full=True)
        write_jsonl(stored, map(as_row, load_marco.split(chosen)))
    return load_marco.split(read_problems(stored), test_share=test_share)


def hub_file(dataset: str, name: str) -> Path:
    """One file of a Hub data set, fetched once: afterwards the Hub's cache has it, and no network is asked."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    repository = REPOSITORIES[dataset]
    if isinstance(found := try_to_load_from_cache(repository, name, repo_type="dataset"), str):
        return Path(found)
    ask(dataset)  # a Hub that is silent is noticed in seconds here, in minutes by the download
    with reaching(f"{repository}/{name}"):
        return Path(bounded(lambda: hf_hub_download(repository, name, repo_type="dataset"), FILE))


def ask(dataset: str) -> None:
    """Ask the Hub for a data set's entry; ``DataUnavailable`` within ``ANSWER`` seconds where it does not answer."""
    from huggingface_hub import HfApi

    with reaching(REPOSITORIES[dataset]):
        bounded(lambda: HfApi().dataset_info(REPOSITORIES[dataset], timeout=ANSWER), ANSWER)


def bounded(call: Callable[[], Any], seconds: float) -> Any:
    """What ``call`` returns or raises within so many seconds, else ``TimeoutError``; the thread is left alone."""
    future: Future = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    # A thread of its own: those of an executor are waited for when Python ends.
    threading.Thread(target=work, daemon=True).start()
    return future.result(timeout=seconds)


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Turn what the clients raise (dozens of kinds) into ``DataUnavailable`` with the reason and what to do."""
    try:
        yield
    except Exception as error:
        line = next(iter(str(error).splitlines()), "no answer within the time allowed")[:200]
        raise DataUnavailable(f"{what} could not be loaded ({type(error).__name__}: {line}). {ADVICE}.") from error


@cache
def probe() -> tuple[str, str]:
    """Where ``auto`` takes the data from: ``hub`` if it answers for all three sets, else ``generated``; and why."""
    try:
        for dataset in REPOSITORIES:
            ask(dataset)
    except DataUnavailable as error:
        return "generated", f"the Hub does not give the real ones: {str(error).partition(' You can')[0]}"
    return "hub", "the Hub answers and has all three sets"


def settle(source: str, folder: Path, anew: bool = False) -> str:
    """Decide ``auto`` once for a run's folder (again with ``anew``), stored in ``source.json``; say it in one line."""
    if source != "auto":
        return source
    stored = folder / "source.json"
    with waiting(stored):
        if anew or not stored.exists():
            write_json(stored, dict(zip(("source", "why"), probe(), strict=True)))
        record = json.loads(stored.read_text(encoding="utf-8"))
    line = f"data: auto, decided once for this run: {record['source']}, since {record['why'].rstrip('.')}."
    real = "For real problems give their folder (--data PATH or TRACEKD_DATA), or connect and pass --data auto."
    print(line if record["source"] == "hub" else f"{line} {real}")
    return record["source"]
