"""Problems: sources, splits as in the paper, nothing in two splits, draws that keep the shares."""

import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekd.analysis import recorded, replication
from tracekd.analysis.tables import points
from tracekd.config import load
from tracekd.data import problems as P
from tracekd.data.problem import CATEGORIES, DataUnavailable, Problem, near_duplicate_lines
from tracekd.interventions import tables
from tracekd.run import Run


def problem(number=0, category="a", split="train", **changes):
    made = Problem(f"own/{category}/{split}-{number}", "own", category, (f"fact {number}",), "q?", ("x",), (0,), split)
    return replace(made, **changes)


def by_split(problems):
    return {s: [p for p in problems if p.split == s] for s in ("train", "test")}


def test_real_cotempqa_has_the_papers_splits_and_numbers(shared_data):
    """Where a category's whole file is at hand, our draw is the authors' test file, problem for problem."""
    loaded = P.load("cotempqa", str(shared_data))
    for category in ("equal", "overlap"):
        ours = {p.question for p in loaded if p.category == category and p.split == "test"}
        lines = (shared_data / "cotempqa" / f"{category}_test.jsonl").read_text().splitlines()
        assert ours == {json.loads(line)["question"] for line in lines}
    split = by_split(loaded)
    # 950 in all, as published
    assert Counter(p.category for p in split["test"]) == {"equal": 87, "overlap": 131, "during": 619, "mix": 113}
    assert len({p.id for p in loaded}) == len(loaded) == 1567 + 950
    assert all(p.evidence for p in loaded)
    assert " 0 of 950 " in near_duplicate_lines({"x": split["train"]}, {"x": split["test"]})
    # The authors number their test files through during (3,096 problems), equal (436) and mix.
    first = json.loads((shared_data / "cotempqa" / "mix_test.jsonl").read_text().splitlines()[0])
    by_id = {p.id: p for p in loaded}
    assert by_id[f"cotempqa/mix/{first['index'] - 3096 - 436:04d}"].question == first["question"]


def test_real_babi_counts_and_leaks(shared_data, caplog):
    """3,773 + 376 rows as published; training rows that repeat, or are in the test file in any order, are left out."""
    with caplog.at_level("WARNING"):
        loaded = P.load("babi", str(shared_data))
    # 3,773 - 33 - 84 that repeat another = 3,656
    assert caplog.records[-1].args == ("babi", 117, 33, 84)
    split = by_split(loaded)
    assert (len(split["train"]), len(split["test"])) == (3656, 376)
    assert set(Counter(p.category for p in loaded)) == set(CATEGORIES["babi"])
    # 256 of 376: the gold facts and the question are those of a training problem, in another context.
    assert " 256 of 376 " in near_duplicate_lines({"x": split["train"]}, {"x": split["test"]})
    for path in ("README.md", "notebooks/06_released_outputs.ipynb", "notebooks/08_paper_check.ipynb"):
        assert re.search("256 of (376 bAbI|bAbI's 376)", (ROOT / path).read_text(encoding="utf-8"))


def test_what_babi_shows_on_problems_without_a_near_twin(shared_data):
    """Notebook 08 says how many have one among the 1,000 problems that were trained on, and what the others show."""
    run, loaded = Run("twins", load("grid"), 121, str(shared_data)), P.load("babi", str(shared_data))
    taught = {(p.facts, p.question) for p in P.training_set(run, "babi", loaded)}
    alone = {p.id for p in loaded if p.split == "test" and (p.facts, p.question) not in taught}
    verdicts, asked = (t[t.id.isin(alone) & (t.training_problems == 1000)] for t in recorded.load()[::2])
    gap = replication.difference(verdicts, "incorrect", "correct", np.random.default_rng(1))
    moved = tables.effects(asked[asked.condition.isin(["correct", "incorrect"])], np.random.default_rng(1), 20_000)
    moved = moved[(moved.effect == "total_all") & (moved.outcome == "answer_correct")]
    said = [f"{376 - len(alone)} of 376 bAbI", f"(n = {len(alone)})", f"(n = {moved.n.max()})"]
    said += [points(one["value"], one["low"], one["high"]) for one in (gap, *moved.to_dict("records"))]
    told, readme = ((ROOT / name).read_text("utf-8") for name in ("notebooks/08_paper_check.ipynb", "README.md"))
    assert f"for {len(alone)} problems without" in readme and [words for words in said if words not in told] == []


