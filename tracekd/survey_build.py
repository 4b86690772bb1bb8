"""jsPsych for the survey page: fetched from npm, checked against pinned hashes, never kept in the repository."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """An npm package pinned by version and by the registry's own sha512 of its archive."""

    name: str
    version: str
    integrity: str
    script: str = "package/dist/index.browser.min.js"


PACKAGES = (
    Package(
        "jspsych", "8.3.0",
        "sha512-UrwSVG14v8oRX6WFQ1L6uuGT0G7KgRDSH48iKIVIQI+yMRGAlvg+tEUNFKe/1xZxgk3kZiZ5xP0AnpPqPj1zkg==",
    ),
    Package(
        "@jspsych/plugin-survey-html-form", "2.1.0",
        "sha512-jM9xSaojD7+xqL7yVjn7FUmboH3QAFBAaNOLBSUNJNQpGaJmGRtjrmlPggLp24Bnjd/jkjnThFj+z88Mgr67gQ==",
    ),
)  # fmt: skip
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
# The archives name their licence (MIT) and author but do not carry its text; this is the project's own text.
MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


def check(archive: bytes, package: Package) -> None:
    """Compare an archive with its pinned hash.

    Raises:
        ValueError: they differ.
    """
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != package.integrity:
        raise ValueError(
            f"{package.name} {package.version}: the archive's hash is {found[:24]}..., expected "
            f"{package.integrity[:24]}...; it is not the file that was pinned, so it is not used"
        )


def _pack(package: Package, folder: Path) -> bytes:
    command = ["npm", "pack", f"{package.name}@{package.version}", "--json", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(
            f"npm could not fetch {package.name}@{package.version}: {reason}\nThe survey's build step needs npm and "
            "its registry once; on a machine without them, build the page elsewhere and copy the one HTML file."
        )
    return archives[0].read_bytes()


def picture(page: Path, output: Path, preview: int, width: int, height: int, top: int = 0) -> None:
    """Photograph one page of a finished survey with headless Chromium, nothing being kept in it.

    Args:
        page: the survey's HTML file.
        output: PNG file to write; 64 colours, to keep it small.
        preview: 0 for the consent page, from 1 the page with that trace, beyond the last one the end page.
        width: of the window, in CSS pixels (390: a phone).
        height: of the window; the page is cut off below its last ink.
        top: pixels cut off above.

    Raises:
        RuntimeError: Chromium is missing or made no picture.
    """
    from PIL import Image, ImageChops

    program = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        raise RuntimeError(f"no browser for pictures: install one of {', '.join(CHROMIUM)}")
    # Headless Chromium does not go below 500 pixels: a narrow page is photographed in a frame of its width.
    with tempfile.TemporaryDirectory() as folder:
        shot, frame = Path(folder) / "shot.png", Path(folder) / "frame.html"
        address = f"{page.resolve().as_uri()}?preview={preview}"
        frame.write_text(
            f'<body style="margin:0"><iframe src="{address}" style="border:0" width={width} height={height}>'
        )
        window = max(width, 500)
        command = [program, *CHROMIUM_FLAGS, f"--user-data-dir={folder}/profile", f"--screenshot={shot}"]
        command += [f"--window-size={window},{height}", "--virtual-time-budget=4000", frame.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if not shot.is_file():
            raise RuntimeError(f"{program} made no picture: {done.stderr.strip()[-200:]}")
        image = Image.open(shot).convert("RGB").crop((0, 0, width, height))
        ink = ImageChops.invert(image).getbbox()
        image.crop((0, top, width, min(height, ink[3] + 30))).quantize(64).save(output, optimize=True)


def fetch() -> tuple[list[str], str]:
    """Fetch, check and unpack the packages in a temporary folder.

    Returns:
        Their browser scripts, in order, and one text with their licences.

    Raises:
        RuntimeError: npm is missing or its registry does not answer.
        ValueError: an archive is not the pinned one, or not under the MIT licence.
    """
    if shutil.which("npm") is None:
        raise RuntimeError("npm is not on this machine: install Node.js (it brings npm), or build the page elsewhere")
    scripts, notices = [], []
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            archive = _pack(package, Path(folder))
            check(archive, package)
            (path := Path(folder) / "checked.tgz").write_bytes(archive)
            with tarfile.open(path) as tar:
                script = tar.extractfile(package.script).read().decode()
                about = json.loads(tar.extractfile("package/package.json").read())
        if about.get("license") != "MIT":
            raise ValueError(f"{package.name} {package.version}: licence {about.get('license')!r}, expected MIT")
        # The maps are not inlined; without this line browsers ask the network for them.
        scripts.append("\n".join(line for line in script.splitlines() if not line.startswith("//# sourceMappingURL")))
        author = about.get("author")
        author = author.get("name") if isinstance(author, dict) else author
        notices.append(
            f"{package.name} {package.version}, MIT licence, copyright (c) {author} and the jsPsych contributors"
        )
    return scripts, "\n".join(notices) + "\n\n" + MIT
