"""Benches: what is counted, and what the tables make of the records."""

import json
from importlib.util import find_spec
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from tracekd import bench, bench_generate, bench_train, benches, meter, sft, students
from tracekd.generated import generate
from tracekd.profiles import load

RECIPE = load("smoke").recipe


def ran(capsys, argv):
    assert bench.main([*argv, "--profile", "smoke"]) == 0
    return json.loads(capsys.readouterr().out)


def test_operations_are_counted_from_the_layers():
    """One frozen 3 x 5 projection with a rank-2 adapter, one layer, 2 heads of width 2, vocabulary 7, hidden 4."""
    model = torch.nn.Module()
    model.q_proj = torch.nn.Linear(5, 3, bias=False)
    model.lora_A, model.lora_B = torch.nn.Linear(5, 2, bias=False), torch.nn.Linear(2, 3, bias=False)
    model.config = SimpleNamespace(vocab_size=7, hidden_size=4, num_attention_heads=2, num_hidden_layers=1, head_dim=2)
    # 11 tokens in examples of 5 and 6, of which 3 are supervised: frozen 4 * 15 * 11 = 660, adapter 6 * 16 * 11 =
    # 1056, head 4 * 28 * 3 = 336, attention 12 * 4 * (15 + 21) = 1728.
    assert meter.operations(model, [5, 6], 3) == 660 + 1056 + 336 + 1728


def test_peak_memory_sees_what_was_held_for_a_moment():
    if torch.cuda.is_available():
        pytest.skip("counts the host's memory")
    memory = meter.Memory(every=0.001)
    with memory.watched():
        held = torch.ones(2**27)  # half a GiB
        del held
    assert 0.4 < memory.gib < 1.5


def test_training_is_measured_and_counts_real_tokens(capsys):
    found = ran(capsys, ["train", "-n", "16", "--rounds", "2", "--batch", "4"])
    assert [row["steps"] for row in found["rows"]] == [4, 4]
    row = found["rows"][0]
    assert 0 < row["supervised_per_second"] < row["tokens_per_second"]
    assert 0 <= row["padding"] < 0.3 and 0 < found["share_of_matrix_rate"] < 1.5
    assert "GENERATED" in found["source"]


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL, a peer and no requirement, is not installed")
def test_trl_finds_the_same_loss_on_the_same_batch():
    problems = [p for p in generate("babi", 110, seed=3) if p.split == "train"][:4]
    encoded = sft.encode_all(sft.build(problems, "correct", seed=1), students.load_tokenizer("tiny-random"), 4096)
    found = bench_train.losses_on_one_batch("tiny-random", encoded, RECIPE, 1)
    assert found["ours"] == pytest.approx(found["trl_best"], abs=1e-4)


def test_all_ways_of_generation_answer_the_same(capsys):
    found = ran(capsys, ["generate", "-n", "8", "--rounds", "1", "--against", "plain,authors", "--batch", "3"])
    assert {row["way"]: row["n"] for row in found["rows"]} == {"ours": 8, "plain": 8, "authors": 2}
    assert set(found["ratios"]) == {"plain", "authors"}
    if not torch.cuda.is_available() and not _rounds_to_bf16():
        assert found["outputs_that_differ"]["plain"] == {"n": 8, "text": 0, "verdict": 0}


def _rounds_to_bf16() -> bool:
    """Does bitsandbytes evaluate NF4 layers in bf16 on this processor?"""
    from bitsandbytes.backends.cpu import ops

    return ops.has_avx512bf16()


def test_differences_count_texts_and_verdicts_apart():
    tokenizer = students.load_tokenizer("tiny-random")
    problems = generate("babi", 110, seed=3)[:3]
    right = {p.id: tokenizer(f"<answer>{p.answers[0]}</answer>", add_special_tokens=False).input_ids for p in problems}
    first = {i: (ids, True) for i, ids in right.items()}
    a, b, c = (p.id for p in problems)
    space = tokenizer(" ", add_special_tokens=False).input_ids
    second = {a: first[a], b: ([*right[b], *space], True), c: ([], True)}  # the same; a space more; nothing at all
    found = bench_generate.differences(problems, first, second, tokenizer)
    assert found == {"n": 3, "text": 2, "verdict": 1}


def test_an_unknown_peer_is_named():
    with pytest.raises(ValueError, match="did you mean 'trl'"):
        bench.main(["train", "--against", "trll", "--profile", "smoke"])


def record(what, key, rates, **more):
    rows = [{key: name, "tokens_per_second": rate, "peak_gib": 1.0} for name, rate in rates]
    about = {
        "what": what,
        "profile": "cpu",
        "student": "smollm2-135m",
        "hardware": "H",
        "date": "2026-01-01",
        "n": 4,
        "source": "S",
    }
    return {**about, "n": 4, "source": "S", "rows": rows, "ratios": {"trl": 2.0}, **more}


def test_tables_take_medians_and_leave_gaps_where_nobody_measured():
    differ = {"plain": {"n": 4, "text": 2, "verdict": 1}}
    generated = record("generate", "way", [("ours", 9.0), ("plain", 6.0)], outputs_that_differ=differ)
    row = benches.contenders([generated]).set_index("contender").loc["plain"]
    assert (row.texts_differ, row.verdicts_differ, row.n) == (2, 1, 4)
    found = [
        record("train", "trainer", [("ours", 100.0), ("ours", 300.0), ("ours", 200.0), ("trl", 100.0)]),
        {"what": "run", "profile": "cpu", "hardware": "H", "total": 600.0, "source": "GENERATED problems"},
    ]
    contenders = benches.contenders(found).set_index("contender")
    assert contenders.tokens_per_second.to_dict() == {"ours": 200.0, "trl": 100.0}
    assert set(contenders.source) == {"S"}
    assert contenders.ratio.to_dict() == {"ours": 1.0, "trl": 2.0}
    table = benches.by_profile(found).set_index("profile")
    assert table.loc["cpu", ["run_minutes", "training"]].to_list() == [10.0, 200.0]
    # Another recipe of the same student is not measured by this one's rate.
    for other in ("paper", "gpu"):
        assert table.loc[other, "hardware"] == "not measured" and pd.isna(table.loc[other, "training"])
    assert benches.by_profile([]).hardware.eq("not measured").all()


def test_the_invariance_table_has_shares_with_intervals():
    about = {"what": "invariance", "student": "s", "dataset": "babi", "condition": "correct", "hardware": "H"}
    rows = [{"batch": 8, "against": 1, "n": 50, "text": 5, "verdict": 1}]
    table = benches.invariance([{**about, "date": "d", "source": "S", "rows": rows}])
    assert table.value.to_list() == [0.1, 0.02] and (table.low < table.value).all() and (table.value < table.high).all()
