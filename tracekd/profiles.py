"""Profiles: the one dial, and the run that a notebook opens with it."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


HABITS = ("aligned", "as_published")


@dataclass(frozen=True)
class Recipe:
    """How a student is trained and asked.

    Attributes:
        epochs: passes over the training problems.
        learning_rate: peak, after a warm-up over ``warmup`` of the steps; then a cosine down to 0.
        batch, accumulation: an update learns from ``batch`` x ``accumulation`` examples, over all devices together.
        max_tokens: longest example; a longer one is an error, never cut (``as_published``: cut, and counted).
        max_new_tokens: most tokens generated an answer; an output that reaches it is ``truncated``.
        room: a trained student may go beyond ``max_new_tokens``, to so many times the longest target that it was
            taught, so that one taught long traces is not cut off before its answer; 0: never.
        generate_batch: most problems generated at once; fewer where their caches would not fit into memory.
        lora_r, lora_alpha, lora_dropout: LoRA as in the paper, on all seven projections.
        habits: ``aligned``, or ``as_published`` for those of the authors' release: see ``sft.encode_as_published``.
        quantise: hold the student in NF4 (QLoRA), else in plain weights (LoRA).
        packing: put the examples of a pass in one row without padding; refused where attention would mix them.
    """

    epochs: float
    learning_rate: float
    batch: int
    accumulation: int
    max_tokens: int
    max_new_tokens: int
    generate_batch: int
    warmup: float = 0.1
    lora_r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    habits: str = "aligned"
    packing: bool = False
    quantise: bool = True
    room: float = 1.25

    def __post_init__(self):
        """Refuse what no training can mean."""
        if self.habits not in HABITS:
            raise ValueError(f"habits {self.habits!r} of a recipe: {nearest(self.habits, HABITS)}")


@dataclass(frozen=True)
class Profile:
    """One entry of ``profiles.toml``; sizes are numbers of problems, or ``"all"``.

    ``train``, ``test`` and ``interventions`` give sizes by data set: training problems, test problems that are answered
    (notebook 04), and how many of these, from the first on, are answered again after given traces (notebook 07). Of a
    data set not named, all is used. ``conditions`` are trained on every data set; ``also`` names further ones by data
    set, such as the free-form traces of CoTempQA. ``live`` names the data sets whose students are trained, answer and
    are scored, where that is not all; of the others the sets are built and shown, and their results are the recorded.
    """

    name: str
    about: str
    hardware: str
    student: str
    data: str
    seeds: tuple[int, ...]
    generated: dict[str, int]
    train: dict[str, int | str]
    test: dict[str, int | str]
    interventions: dict[str, int | str]
    conditions: tuple[str, ...]
    recipe: Recipe
    study_repeats: int
    bootstrap: int
    also: dict[str, tuple[str, ...]] = field(default_factory=dict)
    live: tuple[str, ...] = ()

    def conditions_of(self, dataset: str) -> tuple[str, ...]:
        """The training conditions of one data set: ``conditions``, and what ``also`` adds for it."""
        return (*self.conditions, *self.also.get(dataset, ()))

    def live_of(self, datasets: Sequence[str]) -> tuple[str, ...]:
        """Those of a source's data sets whose students are trained and asked; a reader's own set always is."""
        return tuple(d for d in datasets if d in self.live) or tuple(datasets)


def nearest(value: str, known: list[str] | tuple[str, ...]) -> str:
    """A hint for a message: the nearest right name, or all of them."""
    close = difflib.get_close_matches(value, known, n=1, cutoff=0.4)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


@cache
def _entries() -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "profiles.toml").read_text(encoding="utf-8"))


def names() -> list[str]:
    """The names of all profiles, smallest first."""
    return list(_entries())


def load(name: str) -> Profile:
    """Read one profile; one that is ``like`` another inherits what it does not say itself.

    Raises:
        ValueError: no profile has that name; the message gives the nearest.
    """
    if name not in _entries():
        raise ValueError(f"no profile {name!r}: {nearest(name, names())}")
    entry = dict(_entries()[name])
    own = entry.pop("recipe", {})
    while like := entry.pop("like", None):
        base = _entries()[like]
        own = {**base.get("recipe", {}), **own}
        entry = {**{k: v for k, v in base.items() if k != "recipe"}, **entry}
    # A recipe's key may be changed in one line of an heir, without a table of its own.
    for key in list(entry):
        if key in Recipe.__dataclass_fields__:
            own[key] = entry.pop(key)
    entry["seeds"] = tuple(entry["seeds"])
    entry["conditions"] = tuple(entry["conditions"])
    entry["live"] = tuple(entry.get("live", ()))
    entry["also"] = {dataset: tuple(names) for dataset, names in entry.get("also", {}).items()}
    return Profile(name=name, recipe=Recipe(**own), **entry)


@dataclass
class Run:
    """A profile with its seed, data source and folder: what every notebook works with.

    Everything is written below ``folder``; ``figures/`` in it has the shape of the repository's ``figures/``.
    ``texts`` is a file of a teacher's free-form traces (see ``freeform.read_texts``), "" for the templated ones.
    """

    notebook: str
    profile: Profile
    seed: int
    source: str
    folder: Path = field(default_factory=Path)
    texts: str = ""

    def path(self, *parts: str) -> Path:
        """A path below the run's folder; its parent is made."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def rng(self, name: str):
        """A ``numpy`` Generator of this seed for one purpose: the same name repeats, another one differs."""
        import numpy as np

        from tracekd.records import sha256

        return np.random.default_rng(int(sha256(f"{self.seed}/{name}")[:16], 16))

    @property
    def student(self) -> str:
        """The student's name as it stands in artefacts."""
        return self.profile.student

    def source_of(self, dataset: str) -> str:
        """Where ``dataset`` comes from in this run: ``generated``, ``hub`` or a folder that has it."""
        from tracekd.problems import source_of

        return source_of(dataset, self.source)

    def label_of(self, dataset: str) -> str:
        """The data source of one set in words, for captions: ``GENERATED problems`` or which real ones."""
        from tracekd.problems import label_of

        return label_of(dataset, self.source)

    @property
    def source_label(self) -> str:
        """The data source in words, for captions: real or generated, by set where they differ."""
        from tracekd.problems import DATASETS, label_of

        labels = {dataset: label_of(dataset, self.source) for dataset in DATASETS}
        if len(set(labels.values())) == 1:
            return next(iter(labels.values()))
        return "; ".join(f"{dataset}: {label}" for dataset, label in labels.items())

    def save_figure(self, fig, name: str, **about: Any) -> None:
        """Save a figure as PDF and PNG with its data and a manifest row: see ``artefacts.save_figure``."""
        from tracekd.artefacts import save_figure

        save_figure(self, fig, name, **about)

    def save_table(self, frame, name: str, **about: Any) -> None:
        """Save a table as CSV, Markdown and LaTeX with a manifest row: see ``artefacts.save_table``."""
        from tracekd.artefacts import save_table

        save_table(self, frame, name, **about)

    def artefacts(self):
        """The manifest rows that this notebook has written, for its last section."""
        from tracekd.artefacts import manifest

        rows = manifest(self)
        return rows[rows.notebook == self.notebook][["id", "kind", "caption", "n", "student", "source"]]

    def say(self, text: str) -> None:
        """Show ``text`` as rendered Markdown in a notebook (and as plain text elsewhere)."""
        from IPython.display import Markdown, display

        display(Markdown(text))


