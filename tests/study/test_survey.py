"""The survey: balanced orders, a safe page, and a participant in a real browser."""

import json
import shutil
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import numpy as np
import pytest

from tracekd.data.problem import Problem
from tracekd.data.problems import load
from tracekd.study import ratings as study
from tracekd.study import simulate, source, survey
from tracekd.traces import freeform

KINDS = study.TRACE_TYPES
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 120  # seconds that a condition may take on a busy machine
PROBLEMS = [
    Problem(
        id=f"cotempqa/equal/{i:04d}", dataset="cotempqa", category="equal", split="test", answers=(f"Club {i}",),
        context=(f"Ada Poe plays for Club {i} from 2001 to 2004.", "Ada Poe works for Lab <b>7</b> from 1990 to 1995."),
        question=f"Which team did Ada Poe play for while \"work\" went on, case {i}?", evidence=(0,),
    )
    for i in range(4)
]  # fmt: skip


def shown():
    """Test traces; the R1 kinds are marked templated."""
    return [
        {
            "problem": p.id, "trace_type": k, "context": p.context, "question": p.question, "answer": p.answers[0],
            "trace": f"{k} says </script><b>so</b>, {p.id}.\nThus {p.answers[0]}.", "source": source,
            "data": "generated",
        }
        for p in PROBLEMS
        for k, source in zip(KINDS, ["templated"] * 3 + ["rules"], strict=True)
    ]  # fmt: skip


def test_orders_are_balanced():
    problems = ["p0", "p1", "p2", "p3"]
    found = survey.sequences(problems)
    assert len(found) == 16
    for order in found:
        assert sorted(kind for _, kind in order) == sorted(KINDS)
        assert sorted(problem for problem, _ in order) == problems
    # Over all sequences each problem meets each kind 4 times; each kind stands 4 times at each place.
    assert set(Counter(pair for order in found for pair in order).values()) == {4}
    places = Counter((place, kind) for order in found for place, (_, kind) in enumerate(order))
    assert set(places.values()) == {4}
    follows = Counter((a[1], b[1]) for order in found for a, b in pairwise(order))
    assert len(follows) == 12 and set(follows.values()) == {4}


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: survey.plan(shown(), post="lab.example"), "'lab.example'"),
        (lambda: survey.check(b"something else", *survey.PACKAGES[0][::2]), "jspsych"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_texts_of_traces_cannot_break_the_page():
    html = survey.page(survey.plan(shown()), ["var a = 1;"], "licence -- text")
    # Two scripts of the template (plan and program) and the one given.
    assert html.count("<script") == html.count("</script") == 3
    assert "says \\u003c/script>" in html and "licence - - text" in html
    plan = html.split('id="plan">')[1].split("</script>")[0]
    assert json.loads(plan)["shown"][0]["trace"].startswith("r1 says </script>")


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
    profile = tmp_path_factory.mktemp("profile")
    for flag in (*CHROMIUM_FLAGS, f"--user-data-dir={profile}", "--window-size=1000,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()


@pytest.fixture
def browser(chromium, tmp_path):
    """The browser as if new: no stored answers, its own size, empty logs; it downloads into ``tmp_path``."""
    chromium.get("about:blank")
    chromium.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "file://", "storageTypes": "all"})
    for log in ("browser", "performance"):
        chromium.get_log(log)
    return chromium


def wait(browser, condition, what):
    """Until the condition holds, with room for a slow machine; an element that is replaced meanwhile is asked again."""
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    gone = (NoSuchElementException, StaleElementReferenceException)
    return WebDriverWait(browser, PATIENCE, ignored_exceptions=gone).until(lambda _: condition(), what)


def css(browser, selector):
    return browser.find_elements("css selector", selector)


def heading(browser, words):
    wait(browser, lambda: words in browser.find_element("css selector", "#survey h1").text, f"heading {words!r}")


def submit(browser):
    """Press the page's button. By script: the mouse misses it where the layout still moves, as at a cold start."""
    browser.execute_script("arguments[0].click()", wait(browser, lambda: css(browser, ".jspsych-btn"), "button")[0])


