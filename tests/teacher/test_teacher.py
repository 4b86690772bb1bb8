"""The teacher against a real HTTP server in a thread: what comes over the wire is tested, a script answers."""

import json
import threading
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tracekd import __main__
from tracekd.data import problems
from tracekd.data.problem import Problem
from tracekd.io.records import read_jsonl, write_jsonl
from tracekd.scoring.aligned import verdict
from tracekd.scoring.release_rules import answer_metric
from tracekd.teacher import client, run_texts

ROOMS = ("Mary went to the den.", "Mary went to the loft.", "Mary went to the hall.")
ROOM = Problem("own/place/1", "own", "place", ROOMS, "Where is Mary?", ("hall",), (2,), "train")


def message(content="hall", ended="stop", **more):
    """A whole answer of an endpoint."""
    said = {"role": "assistant", "content": content, **more}
    return {"choices": [{"message": said, "finish_reason": ended}]}


@pytest.fixture
def server():
    """An endpoint: ``state["answer"](body, n)`` gives (status, body) of the n-th request, from 1."""
    state = {"bodies": [], "answer": lambda body, n: (200, message())}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            state["bodies"].append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            state["key"] = self.headers.get("Authorization")
            status, said = state["answer"](state["bodies"][-1], len(state["bodies"]))
            raw = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(raw))}.items():
                self.send_header(name, value)
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


@pytest.fixture(autouse=True)
def few_retries_one_by_one(monkeypatch):
    monkeypatch.setattr(client, "_RETRIES", 1)
    monkeypatch.setattr(client, "WORKERS", 1)


def many(number):
    return [replace(ROOM, id=f"own/place/{i}", question=f"Where is Mary? ({i})") for i in range(number)]


def asked(url, path, number=1):
    return client.collect(many(number), client.endpoint(url, "m"), path / "cache.jsonl", model="m")


def test_right_answers_are_kept_and_nothing_is_paid_twice(server, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "WORKERS", 3)
    found = problems.load("cotempqa", "generated", size=120, seed=4)[:6]
    answers = {p.question: ", ".join(p.answers) for p in found[1:]}

    def answer(body, _):
        text = body["messages"][0]["content"]
        if found[0].question in text:
            return 200, message("no idea")
        question = next((q for q in answers if q in text), "")
        return 200, message(answers.get(question, "a summary"), reasoning_content=f"I think so. {question}")

    server["answer"], cache = answer, tmp_path / "cache.jsonl"
    teacher = client.endpoint(server["url"], "stand-in", "k")
    texts, counts = client.collect(found, teacher, cache, model="stand-in")
    assert (counts["right"], counts["wrong"], counts["failed"]) == (5, 1, 0) and len(texts) == 5
    assert len(server["bodies"]) == 1 + 5 * 3  # a wrong problem needs one request, not three
    assert server["key"] == "Bearer k"
    assert texts[0].trace.startswith("I think so.") and texts[0].teacher == "stand-in"
    assert texts[0].answer == ", ".join(found[1].answers)
    # A kill tore the last line: only that request is asked again.
    cache.write_bytes(cache.read_bytes()[:-7])
    assert client.collect(found, teacher, cache, model="stand-in")[0] == texts
    assert len(server["bodies"]) == 1 + 5 * 3 + 1


WHOLE = {
    "reasoning apart": message(reasoning_content="So."),
    "reasoning under its other name": message(reasoning="So."),
    "reasoning inline": message("<think>\nSo.\n</think>\n\nhall"),
    "no opening tag, a control token": message("So.\n</think>\n\nhall<|im_end|>"),
    "both ways, with tags": message("<think>x</think><answer>hall</answer>", reasoning_content="<answer>So.</answer>"),
    "half a character": message("hall", reasoning_content="So.\ud83d"),
}
BROKEN = {
    "cut answer that names gold": (message("hall", "length"), "'length'"),
    "thought not ended": (message("<think>the hall"), "within its reasoning"),
    "null content": (message(None), "empty"),
    "error in a 200": ({"error": {"message": "Provider returned error", "code": 502}}, "Provider returned error"),
    "no choices": ({"choices": []}, "no reply"),
    "content in parts": (message([{"type": "text", "text": "hall"}]), "no reply"),
    "a page": (b"<html>gateway</html>", "Expecting value"),
}


@pytest.mark.parametrize("habit", WHOLE)
def test_a_whole_reply_is_read_however_it_is_sent(habit, server, tmp_path):
    server["answer"] = lambda body, n: (200, WHOLE[habit])
    (text,), counts = asked(server["url"], tmp_path)
    assert (text.trace, text.answer) == ("So.", "hall") and counts["right"] == 1
    write_jsonl(tmp_path / "texts.jsonl", [asdict(text)])
    assert run_texts.read(tmp_path / "texts.jsonl", many(1)).texts == [text]


