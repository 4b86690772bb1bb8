"""The teacher against a real HTTP server in a thread: what comes over the wire is tested, a script answers."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tracekd.data import problems
from tracekd.data.problem import Problem
from tracekd.io.records import read_jsonl, write_jsonl
from tracekd.teacher import teacher_cli
from tracekd.teacher import texts as teacher_texts
from tracekd.teacher.client import Endpoint, Teacher, collect, estimate
from tracekd.teacher.replies import right
from tracekd.traces import freeform

ROOMS = ("Mary went to the den.", "Mary went to the loft.", "Mary went to the hall.")
ROOM = Problem("own/place/1", "own", "place", ROOMS, "Where is Mary?", ("hall",), (2,), "train")


def message(content="hall", ended="stop", **more):
    """A whole answer of an endpoint."""
    said = {"role": "assistant", "content": content, **more}
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return {"choices": [{"message": said, "finish_reason": ended}], "usage": usage}


@pytest.fixture(scope="module")
def found():
    return problems.load("cotempqa", "generated", size=120, seed=4)


@pytest.fixture
def server():
    """An endpoint: ``state["answer"](body, n)`` gives (status, headers, body) of the n-th request, from 1."""
    state = {"calls": 0, "bodies": [], "answer": lambda body, n: (200, {}, message())}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state["calls"] += 1
            state["bodies"].append(body)
            state["key"] = self.headers.get("Authorization")
            status, head, said = state["answer"](body, state["calls"])
            raw = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **head}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    state["url"] = f"http://127.0.0.1:{http.server_port}/v1"
    yield state
    http.shutdown()
    http.server_close()


def many(number):
    return [replace(ROOM, id=f"own/place/{i}", question=f"Where is Mary? ({i})") for i in range(number)]


def asked(server, path, number=1, **options):
    options = {"workers": 1, "retries": 1, **options}
    return collect(many(number), Teacher(Endpoint(server["url"], "m", **options), path / "cache.jsonl"))


def test_right_answers_are_kept_and_nothing_is_paid_twice(found, server, tmp_path):
    answers = {p.question: ", ".join(p.answers) for p in found[1:6]}
    state = {"wrong": found[0].question}

    def answer(body, _):
        text = body["messages"][0]["content"]
        if state["wrong"] and state["wrong"] in text:
            return 200, {}, message("no idea")
        question = next((q for q in answers if q in text), "")
        return 200, {}, message(answers.get(question, "a summary"), reasoning_content=f"I think so. {question}")

    server["answer"] = answer
    endpoint = Endpoint(server["url"], "stand-in", key="k", workers=3)
    texts, counts = collect(found[:6], Teacher(endpoint, tmp_path / "cache.jsonl"))
    assert counts["wrong"] == 1 and counts["right"] == 5 == len(texts)
    assert counts["asked"] == 1 + 5 * 3 == server["calls"]
    assert server["key"] == "Bearer k"
    assert texts[0].trace.startswith("I think so.") and texts[0].teacher == "stand-in"
    assert texts[0].answer == ", ".join(found[1].answers)
    # A kill tore the last line: only that request is asked again, and the wrong one, which is no answer to keep.
    cache = tmp_path / "cache.jsonl"
    cache.write_bytes(cache.read_bytes()[:-7])
    again, counts = collect(found[:6], Teacher(endpoint, cache))
    assert sorted(again, key=lambda t: t.id) == sorted(texts, key=lambda t: t.id)
    assert counts["asked"] == 2 and counts["cached"] == 14
    state["wrong"], answers[found[0].question] = "", ", ".join(found[0].answers)
    assert collect(found[:6], Teacher(endpoint, cache))[1]["right"] == 6


# Habit: what is sent with status 200, and the trace that is kept.
WHOLE = {
    "reasoning apart": (message(reasoning_content="So."), "So."),
    "reasoning under its other name": (message(reasoning="So."), "So."),
    "reasoning inline": (message("<think>\nSo.\n</think>\n\nhall"), "So."),
    "no opening tag": (message("So.\n</think>\n\nhall"), "So."),
    "empty thought": (message("<think>\n\n</think>\n\nhall"), "hall"),
    "both ways": (message("<think>x</think>hall", reasoning_content="So."), "So."),
    "parts": (message([{"type": "text", "text": "ha"}, {"type": "text", "text": "ll"}]), "hall"),
    "tags in both": (message("<answer>hall</answer>", reasoning_content="So <answer>hall</answer>."), "So hall."),
    "control tokens": (message("hall<|im_end|>", reasoning_content="So.<\uff5cend\u2581of\u2581thought\uff5c>"), "So."),
    "null counts": ({**message(reasoning="So."), "usage": {"prompt_tokens": None, "completion_tokens": "5"}}, "So."),
}  # fmt: skip
BROKEN = {
    "cut thought": (message("<think>Let me see, the hall or", "length"), "cut"),
    "cut answer that names gold": (message("The answer is hall, since", "length"), "cut"),
    "ended in an error": (message("hall", "error"), "ended in an error"),
    "thought not ended": (message("<think>the hall"), "within its reasoning"),
    "null content": (message(None), "empty"),
    "nothing but tags": (message("<answer></answer>"), "empty"),
    "refusal": (message(None, refusal="I cannot help"), "refused: I cannot help"),
    "error in a 200": ({"error": {"message": "Provider returned error", "code": 502}}, "Provider returned error"),
    "no choices": ({"choices": [], "usage": {}}, "without choices"),
    "no message": ({"choices": [{"finish_reason": "stop"}]}, "without message"),
    "a page": (b"<html>gateway</html>", "not JSON: <html>"),
    "half a reply": (json.dumps(message()).encode()[:-9], "not JSON"),
}


@pytest.mark.parametrize("habit", WHOLE)
def test_a_whole_reply_is_read_however_it_is_sent(habit, server, tmp_path):
    said, trace = WHOLE[habit]
    server["answer"] = lambda body, n: (200, {}, said)
    (text,), counts = asked(server, tmp_path)
    assert (text.trace, text.answer) == (trace, "hall") and counts["right"] == 1
    # What is written, --texts reads.
    freeform.keep(tmp_path / "texts.jsonl", [text])
    back = teacher_texts.read(tmp_path / "texts.jsonl", many(1))
    assert back.texts == [text] and not back.cleaned


@pytest.mark.parametrize("habit", BROKEN)
def test_a_reply_that_is_none_is_one_failed_problem_with_its_reason(habit, server, tmp_path):
    said, reason = BROKEN[habit]
    server["answer"] = lambda body, n: (200, {}, said if "(1)" in body["messages"][0]["content"] else message())
    texts, counts = asked(server, tmp_path, 3)
    assert [t.id for t in texts] == ["own/place/0", "own/place/2"]
    assert (counts["right"], counts["failed"], counts["stopped"]) == (2, 1, "")
    ((said_reason, number),) = counts["reasons"].items()
    assert reason in said_reason and number == 1
    # Nothing of it is in the cache: the next run asks again.
    server["answer"] = lambda body, n: (200, {}, message())
    assert asked(server, tmp_path, 3)[1]["right"] == 3


@pytest.mark.parametrize("status", [400, 401, 404])
def test_what_the_server_refuses_for_all_stops_with_its_own_words(status, server, tmp_path, capsys):
    """A thousand problems, one call, and the words once."""
    server["answer"] = lambda body, n: (status, {}, {"error": {"message": "Incorrect API key provided: sk-ab***"}})
    texts, counts = asked(server, tmp_path, 1000)
    assert server["calls"] == 1 and counts["not_asked"] == 1000 and not texts
    assert counts["stopped"].endswith(f"answered {status}: Incorrect API key provided: sk-ab***")


def test_a_bad_request_after_good_ones_is_that_problems_own(server, tmp_path):
    def answer(body, n):
        bad = "(1)" in body["messages"][0]["content"]
        return (400, {}, {"error": {"message": "context too long"}}) if bad else (200, {}, message())

    server["answer"] = answer
    counts = asked(server, tmp_path, 3)[1]
    assert (counts["right"], counts["failed"], counts["reasons"]) == (2, 1, {"400: context too long": 1})


@pytest.mark.parametrize("status", [429, 503])
def test_retries_are_bounded(status, server, tmp_path):
    server["answer"] = lambda body, n: (status, {"Retry-After": "0"}, {}) if n == 1 else (200, {}, message())
    assert asked(server, tmp_path)[1]["right"] == 1
    server["answer"], before = lambda body, n: (status, {"Retry-After": "0"}, {"detail": "slow down"}), server["calls"]
    counts = asked(server, tmp_path / "b")[1]
    assert counts["failed"] == 1 and counts["reasons"] == {f"{status}: slow down": 1}
    assert server["calls"] - before == 2


def test_a_server_that_only_fails_is_left_alone_after_a_while(server, tmp_path):
    server["answer"] = lambda body, n: (500, {}, {})
    counts = asked(server, tmp_path, 40, retries=0)[1]
    assert server["calls"] == 10 and counts["failed"] + counts["not_asked"] == 40
    gone = Teacher(Endpoint("http://127.0.0.1:9/v1", "m", workers=1, retries=0), tmp_path / "gone.jsonl")
    assert "is the server up" in next(iter(collect(many(2), gone)[1]["reasons"]))


def test_length_and_temperature_are_sent_as_given(server, tmp_path):
    asked(server, tmp_path, max_tokens=70, temperature=0.6)
    asked(server, tmp_path, max_completion_tokens=80, temperature=1)
    first, second = server["bodies"][0], server["bodies"][-1]
    assert (first["max_tokens"], first["temperature"]) == (70, 0.6) and "max_completion_tokens" not in first
    assert (second["max_completion_tokens"], second["temperature"]) == (80, 1) and "max_tokens" not in second
    for name, value in (("max_tokens", 0), ("workers", 0), ("temperature", -1), ("url", "localhost:8000")):
        with pytest.raises(ValueError, match=name):
            Endpoint(**{"url": server["url"], "model": "m", name: value})


def test_estimate_and_environment(found, monkeypatch):
    endpoint = Endpoint("http://x/v1", "m", price_in=1.0, price_out=2.0)
    guess = estimate(found[:10], endpoint)
    assert guess["requests"] == 30
    assert guess["cost"] == pytest.approx((guess["tokens_in"] + 2 * guess["tokens_out"]) / 1e6, abs=1e-4)
    monkeypatch.delenv("TRACEKD_TEACHER_URL", raising=False)
    with pytest.raises(ValueError, match="TRACEKD_TEACHER_URL"):
        Endpoint.from_environment(model="m")
    monkeypatch.setenv("TRACEKD_TEACHER_URL", "http://y/v1")
    assert Endpoint.from_environment(model="m").url == "http://y/v1"


@pytest.mark.parametrize(
    "reply, gold",
    [
        ("hall", True), ("Hall.", True), ("The answer is **hall**.", True), ("Mary is in the hall.", True),
        ("**Answer:** hall", True), ("She is not in the den. She is in the hall.", True),
        ("Not the den; the hall.", True),
        ("First the den, then the loft.\n\n**Answer**: hall", True),
        ("It is not in the hall; it is in the den.", False), ("She isn't in the hall.", False),
        ("It could be hall, or den, or loft.", False), ("hall, den, loft", False),
        ("The rooms are den, loft and hall.", False), ("hall, attic", False), ("Maybe the hall.", False),
        ("Either the hall or the den.", False), ("She left the den and went to the hall.", False),
        ("She is anywhere except the hall.", False), ("den", False),
        ("I do not know.", False), ("The hallway.", False), ("**Answer:** den. I first thought of the hall.", False),
    ],
)  # fmt: skip
def test_what_counts_as_right(reply, gold):
    assert right(ROOM, reply) is gold


def test_right_where_a_word_of_denial_is_the_answer_and_where_answers_are_several(found):
    polar = replace(ROOM, question="Is Mary in the hall?", answers=("no",))
    assert right(polar, "No.") and right(polar, "The answer is no.") and not right(polar, "yes")
    assert not right(polar, "Yes and no.")
    p = found[0]
    assert right(p, f"The answer is **{' and '.join(p.answers)}**.")
    other = next(s for s in p.context if p.answers[0] not in s)
    assert not right(p, f"{p.answers[0]}, also: {other}")


def test_r1s_own_final_messages_are_judged(shared_data):
    """The release kept 183 messages by its lenient metric; 8 name more than gold, and are refused (read one by one)."""
    real = problems.load("cotempqa", str(shared_data))
    made = teacher_texts.read(shared_data / "r1", real)
    by_id = {p.id: p for p in [*real, *made.added]}
    judged = [right(by_id[text.id], text.answer) for text in made.texts]
    assert sum(judged) == 175 and len(judged) == 183


# The command.


@pytest.fixture
def own_set(tmp_path):
    """A set in the documented form, of two rooms."""
    rows = [
        {"id": f"q{i}", "context": list(ROOMS), "question": f"Where is Mary now ({i})?",
         "answers": ["hall" if i < 19 else "attic"], "category": "place" if i % 2 else "person", "evidence": [2]}
        for i in range(20)
    ]  # fmt: skip
    write_jsonl(tmp_path / "rooms.jsonl", rows)
    return tmp_path / "rooms.jsonl"


def test_the_command_estimates_first_and_then_asks(own_set, server, tmp_path, capsys):
    out = tmp_path / "out" / "texts.jsonl"
    argv = [str(own_set), "--out", str(out), "--url", server["url"], "--model", "m", "--workers", "1", "--limit", "3"]
    assert teacher_cli.main(argv) == 0
    assert server["calls"] == 0 and json.loads(capsys.readouterr().out)["estimate"]["requests"] == 9
    server["answer"] = lambda body, n: (200, {}, message(reasoning="So."))
    assert teacher_cli.main([*argv, "--go"]) == 0
    # The three traces are alike, and so are their summaries: asked once.
    assert len(list(read_jsonl(out))) == 3 and server["calls"] == 7
    loaded = problems.load("rooms", str(own_set))
    texts = teacher_texts.read(out, loaded).texts
    assert {t.id for t in texts} <= {p.id for p in loaded if p.split == "train"} and len(texts) == 3
    server["answer"] = lambda body, n: (401, {}, {"error": {"message": "no such key"}})
    assert teacher_cli.main([*argv[:-2], "--go", "--max-tokens", "7"]) == 1
    said = capsys.readouterr()
    assert said.err.count("no such key") == 1 and json.loads(said.out.splitlines()[-1])["not_asked"] == 16


def test_a_data_folder_is_asked_for_its_training_problems(shared_data):
    train = teacher_cli.asked(str(shared_data), "babi")
    assert len(train) > 3000 and {p.split for p in train} == {"train"}
    with pytest.raises(ValueError, match="--dataset"):
        teacher_cli.asked(str(shared_data))


@pytest.mark.parametrize(
    "change, said",
    [
        (["--max-token", "5"], "did you mean '--max-tokens'"), (["--workers", "many"], "--workers"),
        (["--workers", "0"], "workers"), (["--limit", "0"], "--limit"), (["--url", "localhost"], "http"),
        (["--dataset", "babbi"], "babi"),
    ],
)  # fmt: skip
def test_unknown_and_impossible_values_exit_2(change, said, tmp_path, capsys):
    (tmp_path / "babi").mkdir()
    with pytest.raises(SystemExit) as stop:
        teacher_cli.main([str(tmp_path), "--dataset", "babi", "--url", "http://x/v1", "--model", "m", *change])
    assert stop.value.code == 2 and said in capsys.readouterr().err


@pytest.fixture(scope="module")
def shared_server():
    """The shared endpoint with bad habits, where it is; its path's first part names the habit."""
    data = Path(os.environ.get("TRACEKD_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
    script = data.parent / "cases" / "teacher_server.py"
    if not script.is_file():
        pytest.skip(f"no shared endpoint at {script}: it is not part of the repository")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as free:
        port = free.server_port
    process = subprocess.Popen([sys.executable, str(script), str(port)])
    for _ in range(100):
        import socket

        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


OUTCOMES = {
    "right": "plain inline noopen emptythink both list nulusage r429 tags",
    "failed": "unclosed cut cut_answer null nochoices emptychoices html always429 stream",
    "wrong": "wrongall negate",
    "not_asked": "maxtok temp auth nowhere",
}


@pytest.mark.parametrize("habit, outcome", [(h, o) for o, habits in OUTCOMES.items() for h in habits.split()])
def test_the_shared_endpoints_habits(habit, outcome, shared_server, tmp_path):
    teacher = Teacher(Endpoint(f"{shared_server}/{habit}", "m", workers=1, retries=2), tmp_path / "cache.jsonl")
    texts, counts = collect(many(2), teacher)
    assert counts[outcome] == 2 and len(texts) == counts["right"]
    freeform.keep(tmp_path / "texts.jsonl", texts)
    assert teacher_texts.read(tmp_path / "texts.jsonl", many(2)).texts == texts


def test_settings_that_the_shared_endpoint_wants(shared_server, tmp_path):
    for habit, options in (("maxtok", {"max_completion_tokens": 9}), ("temp", {"temperature": 1})):
        endpoint = Endpoint(f"{shared_server}/{habit}", "m", workers=1, **options)
        assert collect(many(1), Teacher(endpoint, tmp_path / habit))[1]["right"] == 1
