"""The rating survey as one page that needs no server: who sees which trace of which problem when.

Each participant sees every trace type, each on another problem. jsPsych comes from npm, checked against pinned hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tracekd.study.ratings import TRACE_TYPES, latin_square, questionnaire

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


def sequences(problems: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Orders of (problem, trace type), one list per sequence; participants are spread over the sequences.

    The trace types follow a Williams square in each block of four pages; the problems shift by one from one group of
    four sequences to the next, so that over all 16 sequences each problem meets each trace type, and comes at each
    place of its block, equally often.

    Raises:
        ValueError: the number of problems is no multiple of four.
    """
    k = len(TRACE_TYPES)
    if not problems or len(problems) % k:
        raise ValueError(f"{len(problems)} problems: {k} trace types need {k}, {2 * k}, {3 * k}, ... problems")
    blocks = [problems[start : start + k] for start in range(0, len(problems), k)]
    return [
        [(block[(j + shift) % k], TRACE_TYPES[c]) for block in blocks for j, c in enumerate(row)]
        for shift in range(k)
        for row in latin_square(k)
    ]


def plan(shown: Sequence[dict], post: str = "") -> dict:
    """Everything the page needs, as one JSON object.

    Args:
        shown: each problem with each trace type: problem, trace_type, context, question, trace, answer, source (of the
            trace) and data (of the problem).
        post: address that finished answers are sent to; "" for download only.

    Raises:
        ValueError: the address is none, or the problems do not fit (see ``sequences``).
    """
    if post and not post.startswith(("https://", "http://")):
        raise ValueError(f"post address {post!r} must begin with https:// (or http:// for a trial)")
    keys = [(s["problem"], s["trace_type"]) for s in shown]
    orders = sequences(list(dict.fromkeys(problem for problem, _ in keys)))
    made = {"post": post, "questionnaire": questionnaire(), "shown": list(shown)}
    made["sequences"] = [[keys.index(key) for key in order] for order in orders]
    # Answers stored in a browser belong to this very plan: another one starts afresh.
    made["version"] = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:8]
    return made


def page(the_plan: dict, scripts: Sequence[str], licences: str) -> str:
    """The finished page: ``survey.html`` with the plan, the scripts and their licences put in."""
    # In JSON, < may be written \u003c, so that no text of a trace can end the element or start another.
    content = json.dumps(the_plan, ensure_ascii=False).replace("<", "\\u003c")
    html = Path(__file__).with_name("survey.html").read_text(encoding="utf-8")
    for mark, text in {
        "<!--LICENCES-->": "<!--\n" + licences.replace("--", "- -") + "\n-->",
        "<!--SCRIPTS-->": "\n".join(f"<script>\n{script}\n</script>" for script in scripts),
        "<!--PLAN-->": f'<script type="application/json" id="plan">{content}</script>',
        "<!--TITLE-->": the_plan["questionnaire"]["study"]["title"],
    }.items():
        html = html.replace(mark, text, 1)
    return html


def check(archive: bytes, name: str, integrity: str) -> None:
    """Compare an archive with its pinned hash; ValueError where they differ."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != integrity:
        raise ValueError(f"{name}: the archive's hash is {found[:24]}..., expected {integrity[:24]}...: it is not used")


def fetch() -> tuple[list[str], str]:
    """Fetch, check and unpack the packages in temporary folders.

    Returns:
        Their browser scripts, in order, and one text with their copyrights (the licence's text is in ``survey.html``).

    Raises:
        FileNotFoundError: npm is missing or its registry does not answer.
        ValueError: an archive is not the pinned one.
    """
    scripts, notices = [], []
    for name, version, integrity in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            command = ["npm", "pack", f"{name}@{version}", "--ignore-scripts"]
            try:
                subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=True)
            except (OSError, subprocess.SubprocessError) as error:
                reason = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
                message = f"npm could not fetch {name}@{version} ({reason}): build the page where Node.js and npm work"
                raise FileNotFoundError(message) from None
            archive = next(Path(folder).glob("*.tgz"))
            check(archive.read_bytes(), name, integrity)
            with tarfile.open(archive) as tar:
                script = tar.extractfile("package/dist/index.browser.min.js").read().decode()
                author = json.loads(tar.extractfile("package/package.json").read()).get("author")
        # The maps are not inlined; without this line browsers ask the network for them.
        scripts.append("\n".join(line for line in script.splitlines() if not line.startswith("//# sourceMappingURL")))
        author = author["name"] if isinstance(author, dict) else author
        notices.append(f"{name} {version}, MIT licence, copyright (c) {author} and the jsPsych contributors")
    return scripts, "\n".join(notices)
