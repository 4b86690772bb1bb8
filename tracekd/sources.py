"""Readers of the three sets in their own forms: the Hub's, and local files."""

from __future__ import annotations

import ast
import csv
import json
import logging
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path

from tracekd.facts import answer_evidence
from tracekd.problems import CATEGORIES, DataUnavailable, Problem, paper_split
from tracekd.records import open_text, read_jsonl

log = logging.getLogger(__name__)

# The authors number CoTempQA's problems through its four files in this order; `index` in their test files counts so.
COTEMPQA_SIZES = {"during": 3096, "equal": 436, "mix": 563, "overlap": 653}
BABI_TASKS = {
    1: "single-supporting-fact", 2: "two-supporting-facts", 4: "two-arg-relations", 7: "counting", 8: "lists-sets",
    12: "conjunction", 14: "time-reasoning", 15: "basic-deduction", 16: "basic-induction",
    17: "positional-reasoning", 18: "size-reasoning",
}  # fmt: skip
BABI_URL = "http://www.thespermwhale.com/jaseweston/babi/tasks_1-20_v1-2.tar.gz"
MARCO_SIZE = 6000


def cotempqa_problem(row: dict, category: str, number: int, split: str) -> Problem:
    """One row of CoTempQA's JSON lines as a Problem; its gold facts are those whose answer slot is a gold answer."""
    facts, answers, triple = tuple(row["facts"]), tuple(row["answer"]), row["triple_element"]
    evidence = answer_evidence(facts, answers, triple)
    name = f"cotempqa/{category}/{number:04d}"
    return Problem(
        name,
        "cotempqa",
        category,
        facts,
        row["question"],
        answers,
        evidence,
        split,
        {"triple_element": triple},
    )


def local_cotempqa(folder: Path) -> list[Problem]:
    """Read ``equal.json`` and its like where they are whole, else the test problems in ``*_test.jsonl``."""
    problems = []
    for category in CATEGORIES["cotempqa"]:
        whole = _first(folder, f"{category}.json", f"{category}.jsonl")
        if whole:
            rows = list(read_jsonl(whole))
            splits = paper_split([category] * len(rows))
            problems += [cotempqa_problem(r, category, i, s) for i, (r, s) in enumerate(zip(rows, splits, strict=True))]
        elif test := _first(folder, f"{category}_test.jsonl"):
            first = sum(n for c, n in COTEMPQA_SIZES.items() if c < category)
            problems += [cotempqa_problem(r, category, r["index"] - first, "test") for r in read_jsonl(test)]
            log.warning("cotempqa/%s: only its test problems are in the folder, none to train on", category)
    return _found(problems, folder, "equal.json, overlap.json, during.json, mix.json or *_test.jsonl")


def hub_cotempqa() -> list[Problem]:
    """Read CoTempQA's four JSON-lines files from the Hub (``Warrieryes/CotempQA``)."""
    problems = []
    for category in CATEGORIES["cotempqa"]:
        rows = list(read_jsonl(_hub_file("Warrieryes/CotempQA", rf"(^|/){category}\.jsonl?$")))
        splits = paper_split([category] * len(rows))
        problems += [cotempqa_problem(r, category, i, s) for i, (r, s) in enumerate(zip(rows, splits, strict=True))]
    return problems


def local_babi(folder: Path) -> list[Problem]:
    """Read the authors' ``train.csv`` and ``test.csv``, or bAbI's own ``qaN_*_train.txt`` and ``_test.txt`` files."""
    problems = []
    for split in ("train", "test"):
        if path := _first(folder, f"{split}.csv", f"{split}.csv.gz"):
            with open_text(path) as file:
                problems += [babi_problem(row, i, split) for i, row in enumerate(csv.DictReader(file))]
    if not problems:
        texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("qa*_*.txt"))}
        problems = babi_stories(texts)
    return _found(problems, folder, "train.csv and test.csv, or qa1_single-supporting-fact_train.txt and its like")


def babi_problem(row: dict, number: int, split: str) -> Problem:
    """One row of the authors' CSV as a Problem; a sentence that stands twice counts as evidence at its first place."""
    context = tuple(ast.literal_eval(row["passages"]))
    facts = ast.literal_eval(row["answer_passage"])
    evidence = tuple(sorted({context.index(fact) for fact in facts}))
    answers = tuple(row["answer"].split(","))
    name = f"babi/{row['query_type']}/{split}-{number:04d}"
    return Problem(name, "babi", row["query_type"], context, row["question"], answers, evidence, split)


def hub_babi() -> list[Problem]:
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
    with tarfile.open(archive) as tar:
        members = [m for m in tar if re.search(r"/en/qa\d+_.*\.txt$", m.name)]
        return babi_stories({Path(m.name).name: tar.extractfile(m).read().decode("utf-8") for m in members})


def babi_stories(texts: dict[str, str]) -> list[Problem]:
    """Read bAbI's own text files (name to content): the first question of each story, with its supporting facts."""
    problems = []
    for name, text in texts.items():
        match = re.match(r"qa(\d+)_.*_(train|test)\.txt$", name)
        if not match or int(match[1]) not in BABI_TASKS:
            continue
        category, split = BABI_TASKS[int(match[1])], match[2]
        for number, story in enumerate(re.split(r"\n(?=1 )", text.strip())):
            problems.append(_first_question(story, f"babi/{category}/{split}-{number:04d}", category, split))
    return problems


def _first_question(story: str, name: str, category: str, split: str) -> Problem:
    numbers, context = [], []
    for line in story.splitlines():
        number, text = line.split(" ", 1)
        if "\t" not in text:
            numbers.append(number)
            context.append(text.strip())
            continue
        question, answer, facts = (part.strip() for part in text.split("\t"))
        evidence = tuple(sorted({numbers.index(n) for n in facts.split()}))
        return Problem(name, "babi", category, tuple(context), question, tuple(answer.split(",")), evidence, split)
    raise ValueError(f"{name}: a story without a question: {story[:80]!r}")


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
