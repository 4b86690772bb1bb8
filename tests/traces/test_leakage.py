"""What wrong facts reveal: planted leaks are found, and the default draws none that its context does not force."""

import math
from collections import Counter
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekd.analysis import sft_tables
from tracekd.data import problems
from tracekd.data.problem import Problem
from tracekd.data.synthetic.generated import generate
from tracekd.traces import corruption
from tracekd.traces.corruption import LEVELS, RIGHT, excludes, reveals

STORY = Problem(
    "babi/single-supporting-fact/train-0001", "babi", "single-supporting-fact",
    ("Mary went to the garden.", "John went to the kitchen.", "Sandra went to the garden."),
    "Where is Mary?", ("garden",), (0,), "train",
)  # fmt: skip
LEAKS = [
    (("Mary went to the garden.",), RIGHT), (("John went to the kitchen.",), "none"), ((), "none"), (None, "none"),
    (("mary went to the garden", "Sandra went to the garden."), "derives"),  # lower-cased, as the release states facts
    (("Sandra went to the garden.",), "names"), (("Mary moved to the garden.",), "derives"),  # no fact of the context
    (("The gardener left.",), "none"),  # no whole word
]  # fmt: skip


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


def least(problem, number):
    """The least level that any choice of ``number`` facts that are not gold reveals, by trying them all."""
    pool = corruption.distractors(problem)
    return min(LEVELS.index(reveals(problem, facts)) for facts in combinations(pool, number))


def check_default(found, seed):
    """No draw of the default reveals more than the least that its context allows; counts what is revealed."""
    counts = Counter()
    for p in found:
        facts, number, pool = corruption.wrong_facts(p, seed), max(len(p.evidence), 1), corruption.distractors(p)
        level = reveals(p, facts)
        counts[level] += 1
        gold = {corruption.same(fact) for fact in p.facts}
        assert len(facts) == number and gold.isdisjoint(map(corruption.same, facts))
        assert not excludes(p, facts) or len(pool) <= number
        if level == "none":
            continue
        if len(pool) < number:  # all facts that are not gold, and altered ones
            assert set(pool) < set(facts) and level in ("excludes", "names")
        elif comb(len(pool), number) <= 5000:
            assert level == LEVELS[least(p, number)], (p.id, facts)
    return counts


@pytest.mark.parametrize("name", problems.DATASETS)
@settings(max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_no_generated_wrong_facts_reveal_more_than_they_must(name, seed):
    found = generate(name, 120, seed=seed)
    check_default(found, seed)
    again = [corruption.wrong_facts(p, seed) for p in reversed(found)][::-1]
    assert again == [corruption.wrong_facts(p, seed) for p in found]  # the order of problems does not matter


@pytest.mark.parametrize("name", ["babi", "cotempqa", "marco"])
def test_no_real_wrong_facts_reveal_more_than_they_must(shared_data, name):
    found = problems.load(name, str(shared_data))
    if problems.source_of(name, str(shared_data)) == "generated":
        pytest.skip(f"no {name} in {shared_data}")
    counts = check_default(found, 121)
    # What contexts force, as shares: bAbI's stories are short, the others hardly force anything.
    assert counts["derives"] <= 0.003 * len(found)
    assert counts["names"] <= (0.12 if name == "babi" else 0.015) * len(found)
    assert counts["excludes"] <= (0.42 if name == "babi" else 0) * len(found)


@pytest.fixture(scope="module")
def released_sets(shared_data):
    """The release's own incorrect test sets by data set."""
    if not (shared_data / sft_tables.RELEASED_FILE).exists():
        pytest.skip(f"no {sft_tables.RELEASED_FILE} in {shared_data}")
    return sft_tables.released_traces(shared_data)


def test_the_releases_own_sets_have_the_published_counts(released_sets):
    # Counted in the release by other code: of 376 bAbI rows 200 state exactly the facts that are not gold (16 of them
    # none, where all are gold), 87 name a gold answer; of 950 CoTempQA rows none does either.
    rows = {name: sft_tables.leaked(wrong) for name, wrong in released_sets.items()}
    columns = ("n", "excludes", "names", "form_accuracy")
    counts = {name: tuple(found[column] for column in columns) for name, found in rows.items()}
    assert counts["babi"] == (376, 200, 87, 1.0)
    assert counts["cotempqa"][:3] == (950, 0, 0) and counts["cotempqa"][3] > 0.99
    assert rows["cotempqa"]["derives"] == 0


def planted(n=40):
    """Problems of two facts whose gold one is the longer; the wrong fact is the other one, the label the other one."""
    made = []
    for i in range(n):
        facts = (f"Fact {i} is a long one that says it all.", f"Fact {i} no.")
        made.append(Problem(f"own/x/{i}", "own", "ab"[i % 2], facts, "?", ("all",), (0,), "train"))
    return [sft_tables.Wrong(p, "ba"[i % 2], p.context[1:]) for i, p in enumerate(made)]


def test_a_planted_leak_fills_its_column():
    found = sft_tables.leaked(planted())
    # With two equally frequent labels the other one tells all: 1 bit. Miller and Madow's excess: 2 cells, 2 rows,
    # 2 columns, so (2 - 2 - 2 + 1) / 80 = -1/80 nats for the information and for the entropy alike: their ratio is 1.
    assert found["label_share"] == 1
    gold = [w.problem.category for w in planted()]
    assert sft_tables.information(gold, gold) == pytest.approx(1 + 1 / 80 / math.log(2))
    wanted = {"n": 40, "excludes": 40, "names": 0, "derives": 0}
    assert {name: found[name] for name in wanted} == wanted and found["form_accuracy"] == found["form_high"] == 1
    assert math.isnan(sft_tables.leaked(planted(19))["form_accuracy"])
    naming = sft_tables.leaked([w._replace(facts=("It is all new.",)) for w in planted()])
    assert (naming["names"], naming["excludes"]) == (40, 0)


def least_bits(found):
    """The information of ``corruption.label_table`` for these gold labels: the least that their shares allow."""
    counts = Counter(p.category for p in found)
    shares = np.array(list(counts.values())) / len(found)
    joint = shares[:, None] * corruption.label_table(tuple(counts.values()))
    cells = joint > 0
    return (joint[cells] * np.log2(joint[cells] / np.outer(shares, joint.sum(axis=0))[cells])).sum()


@pytest.mark.parametrize("name", problems.DATASETS)
@pytest.mark.parametrize("real", [False, True])
def test_the_default_is_hard_to_tell_by_form_and_its_labels_carry_the_least(name, real, request):
    source = str(request.getfixturevalue("shared_data")) if real else "generated"
    if real and problems.source_of(name, source) == "generated":
        pytest.skip(f"no {name} in {source}")
    found = sft_tables.trained_on(name, source, 121) if real else problems.load(name, source, size=1500, seed=3)
    wrong = sft_tables.drawn(found, "matched", 121)
    row, bits = sft_tables.leaked(wrong), sft_tables.information([p.category for p in found], [w.label for w in wrong])
    # Chance is 0.5, its standard error about 0.01; of MS MARCO's 425 real problems with a selected passage 0.02.
    assert row["form_accuracy"] <= (0.57 if real and name == "marco" else 0.55)
    # Information is at the least that the labels' shares allow, up to the sampling error of the draws.
    assert abs(bits - least_bits(found)) < 0.08
    # Excluded only where the context has no more other facts than gold ones, which leaves no choice.
    assert row["excludes"] <= sum(0 < len(p.evidence) >= len(corruption.distractors(p)) for p in found)