def names(browser):
    """Items of the page, in order, checks included."""
    wait(browser, lambda: css(browser, "#survey input[type=radio]"), "the page's items")
    return list(dict.fromkeys(radio.get_attribute("name") for radio in css(browser, "#survey input[type=radio]")))


def answer(browser, some=None):
    """Choose a point for each item by mouse; return what was chosen."""
    chosen = {}
    for i, name in enumerate(names(browser)[:some]):
        point = int(name[-1]) if name.startswith("check_") else 1 + (i * 2 + len(name)) % 5
        browser.execute_script(
            "arguments[0].click()", css(browser, f"input[name={name}][value='{point}']")[0].find_element("xpath", "..")
        )
        chosen[name] = point
    return chosen


def rate(browser, number, of=4):
    """Answer one whole page and go on."""
    heading(browser, f"Reasoning {number} of {of}")
    given = answer(browser)
    wait(browser, lambda: chosen(browser) == given, f"the choices of page {number}")
    submit(browser)
    return given


def chosen(browser):
    """Item to chosen point of the page."""
    return {r.get_attribute("name"): int(r.get_attribute("value")) for r in css(browser, "input[type=radio]:checked")}


def begin(browser):
    heading(browser, "Before you start")
    submit(browser)  # without consent nothing happens
    heading(browser, "Before you start")
    css(browser, "input[name=agree]")[0].click()
    submit(browser)
    heading(browser, "What you will do")
    submit(browser)


def test_a_participant_fills_it_in_reloads_and_downloads(scripts, browser, tmp_path):
    page = tmp_path / "survey.html"
    page.write_text(survey.page(survey.plan(shown()), *scripts), encoding="utf-8")
    browser.get(page.as_uri() + "?sequence=6")
    begin(browser)
    given = {number: rate(browser, number) for number in (1, 2)}
    heading(browser, "Reasoning 3 of 4")
    half = answer(browser, some=3)
    browser.refresh()
    heading(browser, "Reasoning 3 of 4")
    wait(browser, lambda: chosen(browser) == half, f"the answers given before the reload: {half}")
    submit(browser)  # unanswered items hold the page
    heading(browser, "Reasoning 3 of 4")
    given |= {number: rate(browser, number) for number in (3, 4)}
    heading(browser, "Thank you")
    browser.refresh()
    heading(browser, "Thank you")
    css(browser, "#csv")[0].click()
    wait(browser, lambda: list(tmp_path.glob("ratings_P*.csv")), "the download")
    data = source.read(tmp_path)
    ratings = data.ratings
    assert data.left_out == {} and len(ratings) == 4 * 7 + 2 and ratings["seconds"].ge(0).all()
    for number, (problem, kind) in enumerate(survey.sequences([p.id for p in PROBLEMS])[5], start=1):
        rows = ratings[ratings["order"] == number]
        assert dict(zip(rows["item"], rows["rating"], strict=True)) == given[number]
        assert set(rows["problem"]) == {problem}
        assert set(rows.loc[~study.is_check(rows["item"]), "trace_type"]) == {kind}
    assert not study.careless(ratings)["failed_checks"].any()
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe
    assert not [r for r in requests(browser) if r.startswith("http")], "the page must not ask the network for anything"


