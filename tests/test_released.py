"""The committed verdict tables, the printed numbers and the paper check; afresh where the outputs are at hand."""

import re

import numpy as np
import pandas as pd
import pytest

from tracekd import (
    gold_free,
    paper_check,
    published,
    released,
    released_claims,
    released_verdicts,
    tables,
    verdict_moves,
)
from tracekd import released_tables as rt
from tracekd.profiles import ROOT
from tracekd.records import write_jsonl

KEPT = ROOT / "figures" / "data"


@pytest.fixture(scope="module")
def table():
    return rt.verdict_tables(KEPT)


@pytest.fixture(scope="module")
def checked(table):
    return paper_check.check(published.load(), dict(iter(table.groupby("dataset"))), {})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Llama-3.2-1B-Instruct-sft-adapter_default.jsonl.gz", ("Llama-3.2-1B-Instruct", "vanilla", None)),
        ("Qwen3-8B-sft-adapter-reasoning-facts-perturbed_default.jsonl", ("Qwen3-8B", "incorrect", None)),
        ("Qwen3-8B-sft-adapter-reasoning-facts_default.jsonl", ("Qwen3-8B", "correct", None)),
        ("Qwen_Qwen3-1.7B_default_mix.jsonl.gz", ("Qwen3-1.7B", "prompted", "mix")),
    ],
)
def test_file_names_say_adapter(name, expected):
    found = released.adapter_of(name)
    assert (found.student, found.condition, found.category) == expected


def test_other_names_are_refused():
    with pytest.raises(ValueError, match=r"no name of a released file"):
        released.adapter_of("correct-121.jsonl")


def test_tables_hold_no_text(table):
    words = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    text = table[words].drop(columns=["id", "pub_gold_row", "adapter"])
    allowed = re.compile(r"[A-Za-z0-9_.\- ]{1,60}")
    for column in text:
        values = table[column].dropna().astype(str).unique()
        assert len(values) < 30 and all(allowed.fullmatch(v) for v in values), column
    ids = pd.concat([table.id, table.pub_gold_row.dropna()])
    assert ids.str.fullmatch(r"(cotempqa|babi)/[\w-]+/[\w-]+").all()


def test_every_row_has_a_status_and_a_place(table):
    inventory = rt.inventory(table)
    assert (inventory[["test", "repeat", "other"]].sum(axis=1) == inventory.rows).all()
    assert (inventory[["ok", "untagged", "no_trace", "no_answer", "truncated"]].sum(axis=1) == inventory.rows).all()
    tuned = inventory[inventory.condition != "prompted"]
    assert (tuned.test == tuned.rows).all()


def test_counts_of_published_rows_that_follow(checked):
    rows, matched, sentence = released_claims.followed(checked)
    assert (rows.verdict == paper_check.FOLLOWS).sum() == 61 and len(rows) == 67
    babi = matched[matched.dataset == "babi"]
    assert (babi.follows == babi.printed).all() and len(babi) == 4
    assert sentence.startswith("61 of 67")


def test_every_printed_number_has_source_and_verdict(checked):
    numbers = published.load()
    assert (numbers.source.str.len() > 0).all() and numbers.value.notna().all()
    assert len(checked) == len(numbers) and checked.verdict.notna().all()
    follows = checked[checked.verdict == paper_check.FOLLOWS]
    assert (follows.difference == 0).all()


def test_compact_check_keeps_every_row_and_matrix(checked):
    short = paper_check.compact(checked)
    rows = short[short.what.str.startswith("answer metric")]
    assert len(rows) == 67 and (rows.verdict == paper_check.FOLLOWS).sum() == 61
    matrices = short[short.what.str.startswith("matrix")]
    assert len(matrices) == 12 and (matrices.verdict == paper_check.FOLLOWS).sum() == 4
    r1 = short.set_index("what").loc["r1 subset, cotempqa, Llama-3.2-1B, r1"]
    # Printed: the mean of four categories, 62.98.
    assert r1.printed == pytest.approx(62.98, abs=0.01) and r1.measure == "acc, mean of 4"


