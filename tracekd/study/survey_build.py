"""What the survey page takes from outside: jsPsych from npm, checked against pinned hashes, and Chromium's pictures."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

# Packages, versions and the registry's own sha512 of their archives.
PACKAGES = (
    (
        "jspsych", "8.3.0",
        "sha512-UrwSVG14v8oRX6WFQ1L6uuGT0G7KgRDSH48iKIVIQI+yMRGAlvg+tEUNFKe/1xZxgk3kZiZ5xP0AnpPqPj1zkg==",
    ),
    (
        "@jspsych/plugin-survey-html-form", "2.1.0",
        "sha512-jM9xSaojD7+xqL7yVjn7FUmboH3QAFBAaNOLBSUNJNQpGaJmGRtjrmlPggLp24Bnjd/jkjnThFj+z88Mgr67gQ==",
    ),
)  # fmt: skip
SCRIPT = "package/dist/index.browser.min.js"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def check(archive: bytes, name: str, integrity: str) -> None:
    """Compare an archive with its pinned hash.

    Raises:
        ValueError: they differ.
    """
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != integrity:
        raise ValueError(f"{name}: the archive's hash is {found[:24]}..., expected {integrity[:24]}...: it is not used")


def fetch() -> tuple[list[str], str]:
    """Fetch, check and unpack the packages in temporary folders.

    Returns:
        Their browser scripts, in order, and one text with their copyrights (the licence's text is in ``survey.html``).

    Raises:
        RuntimeError: npm is missing or its registry does not answer.
        ValueError: an archive is not the pinned one, or not under the MIT licence.
    """
    if shutil.which("npm") is None:
        raise RuntimeError("npm is not on this machine: install Node.js (it brings npm), or build the page elsewhere")
    scripts, notices = [], []
    for name, version, integrity in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            command = ["npm", "pack", f"{name}@{version}", "--json", "--ignore-scripts"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
            archives = list(Path(folder).glob("*.tgz"))
            if done.returncode or len(archives) != 1:
                reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise RuntimeError(f"npm could not fetch {name}@{version}: {reason}: build the page where npm works")
            check(archives[0].read_bytes(), f"{name} {version}", integrity)
            with tarfile.open(archives[0]) as tar:
                script = tar.extractfile(SCRIPT).read().decode()
                about = json.loads(tar.extractfile("package/package.json").read())
        if about.get("license") != "MIT":
            raise ValueError(f"{name} {version}: licence {about.get('license')!r}, expected MIT")
        # The maps are not inlined; without this line browsers ask the network for them.
        scripts.append("\n".join(line for line in script.splitlines() if not line.startswith("//# sourceMappingURL")))
        author = about["author"]["name"] if isinstance(about.get("author"), dict) else about.get("author")
        notices.append(f"{name} {version}, MIT licence, copyright (c) {author} and the jsPsych contributors")
    return scripts, "\n".join(notices)


def picture(page: Path, output: Path, preview: int, width: int, height: int, top: int = 0) -> None:
    """Photograph one page of a finished survey with headless Chromium; nothing is stored in the page.

    Args:
        page: the survey's HTML file.
        output: PNG file to write; 64 colours, to be small.
        preview: 0 for the consent page, from 1 the page with that trace, beyond the last one the end page.
        width: of the window, in CSS pixels (390: a phone).
        height: of the window; the picture ends below the page's last ink.
        top: pixels cut off above.

    Raises:
        RuntimeError: Chromium is missing or made no picture.
    """
    from PIL import Image, ImageChops

    program = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        raise RuntimeError(f"no browser for pictures: install one of {', '.join(CHROMIUM)}")
    with tempfile.TemporaryDirectory() as folder:
        shot, frame = Path(folder) / "shot.png", Path(folder) / "frame.html"
        # Headless Chromium does not go below 500 pixels: a narrow page is photographed in a frame of its width.
        address = f'src="{page.resolve().as_uri()}?preview={preview}" width={width} height={height}'
        frame.write_text(f'<body style="margin:0"><iframe {address} style="border:0"></iframe>')
        command = [program, *CHROMIUM_FLAGS, f"--user-data-dir={folder}/profile", f"--screenshot={shot}"]
        command += [f"--window-size={max(width, 500)},{height}", "--virtual-time-budget=4000", frame.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if not shot.is_file():
            raise RuntimeError(f"{program} made no picture: {done.stderr.strip()[-200:]}")
        image = Image.open(shot).convert("RGB").crop((0, 0, width, height))
        bottom = min(height, ImageChops.invert(image).getbbox()[3] + 30)
        image.crop((0, top, width, bottom)).quantize(64).save(output, optimize=True)