def requests(browser):
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def test_keyboard_alone_labels_and_a_phone(scripts, browser, tmp_path):
    from selenium.webdriver import ActionChains, Keys

    page = tmp_path / "survey.html"
    page.write_text(survey.page(survey.plan(shown()[::-1]), *scripts), encoding="utf-8")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    browser.get(page.as_uri() + "?sequence=1")
    heading(browser, "Before you start")
    for keys in ((Keys.TAB, Keys.SPACE, Keys.TAB, Keys.SPACE), (Keys.TAB, Keys.ENTER)):
        ActionChains(browser).send_keys(*keys).perform()
    heading(browser, "Reasoning 1 of 4")
    items = names(browser)
    # From the heading: the trace, then one stop an item; an arrow chooses.
    ActionChains(browser).send_keys(
        Keys.TAB, *[k for _ in items for k in (Keys.TAB, Keys.SPACE, Keys.ARROW_DOWN)]
    ).perform()
    wait(browser, lambda: chosen(browser) == dict.fromkeys(items, 2), "every item at its second point")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert "templated" in browser.find_element("css selector", ".source").text
    for label in css(browser, ".points label"):
        assert label.rect["height"] >= 44, "a finger needs 44 pixels"
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [(n.get("role", {}).get("value"), n.get("name", {}).get("value", "")) for n in tree]
    wordings = [w for about in study.questionnaire()["scales"].values() for w in about["items"].values()]
    assert [name for role, name in roles if role == "group" and name] == wordings
    assert sum(role == "radio" and name[:1].isdigit() for role, name in roles) == 35
    ActionChains(browser).send_keys(Keys.TAB, Keys.ENTER).perform()
    heading(browser, "Reasoning 2 of 4")


@pytest.fixture
def server():
    """A server that refuses the first post, as a server may, and keeps the others."""
    posts = []

    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self):
            self.reply(204)

        def do_POST(self):
            posts.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply(503 if len(posts) == 1 else 200)

        def reply(self, status):
            self.send_response(status)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "*")
            self.end_headers()

        def log_message(self, *_):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}/", posts
    found.shutdown()


def test_finished_answers_are_posted_and_a_failure_is_named(scripts, browser, server, tmp_path):
    address, posts = server
    page = tmp_path / "survey.html"
    page.write_text(survey.page(survey.plan(shown(), post=address), *scripts), encoding="utf-8")
    browser.get(page.as_uri() + "?sequence=2&participant=P7")
    begin(browser)
    given = [rate(browser, number) for number in (1, 2, 3, 4)]
    heading(browser, "Thank you")
    status = browser.find_element("id", "sent")
    wait(browser, lambda: "503" in status.text, "the failure is named")
    css(browser, "#again")[0].click()
    wait(browser, lambda: "have been sent" in status.text, "the second try")
    (tmp_path / "post.csv").write_bytes(posts[1])
    ratings = source.read(tmp_path / "post.csv").ratings
    assert ratings["rating"].tolist() == [point for answers in given for point in answers.values()]
    browser.refresh()
    heading(browser, "Thank you")
    assert len(posts) == 2, "answers are sent once"


@pytest.fixture
def build(tmp_path, monkeypatch):
    """A function that builds the page with more options and returns its plan."""
    monkeypatch.setattr(survey, "fetch", lambda: (["var jsPsych;"], "licence"))
    page = tmp_path / "page.html"

    def built(*options):
        survey.main(["build", "--output", str(page), *map(str, options)])
        return json.loads(page.read_text(encoding="utf-8").split('id="plan">')[1].split("</script>")[0])

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
    freeform.keep(tmp_path / "texts.jsonl", [freeform.Texts(p.id, "a-model", "long", "", "because") for p in problems])
    shown = build("--traces", tmp_path / "texts.jsonl")["shown"]
    assert {s["problem"] for s in shown} <= {p.id for p in problems}
    found = {(s["trace_type"], s["source"], s["trace"]) for s in shown if s["source"] == "a-model"}
    assert found == {("r1", "a-model", "long"), ("r1_explanation", "a-model", "because")}
    assert {s["source"] for s in shown if s["trace_type"] == "r1_summary"} == {"templated"}
    freeform.keep(tmp_path / "texts.jsonl", [freeform.Texts(problems[0].id, "a-model", "long")])
    with pytest.raises(ValueError, match=r"4 problems are shown, [01] have"):
        build("--traces", tmp_path / "texts.jsonl")


def test_read_command(tmp_path, capsys):
    simulate.simulate(np.random.default_rng(1)).to_csv(tmp_path / "r.csv", index=False)
    survey.main(["read", str(tmp_path / "r.csv")])
    assert "100 participants, 3000 answers; source: ratings file r.csv; left out: nothing" in capsys.readouterr().out
