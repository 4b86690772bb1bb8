"""The problems of a data source (generated, local files, the Hub, your own set), and those that a run stores."""

import json
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from tracekd.config import ROOT, nearest
from tracekd.data import hub, load_babi, load_cotempqa, load_marco
from tracekd.data.problem import (
    DATASETS,
    DataUnavailable,
    Problem,
    as_row,
    at,
    build,
    check,
    check_fields,
    count_labels,
    drop_leaks,
    expect,
    paper_split,
    read_problems,
    select,
)  # fmt: skip
from tracekd.data.synthetic import generated
from tracekd.io.records import CODE, fingerprint, hash_of_files, numbered_jsonl, read_jsonl, write_json, write_jsonl
from tracekd.text import normalise, read_list, unescaped

# Sizes of the real sets, which generated sets take unless a profile says otherwise.
GENERATED_SIZE = {"cotempqa": 4748, "marco": 6000, "babi": 4149}
FORMS = "CoTempQA JSON lines; bAbI CSV or archive; MS MARCO JSON lines or parquet"
_READERS = {"cotempqa": load_cotempqa, "babi": load_babi, "marco": load_marco}
_HUB = {"cotempqa": hub.hub_cotempqa, "marco": hub.hub_marco, "babi": hub.hub_babi}
# What a reader of outputs takes for a tag, or for something else than the answer where an answer begins with it.
_TAG = re.compile(r"<\s*\\?/?\s*(?:think|answer)|</?s>|<[|｜]|\[/?INST\]|\\boxed\{", re.IGNORECASE)
_NO_ANSWER = re.compile(
    r"\[|\(?1[.)] |(?:assistant|model)\s*(?::|\Z)|[\W_]*(?:the )?(?:(?:final|correct) )?answer\b[^\w]*(?:is)?\s*:",
    re.IGNORECASE,
)


def check_source(source: str) -> str:
    """Return ``generated``, ``hub`` (``auto`` becomes one of them) or an absolute path; ``ValueError`` for all else."""
    if source in ("generated", "hub"):
        return source
    if source == "auto":
        return hub.probe()[0]
    path = Path(source).expanduser()
    expected = "expected 'auto', 'generated', 'hub', a folder with cotempqa/, babi/ or marco/, or a file of problems"
    if path.is_file():
        load_own(path)
    elif not any((path / name).is_dir() for name in (*DATASETS, "released")):
        found = "none of the data sets is in that folder" if path.exists() else "no such file or folder"
        raise ValueError(f"data source {source!r}: {found}; {expected}")
    return str(path.resolve())


def datasets_of(source: str) -> tuple[str, ...]:
    """The data sets of a source: the paper's three, or the one set of a file, such as ``my-set`` of my_set.jsonl."""
    path = Path(source)
    return (Path(path.name.removesuffix(".gz")).stem.replace("_", "-"),) if path.is_file() else DATASETS


def source_of(dataset: str, source: str) -> str:
    """Where ``dataset`` really comes from: ``generated`` where the folder lacks it."""
    if source in ("generated", "hub") or Path(source).is_file() or (Path(source) / dataset).exists():
        return source
    return "generated"


def label_of(dataset: str, source: str) -> str:
    """The source in words for captions and manifests, without machine paths."""
    actual = source_of(dataset, source)
    if Path(actual).is_file():
        return f"own file {Path(actual).name}"
    return {"generated": "GENERATED problems", "hub": "real problems (Hub)"}.get(actual, "real problems (local files)")