@pytest.mark.parametrize("habit", BROKEN)
def test_a_reply_that_is_none_is_one_failed_problem_with_its_reason(habit, server, tmp_path):
    said, reason = BROKEN[habit]
    server["answer"] = lambda body, n: (200, said if "(1)" in body["messages"][0]["content"] else message())
    texts, counts = asked(server["url"], tmp_path, 3)
    assert [t.id for t in texts] == ["own/place/0", "own/place/2"]
    assert (counts["right"], counts["failed"]) == (2, 1)
    ((said_reason, number),) = counts["reasons"].items()
    assert reason in said_reason and number == 1
    # Nothing of it is in the cache: the next run asks again.
    server["answer"] = lambda body, n: (200, message())
    assert asked(server["url"], tmp_path, 3)[1]["right"] == 3


def test_a_server_that_refuses_everything_is_left_alone_after_ten_requests(server, tmp_path):
    server["answer"] = lambda body, n: (401, {"error": {"message": "Incorrect API key provided: sk-ab***"}})
    texts, counts = asked(server["url"], tmp_path, 1000)
    assert len(server["bodies"]) == 10 and counts["failed"] == 1000 and not texts
    (words, refused), (_, not_asked) = counts["reasons"].items()
    assert "Incorrect API key" in words and (refused, not_asked) == (10, 990)


def test_what_may_succeed_the_next_time_is_asked_again(server, tmp_path):
    server["answer"] = lambda body, n: (429, {}) if n == 1 else (200, message())
    assert asked(server["url"], tmp_path)[1]["right"] == 1
    server["answer"] = lambda body, n: (503, {"detail": "slow down"})
    before = len(server["bodies"])
    assert "503" in next(iter(asked(server["url"], tmp_path / "b")[1]["reasons"]))
    assert len(server["bodies"]) == before + 2
    assert asked("http://127.0.0.1:9/v1", tmp_path)[1]["failed"] == 1


@pytest.mark.parametrize("reply, gold", [
    ("hall", True), ("Hall.", True), ("**Answer:** hall", True), ("Answer: **hall**", True),
    ("First the den, then the loft.\n\n**Answer**: hall", True), ("['hall']", True),
    ("hall, den, loft", False), ("den", False), ("Mary is in the hall.", False), ("The hallway.", False),
    ("**Answer:** den. I first thought of the hall.", False), ("", False),
])  # fmt: skip
def test_what_counts_as_right(reply, gold):
    assert client.right(ROOM, reply) is gold


def test_r1s_own_final_messages_are_judged(shared_data):
    """The release kept 183 messages by its lenient metric; answers in prose are not taken here."""
    real = problems.load("cotempqa", str(shared_data))
    made = run_texts.read(shared_data / "r1", real)
    by_id = {p.id: p for p in [*real, *made.added]}
    judged = [client.right(by_id[text.id], text.answer) for text in made.texts]
    assert sum(judged) == 173 and len(judged) == 183
    assert all(client.right(p, between.join(p.answers)) for p in real for between in (", ", " and ", "\n- "))
    assert sum(answer_metric(by_id[text.id], text.answer)["acc"] for text in made.texts) == 183  # for notebook 08
    assert sum(verdict(by_id[t.id], f"<answer>{t.answer}</answer>")["answer_correct"] for t in made.texts) == 88


def test_the_command_says_what_it_would_ask_and_asks(server, tmp_path, capsys, monkeypatch):
    rows = [
        {"id": f"q{i}", "context": list(ROOMS), "question": f"Where is Mary now ({i})?", "evidence": [2],
         "answers": ["hall" if i < 19 else "attic"], "category": "place" if i % 2 else "person"}
        for i in range(20)
    ]  # fmt: skip
    own, out = tmp_path / "rooms.jsonl", tmp_path / "out" / "texts.jsonl"
    write_jsonl(own, rows)
    monkeypatch.setenv("TRACEKD_TEACHER_URL", server["url"])
    argv = ["teacher", str(own), "--out", str(out), "--model", "m", "--limit", "3"]
    assert __main__.main(argv) == 0
    assert not server["bodies"] and "up to 9 requests" in capsys.readouterr().out
    server["answer"] = lambda body, n: (200, message(reasoning="So."))
    assert __main__.main([*argv, "--go"]) == 0
    # The three traces are alike, and so are their summaries: asked once.
    assert len(list(read_jsonl(out))) == 3 and len(server["bodies"]) == 7
    server["answer"] = lambda body, n: (401, {"error": {"message": "no such key"}})
    assert __main__.main([*argv[:-2], "--go", "--max-tokens", "7"]) == 1
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["failed"] == 16 and said["problems"] == 16
    (tmp_path / "babi").mkdir()  # made-up problems are no stand-in for a set that the folder lacks
    assert __main__.main(["teacher", str(tmp_path), *argv[2:]]) == 2 and "has no cotempqa" in capsys.readouterr().err