@pytest.fixture(scope="module")
def compared(table):
    return rt.compared(published.load(), rt.both_rules(table), tables.associations)


@pytest.fixture(scope="module")
def contrasts(table):
    test = table[(table.joined == "test") & (table.condition != "prompted")]
    by = {"within": ("dataset", "student"), "order": ("vanilla", "correct", "incorrect")}
    return pd.concat(
        tables.contrasts(test, 0.05, column, **by).assign(rules=rules)
        for rules, column in ((rt.THEIRS, "pub_answer_correct"), (rt.OURS, "answer_correct"))
    )


def test_claims_are_filled(compared, contrasts):
    numbers = published.load()
    found = released_claims.claims(compared, contrasts, rt.r1_conditions(numbers), numbers)
    assert found.evidence.str.contains(r"\d").all() and not found.evidence.str.contains("nan").any()
    assert set(found.verdict) <= {"supported", "not supported", "inconclusive", "not tested"}
    verdict = found.set_index("statement").verdict
    # 93.4% [90.2, 95.7] does not hold 28%.
    assert verdict["Correct traces led to correct solutions in only 28% of test cases."] == "not supported"
    trace = compared[compared.step == "trace"]
    ours = trace[(trace.rules == rt.OURS) & (trace.title == "cotempqa, Qwen3-1.7B, correct")].iloc[0]
    # 299, 124, 21, 506 before the reader forgave unescaped apostrophes and "The answer is:" (verdict_moves.csv:
    # 7 answers and the facts of 2 traces of this adapter moved to right).
    assert [ours[c] for c in rt.CELLS] == [305, 125, 17, 503]


def test_moves_are_those_of_the_released_outputs(table):
    moves = pd.read_csv(KEPT / verdict_moves.MOVES)
    assert set(moves.adapter) == set(table.adapter) and not (moves.moved_to_wrong > 0).any()
    prompted = moves[moves.adapter == "meta-llama_Llama-3.2-1B-Instruct"].iloc[0]
    # All 950 were wrong before "Answer:" was dropped, so what moved is what is right.
    right = table[table.adapter == prompted.adapter].answer_correct.sum()
    assert prompted.moved_to_right == right == 91 and prompted.n_outputs == 950
    kept, now = pd.read_csv(KEPT / verdict_moves.CLAIMS), verdict_moves.claims(table, table)
    # The kept table is about the statements, and gives the verdicts, that notebook 06 prints today.
    assert kept[["statement", "after"]].to_numpy().tolist() == now[["statement", "after"]].to_numpy().tolist()
    assert len(kept) == 13 and not kept.moved.any()


def test_moves_name_step_cause_and_direction(tmp_path):
    texts = ["Answer: a", "<think>x</think> the answer is: a", "['it's', 'b']", "x"]
    for dataset, part in (("cotempqa", texts[:3]), ("babi", texts[3:])):
        write_jsonl(tmp_path / "released" / dataset / "a.jsonl", ({"prediction": text} for text in part))
    about = pd.DataFrame(
        {"dataset": ["cotempqa"] * 3 + ["babi"], "adapter": "a", "row": [1, 2, 3, 1], "id": list("abcd")}
    )
    flags = {"classification_correct": False, "retrieval_correct": False, "status": "ok"}
    before = about.assign(**flags, answer_correct=[False, False, True, False])
    after = about.assign(**flags, answer_correct=[True, True, False, False])
    found = verdict_moves.count(tmp_path, before, after).set_index("cause")
    assert found.loc["answer: 'Answer:' or 'The answer is:' begins the answer", "moved_to_right"] == 2
    assert found.loc["answer: an unescaped apostrophe in a list", "moved_to_wrong"] == 1
    assert found.loc["none", "n_outputs"] == 1
    with pytest.raises(ValueError, match="not about the same outputs"):
        verdict_moves.count(tmp_path, before.iloc[::-1], after)


