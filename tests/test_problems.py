"""Problems: sources, splits as in the paper, nothing in two splits, draws that keep the shares."""

import ast
import csv
import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekd import problems as P
from tracekd.problems import Problem
from tracekd.profiles import Run, load


def problem(number=0, category="a", split="train", **changes):
    made = Problem(f"own/{category}/{split}-{number}", "own", category, (f"fact {number}",), "q?", ("x",), (0,), split)
    return replace(made, **changes)


def test_paper_split_is_the_papers_draw():
    """20% within each category by DataFrame.sample(frac=0.2, random_state=42), rows in file order."""
    categories = ["a", "b"] * 10 + ["a"] * 10
    expected = set()
    frame = pd.DataFrame({"c": categories})
    for category in "ab":
        rows = frame.index[frame.c == category].to_numpy()
        drawn = pd.DataFrame({"i": range(len(rows))}).sample(frac=0.2, random_state=42)
        expected |= set(rows[drawn.index])
    found = P.paper_split(categories)
    assert {i for i, s in enumerate(found) if s == "test"} == expected
    assert len(expected) == 4 + 2  # 20% of 20 and of 10


def test_real_test_sets_are_the_papers_draw(shared_data):
    """Where a category's whole file is at hand, our draw is the authors' test file, problem for problem."""
    loaded = P.load("cotempqa", str(shared_data))
    for category in ("equal", "overlap"):
        ours = {p.question for p in loaded if p.category == category and p.split == "test"}
        lines = (shared_data / "cotempqa" / f"{category}_test.jsonl").read_text().splitlines()
        assert ours == {json.loads(line)["question"] for line in lines}
    counts = Counter(p.category for p in loaded if p.split == "test")
    assert counts == {"equal": 87, "overlap": 131, "during": 619, "mix": 113}  # 950 in all, as published


def test_real_ids_follow_the_files(shared_data):
    """A test-only file's ids are its index in the authors' concatenation less what stands before the category."""
    loaded = {p.id: p for p in P.load("cotempqa", str(shared_data))}
    first = json.loads((shared_data / "cotempqa" / "mix_test.jsonl").read_text().splitlines()[0])
    assert loaded[f"cotempqa/mix/{first['index'] - 3096 - 436:04d}"].question == first["question"]


def test_real_gold_facts_are_found_for_every_cotempqa_problem(shared_data):
    assert all(p.evidence for p in P.load("cotempqa", str(shared_data)))


def test_real_babi_counts_and_leaks(shared_data, caplog):
    """3,773 + 376 rows as published; training rows that repeat, or are in the test file in any order, are left out."""
    rows = {}
    for split in ("train", "test"):
        with (shared_data / "babi" / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            rows[split] = [(row["passages"], row["question"]) for row in csv.DictReader(file)]
    assert (len(rows["train"]), len(rows["test"])) == (3773, 376)
    assert len(rows["test"]) - len(set(rows["test"])) == 1
    assert sum(row in set(rows["test"]) for row in rows["train"]) == 20
    # Reordered sentences: 33 training rows, twins of 29 test problems, of which 18 stand there in the same order.
    sets = {split: [(frozenset(ast.literal_eval(p)), q) for p, q in found] for split, found in rows.items()}
    assert sum(row in set(sets["test"]) for row in sets["train"]) == 33
    assert sum(row in set(sets["train"]) for row in sets["test"]) == 29
    assert sum(row in set(rows["train"]) for row in rows["test"]) == 18
    left = {row for row, twin in zip(rows["train"], sets["train"], strict=True) if twin not in set(sets["test"])}
    assert len(left) == 3656  # 3,773 - 33 - 84 that repeat another
    with caplog.at_level("WARNING"):
        loaded = P.load("babi", str(shared_data))
    assert Counter(p.split for p in loaded) == {"train": 3656, "test": 376}
    assert "117 training problems left out: 33 stand in the test split" in caplog.records[-1].message
    split = {s: [p for p in loaded if p.split == s] for s in ("train", "test")}
    # 256 of 376: the gold facts and the question stand in a training problem, in another context.
    assert P.near_duplicates(split["train"], split["test"]) == {"n": 376, "near": 256, "same": 0}
    assert set(Counter(p.category for p in loaded)) == set(P.CATEGORIES["babi"])


@pytest.mark.parametrize("dataset", P.DATASETS)
def test_generated_sets_pass_the_same_checks(dataset):
    loaded = P.load(dataset, "generated", size=300, seed=3)
    assert len(loaded) == 300
    assert {p.split for p in loaded} == {"train", "test"}


def test_leaks_are_dropped_from_training_only():
    leak = problem(1, split="test", context=("fact 0",))
    kept = P.drop_leaks([problem(0), problem(0, id="own/a/twin"), problem(2), leak])
    assert [p.id for p in kept] == ["own/a/train-2", "own/a/test-1"]


def test_a_reordered_twin_is_a_leak_and_the_test_split_stays_whole():
    one = problem(1, split="test", context=("fact 0", "fact 1"))
    again = problem(2, split="test", context=("fact 0", "fact 1"))
    twin = problem(3, context=("fact 1", "fact 0"))
    near = problem(4, context=("fact 0", "fact 9"))
    kept = P.drop_leaks([twin, near, one, again])
    assert [p.id for p in kept] == ["own/a/train-4", "own/a/test-1", "own/a/test-2"]
    # fact 0 is the gold fact of all of them, and the question is one: both test problems have a near twin.
    assert P.near_duplicates([near], [one, again]) == {"n": 2, "near": 2, "same": 0}
    assert "**own**: 2 of 2 test problems (100.0%)" in P.near_duplicate_lines({"own": [near]}, {"own": [one, again]})
    assert P.near_duplicates([twin], [one]) == {"n": 1, "near": 0, "same": 1}


@pytest.mark.parametrize(
    ("problems", "message"),
    [
        ([problem(0), problem(0)], "given twice"),
        ([problem(0, evidence=(1,))], "outside the context of 1 facts"),
        ([problem(0, split="dev")], "split is 'dev'"),
        ([problem(0), problem(1, split="test", context=("fact 0",))], "stand in both splits"),
    ],
)
def test_bad_sets_are_refused_by_name(problems, message):
    with pytest.raises(ValueError, match=message):
        P.check(problems)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_selection_keeps_shares_and_never_repeats(counts, size, seed):
    pool = [problem(n, category=f"c{c}") for c, count in enumerate(counts) for n in range(count)]
    chosen = P.select(pool, size, np.random.default_rng(seed))
    assert len(chosen) == min(size, len(pool))
    assert len({p.id for p in chosen}) == len(chosen)
    for c, count in enumerate(counts):
        found = sum(p.category == f"c{c}" for p in chosen)
        # equal steps through the sorted pool: within one of the exact share, and one more for the rounding
        assert abs(found - len(chosen) * count / len(pool)) <= 2


def test_selection_follows_its_seed():
    pool = [problem(n, category=f"c{n % 3}") for n in range(90)]

    def draw(seed):
        return [p.id for p in P.select(pool, 30, np.random.default_rng(seed))]

    assert draw(1) == draw(1) != draw(2)


def test_problems_survive_their_file_and_are_kept_for_later_notebooks(tmp_path, capsys):
    run = Run("01_decompose", load("smoke"), 121, "generated", tmp_path)
    made = P.prepare(run)
    assert P.kept(run) == made
    assert "as an earlier notebook left them" in capsys.readouterr().out
    other = Run("01_decompose", load("smoke"), 122, "generated", tmp_path)
    assert P.kept(other) != made
    assert "no earlier notebook left any" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["seed", "sizes", "torn"])
