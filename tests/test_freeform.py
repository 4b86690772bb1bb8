import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tracekd import check_freeform, freeform, problems, templated
from tracekd.teacher import Endpoint, Teacher, collect, estimate, right


@pytest.fixture(scope="module")
def found():
    return problems.load("cotempqa", "generated", size=120, seed=4)


@pytest.fixture(scope="module")
def texts(found):
    return freeform.from_rules(found, seed=1)


def test_templated_texts_are_named_and_repeat(found, texts):
    assert len(texts) > 0.9 * len(found)
    assert {text.teacher for text in texts} == {"templated"}
    assert texts == freeform.from_rules(list(reversed(found)), seed=1)[::-1]
    assert all(text.trace and text.summary and text.explanation for text in texts)


@pytest.mark.parametrize("dataset", ["cotempqa", "babi"])
def test_no_claim_of_a_templated_text_is_false(dataset):
    made = problems.load(dataset, "generated", size=150, seed=6)
    by_id = {p.id: p for p in made}
    for text in freeform.from_rules(made):
        for part in (text.trace, text.summary, text.explanation):
            claims, _ = check_freeform.check(by_id[text.id], part)
            assert all(claim.true for claim in claims), [c.text for c in claims if not c.true]


def test_lengths_are_those_of_real_traces(shared_data):
    """R1's ten retyped traces have 204 to 655 words; the templated ones on the same set lie within."""
    made = problems.load("cotempqa", str(shared_data))
    lengths = [len(text.trace.split()) for text in freeform.from_rules(made[::7])]
    assert 204 < sorted(lengths)[len(lengths) // 2] < 655


def test_a_wrong_date_is_found(found, texts):
    p = next(p for p in found if p.id == texts[0].id)
    lie = texts[0].trace.replace("began", "started")
    year = next(
        word for word in lie.split("- ")[1].split() if word.strip(".,").isdigit() and len(word.strip(".,")) == 4
    )
    lie = lie.replace(year, "1234.")
    claims, _ = check_freeform.check(p, lie)
    assert not all(claim.true for claim in claims)


def test_coverage_is_reported(found, texts):
    p = next(p for p in found if p.id == texts[0].id)
    table = check_freeform.report([(p, texts[0].trace), (p, "Hello there. Nothing here.")])
    assert table.coverage[0] > 0.2 and table.coverage[1] == 0


@pytest.mark.parametrize("same_category", [False, True])
def test_swapped_is_never_ones_own(found, same_category):
    given = freeform.swap(found, seed=3, same_category=same_category)
    assert set(given) == set(given.values()) == {p.id for p in found}
    assert all(own != other for own, other in given.items())
    assert given == freeform.swap(list(reversed(found)), seed=3, same_category=same_category)
    if same_category:
        assert all(own.split("/")[1] == other.split("/")[1] for own, other in given.items())
    with pytest.raises(ValueError, match="nothing to swap"):
        freeform.swap(found[:1])


def test_conditions_take_their_text(found, texts):
    made = {c: freeform.build_all(found, c, texts, seed=2) for c in freeform.CONDITIONS}
    name = texts[0].id
    assert made["r1"][name].text == texts[0].trace
    assert made["r1_summary"][name].text == texts[0].summary
    assert made["swapped"][name].text != texts[0].trace
    assert made["r1"][name].classification is None
    with pytest.raises(ValueError, match="not free-form"):
        freeform.build_all(found, "correct", texts)
    with pytest.raises(ValueError, match="no summary"):
        freeform.build_all(found, "r1_summary", [freeform.Texts(name, "x", "y")])
    with pytest.raises(ValueError, match="1 texts have no trace"):
        freeform.build_all(found, "swapped", [*texts[1:], freeform.Texts(name, "x", "")])


def test_texts_on_another_problem_of_the_same_id_are_refused(found, texts):
    """Sets of two seeds share their ids, and no problem: traces of one are no traces for the other."""
    others = problems.load("cotempqa", "generated", size=60, seed=77)
    assert {p.id for p in others} & {text.id for text in texts}
    with pytest.raises(ValueError, match="were written on other problems of the same id"):
        freeform.build_all(others, "r1", texts)
    unchecked = [replace(text, problem="") for text in texts]
    assert freeform.build_all(others, "r1", unchecked)


def test_templated_has_nothing_on_marco():
    assert templated.write(problems.load("marco", "generated", size=20, seed=1)[0]) is None


# A real HTTP server in a thread: what comes over the wire is tested, with a stand-in for the model behind it.


@pytest.fixture
def server(found):
    answers = {p.question: p.answers for p in found}
    state = {"calls": 0, "fail": 0}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state["calls"] += 1
            if state["fail"]:
                state["fail"] -= 1
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            text = body["messages"][0]["content"]
            question = next((q for q in answers if q in text), "")
            state["key"] = self.headers.get("Authorization")
            gold = answers.get(question, ("a summary",))
            wrong = question == state.get("wrong")
            message = {
                "content": "no idea" if wrong else ", ".join(gold),
                "reasoning_content": f"I think so. {question}",
            }
            usage = {"prompt_tokens": 10, "completion_tokens": 5}
            reply = json.dumps({"choices": [{"message": message}], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}/v1", state
    http.shutdown()
    http.server_close()


def test_right_answers_are_kept_and_nothing_is_paid_twice(found, server, tmp_path):
    url, state = server
    state["wrong"] = found[0].question
    endpoint = Endpoint(url, "stand-in", key="k", workers=3)
    kept, counts = collect(found[:6], Teacher(endpoint, tmp_path / "cache.jsonl"))
    assert counts["wrong"] == 1 and counts["right"] == 5 == len(kept)
    assert counts["asked"] == 1 + 5 * 3 == state["calls"]
    assert state["key"] == "Bearer k"
    assert kept[0].trace.startswith("I think so.") and kept[0].teacher == "stand-in"
    # A kill tore the last line: only that request is asked again.
    cache = tmp_path / "cache.jsonl"
    cache.write_bytes(cache.read_bytes()[:-7])
    again, counts = collect(found[:6], Teacher(endpoint, cache))
    assert sorted(again, key=lambda t: t.id) == sorted(kept, key=lambda t: t.id)
    assert counts["asked"] == 1 and counts["cached"] == 15


def test_retries_are_bounded(found, server, tmp_path):
    url, state = server
    state["fail"] = 1
    teacher = Teacher(Endpoint(url, "m", workers=1, retries=1), tmp_path / "a.jsonl")
    assert collect(found[:1], teacher)[1]["right"] == 1
    state["fail"] = 100
    teacher = Teacher(Endpoint(url, "m2", workers=1, retries=1), tmp_path / "b.jsonl")
    before = state["calls"]
    assert collect(found[1:2], teacher)[1]["failed"] == 1
    assert state["calls"] - before == 2


def test_rate_limit_keeps_starts_apart(found, server, tmp_path):
    import time

    url, _ = server
    teacher = Teacher(Endpoint(url, "m", workers=4, per_minute=600), tmp_path / "a.jsonl")
    start = time.monotonic()
    collect(found[:2], teacher)
    assert time.monotonic() - start >= 0.45  # six requests, a tenth of a second apart


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


def test_what_counts_as_right(found):
    p = found[0]
    assert right(p, f"The answer is **{' and '.join(p.answers)}**.")
    assert not right(p, "I do not know.")
    other = next(s for s in p.context if p.answers[0] not in s)
    assert not right(p, f"{p.answers[0]}, also: {other}")


def test_the_command_estimates_first_and_then_asks(found, server, tmp_path, capsys):
    from tracekd import teacher_cli
    from tracekd.records import write_jsonl

    url, state = server
    path, out = tmp_path / "p.jsonl", tmp_path / "out" / "texts.jsonl"
    write_jsonl(path, map(problems.as_row, found[:3]))
    ask = [str(path), "--out", str(out), "--url", url, "--model", "m"]
    assert teacher_cli.main(ask) == 0
    assert state["calls"] == 0 and json.loads(capsys.readouterr().out)["estimate"]["requests"] == 9
    assert teacher_cli.main([*ask, "--go"]) == 0
    assert len(freeform.read_texts(out)) == 3 and state["calls"] == 9
