"""Problems: one record for the three open-book QA sets, wherever they come from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracekd.profiles import nearest
from tracekd.records import numbered_jsonl, sha256, write_json, write_jsonl
from tracekd.splits import (  # noqa: F401
    check,
    count_labels,
    drop_leaks,
    key,
    near_duplicate_lines,
    near_duplicates,
    paper_split,
    select,
)

DATASETS = ("cotempqa", "marco", "babi")

# The labels of the classification step, in the order in which tables show them.
CATEGORIES = {
    "cotempqa": ("equal", "overlap", "during", "mix"),
    "marco": ("DESCRIPTION", "NUMERIC", "ENTITY", "LOCATION", "PERSON"),
    "babi": (
        "single-supporting-fact",
        "two-supporting-facts",
        "two-arg-relations",
        "counting",
        "lists-sets",
        "conjunction",
        "time-reasoning",
        "basic-deduction",
        "basic-induction",
        "positional-reasoning",
        "size-reasoning",
    ),
}


# The real sets' sizes, which the generated ones take unless a profile says otherwise.
GENERATED_SIZE = {"cotempqa": 4748, "marco": 6000, "babi": 4149}


@dataclass(frozen=True)
class Problem:
    """One open-book question with its gold steps.

    Attributes:
        id: given once, the key of every join: ``dataset/category/number``, such as ``cotempqa/mix/0042``.
        dataset: ``cotempqa``, ``marco``, ``babi`` or the name of a reader's own set.
        category: gold label of the classification step.
        context: the facts, sentences or passages, in their order.
        question: the question as asked.
        answers: one or more gold answers; a set, so that order does not count.
        evidence: indices into ``context`` of the gold facts; empty where nothing answers (MARCO).
        split: ``train`` or ``test``.
        meta: what a set knows beside that, such as CoTempQA's ``triple_element``.
    """

    id: str
    dataset: str
    category: str
    context: tuple[str, ...]
    question: str
    answers: tuple[str, ...]
    evidence: tuple[int, ...]
    split: str
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> tuple[str, ...]:
        """The gold facts themselves, in context order."""
        return tuple(self.context[i] for i in self.evidence)


FIELDS = tuple(Problem.__dataclass_fields__)


class DataUnavailable(RuntimeError):
    """A data set cannot be had from the named source; the message names the ways on."""


def check_source(source: str) -> str:
    """Return ``source`` if it is ``generated``, ``hub`` or an existing path (made absolute).

    ``auto`` comes back as ``hub`` where the Hub answers within 10 seconds, else as ``generated``; a run decides this
    once for its folder: see ``hub.settle``.

    Raises:
        ValueError: it is none of these, or a file that is no set that a run can use.
    """
    if source in ("generated", "hub"):
        return source
    if source == "auto":
        from tracekd.hub import probe

        return probe()[0]
    path = Path(source).expanduser()
    if not path.exists():
        raise ValueError(
            f"data source {source!r}: no such file or folder; expected 'auto', 'generated', 'hub', a folder with "
            "cotempqa/, babi/ or marco/ in it, or a JSON-lines file of your own problems"
        )
    if path.is_file():
        from tracekd.own_set import read_own, usable

        usable(path, drop_leaks(read_own(path)[0], quiet=True))
    if path.is_dir() and not any((path / name).is_dir() for name in (*DATASETS, "released")):
        raise ValueError(
            f"data source {source!r}: none of {', '.join(DATASETS)} is in that folder; name the folder that holds them"
        )
    return str(path.resolve())


def datasets_of(source: str) -> tuple[str, ...]:
    """The data sets that a run on ``source`` works with: the paper's three, or a reader's own one."""
    if Path(source).is_file():
        return (Path(Path(source).name.removesuffix(".gz")).stem.replace("_", "-"),)
    return DATASETS


def source_of(dataset: str, source: str) -> str:
    """Where ``dataset`` really comes from: a folder that lacks it falls back to the generator, by name."""
    if source in ("generated", "hub") or Path(source).is_file() or (Path(source) / dataset).exists():
        return source
    return "generated"


def label_of(dataset: str, source: str) -> str:
    """The source in words, as it stands in captions and manifests, without machine paths."""
    actual = source_of(dataset, source)
    if Path(actual).is_file():
        return f"own file {Path(actual).name}"
    return {"generated": "GENERATED problems", "hub": "real problems (Hub)"}.get(actual, "real problems (local files)")


def load(
    dataset: str,
    source: str = "generated",
    *,
    size: int | None = None,
    seed: int = 121,
    tasks: Iterable[str | int] | None = None,
    **marco: Any,
) -> list[Problem]:
    """Load one data set from where ``source`` says, both splits, checked.

    Args:
        dataset: a name in ``DATASETS`` (or the stem of one's own file).
        source: ``generated``, ``hub``, a folder, or a JSON-lines file of one's own problems.
        size: how many problems to generate; real sources are always read whole.
        seed: of the generator, and of the draw from the whole of MS MARCO. The split of real sets is the paper's.
        tasks: bAbI's tasks by name or number, where others than the paper's 11 are wanted; ``("all",)`` for all 20.
        marco: ``test_share`` and ``evidence`` of MS MARCO (see ``load_marco.problems_of``); other sets have neither.

    Raises:
        DataUnavailable: the Hub or the folder does not have it.
        ValueError: unknown data set, a malformed file, or a problem that stands in two splits.
    """
    source = check_source(source)
    if Path(source).is_file():
        from tracekd.own_set import load_own

        return count_labels(check(load_own(source)))
    if dataset not in DATASETS:
        raise ValueError(f"no data set {dataset!r}: {nearest(dataset, DATASETS)}")
    if source_of(dataset, source) == "generated":
        from tracekd.generated import generate

        return count_labels(check(generate(dataset, size or GENERATED_SIZE[dataset], seed=seed)))
    about = {"marco": {"seed": seed, **marco}, "babi": {"tasks": tasks}}.get(dataset, {})
    if source != "hub":
        return read_folder(dataset, Path(source) / dataset, **about)
    from tracekd import hub

    return count_labels(check(drop_leaks(getattr(hub, f"hub_{dataset}")(**about))))


def read_folder(dataset: str, folder: Path, **about: Any) -> list[Problem]:
    """One known set, both splits, from the folder that holds its files, whatever that is called; as ``load`` gives it.

    Raises:
        DataUnavailable, ValueError: see ``load``.
    """
    from tracekd import load_babi, load_cotempqa, load_marco

    readers = {"cotempqa": load_cotempqa.read_folder, "babi": load_babi.read_folder, "marco": load_marco.local_marco}
    return count_labels(check(drop_leaks(readers[dataset](folder, **about))))


def problems_path(run, dataset: str) -> Path:
    """Where a run keeps its problems of one data set."""
    return run.path("problems", f"{dataset}.jsonl")


def marker(run) -> dict:
    """What a run's kept problems follow from: source and files, seed, sizes, and the code that reads or makes them."""
    from tracekd.steps import fingerprint

    package = Path(__file__).parent
    names = (
        "generated*", "load_*", "marco_records*", "hub*", "own_set*", "facts*", "dates*", "problems*", "splits*",
    )  # fmt: skip
    code = [path for name in names for path in package.glob(name)]
    return {
        "source": run.source,
        "files": fingerprint(run.source),
        "seed": run.seed,
        "sizes": dict(run.profile.generated),
        "marco": dict(run.profile.marco),
        "datasets": list(run.datasets),
        "code": sha256([sha256(path) for path in sorted(code)]),
    }


def prepare(run) -> dict[str, list[Problem]]:
    """Load the run's data sets and keep them below its folder; what later notebooks read.

    Returns:
        ``{dataset: problems}`` with both splits. Prints the source of each set and its counts.
    """
    kept_marker = run.path("problems", "SOURCE.json")
    kept_marker.unlink(missing_ok=True)  # it is written last: its presence means that the sets are whole
    loaded = {}
    for dataset in run.datasets:
        size = run.profile.generated.get(dataset)
        loaded[dataset] = load(dataset, run.source, size=size, seed=run.seed, **run.profile.marco)
        write_jsonl(problems_path(run, dataset), (as_row(p) for p in loaded[dataset]))
        splits = Counter(p.split for p in loaded[dataset])
        counts = f"{splits['train']} train and {splits['test']} test problems"
        print(f"{dataset}: {label_of(dataset, run.source)}, {counts}")
    write_json(kept_marker, marker(run))
    return loaded


def kept(run) -> dict[str, list[Problem]]:
    """The problems that an earlier notebook kept for this source and seed, else freshly prepared ones; says which."""
    path = run.path("problems", "SOURCE.json")
    if path.exists() and json.loads(path.read_text()) == marker(run):
        print("problems: as an earlier notebook left them in this run")
        return {d: read_problems(problems_path(run, d)) for d in run.datasets}
    print("problems: no earlier notebook left any for this source and seed, so they are loaded now")
    return prepare(run)


def training_set(run, dataset: str, problems: list[Problem]) -> list[Problem]:
    """The training problems that this run uses: the profile's number, drawn by the run's seed."""
    train = [p for p in problems if p.split == "train"]
    return select(train, run.profile.train.get(dataset, "all"), run.rng(f"{dataset}/train"))


def evaluation_set(run, dataset: str, problems: list[Problem]) -> list[Problem]:
    """The test problems that this run uses. Only evaluation calls this: nothing else opens the test split.

    Categories without a training problem (CoTempQA's ``during`` and ``mix``, where the source has only their test
    files) are left out and counted, since a student cannot have learned their labels.
    """
    taught = {p.category for p in problems if p.split == "train"}
    test = [p for p in problems if p.split == "test"]
    usable = [p for p in test if p.category in taught]
    if left := len(test) - len(usable):
        print(f"{dataset}: {left} of {len(test)} test problems left out, their categories have no training problem")
    return select(usable, run.profile.test.get(dataset, "all"), run.rng(f"{dataset}/test"))


def as_row(problem: Problem) -> dict:
    """A problem as a JSON-ready dictionary."""
    return {**problem.__dict__, "meta": dict(problem.meta)}


def read_problems(path: str | Path) -> list[Problem]:
    """Read problems in our own form (plain or ``.gz``), one a line, as ``as_row`` writes them.

    Raises:
        ValueError: a field is missing, unknown or of the wrong type; the message names file, line and field.
    """
    problems = []
    for number, row in numbered_jsonl(path):
        where = f"{path}, line {number}"
        if wrong := set(FIELDS) ^ set(row):
            raise ValueError(f"{where}: {sorted(wrong)[0]!r} missing or unknown; fields needed: {', '.join(FIELDS)}")
        for name, kind in (("context", str), ("answers", str), ("evidence", int)):
            if not isinstance(row[name], list) or not all(type(value) is kind for value in row[name]):
                raise ValueError(f"{where}: {name} is {str(row[name])[:80]!r}, expected a list of {kind.__name__}")
        for name in ("id", "dataset", "category", "question", "split"):
            if not isinstance(row[name], str):
                raise ValueError(f"{where}: {name} is {row[name]!r}, expected a text")
        if not isinstance(row["meta"], dict):
            raise ValueError(f"{where}: meta is {row['meta']!r}, expected an object")
        problems.append(Problem(**{**row, **{name: tuple(row[name]) for name in ("context", "answers", "evidence")}}))
    return problems