def test_kept_sets_of_another_run_are_not_taken(tmp_path, capsys, change):
    """Another seed, other sizes, or a kill between the sets and their marker: loaded anew, and said so."""
    run = Run("01_decompose", load("smoke"), 121, "generated", tmp_path)
    P.prepare(run)
    if change == "seed":
        run = replace(run, seed=122)
    elif change == "sizes":
        run = replace(run, profile=replace(run.profile, generated={"cotempqa": 100, "marco": 100, "babi": 110}))
    else:
        run.path("problems", "SOURCE.json").unlink()
    capsys.readouterr()
    P.kept(run)
    assert "no earlier notebook left any" in capsys.readouterr().out


def test_a_folder_that_holds_no_set_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(ValueError, match=r"none of cotempqa, marco, babi is in that folder"):
        P.check_source(str(tmp_path))


def test_categories_without_training_are_left_out_and_counted(tmp_path, capsys):
    run = Run("04_evaluate", load("smoke"), 121, "generated", tmp_path)
    pool = [problem(n, split=s) for s in ("train", "test") for n in range(5)]
    pool += [problem(9, category="b", split="test")]
    assert {p.category for p in P.evaluation_set(run, "own", pool)} == {"a"}
    assert "1 of 6 test problems left out" in capsys.readouterr().out


def test_unknown_sources_and_sets_name_the_ways_on(tmp_path):
    with pytest.raises(ValueError, match="expected 'auto', 'generated', 'hub', a folder"):
        P.check_source("no/such/place")
    with pytest.raises(ValueError, match="did you mean 'cotempqa'"):
        P.load("cotempq", "generated")


def test_a_folder_without_a_set_falls_back_to_the_generator_by_name(tmp_path):
    (tmp_path / "babi").mkdir()
    assert P.label_of("babi", str(tmp_path)) == "real problems (local files)"
    assert P.label_of("marco", str(tmp_path)) == "GENERATED problems"
    with pytest.raises(P.DataUnavailable, match=r"expected train\.csv"):
        P.load("babi", str(tmp_path))


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(P.as_row(problem(0))) + "\n" + json.dumps({"id": "x"}) + "\n")
    with pytest.raises(ValueError, match=r"p\.jsonl, line 2: 'answers' missing or unknown; fields needed: id, dataset"):
        P.read_problems(path)


def test_the_near_twins_that_are_told_beside_the_accuracies(shared_data):
    """README, 06 and 08 print the counts of the whole sets; CoTempQA's Hub files hold more training problems."""
    counted = {}
    for name in ("babi", "cotempqa"):
        found = P.load(name, str(shared_data))
        train, test = ([p for p in found if p.split == split] for split in ("train", "test"))
        counted[name] = P.near_duplicates(train, test)
    assert counted == {"babi": {"n": 376, "near": 256, "same": 0}, "cotempqa": {"n": 950, "near": 0, "same": 0}}
    for path in ("README.md", "notebooks/06_released_outputs.ipynb", "notebooks/08_paper_check.ipynb"):
        assert re.search("256 of (376 bAbI|bAbI's 376)", (ROOT / path).read_text(encoding="utf-8"))
