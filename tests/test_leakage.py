"""What wrong facts reveal: planted leaks are found, and the default draws none that its context does not force."""

import json
from collections import Counter
from itertools import combinations
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekd import corrupt, problems, released, traces
from tracekd.generated import generate
from tracekd.leakage import LEVELS, RIGHT, derives, excludes, names, reveals
from tracekd.problems import Problem
from tracekd.sources import COTEMPQA_SIZES

STORY = Problem(
    "babi/single-supporting-fact/train-0001", "babi", "single-supporting-fact",
    ("Mary went to the garden.", "John went to the kitchen.", "Sandra went to the garden."),
    "Where is Mary?", ("garden",), (0,), "train",
)  # fmt: skip
LEAKS = [
    (("Mary went to the garden.",), RIGHT),
    (("MARY WENT TO THE GARDEN",), RIGHT),  # the form does not count
    (("John went to the kitchen.",), "none"),
    (("Sandra went to the garden.",), "names"),
    (("Mary went to the garden.", "John went to the kitchen."), "derives"),
    (("mary went to the garden", "Sandra went to the garden."), "derives"),  # lower-cased, as the release states facts
    (("Mary moved to the garden.",), "derives"),  # no fact of the context
    (("The gardener left.",), "none"),  # no whole word
    ((), "none"),
    (None, "none"),
]


@pytest.mark.parametrize(("facts", "level"), LEAKS)
def test_planted_leaks_are_found(facts, level):
    assert reveals(STORY, facts) == level


def test_facts_that_leave_just_the_gold_ones_exclude():
    two = Problem("babi/x/1", "babi", "x", ("A is B.", "C is D.", "C is D."), "?", ("E",), (0,), "train")
    assert reveals(two, ("C is D.",)) == "excludes"  # a repeated sentence is one fact
    assert reveals(two, ("C is F.",)) == "none"
    all_gold = Problem("babi/x/2", "babi", "x", ("A is B.", "C is D."), "?", ("E",), (0, 1), "train")
    assert reveals(all_gold, ()) == reveals(all_gold, ("A is F.", "C is F.")) == "excludes"
    nothing_gold = Problem("marco/x/1", "marco", "x", ("A.", "B."), "?", ("No Answer Present.",), (), "train")
    assert reveals(nothing_gold, ("A.",)) == reveals(nothing_gold, ("A.", "B.")) == reveals(nothing_gold, ()) == "none"


def test_marco_names_an_answer_by_the_whole_reference():
    passages = ("The town hall was built in 1921 by Ada Lem.", "It was built by Ada.", "Dr. Ada Lem lived there.")
    case = Problem(
        "marco/PERSON/1", "marco", "PERSON", passages, "who?", ("Ada Lem", "Ada Lem, in 1921"), (0,), "train"
    )
    assert [names(case, (passage,)) for passage in passages] == [True, False, True]


def least(problem, number):
    """The least level that any choice of ``number`` facts that are not gold reveals, by trying them all."""
    pool = corrupt.distractors(problem)
    return min(LEVELS.index(reveals(problem, facts)) for facts in combinations(pool, number))


def check_default(found, seed):
    """No draw of the default reveals more than the least that its context allows; counts what is revealed."""
    counts = Counter()
    for p in found:
        facts, number, pool = corrupt.wrong_facts(p, seed), max(len(p.evidence), 1), corrupt.distractors(p)
        level = reveals(p, facts)
        counts[level] += 1
        gold = {corrupt.same(fact) for fact in p.facts}
        assert len(facts) == number and gold.isdisjoint(map(corrupt.same, facts))
        assert not excludes(p, facts) or len(pool) <= number
        if level == "none":
            continue
        if len(pool) < number:  # all facts that are not gold, and altered ones
            assert set(pool) < set(facts) and level in ("excludes", "names")
        elif comb(len(pool), number) <= 5000:
            assert level == LEVELS[least(p, number)], (p.id, facts)
    return counts


@pytest.mark.parametrize("name", problems.DATASETS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_generated_wrong_facts_reveal_more_than_they_must(name, seed):
    found = generate(name, 120, seed=seed)
    check_default(found, seed)
    again = [corrupt.wrong_facts(p, seed) for p in reversed(found)][::-1]
    assert again == [corrupt.wrong_facts(p, seed) for p in found]  # the order of problems does not matter


@pytest.mark.parametrize("name", ["babi", "cotempqa", "marco"])
def test_no_real_wrong_facts_reveal_more_than_they_must(shared_data, name):
    found = problems.load(name, str(shared_data))
    if problems.source_of(name, str(shared_data)) == "generated":
        pytest.skip(f"no {name} in {shared_data}")
    counts = check_default(found, 121)
    print(name, dict(counts))
    # What contexts force, as shares: bAbI's stories are short, the others hardly force anything.
    assert counts["derives"] <= 0.003 * len(found)
    assert counts["names"] <= (0.12 if name == "babi" else 0.015) * len(found)
    assert counts["excludes"] <= (0.42 if name == "babi" else 0) * len(found)


@pytest.fixture(scope="module")
def released_sets(shared_data):
    """The release's own incorrect test sets: (problem, stated facts) by data set."""
    path = shared_data / "released" / "incorrect_traces_test.jsonl"
    if not path.exists():
        pytest.skip(f"no {path}")
    known = {"babi": dict(enumerate(released.test_problems("babi", shared_data)))}
    starts = {c: sum(n for other, n in COTEMPQA_SIZES.items() if other < c) for c in COTEMPQA_SIZES}
    known["cotempqa"] = {
        starts[p.category] + int(p.id.rsplit("/", 1)[1]): p for p in released.test_problems("cotempqa", shared_data)
    }
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    pairs = {"babi": [], "cotempqa": []}
    for row in rows:
        problem = known[row["dataset"]][row["row"]]
        pairs[row["dataset"]].append((problem, tuple(problem.context[i] for i in row["facts"])))
    return pairs


def test_the_releases_own_sets_have_the_published_counts(released_sets):
    # Counted in the release by other code: of 376 bAbI rows 200 state exactly the facts that are not gold (16 of them
    # none, where all are gold), 87 name a gold answer; of 950 CoTempQA rows none does either.
    counts = {
        name: (len(rows), sum(excludes(*r) for r in rows), sum(names(*r) for r in rows), sum(not r[1] for r in rows))
        for name, rows in released_sets.items()
    }
    assert counts == {"babi": (376, 200, 87, 16), "cotempqa": (950, 0, 0, 1)}
    assert sum(derives(*r) for r in released_sets["cotempqa"]) == 0


def test_verdicts_carry_what_the_stated_facts_reveal():
    from tracekd.score import verdict

    def judged(facts):
        trace = traces.render("babi", STORY.category, facts)
        return verdict(STORY, f"<think>{trace}</think> <answer>garden</answer>")["reveals"]

    assert judged(STORY.facts) == RIGHT and judged(("Sandra went to the garden.",)) == "names"
    assert verdict(STORY, "<answer>garden</answer>")["reveals"] == "none"
