"""The argument parser of every command: one real example in ``--help``, exit code 2 and the nearest right name."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tracekd.config import names, nearest


class Parser(argparse.ArgumentParser):
    """``argparse`` with our manners: no abbreviations, one line for an error, and the nearest right name in it."""

    def __init__(self, prog: str, about: str | None = None, example: str = "", **options: Any):
        """Make the parser of ``python -m tracekd PROG``; ``example`` are command lines for the end of ``--help``."""
        prog = prog if prog.startswith("python") else f"python -m tracekd {prog}"
        epilog = "\n  ".join(["example:", *(line.strip() for line in example.strip().splitlines())])
        super().__init__(
            prog=prog, description=(about or "").replace("``", ""), epilog=epilog if example else None,
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options,
        )  # fmt: skip

    def error(self, message: str) -> NoReturn:
        """Exit 2 with one line, not the whole usage."""
        self.exit(2, f"{self.prog}: {message}\n(--help lists the options)\n")

    def parse_known_args(self, args: Sequence[str] | None = None, namespace=None):
        """Parse; what is left over is an error that names the nearest option."""
        found, extra = super().parse_known_args(args, namespace)
        if extra and extra[0] in names():
            self.error(f"{extra[0]!r} is in no place for a value: did you mean --profile {extra[0]}?")
        if extra:
            known = [option for action in self._actions for option in action.option_strings]
            self.error(f"no option or value {extra[0]!r} here: {nearest(extra[0].split('=')[0], known)}")
        return found, extra

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, f"no {value!r} here: {nearest(str(value), list(action.choices))}")


def each_of(known: Sequence[str]) -> Callable[[str], str]:
    """The type of an option whose comma-separated words are all in ``known``."""

    def checked(text: str) -> str:
        for word in text.split(","):
            if word not in known:
                raise argparse.ArgumentTypeError(f"no {word!r} here: {nearest(word, known)}")
        return text

    return checked


def count(text: str) -> int:
    """A whole number from 1, as the type of an option."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number, 1 or more")
    return int(text)


def path_or(*words: str) -> Callable[[str], str]:
    """The type of an option that takes a path that exists, or one of these words."""

    def checked(text: str) -> str:
        if text not in words and not Path(text).exists():
            known = f", and none of {', '.join(words)}" if words else ""
            raise argparse.ArgumentTypeError(f"{text!r}: no such file or folder{known}")
        return text

    return checked


def file_or_folder(text: str) -> Path:
    """A path that exists, as the type of an option."""
    return Path(path_or()(text))
