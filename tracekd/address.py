"""The repository's address stands once, in pyproject.toml; this carries it to the places that must spell it out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tracekd.command_line import Parser
from tracekd.profiles import ROOT
from tracekd.records import replacing

PATTERN = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")


def address(root: Path = ROOT) -> str:
    """The address in pyproject.toml's ``[project.urls]``, such as ``https://github.com/OWNER/NAME``."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def places(root: Path = ROOT) -> list[Path]:
    """The files that spell the address out: README, citation and notebooks, those of them that exist."""
    named = [root / "README.md", root / "CITATION.cff"]
    return [path for path in [*named, *sorted((root / "notebooks").glob("*.ipynb"))] if path.exists()]


def spelt(text: str, url: str) -> str:
    """``text`` with ``url`` in each Colab badge, ``git clone`` and the lines that enter it, and ``repository-code``.

    Raises:
        ValueError: ``url`` is no address of a GitHub repository, which Colab's badge needs.
    """
    match = PATTERN.fullmatch(url)
    if not match:
        raise ValueError(f"address {url!r}: expected https://github.com/OWNER/NAME, which Colab's badge can open")
    owner, name = match.groups()
    url = f"https://github.com/{owner}/{name}"
    text = re.sub(r"(colab\.research\.google\.com/github)/[\w.-]+/[\w.-]+/", rf"\1/{owner}/{name}/", text)
    text = re.sub(r"(git clone (?:-q )?)https?://[\w./-]+", rf"\1{url}", text)
    text = re.sub(r"(repository-code: \")[^\"]*", rf"\1{url}", text)
    text = re.sub(r"(pip install -q -e )[\w.-]+", rf"\1{name}", text)
    return re.sub(r"(%cd )[\w.-]+(/notebooks)", rf"\1{name}\2", text)


def differing(root: Path = ROOT) -> list[Path]:
    """The files in which some address is not the one in pyproject.toml."""
    url = address(root)
    texts = {path: path.read_text(encoding="utf-8") for path in places(root)}
    return [path for path, text in texts.items() if spelt(text, url) != text]


def carry(root: Path = ROOT) -> list[Path]:
    """Write the address into every place; return the files that changed."""
    url, changed = address(root), differing(root)
    for path in changed:
        text = spelt(path.read_text(encoding="utf-8"), url)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return changed


def main(argv: list[str]) -> int:
    """Set the address in pyproject.toml where one is given, then carry it everywhere."""
    parser = Parser("address", __doc__, "python -m tracekd address https://github.com/OWNER/NAME")
    parser.add_argument("url", nargs="?", help="new address, https://github.com/OWNER/NAME; default: pyproject.toml's")
    args = parser.parse_args(argv)
    if args.url:
        spelt("", args.url)
        path = ROOT / "pyproject.toml"
        text = re.sub(r"(?m)^(Repository = \")[^\"]*", rf"\g<1>{args.url}", path.read_text(encoding="utf-8"))
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    changed = carry()
    print(f"address: {address()}")
    print("\n".join(f"changed: {path.relative_to(ROOT)}" for path in changed) or "every place agrees already")
    return 0
