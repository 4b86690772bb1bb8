"""The run that a notebook or command works in: a profile with its seed, data source and folder."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tracekd import machine
from tracekd.config import ROOT, Profile, load
from tracekd.data import problems
from tracekd.data.hub import settle
from tracekd.io.records import sha256
from tracekd.teacher.run_texts import find_texts


@dataclass
class Run:
    """A profile with its seed, data source and folder, below which all is written; a teacher's texts, "" for none."""

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

    def rng(self, name: str) -> np.random.Generator:
        """A Generator of this seed for one purpose: the same name repeats, another one differs."""
        return np.random.default_rng(int(sha256(f"{self.seed}/{name}")[:16], 16))

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets of the source, or those of them that the profile names; ValueError where it names none."""
        found, named = problems.datasets_of(self.source), self.profile.datasets
        if named and not set(found) & set(named):
            raise ValueError(
                f"profile {self.profile.name!r} runs on {', '.join(named)}, and the data source has {', '.join(found)}"
            )
        return tuple(d for d in found if not named or d in named)

    @property
    def live(self) -> tuple[str, ...]:
        """The data sets of this run whose students are trained and asked; a reader's own set always is."""
        return tuple(d for d in self.datasets if d in self.profile.live) or self.datasets

    @property
    def student(self) -> str:
        """The student's name in artefacts."""
        return self.profile.student

    def label_of(self, dataset: str) -> str:
        """The data source of one set in words, for captions: ``GENERATED problems`` or which real ones."""
        return problems.label_of(dataset, self.source)

    @property
    def source_label(self) -> str:
        """The data source in words, for captions: real or generated, by set where they differ."""
        labels = {dataset: self.label_of(dataset) for dataset in self.datasets}
        return labels.popitem()[1] if len(set(labels.values())) == 1 else "; ".join(map(": ".join, labels.items()))


def open_run(notebook: str, profile: str, seed: int = 121, data: str = "", texts: str = "", kind=Run) -> Run:
    """Open the run that a notebook (``04_evaluate``) or command works in, and print what a reader must know of it.

    ``profile`` is a name in ``profiles.toml``; every random draw follows from ``seed``; ``data`` is ``auto`` (decided
    once for the run's folder), ``generated``, ``hub``, a folder, or "" for ``TRACEKD_DATA``, else the profile's own;
    ``texts``: see ``run_texts.find_texts``; ``kind``: the class, ``Run`` for commands, see ``notebook_run``.

    ValueError: unknown profile, or a data source that is no known word or folder. FileNotFoundError: no such texts.
    """
    settings = load(profile)
    if seed not in (121, settings.seeds[0]):  # the default keeps the profile's; replicates follow another first seed
        settings = replace(settings, seeds=tuple(seed + i for i in range(len(settings.seeds))))
    folder = Path(os.environ.get("TRACEKD_RUNS") or ROOT / "runs") / profile
    source = problems.check_source(settle(data or os.environ.get("TRACEKD_DATA") or settings.data, folder))
    run = kind(notebook, settings, int(seed), source, folder, find_texts(texts, settings, source))
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "profile": f"{profile}: {settings.about}", "its student": run.student, "its data": run.source_label,
        "seed": seed, "hardware": machine.hardware(),
        "traces": run.texts and f"free-form ones as in {'/'.join(Path(run.texts).parts[-2:])}",
        "versions": machine.versions(), "commit": machine.commit(),
    }  # fmt: skip
    print("\n".join(f"{name:<11} {words}" for name, words in about.items() if words != ""))
    return run