def load(
    dataset: str, source: str = "generated", *, size: int | None = None, seed: int = 121,
    test_share: float | None = None,
) -> list[Problem]:  # fmt: skip
    """Load both splits of one data set (your own: whatever ``dataset`` says) from ``check_source``'s sources, checked.

    ``size`` is how many problems to generate, ``seed`` of the generator and of the draw from the whole of MS MARCO,
    ``test_share`` of real MS MARCO (see ``load_marco.split``). ``DataUnavailable`` where Hub or folder do not have the
    set; ``ValueError`` for an unknown set, a malformed file, or a problem in two splits.
    """
    source = check_source(source)
    options = {"seed": seed, "test_share": test_share} if dataset == "marco" else {}
    if Path(source).is_file():
        return count_labels(check(load_own(source)))
    if dataset not in DATASETS:
        raise ValueError(f"no data set {dataset!r}: {nearest(dataset, DATASETS)}")
    if source_of(dataset, source) == "generated":
        return count_labels(check(generated.generate(dataset, size or GENERATED_SIZE[dataset], seed=seed)))
    if source == "hub":
        return count_labels(check(drop_leaks(_HUB[dataset](**options))))
    return read_folder(dataset, Path(source) / dataset, **options)


def read_folder(dataset: str, folder: Path, **options: float | None) -> list[Problem]:
    """``load`` for a folder of any name that holds the files of one known set."""
    if not (found := _READERS[dataset].read_folder(folder, **options)):
        raise DataUnavailable(f"no problems in {folder}: expected {_READERS[dataset].EXPECTED}")
    return count_labels(check(drop_leaks(found)))


def read_any(path: str | Path) -> list[Problem]:
    """Read a file of problems: a known set's, a run's stored ones, or your own, known by its ending or first line."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: give {FORMS}; or your own set (notebooks/OWN_DATA.md)")
    text = not path.name.endswith((".parquet", ".csv", ".csv.gz", ".tar.gz", ".tgz"))
    first = next(read_jsonl(path), {}) if text else {}
    if {"dataset", "meta"} <= set(first):
        problems = read_problems(path)
    elif path.suffix == ".parquet" or "passages" in first:
        problems = load_marco.read_file(path)
    elif "triple_element" in first:
        problems = load_cotempqa.read_file(path)
    else:
        problems = load_own(path) if text else load_babi.read_file(path)
    if not problems:
        raise ValueError(f"{path}: none of its problems can be used, see the lines before: expected at least one")
    return problems


def load_own(path: str | Path) -> list[Problem]:
    """Read your own set (see ``notebooks/OWN_DATA.md``); ``ValueError`` where no run could train and test on it."""
    (dataset,) = datasets_of(path)
    if dataset.lower() in (*DATASETS, "generated", "hub", "auto", "released"):
        raise ValueError(f"{path}: the name {dataset!r} is taken: rename the file")
    with at("not of the form in notebooks/OWN_DATA.md"):
        problems = list(build(path, numbered_jsonl(path), partial(_own_problem, dataset)))
    if not problems:
        raise ValueError(f"{path} holds no problem: expected one JSON object per line")
    with at(str(path)):
        problems = drop_leaks(paper_split(problems, least=1))
        _check_categories(problems)
    return problems


def _own_problem(dataset: str, row: dict[str, Any]) -> Problem:
    """One line as a problem, its split empty where the line has none."""
    check_fields(row, ("id", "question", "category"), ("context", "answers"))
    category, context, answers, split = (row.get(name) for name in ("category", "context", "answers", "split"))
    evidence = row["evidence"] if isinstance(row.get("evidence"), list) else [row.get("evidence")]
    expect("|" not in category, "category", category, "a label without '|'")
    expect(split in (None, "train", "test"), "split", split, "'train', 'test', or none")
    for i in evidence:
        right = type(i) is int and 0 <= i < len(context)
        expect(right, "evidence", i, f"indices into context, 0 to {len(context) - 1}")
    check_scorable(context, answers)
    name, parts = f"{dataset}/{category}/{row['id']}", (tuple(context), row["question"], tuple(answers))
    return Problem(name, dataset, category, *parts, tuple(sorted(set(evidence))), split or "")


def check_scorable(context: list[str], answers: list[str]) -> None:
    """Raise a ``ValueError`` where a right answer, written out, would not be read as itself."""
    wrong = [text for text in (*context, *answers) if _TAG.search(unescaped(text))]
    wrong += [text for text in answers if not normalise(text)]
    if len(answers) == 1:
        (answer,) = answers
        read = {normalise(item) for item in read_list(answer)}
        wrong += [answer] if _NO_ANSWER.match(answer) or answer.splitlines()[1:] or read != {normalise(answer)} else []
    if wrong:
        raise ValueError(
            f"{wrong[0][:80]!r} would be scored wrong where it is right: answers need letters or digits, no tags, and "
            "a single one must not look like a list (brackets, quoted texts with commas): write it in words"
        )


def _check_categories(problems: list[Problem]) -> None:
    """Refuse labels that scoring would confuse or could not read back, and a set without two that can be learned."""
    counts, seen = Counter((p.category, p.split) for p in problems), {}
    for label in dict.fromkeys(p.category for p in problems):
        plain = normalise(label)
        if not plain or re.search(r"\n|\w{3}\.\s", label) or plain in seen:
            other = f"equal to {seen[plain]!r}" if plain in seen else "empty, or more than one line or sentence,"
            raise ValueError(f"category {label!r} is {other} as labels are compared: give other categories")
        seen[plain] = label
    if sum(bool(counts[label, "train"] and counts[label, "test"]) for label in seen.values()) < 2:
        found = "; ".join(f"{c!r} {counts[c, 'train']} train and {counts[c, 'test']} test" for c in seen.values())
        raise ValueError(
            f"at least two categories need both a training and a test problem, found {found}: add problems (two a "
            "category are enough), more categories, or mend the 'split' fields"
        )


def marker(run) -> dict:
    """What a run's stored problems depend on: source and files, seed, sizes, and the code that makes them."""
    return {
        "source": run.source, "files": fingerprint(run.source), "seed": run.seed, "datasets": list(run.datasets),
        "sizes": dict(run.profile.generated), "marco": dict(run.profile.marco),
        "code": hash_of_files(ROOT / "tracekd", CODE),
    }  # fmt: skip


