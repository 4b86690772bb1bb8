"""Command lines that name the nearest right word for a wrong one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from tracekd.profiles import nearest


class Parser(argparse.ArgumentParser):
    """An ``ArgumentParser`` with one example below its help, which answers an unknown option with the nearest one."""

    def __init__(self, command: str, description: str, example: str) -> None:
        """Begin the parser of ``python -m tracekd COMMAND``."""
        super().__init__(
            prog=f"python -m tracekd {command}",
            description=description.replace("``", ""),
            epilog=f"example:\n  python -m tracekd {command} {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def parse_args(self, args=None, namespace=None):
        """Parse; unknown words end the program with exit code 2 and the nearest right ones."""
        self._given = sys.argv[1:] if args is None else list(args)
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(f"not expected: {' '.join(unknown)}")
        return found

    def error(self, message: str) -> NoReturn:
        """Print usage and message, with the nearest option for each that is unknown, and exit with 2."""
        options = [name for action in self._actions for name in action.option_strings]
        words = [word.partition("=")[0] for word in self._given if word.startswith("-")]
        hints = [f"{word}: {nearest(word, options)}" for word in words if word not in options]
        super().error("; ".join([message, *hints, "--help shows an example"]))


def one_of(known: Iterable[str]) -> Callable[[str], str]:
    """A type for ``add_argument`` that takes the named values only."""
    known = tuple(known)

    def value(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"{text!r} is not known: {nearest(text, known)}")
        return text

    return value