def test_the_gold_free_check_agrees_and_buys_accuracy(table):
    rows = table[(table.joined == "test") & (table.student == "Llama-3.2-1B-Instruct") & (table.condition == "correct")]
    rng = np.random.default_rng(1)
    found = gold_free.at_inference(rows, rng, 100, ("dataset",)).set_index(["dataset", "measure"])
    # 234 of 950 CoTempQA traces pass, and all of their answers are right.
    passing = found.loc[("cotempqa", "answer right, trace passes")]
    assert passing.outputs == 234 and passing.value == 1
    assert found.loc[("cotempqa", "agrees with gold"), "value"] > 0.98
    assert (found.not_checked == 0).all()


def test_verdicts_follow_their_tests(contrasts):
    """Qwen on CoTempQA: behind vanilla by 10.7 points, which is shown; without that difference it is inconclusive."""
    claim = released_claims._qwen
    assert claim(contrasts)[2] == "not supported"
    pair = (
        (contrasts.dataset == "cotempqa") & (contrasts.student == "Qwen3-1.7B") & (contrasts["second"] == "incorrect")
    )
    assert claim(contrasts.assign(p_holm=contrasts.p_holm.mask(pair, 0.5)))[2] == "inconclusive"
    best = contrasts.assign(p_holm=contrasts.p_holm.mask(pair, 0.01), difference=-contrasts.difference.abs())
    assert claim(best)[2] == "supported"
    for reference in ("vanilla", "correct"):
        shown = contrasts.assign(p_holm=0.01, difference=0.1)
        assert released_claims._incorrect(shown, reference)[2] == "not supported"  # lower in every set and student
        nothing = contrasts.assign(p_holm=1.0, equivalent=False)
        assert released_claims._incorrect(nothing, reference)[2] == "inconclusive"
        assert released_claims._incorrect(nothing.assign(equivalent=True), reference)[2] == "supported"


def test_the_three_steps_of_the_28_percent(compared):
    """Printed 261 of 949 and 261 / (261 + 195); ours 305 of 950 and 305 / (305 + 17), label 310 / (310 + 297)."""
    steps = rt.three_steps(compared).set_index("reading")
    assert steps.n.tolist() == [949, 936, 950, 950]
    assert (100 * steps.joint).round(1).tolist() == [27.5, 27.6, 32.1, 32.6]
    assert (100 * steps.p_answer_given_trace).round(1).tolist() == [57.2, 56.2, 94.7, 51.1]
    label = steps.loc["released outputs, id-aligned, label alone"]
    assert (round(label.phi, 2), round(100 * label.p_answer_given_not_trace, 1)) == (0.16, 35.0)
    assert (steps.joint_low < steps.joint).all() and (steps.phi_low < steps.phi).all()


def test_tables_that_reject_independence(compared):
    """Qwen3-8B, incorrect, id-aligned: chi-squared 4.4 with an expected count of 2.4, Fisher 0.048, after Holm 0.48."""
    found = rt.dependent(compared)
    assert found.tables.tolist() == [10, 10, 10]
    assert found.loc[rt.OURS].tolist() == [10, 6, 7, 6] and found.loc[rt.PRINTED].tolist() == [10, 1, 6, 3]
    assert (rt.dependent(compared, common=True).tables == 6).all()


def test_seeds_with_a_missing_category_are_left_out():
    found = rt.seeds(published.load()).set_index(["student", "condition"])
    assert found.loc[("Qwen3-1.7B", "vanilla"), "seeds"] == 2
    assert found.loc[("Qwen3-1.7B", "correct"), "seeds"] == 3


def test_kept_tables_are_those_of_the_released_files(shared_data):
    for dataset in released_verdicts.DATASETS:
        fresh, sources = released_verdicts.build(shared_data, dataset)
        assert released_verdicts.moved(fresh, (KEPT / released_verdicts.table_name(dataset)).read_bytes()) == 0
        kept = pd.read_csv(KEPT / released_verdicts.SOURCES)
        assert set(sources.sha256) == set(kept.sha256[kept.dataset == dataset])


def test_published_csv_is_what_the_release_says(shared_data):
    fresh = published.build(shared_data / "released")
    kept = published.load()
    assert list(fresh.measure) == list(kept.measure)
    assert fresh.value.to_numpy() == pytest.approx(kept.value.to_numpy())