def check_texts(path: str) -> str:
    """The absolute path of a file of a teacher's texts; "" for none.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not path:
        return ""
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"texts {path!r}: no such file; `python -m tracekd teacher FILE --go` writes one, and without it free-form "
            "traces are templated"
        )
    return str(Path(path).resolve())


def open_run(notebook: str, profile: str, seed: int = 121, data: str = "", texts: str = "") -> Run:
    """Open the run that a notebook works in, and print what a reader must know of it.

    Args:
        notebook: its name, such as ``04_evaluate``.
        profile: a name in ``profiles.toml``.
        seed: the first seed of the run; every random draw follows from it.
        data: ``generated``, ``hub``, a folder, or "" for ``TRACEKD_DATA`` where set, else the profile's own.
        texts: file of a teacher's free-form traces, or "" for ``TRACEKD_TEXTS`` where set, else the templated ones.

    Raises:
        ValueError: unknown profile, or a data source that is neither a known word nor a folder.
        FileNotFoundError: there is no file of that name: see ``check_texts``.
    """
    from tracekd.artefacts import opening
    from tracekd.problems import check_source

    settings = load(profile)
    if seed != settings.seeds[0]:
        # The replicates follow the first seed: 121, 122, 123 in the paper.
        settings = replace(settings, seeds=tuple(seed + i for i in range(len(settings.seeds))))
    source = check_source(data or os.environ.get("TRACEKD_DATA") or settings.data)
    runs = Path(os.environ.get("TRACEKD_RUNS") or ROOT / "runs")
    texts = check_texts(texts or os.environ.get("TRACEKD_TEXTS", ""))
    run = Run(notebook, settings, int(seed), source, runs / profile, texts)
    run.folder.mkdir(parents=True, exist_ok=True)
    print(opening(run))
    return run
