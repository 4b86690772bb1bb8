"""Whose free-form texts a run trains on, and on which problems: a teacher's, R1's beside the data, or the rules'."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tracekd.config import Profile
from tracekd.data.problem import Problem
from tracekd.data.problems import kept as kept_problems
from tracekd.data.problems import training_set
from tracekd.teacher import texts as teacher_texts
from tracekd.traces import freeform


def r1_folder(source: str) -> str:
    """The folder of DeepSeek-R1's texts beside ``cotempqa`` in a data folder; "" where there is none."""
    folder = Path(source) / "r1"
    return str(folder.resolve()) if folder.is_dir() and any(folder.iterdir()) else ""


def find_texts(given: str, profile: Profile, source: str) -> str:
    """The absolute path of a teacher's texts; "" for templated ones.

    Args:
        given: a file or folder, ``auto``, ``templated``, or "" for ``TRACEKD_TEXTS``, else the profile's.
            ``auto`` takes the folder ``r1`` beside ``cotempqa`` in the data folder where the profile trains on
            free-form traces, and templated ones where there is none.
        profile: the settings.
        source: the data source in effect.

    Raises:
        FileNotFoundError: there is no such file.
    """
    given = given or os.environ.get("TRACEKD_TEXTS", "") or profile.texts
    if given == "templated":
        return ""
    if given == "auto":
        takes = any(map(freeform.takes_texts, profile.conditions_of("cotempqa")))
        return r1_folder(source) if takes else ""
    if not Path(given).exists():
        raise FileNotFoundError(
            f"texts {given!r}: no such file; `python -m tracekd teacher FILE --go` writes one; --texts templated takes "
            "those that rules write"
        )
    return str(Path(given).resolve())


def texts_of(run, dataset: str, problems: Sequence[Problem]) -> teacher_texts.Found | None:
    """A teacher's texts on a data set that the run trains free-form traces on, else None; says what was found.

    Raises:
        ValueError: none of the texts is on a training problem, or see ``texts.read``.
    """
    if not (run.texts and any(map(freeform.takes_texts, run.profile.conditions_of(dataset)))):
        return None
    found = teacher_texts.read(run.texts, problems)
    train, test = (sum(p.split == split for p in problems) for split in ("train", "test"))
    have = covered(found, problems)
    if not have:
        why = f"; {found.left_out[0]}" if found.left_out else ""
        raise ValueError(
            f"{run.texts} has no text on any of the {train} training problems of {dataset}: ask the teacher for "
            f"these problems, or leave the file out{why}"
        )
    asked = len(found.texts) - len(have)
    left = f"; {asked} of them are among the {test} test problems and are not trained on" if asked else ""
    print(f"{dataset}: {found.summary()}{left}; the other training problems are left out in every condition")
    return found


def free_form_examples(run, dataset: str, stand_ins: Sequence[Problem]) -> tuple[list[Problem], list, str]:
    """Problems of a data set that have free-form texts, their texts, and in words whose both are.

    The texts are the run's, or R1's beside its data where it trains on none; where there are neither, rules write them
    for the generated problems ``stand_ins``.
    """
    if path := run.texts or (r1_folder(run.source) if dataset in run.datasets else ""):
        problems = kept_problems(run)[dataset]
        found = teacher_texts.read(path, problems)
        if have := covered(found, problems):
            wrote = " and ".join(sorted({text.teacher for text in found.texts}))
            return have, found.texts, f"{run.label_of(dataset)}, traces by {wrote}"
    texts = freeform.from_rules(stand_ins, run.seed)
    have = {text.id for text in texts}
    return [p for p in stand_ins if p.id in have], texts, "GENERATED problems, TEMPLATED traces"


def covered(found: teacher_texts.Found, problems: Sequence[Problem]) -> list[Problem]:
    """The training problems that have texts: those of ``problems``, then those that the texts' rows add."""
    have = {text.id for text in found.texts}
    return [p for p in (*problems, *found.added) if p.split == "train" and p.id in have]


def training_problems(
    run, dataset: str, problems: Sequence[Problem], found: teacher_texts.Found | None = None
) -> list[Problem]:
    """The training problems of a run: the profile's number; with a teacher's texts, of those that have one.

    A teacher's traces are kept where it was right, on the easier problems perhaps. All conditions of a data set with
    free-form ones are trained on the same problems, so that they differ in the trace alone. ``found`` is of
    ``texts_of``, which is called where it is not given.
    """
    found = found or texts_of(run, dataset, problems)
    return training_set(run, dataset, covered(found, problems) if found else list(problems))
