"""The survey: balanced orders, a safe page, and a participant in a real browser."""

import json
import shutil
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import pytest

from tracekd.data.problem import Problem
from tracekd.data.problems import load
from tracekd.io.records import write_jsonl
from tracekd.study import ratings as study
from tracekd.study import survey
from tracekd.traces import freeform

KINDS = study.TRACE_TYPES
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = "headless no-sandbox disable-gpu no-first-run hide-scrollbars disable-background-networking disable-sync"
PROBLEMS = [Problem(
    id=f"cotempqa/equal/{i:04d}", dataset="cotempqa", category="equal", split="test", answers=(f"Club {i}",),
    context=(f"Ada Poe plays for Club {i} from 2001 to 2004.", "Ada Poe works for Lab <b>7</b> from 1990 to 1995."),
    question=f"Which team did Ada Poe play for while \"work\" went on, case {i}?", evidence=(0,)) for i in range(4)
]  # fmt: skip
SHOWN = [{
    "problem": p.id, "trace_type": k, "context": p.context, "question": p.question, "answer": p.answers[0],
    "trace": f"{k} says </script><b>so</b>, {p.id}.\nThus {p.answers[0]}.", "data": "generated",
    "source": "rules" if k == "correct" else "templated"} for p in PROBLEMS for k in KINDS
]  # fmt: skip


def test_orders_are_balanced():
    problems = ["p0", "p1", "p2", "p3"]
    found = survey.sequences(problems)
    assert len(found) == 16
    for order in found:
        assert [sorted(part) for part in zip(*order, strict=True)] == [problems, sorted(KINDS)]
    # Over all sequences each problem meets each kind 4 times; each kind stands 4 times at each place.
    assert set(Counter(pair for order in found for pair in order).values()) == {4}
    assert set(Counter((place, kind) for order in found for place, (_, kind) in enumerate(order)).values()) == {4}
    follows = Counter((a[1], b[1]) for order in found for a, b in pairwise(order))
    assert len(follows) == 12 and set(follows.values()) == {4}


def test_a_wrong_address_and_a_changed_package_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"'lab\.example'"):
        survey.plan(SHOWN, post="lab.example")
    (tmp_path / "a.tgz").write_bytes(b"something else")
    with pytest.raises(ValueError, match="jspsych"):
        survey.unpacked(next(iter(survey.PACKAGES)), tmp_path / "a.tgz")


def test_texts_of_traces_cannot_break_the_page():
    html = survey.page(survey.plan(SHOWN), ["var a = 1;"], "licence -- text")
    # Two scripts of the template (plan and program) and the one given.
    assert html.count("<script") == html.count("</script") == 3
    assert "says \\u003c/script>" in html and "licence - - text" in html
    assert planned(html)["shown"][0]["trace"].startswith("r1 says </script>")


def planned(html):
    return json.loads(html.split('id="plan">')[1].split("</script>")[0])


