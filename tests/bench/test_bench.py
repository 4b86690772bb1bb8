"""Benches: what is counted, and what the tables make of the records."""

import json

import pytest

from tracekd import machine
from tracekd.bench import benches, peers
from tracekd.data.synthetic.generated import generate
from tracekd.students import registry


def test_training_and_generation_are_measured_quiet_and_beside_a_busy_loop(capsys, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 1)
    argv = ["steady", "--profile", "smoke", "-n", "8", "--rounds", "1", "--against", "plain,authors", "--batch", "3"]
    assert benches.main([*argv, "--new-tokens", "4"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "GENERATED" in found["source"]
    assert all(row["tokens_per_second"] > 0 and row["peak_gib"] > 0.1 for row in found["rows"])
    ways = {(r["what"], r["contender"], r["workers"], r["threads"]) for r in found["ratios"]}
    expected = [("train", "ours"), ("generate", "ours"), ("generate", "plain"), ("generate", "authors")]
    assert ways == {(*way, 1, 1) for way in expected}
    assert all(row["beside_busy_loop"] > 0 for row in found["ratios"])
    differ = found["outputs_that_differ"]
    assert differ["plain"] == {"n": 8, "text": 0, "verdict": 0} and differ["authors"]["n"] == 1


def rows(contender, workers, threads, load, *rates):
    about = {"what": "train", "contender": contender, "workers": workers, "threads": threads, "load": load}
    return [{**about, "round": i, "tokens_per_second": rate, "peak_gib": i} for i, rate in enumerate(rates)]


def test_ratios_and_the_table_are_medians_over_rounds(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    assert benches.ways(["trl"]) == [("ours", 1, 2), ("ours", 2, 1), ("trl", 1, 2)]
    quiet, busy = benches.QUIET, benches.BUSY
    made = [*rows("ours", 1, 2, quiet, 10, 20, 40), *rows("ours", 2, 1, quiet, 30, 30, 30)]
    made += rows("trl", 1, 2, quiet, 5, 5, 40)
    one, workers, trl = benches.ratios([*made, *rows("ours", 1, 2, busy, 5, 16, 16)])
    # ours over trl: 2, 4, 1; the pool over trl: 6, 6, 0.75; beside the loop: 0.5, 0.8, 0.4
    assert (trl["quiet"], trl["ours_over_this"], trl["pool_over_this"]) == (5, 2, 6)
    assert one["beside_busy_loop"] == 0.5
    assert workers["pool_over_this"] == 1
    about = dict.fromkeys(("dataset", "profile", "student", "hardware", "date", "source"), "x") | {"n": 4}
    differ = {"trl": {"n": 3, "text": 2, "verdict": 1}}
    found = benches.contenders([
        {"what": "train", "rows": made, "outputs_that_differ": differ, **about},
        {"what": "steady", "rows": made, **about},
    ])  # fmt: skip
    columns = ["contender", "workers", "tokens_per_second", "ratio", "peak_gib", "n", "turns"]
    # ours by one process over the pool: 1/3, 2/3, 4/3
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


def test_an_unknown_or_missing_peer_is_named(monkeypatch):
    with pytest.raises(ValueError, match="'trl'"):
        benches.wanted("trll", benches.PEERS["train"])
    monkeypatch.setattr(benches.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match="pip install trl"):
        benches.wanted("trl", benches.PEERS["train"])