def prepare(run) -> dict[str, list[Problem]]:
    """Load the run's data sets, store them in its folder and print source and counts of each: problems by set."""
    marker_path = run.path("problems", "SOURCE.json")
    marker_path.unlink(missing_ok=True)  # written last: its presence means that the sets are whole
    loaded = {}
    for dataset in run.datasets:
        size = run.profile.generated.get(dataset)
        loaded[dataset] = load(dataset, run.source, size=size, seed=run.seed, **run.profile.marco)
        write_jsonl(run.path("problems", f"{dataset}.jsonl"), map(as_row, loaded[dataset]))
        test = sum(p.split == "test" for p in loaded[dataset])
        train = len(loaded[dataset]) - test
        print(f"{dataset}: {label_of(dataset, run.source)}, {train} train and {test} test problems")
    write_json(marker_path, marker(run))
    return loaded


def kept(run) -> dict[str, list[Problem]]:
    """The run's stored problems if they are up to date, else freshly prepared ones, which it says."""
    path = run.path("problems", "SOURCE.json")
    if path.exists() and json.loads(path.read_text()) == marker(run):
        return {d: read_problems(run.path("problems", f"{d}.jsonl")) for d in run.datasets}
    print("problems: none stored in this run for this source, seed and code, so they are loaded now")
    return prepare(run)


def training_set(run, dataset: str, problems: list[Problem]) -> list[Problem]:
    """The training problems that this run uses: the profile's number, drawn by the run's seed."""
    train = [p for p in problems if p.split == "train"]
    return select(train, run.profile.train.get(dataset, "all"), run.rng(f"{dataset}/train"))


def evaluation_set(run, dataset: str, problems: list[Problem]) -> list[Problem]:
    """The run's test problems; those of categories that no student could learn in training are left out and counted."""
    learnable = {p.category for p in problems if p.split == "train"}
    test = [p for p in problems if p.split == "test"]
    usable = [p for p in test if p.category in learnable]
    if left := len(test) - len(usable):
        print(f"{dataset}: {left} of {len(test)} test problems left out, their categories have no training problem")
    return select(usable, run.profile.test.get(dataset, "all"), run.rng(f"{dataset}/test"))
