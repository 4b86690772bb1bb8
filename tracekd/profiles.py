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
LEAVE_OUT = "TRACEKD_LEAVE_OUT"  # variable that replaces leave_out of every recipe


@dataclass(frozen=True)
class Recipe:
    """How a student is trained and asked.

    Attributes:
        epochs: passes over the training problems.
        learning_rate: peak, after a warm-up over ``warmup`` of the steps; then a cosine down to 0.
        batch, accumulation: an update learns from ``batch`` x ``accumulation`` examples, over all devices together.
        max_tokens: longest example; a problem with a longer one is left out of every condition and counted, an example
            is never cut (``as_published``: cut, and counted).
        leave_out: largest share of a data set's problems that may be left out as too long; beyond it the run stops.
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
    leave_out: float = 0.02

    def __post_init__(self):
        """Refuse what no training can mean."""
        if not 0 <= self.leave_out <= 1:
            raise ValueError(f"leave_out {self.leave_out!r} of a recipe: expected a share from 0 to 1, such as 0.02")
        if self.habits not in HABITS:
            raise ValueError(f"habits {self.habits!r} of a recipe: {nearest(self.habits, HABITS)}")


@dataclass(frozen=True)
class Profile:
    """One entry of ``profiles.toml``; sizes are numbers of problems, or ``"all"``.

    ``train``, ``test`` and ``interventions`` give sizes by data set: training problems, test problems that are answered
    (notebook 04), and how many of these, from the first on, are answered again after given traces (notebook 07). Of a
    data set not named, all is used. ``conditions`` are trained on every data set; ``also`` names further ones by data
    set, such as the free-form traces of CoTempQA. ``marco`` holds settings of real MS MARCO: ``test_share`` and
    ``evidence`` of ``load_marco.problems_of``. ``datasets`` are those that the profile runs on, all where none is
    named. ``live`` names the data sets whose students are trained, answer and are scored, where that is not all; of the
    others the sets are built and shown, and their results are the recorded ones. ``untrained`` are the conditions in
    which the student is asked as it is: see ``few_shot.UNTRAINED``. ``epochs_of`` gives conditions passes of their own,
    in place of the recipe's. ``texts`` says where free-form traces come from: see ``run_texts.find_texts``.
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
    marco: dict[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()
    untrained: tuple[str, ...] = ("prompted",)
    epochs_of: dict[str, float] = field(default_factory=dict)
    texts: str = "auto"
    live: tuple[str, ...] = ()

    def conditions_of(self, dataset: str) -> tuple[str, ...]:
        """The training conditions of one data set: ``conditions``, and what ``also`` adds for it."""
        return (*self.conditions, *self.also.get(dataset, ()))

    def recipe_of(self, condition: str) -> Recipe:
        """The recipe that a condition is trained with."""
        return replace(self.recipe, epochs=self.epochs_of.get(condition, self.recipe.epochs))

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
    entry["datasets"] = tuple(entry.get("datasets", ()))
    entry["untrained"] = tuple(entry.get("untrained", ("prompted",)))
    entry["live"] = tuple(entry.get("live", ()))
    entry["also"] = {dataset: tuple(names) for dataset, names in entry.get("also", {}).items()}
    if os.environ.get(LEAVE_OUT):
        own["leave_out"] = _share(os.environ[LEAVE_OUT], LEAVE_OUT)
    return Profile(name=name, recipe=Recipe(**own), **entry)


def _share(text: str, name: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{name} {text!r}: expected a share from 0 to 1, such as 0.1")
    return share


def set_leave_out(share: str | None) -> None:
    """Let every profile of this process, and of notebooks that it runs, leave out up to ``share`` of too long problems.

    Raises:
        ValueError: not a number from 0 to 1.
    """
    if share is not None:
        os.environ[LEAVE_OUT] = str(_share(share, "--leave-out"))


@dataclass
class Run:
    """A profile with its seed, data source and folder: what every notebook works with.

    Everything is written below ``folder``; ``figures/`` in it has the shape of the repository's ``figures/``.
    ``texts`` is a file or folder of a teacher's texts (see ``teacher_texts.read``), "" for the templated ones.
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
    def datasets(self) -> tuple[str, ...]:
        """The data sets that this run works with: those of its source, or those of them that the profile names.

        Raises:
            ValueError: the profile names none of the source's.
        """
        from tracekd.problems import datasets_of

        here, named = datasets_of(self.source), self.profile.datasets
        if named and not set(here) & set(named):
            raise ValueError(
                f"profile {self.profile.name!r} runs on {', '.join(named)}, and the data source has {', '.join(here)}"
            )
        return tuple(d for d in here if not named or d in named)

    @property
    def live(self) -> tuple[str, ...]:
        """The data sets of this run whose students are trained and asked."""
        return self.profile.live_of(self.datasets)

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
        from tracekd.problems import label_of

        labels = {dataset: label_of(dataset, self.source) for dataset in self.datasets}
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


def with_test_share(profile: Profile) -> Profile:
    """The profile with the share of MS MARCO's test problems that ``TRACEKD_TEST_SHARE`` gives, where it is set.

    Raises:
        ValueError: the variable is no number between 0 and 1.
    """
    if not (share := os.environ.get("TRACEKD_TEST_SHARE")):
        return profile
    from tracekd.load_marco import check_share

    return replace(profile, marco={**profile.marco, "test_share": check_share(share)})


def open_run(notebook: str, profile: str, seed: int = 121, data: str = "", texts: str = "") -> Run:
    """Open the run that a notebook works in, and print what a reader must know of it.

    Args:
        notebook: its name, such as ``04_evaluate``.
        profile: a name in ``profiles.toml``.
        seed: the first seed of the run; every random draw follows from it.
        data: ``auto``, ``generated``, ``hub``, a folder, or "" for ``TRACEKD_DATA`` where set, else the profile's own;
            ``auto`` is decided once for the run's folder.
        texts: see ``run_texts.find_texts``.

    Raises:
        ValueError: unknown profile, or a data source that is neither a known word nor a folder.
        FileNotFoundError: there is no file of that name: see ``run_texts.find_texts``.
    """
    from tracekd.artefacts import opening
    from tracekd.hub import settle
    from tracekd.problems import check_source
    from tracekd.run_texts import find_texts

    settings = with_test_share(load(profile))
    if seed != settings.seeds[0]:
        # The replicates follow the first seed: 121, 122, 123 in the paper.
        settings = replace(settings, seeds=tuple(seed + i for i in range(len(settings.seeds))))
    runs = Path(os.environ.get("TRACEKD_RUNS") or ROOT / "runs")
    source = check_source(settle(data or os.environ.get("TRACEKD_DATA") or settings.data, runs / profile))
    texts = find_texts(texts, settings, source)
    run = Run(notebook, settings, int(seed), source, runs / profile, texts)
    run.folder.mkdir(parents=True, exist_ok=True)
    print(opening(run))
    return run