def test_leaks_and_repeats_leave_training_and_the_test_split_stays_whole():
    one = problem(1, split="test", context=("fact 0", "fact 1"))
    again = problem(2, split="test", context=("fact 0", "fact 1"))
    twin = problem(3, context=("fact 1", "fact 0"))
    near = problem(4, context=("fact 0", "fact 9"))
    left = P.drop_leaks([twin, near, replace(near, id="own/a/repeat"), one, again])
    assert [p.id for p in left] == ["own/a/train-4", "own/a/test-1", "own/a/test-2"]
    # fact 0 is the gold fact of all of them, and the question is one: both test problems have a near twin.
    assert "2 of 2 test problems (100.0%)" in near_duplicate_lines({"own": [near]}, {"own": [one, again]})


@pytest.mark.parametrize(("problems", "value"), [
    ([problem(0), problem(0)], "'own/a/train-0'"), ([problem(0, evidence=(1,))], r"\(1,\)"),
    ([problem(0, split="dev")], "'dev'"),
    ([problem(0), problem(1, split="test", context=("fact 0",))], r"q\?"),
])  # fmt: skip
def test_bad_sets_are_refused_with_the_value(problems, value):
    with pytest.raises(ValueError, match=value):
        P.check(problems)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_selection_keeps_shares_and_never_repeats(counts, size, seed):
    pool = [problem(n, category=f"c{c}") for c, count in enumerate(counts) for n in range(count)]
    chosen = P.select(pool, size, np.random.default_rng(seed))
    assert len({p.id for p in chosen}) == len(chosen) == min(size, len(pool))
    assert chosen == P.select(pool, size, np.random.default_rng(seed))
    for c, count in enumerate(counts):
        found = sum(p.category == f"c{c}" for p in chosen)
        # equal steps through the sorted pool: within one of the exact share, and one more for the rounding
        assert abs(found - len(chosen) * count / len(pool)) <= 2


def test_problems_survive_their_file_and_are_stored_for_later_notebooks(tmp_path, monkeypatch):
    """Another seed, other sizes, or a kill between the sets and their marker: loaded anew."""
    run = Run("01_decompose", load("smoke"), 121, "generated", tmp_path)
    made = P.prepare(run)
    whole, loaded = P.load, []
    monkeypatch.setattr(P, "load", lambda name, *source, **about: loaded.append(name) or whole(name, *source, **about))
    assert P.kept(run) == made and not loaded
    assert P.kept(replace(run, seed=122)) != made
    sizes = {"cotempqa": 100, "marco": 100, "babi": 110}
    smaller = P.kept(replace(run, profile=replace(run.profile, generated=sizes)))
    assert {name: len(part) for name, part in smaller.items()} == sizes
    P.prepare(run)
    run.path("problems", "SOURCE.json").unlink()
    assert P.kept(run) == made and len(loaded) == 4 * 3


def test_categories_without_training_are_left_out_and_counted(tmp_path, capsys):
    run = Run("04_evaluate", load("smoke"), 121, "generated", tmp_path)
    pool = [problem(n, split=s) for s in ("train", "test") for n in range(5)]
    pool += [problem(9, category="b", split="test")]
    assert {p.category for p in P.evaluation_set(run, "own", pool)} == {"a"}
    assert "1 of 6" in capsys.readouterr().out


def test_sources_that_are_none_are_named(tmp_path):
    for source in ("no/such/place", str(tmp_path)):
        with pytest.raises(ValueError, match=source):
            P.check_source(source)
    with pytest.raises(ValueError, match="'cotempqa'"):
        P.load("cotempq", "generated")
    (tmp_path / "babi").mkdir()
    assert P.label_of("babi", str(tmp_path)) == "real problems (local files)"
    assert P.label_of("marco", str(tmp_path)) == "GENERATED problems"
    for dataset, expected in (("babi", r"train\.csv"), ("cotempqa", r"equal\.json"), ("marco", "parquet")):
        with pytest.raises(DataUnavailable, match=expected):
            P.read_folder(dataset, tmp_path / "babi")


@pytest.mark.parametrize("change", [
    {"evidence": ["0"]}, {"evidence": [99]}, {"answers": []}, {"split": "|test"}, {"meta": []}, {"more": 1},
])  # fmt: skip
def test_a_broken_line_is_named(tmp_path, change):
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(P.as_row(problem(0)) | extra) + "\n" for extra in ({}, change)))
    with pytest.raises(ValueError, match=rf"p\.jsonl, line 2: .*{next(iter(change))}"):
        P.read_problems(path)
