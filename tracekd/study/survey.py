"""``python -m tracekd survey build``: the rating survey as one page that needs no server.

Each participant sees every trace type, each on another problem. jsPsych comes from npm, checked against pinned hashes.
"""

import argparse
import base64
import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np

from tracekd.command_line import Parser, file_or_folder
from tracekd.data.problem import Problem
from tracekd.data.problems import check_source, load, source_of
from tracekd.io.records import replacing
from tracekd.study.ratings import TRACE_TYPES, latin_square, questionnaire
from tracekd.teacher import run_texts
from tracekd.traces import freeform, templates

# Packages with their versions, and the registry's own sha512 of their archives.
PACKAGES = {
    "jspsych@8.3.0": "UrwSVG14v8oRX6WFQ1L6uuGT0G7KgRDSH48iKIVIQI+yMRGAlvg+tEUNFKe/1xZxgk3kZiZ5xP0AnpPqPj1zkg==",
    "@jspsych/plugin-survey-html-form@2.1.0": (
        "jM9xSaojD7+xqL7yVjn7FUmboH3QAFBAaNOLBSUNJNQpGaJmGRtjrmlPggLp24Bnjd/jkjnThFj+z88Mgr67gQ=="
    ),
}
SEED = 121  # of the generated problems, and of the choice among problems
BUILD = "python -m tracekd survey build --data ../shared/data --output survey.html"


def sequences(problems: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Orders of (problem, trace type), one list per sequence, of four problems: 16, in which all pairs are balanced.

    The trace types follow a Williams square; the problems shift by one from one group of four sequences to the next.
    """
    k, kinds = len(TRACE_TYPES), np.array(TRACE_TYPES)[latin_square(len(TRACE_TYPES))].tolist()
    return [[(problems[(i + by) % k], kind) for i, kind in enumerate(row)] for by in range(k) for row in kinds]


def plan(shown: Sequence[dict], post: str = "") -> dict:
    """Everything the page needs, as one JSON object, from ``pages`` of each problem.

    ``post`` is the address that finished answers are sent to, "" for download only; ValueError where it is none.
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
        "LICENCES": "<!--\n" + licences.replace("--", "- -") + "\n-->",
        "SCRIPTS": "\n".join(f"<script>\n{script}\n</script>" for script in scripts),
        "PLAN": f'<script type="application/json" id="plan">{content}</script>',
        "TITLE": the_plan["questionnaire"]["study"]["title"],
    }.items():
        html = html.replace(f"<!--{mark}-->", text, 1)
    return html


def unpacked(package: str, archive: Path) -> tuple[str, str]:
    """The browser script of a package's archive and a line with its copyright; ValueError where its hash is another."""
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != PACKAGES[package]:
        raise ValueError(f"{package}: the archive's hash is {found[:16]}..., expected {PACKAGES[package][:16]}...")
    with tarfile.open(archive) as tar:
        script = tar.extractfile("package/dist/index.browser.min.js").read().decode()
        author = json.loads(tar.extractfile("package/package.json").read()).get("author")
    # The maps are not inlined; without this line browsers ask the network for them.
    script = "\n".join(line for line in script.splitlines() if not line.startswith("//# sourceMappingURL"))
    author = author["name"] if isinstance(author, dict) else author
    return script, f"{package}, MIT licence, copyright (c) {author} and the jsPsych contributors"


def fetch() -> tuple[list[str], str]:
    """Fetch, check and unpack the packages: their browser scripts in order, and a text with their copyrights.

    FileNotFoundError where npm is missing or its registry does not answer.
    """
    found = []
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            command = ["npm", "pack", package, "--ignore-scripts"]
            try:
                subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=True)
            except (OSError, subprocess.SubprocessError) as error:
                reason = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
                message = f"npm could not fetch {package} ({reason}): build the page where Node.js and npm work"
                raise FileNotFoundError(message) from None
            found.append(unpacked(package, next(Path(folder).glob("*.tgz"))))
    return [script for script, _ in found], "\n".join(notice for _, notice in found)


def pages(problem: Problem, data: str, given: freeform.Texts | None) -> list[dict]:
    """The four traces of a problem as pages: ``correct`` by rules, the others a teacher's, else templated; or none."""
    traces = {"correct": (templates.build(problem, "correct").text, "rules")}
    for texts in filter(None, (given, *freeform.from_rules([problem], SEED))):
        for kind, name in freeform.CONDITIONS.items():
            if text := getattr(texts, name).strip():
                traces.setdefault(kind, (text, texts.teacher))
    if not traces.keys() >= set(TRACE_TYPES):
        return []
    about = {"problem": problem.id, "context": list(problem.context), "question": problem.question}
    about |= {"answer": ", ".join(problem.answers), "data": data}
    return [about | {"trace_type": k, "trace": traces[k][0], "source": traces[k][1]} for k in TRACE_TYPES]


def build(args: argparse.Namespace) -> None:
    """Write the page on four CoTempQA problems, of as many categories as there are, and say how to use it."""
    origin, count = check_source(args.data), len(TRACE_TYPES)
    data = "generated" if source_of("cotempqa", origin) == "generated" else "real"
    problems = load("cotempqa", origin, seed=SEED)
    given = run_texts.read(args.traces, problems) if args.traces else run_texts.Found()
    texts, problems = {text.id: text for text in given.texts}, [*problems, *given.added]
    ready, turn = [], Counter()
    for i in np.random.default_rng(SEED).permutation(len(problems)):
        p = problems[i]
        # Without traces of a teacher the problems come from the test split, which no student has seen.
        wanted = p.evidence and (p.id in texts if args.traces else p.split == "test")
        if wanted and (made := pages(p, "real" if p in given.added else data, texts.get(p.id))):
            ready.append((turn[p.category], made))
            turn[p.category] += 1
        if len(turn) == count:  # as many categories as problems are shown
            break
    shown = [one for _, made in sorted(ready, key=itemgetter(0))[:count] for one in made]
    if len(ready) < count:
        raise ValueError(f"{count} problems are shown, {len(ready)} have evidence and all traces: --traces gives more")
    made = plan(shown, args.post)
    with replacing(args.output) as temporary:
        temporary.write_text(page(made, *fetch()), encoding="utf-8")
    sources = ", ".join(sorted({f"{one['trace_type']}: {one['source']}" for one in shown}))
    kinds = ", ".join(sorted({one["data"] for one in shown}))
    print(
        f"{args.output}: opens by double-click; {count} problems ({kinds}); traces: {sources}\n"
        f"links for exact balance: {args.output.name}?sequence=1 to ?sequence={len(made['sequences'])}; without one, "
        "the page draws a sequence by chance\n"
        "answers: collect the downloaded files in one folder, then ./run_all.sh --only 05 --ratings FOLDER"
    )


def main(argv: list[str]) -> None:
    """Build the page."""
    parser = Parser("survey build", "Write the rating survey as one HTML page (needs npm once).", BUILD)
    add = parser.add_argument
    add("command", choices=["build"])
    add("--data", default="generated", help="generated, hub or a path (default: generated)")
    add("--traces", type=file_or_folder, help="a teacher's texts; without them, rules write stand-ins")
    add("--post", default="", metavar="URL", help="address that finished answers are sent to")
    add("--output", type=Path, default=Path("survey.html"))
    build(parser.parse_args(argv))
