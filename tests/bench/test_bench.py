"""Benches: what is counted, and what the tables make of the records."""

import json
import time

import psutil
import pytest

from tracekd import machine
from tracekd.bench import benches, peers
from tracekd.data.synthetic.generated import generate
from tracekd.students import registry


@pytest.mark.parametrize(("what", "others"), [("train", ""), ("generate", "plain,authors")])
def test_contenders_take_turns_and_their_record_is_a_table(what, others, capsys):
    """With our workers on both cores of this machine, or on one."""
    argv = [what, "--profile", "smoke", "-n", "8", "--rounds", "1", "--against", others, "--batch", "3"]
    assert benches.main([*argv, "--new-tokens", "4"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "GENERATED" in found["source"]
    assert all(row["tokens_per_second"] > 0 and row["peak_gib"] > 0.1 for row in found["rows"])
    ways = [(row["contender"], row["workers"], row["threads"]) for row in found["rows"]]
    assert ways == benches.ways([name for name in others.split(",") if name])
    assert len(benches.contenders([found])) == len(ways) == len(found["ratios"])
    if what == "generate":
        differ = found["outputs_that_differ"]
        assert differ["plain"] == {"n": 8, "text": 0, "verdict": 0} and differ["authors"]["n"] == 1


def test_steady_has_the_share_of_the_quiet_speed_that_is_left_beside_a_busy_loop(capsys, monkeypatch):
    """Training and generation, by one process and by one a core; the loop runs in the busy turns alone."""
    rates = iter(range(1, 99))

    def loops():
        time.sleep(0.2)  # a slow machine shows a new process late
        return [benches.LOOP in process.cmdline() for process in psutil.Process().children()].count(True)

    def turn(way, task):
        row = {"contender": way[0], "workers": way[1], "threads": way[2], "peak_gib": 1, "loops": loops()}
        return row | {"tokens_per_second": next(rates)}

    monkeypatch.setattr(benches, "turn", turn)
    monkeypatch.setattr(machine, "cores", lambda: 2)
    assert benches.main(["steady", "--profile", "smoke", "-n", "4", "--rounds", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["load"], row["loops"]) for row in found["rows"]] == [*[("quiet", 0)] * 2, *[(benches.BUSY, 1)] * 2] * 2
    assert loops() == 0
    # rates as drawn: quiet 1 and 2, busy 3 and 4, of training; then 5 and 6, 7 and 8
    shares = [(row["what"], row["workers"], row["beside_busy_loop"]) for row in found["ratios"]]
    assert shares == [("train", 1, 3 / 1), ("train", 2, 4 / 2), ("generate", 1, 7 / 5), ("generate", 2, 8 / 6)]


def rows(contender, workers, *rates):
    about = {"what": "train", "contender": contender, "workers": workers, "load": "quiet"}
    return [{**about, "round": i, "tokens_per_second": rate, "peak_gib": i} for i, rate in enumerate(rates)]


def test_the_table_has_medians_over_rounds(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    assert benches.ways(["trl"]) == [("ours", 1, 2), ("ours", 2, 1), ("trl", 1, 2)]
    made = [*rows("ours", 1, 10, 20, 40), *rows("ours", 2, 30, 30, 30), *rows("trl", 1, 5, 5, 40)]
    about = dict.fromkeys(("dataset", "profile", "student", "hardware", "date", "source"), "x") | {"n": 4}
    differ = {"trl": {"n": 3, "text": 2, "verdict": 1}}
    found = benches.contenders([
        {"what": "train", "rows": made, "outputs_that_differ": differ, **about},
        {"what": "steady", "rows": made, **about},  # has a table of its own, ``ratios``
    ])  # fmt: skip
    columns = ["contender", "workers", "tokens_per_second", "ratio", "peak_gib", "n", "turns"]
    # ours by one process over the workers: 1/3, 2/3, 4/3; over trl: 2, 4, 1
    assert found[columns].to_numpy().tolist() == [
        ["ours", 1, 20, 1, 2, 4, 3], ["ours", 2, 30, pytest.approx(2 / 3), 2, 4, 3], ["trl", 1, 5, 2, 2, 3, 3],
    ]  # fmt: skip
    assert found.iloc[-1][["texts_differ", "verdicts_differ"]].tolist() == [2, 1]


def test_differences_count_texts_and_verdicts_apart():
    tokenizer = registry.load_tokenizer("tiny-random")
    problems = generate("babi", 110, seed=3)[:3]
    right = {p.id: tokenizer(f"<answer>{p.answers[0]}</answer>", add_special_tokens=False).input_ids for p in problems}
    first = {i: (ids, True) for i, ids in right.items()}
    a, b, c = (p.id for p in problems)
    space = tokenizer(" ", add_special_tokens=False).input_ids
    second = {a: first[a], b: ([*right[b], *space], True), c: ([], True)}  # the same; a space more; nothing at all
    assert peers.differences(problems, first, second, tokenizer) == {"n": 3, "text": 2, "verdict": 1}
