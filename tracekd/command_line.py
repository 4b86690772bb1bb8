"""The argument parser of every command: one real example in ``--help``, exit code 2 and the nearest right name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tracekd.config import load, names, nearest


class Parser(argparse.ArgumentParser):
    """``argparse`` with our manners: no abbreviations, one line for an error, and the nearest right name in it."""

    def __init__(self, prog: str, about: str | None = None, example: str = "", **options: Any):
        """Make the parser of ``python -m tracekd PROG``; ``example`` are command lines for the end of ``--help``."""
        prog = prog if prog.startswith("python") else f"python -m tracekd {prog}"
        epilog = "example:\n" + "\n".join(f"  {line.strip()}" for line in example.strip().splitlines())
        super().__init__(
            prog=prog, description=(about or "").replace("``", ""), epilog=epilog if example else None,
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options,
        )  # fmt: skip

    def error(self, message: str) -> NoReturn:
        """Exit 2 with one line, not the whole usage."""
        self.exit(2, f"{self.prog}: {message}\n(--help lists the options)\n")

    def parse_args(self, args: Sequence[str] | None = None, namespace=None) -> argparse.Namespace:
        """Parse; an unknown option or a value in the wrong place is an error that names the right one."""
        args = list(sys.argv[1:] if args is None else args)
        known = {option for action in self._every_action() for option in action.option_strings}
        # Said before what is missing: a misspelt option is why it is missing.
        for word in (word.split("=")[0] for word in args if word.startswith("--") and word != "--"):
            if word not in known:
                self.error(self._misplaced(word))
        found, extra = self.parse_known_args(args, namespace)
        if extra:
            self.error(self._misplaced(extra[0]))
        return found

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, f"no {value!r} here: {nearest(str(value), list(action.choices))}")

    def _every_action(self) -> Iterator[argparse.Action]:
        for action in self._actions:
            yield action
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    yield from parser._every_action()

    def _misplaced(self, given: str) -> str:
        actions = [action for action in self._every_action() if action.option_strings]
        if given.startswith("-"):
            known = [option for action in actions for option in action.option_strings]
            return f"no option {given!r}: {nearest(given.split('=')[0], known)}"
        hint = f"did you mean --profile {given}?" if given in names() else "values follow an option"
        return f"{given!r} is in no place for a value: {hint}"


def profile_name(text: str) -> str:
    """A profile's name, as the type of an option."""
    try:
        load(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def each_of(known: Sequence[str]) -> Callable[[str], str]:
    """The type of an option whose comma-separated words are all in ``known``."""

    def checked(text: str) -> str:
        for word in text.split(","):
            if word not in known:
                raise argparse.ArgumentTypeError(f"no {word!r} here: {nearest(word, list(known))}")
        return text

    return checked


def file_or_folder(text: str) -> Path:
    """A path that exists, as the type of an option."""
    if not Path(text).exists():
        raise argparse.ArgumentTypeError(f"{text!r}: no such file or folder")
    return Path(text)


def failed(message: str, code: int) -> int:
    """Print one message for a failed command and return its exit code: 2 for bad input, 1 for other failures."""
    print(f"tracekd: {message}\n(TRACEKD_DEBUG=1 shows where this comes from)", file=sys.stderr)
    return code
