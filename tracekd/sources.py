"""Readers of the three sets in their own forms: the Hub's, and local files."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from pathlib import Path

from tracekd import load_babi, load_cotempqa
from tracekd.load_babi import BABI_TASKS, babi_problem, babi_stories  # noqa: F401  (importable from here, too)
from tracekd.load_babi import read_folder as local_babi  # noqa: F401
from tracekd.load_cotempqa import cotempqa_problem  # noqa: F401
from tracekd.load_cotempqa import read_folder as local_cotempqa  # noqa: F401
from tracekd.problems import CATEGORIES, DataUnavailable, Problem, paper_split
from tracekd.records import read_jsonl

log = logging.getLogger(__name__)

BABI_URL = "http://www.thespermwhale.com/jaseweston/babi/tasks_1-20_v1-2.tar.gz"
MARCO_SIZE = 6000


def hub_cotempqa() -> list[Problem]:
    """Read CoTempQA's four JSON-lines files from the Hub (``Warrieryes/CotempQA``)."""
    files = [_hub_file("Warrieryes/CotempQA", rf"(^|/){name}\.jsonl?$") for name in CATEGORIES["cotempqa"]]
    return [problem for path in files for problem in load_cotempqa.read_file(path)]


def hub_babi(tasks: Iterable[str | int] | None = None) -> list[Problem]:
    """Fetch bAbI v1.2's own archive (its Hub loading script no longer runs) and read the 11 tasks used.

    Which stories the authors took is not in our sources: their files hold 3,773 training problems, from 125 to 1,000
    a task, and a tenth as many test problems in each task, which is no split of the archive. Taken here are
    the archive's own train and test split, about equally large, and the first question of each story.
    """
    from huggingface_hub import hf_hub_download  # noqa: F401  (the same cache folder rules apply)
    from huggingface_hub.constants import HF_HUB_CACHE

    archive = Path(HF_HUB_CACHE) / "tracekd" / "tasks_1-20_v1-2.tar.gz"
    if not archive.exists():
        _download(BABI_URL, archive)
    log.warning(
        "babi: the archive's own train and test split, the first question of each story; which stories the authors "
        "took is not in our sources (theirs: 3,773 train, 376 test)"
    )
    return load_babi.read_archive(archive, tasks)


def marco_problems(rows: Iterable[dict], size: int = MARCO_SIZE) -> list[Problem]:
    """MS MARCO QA v2.1 rows (``query``, ``query_type``, ``passages``, ``answers``) as Problems, the first ``size``.

    Evidence is the passages marked ``is_selected``; none where the answer is "No Answer Present.".
    """
    problems, counts = [], dict.fromkeys(CATEGORIES["marco"], 0)
    for row in rows:
        category, passages = row["query_type"], row["passages"]
        context = tuple(passages["passage_text"])
        answers = tuple(row["answers"]) or ("No Answer Present.",)
        chosen = (
            () if answers == ("No Answer Present.",) else tuple(i for i, s in enumerate(passages["is_selected"]) if s)
        )
        name = f"marco/{category}/{counts[category]:04d}"
        counts[category] += 1
        problems.append(Problem(name, "marco", category, context, row["query"], answers, chosen, "train"))
        if len(problems) == size:
            break
    splits = paper_split([p.category for p in problems])
    return [Problem(**{**p.__dict__, "split": s}) for p, s in zip(problems, splits, strict=True)]


def local_marco(folder: Path) -> list[Problem]:
    """Read MS MARCO QA v2.1 rows from the JSON-lines or parquet files in ``folder``."""
    files = sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz"), *folder.glob("*.parquet")])
    return _found(marco_problems(row for path in files for row in _rows(path)), folder, "*.jsonl or *.parquet")


def hub_marco() -> list[Problem]:
    """Stream the first 6,000 training rows of MS MARCO QA v2.1; which 6,000 the authors took is not in our sources."""
    from datasets import load_dataset

    try:
        return marco_problems(load_dataset("microsoft/ms_marco", "v2.1", split="train", streaming=True))
    except Exception as error:  # the library raises many kinds when there is no way to the Hub
        raise DataUnavailable(_ways("microsoft/ms_marco", error)) from error


def _rows(path: Path) -> Iterable[dict]:
    if path.suffix == ".parquet":
        import pandas as pd

        return json.loads(pd.read_parquet(path).to_json(orient="records"))
    return read_jsonl(path)


def _first(folder: Path, *names: str) -> Path | None:
    return next((folder / n for n in names if (folder / n).is_file()), None)


def _found(problems: list[Problem], folder: Path, expected: str) -> list[Problem]:
    if not problems:
        raise DataUnavailable(f"no problems in {folder}: expected {expected}")
    return problems


def _hub_file(repository: str, pattern: str) -> Path:
    """The one file of a Hub data set whose path matches ``pattern``, fetched once and kept by the Hub's cache."""
    from huggingface_hub import HfApi, hf_hub_download

    try:
        names = [n for n in HfApi().list_repo_files(repository, repo_type="dataset") if re.search(pattern, n)]
        if len(names) != 1:
            raise ValueError(f"expected one file like {pattern}, found {names}")
        return Path(hf_hub_download(repository, names[0], repo_type="dataset"))
    except Exception as error:  # offline, gated, moved: the way on is the same
        raise DataUnavailable(_ways(repository, error)) from error


def _download(url: str, path: Path) -> None:
    import requests

    from tracekd.records import replacing

    try:
        reply = requests.get(url, timeout=60)
        reply.raise_for_status()
    except requests.RequestException as error:
        raise DataUnavailable(_ways(url, error)) from error
    with replacing(path) as temporary:
        temporary.write_bytes(reply.content)


def _ways(what: str, error: Exception) -> str:
    return (
        f"{what} cannot be reached: {type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}\n"
        "Ways on: connect and run again; give a folder with the files (--data PATH); or take generated problems "
        "(--data generated), which need no network."
    )