@pytest.fixture(scope="module")
def scripts():
    """JsPsych from npm, or a skip that says why it is not to be had."""
    try:
        return survey.fetch()
    except FileNotFoundError as error:
        pytest.skip(f"the survey needs jsPsych from npm: {error}")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """Headless Chromium, started once: a cold start may take a minute. Or a skip that says what is missing."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (the dev extra has it)")
    program = next((p for name in CHROMIUM if (p := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("chromium or chromedriver is not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS.split(), f"user-data-dir={tmp_path_factory.mktemp('profile')}", "window-size=1000,900"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as found:
        yield found


class Participant:
    """The page in the browser, as if new, and what a participant does there; every step waits for a condition."""

    def __init__(self, browser, scripts, folder, query, traces=None, **more):
        """Write the page into ``folder``, which downloads go to, and open it."""
        self.browser, page = browser, folder / "survey.html"
        page.write_text(survey.page(survey.plan(traces or SHOWN, **more), *scripts), encoding="utf-8")
        browser.get("about:blank")
        self.tell("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        self.tell("Storage.clearDataForOrigin", origin="file://", storageTypes="all")
        for log in ("browser", "performance"):
            browser.get_log(log)
        browser.get(page.as_uri() + query)

    def tell(self, command, **options):
        return self.browser.execute_cdp_cmd(command, options)

    def wait(self, condition, what):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, 120).until(lambda _: condition(), what)  # seconds, on a busy machine

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def heading(self, words):
        text = "return document.querySelector('#survey h1')?.textContent ?? ''"
        self.wait(lambda: words in self.browser.execute_script(text), f"heading {words!r}")

    def press(self, selector=".jspsych-btn"):
        """By script: the mouse misses a button where the layout still moves, as at a cold start."""
        self.browser.execute_script("arguments[0].click()", self.wait(lambda: self.all(selector), selector)[0])

    def names(self):
        """Items of the page, in order, checks included."""
        radios = "return [...document.querySelectorAll('#survey input[type=radio]')].map(r => r.name)"
        return list(dict.fromkeys(self.wait(lambda: self.browser.execute_script(radios), "the page's items")))

    def chosen(self):
        """Item to chosen point of the page."""
        return self.browser.execute_script(
            "return Object.fromEntries([...document.querySelectorAll('input[type=radio]:checked')]"
            ".map(r => [r.name, Number(r.value)]))"
        )

    def answer(self, some=None):
        """Choose a point for each item; return what was chosen."""
        given = {}
        for i, name in enumerate(self.names()[:some]):
            given[name] = int(name[-1]) if name.startswith("check_") else 1 + (i * 2 + len(name)) % 5
            self.press(f"label:has(input[name={name}][value='{given[name]}'])")
        self.wait(lambda: self.chosen() == given, f"the choices {given}")
        return given

    def rate(self, *pages):
        """Answer whole pages and go on; by page what was chosen."""
        given = {}
        for number in pages:
            self.heading(f"Reasoning {number} of 4")
            given[number] = self.answer()
            self.press()
        return given

    def begin(self):
        self.heading("Before you start")
        self.press()  # without consent nothing happens
        self.heading("Before you start")
        self.press("input[name=agree]")
        self.press()
        self.heading("What you will do")
        self.press()


def test_a_participant_fills_it_in_reloads_and_downloads(scripts, chromium, tmp_path):
    person = Participant(chromium, scripts, tmp_path, "?sequence=6")
    person.begin()
    given = person.rate(1, 2)
    person.heading("Reasoning 3 of 4")
    half = person.answer(some=3)
    chromium.refresh()
    person.heading("Reasoning 3 of 4")
    person.wait(lambda: person.chosen() == half, f"the answers given before the reload: {half}")
    person.press()  # unanswered items hold the page
    given |= person.rate(3, 4)
    person.heading("Thank you")
    chromium.refresh()
    person.press("#csv")
    person.wait(lambda: list(tmp_path.glob("ratings_P*.csv")), "the download")
    data = study.read(tmp_path)
    assert data.left_out == {} and len(data.ratings) == 4 * 7 + 2 and data.ratings["seconds"].ge(0).all()
    for number, (problem, kind) in enumerate(survey.sequences([p.id for p in PROBLEMS])[5], start=1):
        rows = data.ratings[data.ratings["order"] == number]
        assert dict(zip(rows["item"], rows["rating"], strict=True)) == given[number]
        assert set(rows["problem"]) == {problem}
        assert set(rows.loc[~study.is_check(rows["item"]), "trace_type"]) == {kind}
    checks = data.ratings[study.is_check(data.ratings["item"])]
    assert (checks["item"] == "check_" + checks["rating"].astype(str)).all()
    assert not [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"]
    messages = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert asked and not [url for url in asked if url.startswith("http")], "the page must ask the network for nothing"


def test_keyboard_alone_labels_and_a_phone(scripts, chromium, tmp_path):
    from selenium.webdriver import ActionChains, Keys

    person = Participant(chromium, scripts, tmp_path, "?sequence=1", SHOWN[::-1])
    person.tell("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
    chromium.refresh()
    person.heading("Before you start")
    for keys in ((Keys.TAB, Keys.SPACE, Keys.TAB, Keys.SPACE), (Keys.TAB, Keys.ENTER)):
        ActionChains(chromium).send_keys(*keys).perform()
    person.heading("Reasoning 1 of 4")
    items = person.names()
    # From the heading: the trace, then one stop an item; an arrow chooses.
    keys = [Keys.TAB] + [Keys.TAB, Keys.SPACE, Keys.ARROW_DOWN] * len(items)
    ActionChains(chromium).send_keys(*keys).perform()
    person.wait(lambda: person.chosen() == dict.fromkeys(items, 2), "every item at its second point")
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= 390
    assert "templated" in person.all(".source")[0].text
    assert min(label.rect["height"] for label in person.all(".points label")) >= 44, "a finger needs 44 pixels"
    ActionChains(chromium).send_keys(Keys.TAB, Keys.ENTER).perform()
    person.heading("Reasoning 2 of 4")
    person.tell("Emulation.clearDeviceMetricsOverride")


@pytest.fixture
def server():
    """A server that refuses the first post, as a server may, and keeps the others."""
    posts = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            if self.command == "POST":
                posts.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(503 if len(posts) == 1 and self.command == "POST" else 200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "*")
            self.end_headers()

        do_OPTIONS = do_POST
        log_message = lambda *_: None  # noqa: E731

    found = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}/", posts
    found.shutdown()


def test_finished_answers_are_posted_and_a_failure_is_named(scripts, chromium, server, tmp_path):
    address, posts = server
    person = Participant(chromium, scripts, tmp_path, "?sequence=2&participant=P7", post=address)
    person.begin()
    given = person.rate(1, 2, 3, 4)
    person.heading("Thank you")
    person.wait(lambda: "503" in person.all("#sent")[0].text, "the failure is named")
    person.press("#again")
    person.wait(lambda: "have been sent" in person.all("#sent")[0].text, "the second try")
    (tmp_path / "post.csv").write_bytes(posts[1])
    ratings = study.read(tmp_path / "post.csv").ratings
    assert ratings["rating"].tolist() == [point for answers in given.values() for point in answers.values()]
    chromium.refresh()
    person.heading("Thank you")
    assert len(posts) == 2, "answers are sent once"


@pytest.fixture
def build(tmp_path, monkeypatch):
    """A function that builds the page with more options and returns its plan."""
    monkeypatch.setattr(survey, "fetch", lambda: (["var jsPsych;"], "licence"))
    page = tmp_path / "page.html"

    def built(*options):
        survey.main(["build", "--output", str(page), *map(str, options)])
        return planned(page.read_text(encoding="utf-8"))

    return built


def test_without_a_teacher_rules_write_the_traces_and_the_page_says_so(build, capsys):
    plan = build()
    assert len(plan["sequences"]) == 16 and len(plan["shown"]) == 16
    kinds = {(s["trace_type"], s["source"]) for s in plan["shown"]}
    assert kinds == {("correct", "rules"), *((k, "templated") for k in KINDS[:3])}
    assert {s["data"] for s in plan["shown"]} == {"generated"} and "r1: templated" in capsys.readouterr().out
    assert len({s["problem"].split("/")[1] for s in plan["shown"]}) == 4  # a problem of each category


def test_a_teachers_texts_are_shown_and_stand_ins_fill_the_gaps(build, tmp_path):
    problems = [p for p in load("cotempqa", "generated", seed=survey.SEED) if p.split == "train"][:40]
    texts = [freeform.Texts(p.id, "a-model", "long", "", "because") for p in problems]
    write_jsonl(tmp_path / "texts.jsonl", map(vars, texts))
    shown = build("--traces", tmp_path / "texts.jsonl")["shown"]
    assert {s["problem"] for s in shown} <= {p.id for p in problems}
    found = {(s["trace_type"], s["source"], s["trace"]) for s in shown if s["source"] == "a-model"}
    assert found == {("r1", "a-model", "long"), ("r1_explanation", "a-model", "because")}
    assert {s["source"] for s in shown if s["trace_type"] == "r1_summary"} == {"templated"}
    write_jsonl(tmp_path / "texts.jsonl", [vars(freeform.Texts(problems[0].id, "a-model", "long"))])
    with pytest.raises(ValueError, match=r"4 problems are shown, [01] have"):
        build("--traces", tmp_path / "texts.jsonl")
