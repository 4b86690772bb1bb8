"""The sets' own file forms, on small files in exactly their shape."""

from collections import Counter

import pytest

from tracekd import hub, load_babi, load_cotempqa, load_marco
from tracekd.problems import DataUnavailable

# Form of bAbI's own text files: numbered lines, a question with its answer and supporting line numbers after tabs.
STORY = """1 Ann moved to the attic.
2 Bob went back to the cellar.
3 Where is Ann? \tattic\t1
4 Ann journeyed to the cellar.
5 Where is Ann? \tcellar\t4
1 Cleo picked up the lamp.
2 Cleo picked up the coin.
3 What is Cleo carrying? \tlamp,coin\t1 2
"""


def test_babi_text_gives_the_first_question_of_each_story():
    found = load_babi.babi_stories({"qa8_lists-sets_test.txt": STORY, "qa3_three-supporting-facts_train.txt": STORY})
    assert [p.id for p in found] == ["babi/lists-sets/test-0000", "babi/lists-sets/test-0001"]
    first, second = found
    assert first.context == ("Ann moved to the attic.", "Bob went back to the cellar.")
    assert (first.question, first.answers, first.evidence) == ("Where is Ann?", ("attic",), (0,))
    assert (second.answers, second.evidence) == (("lamp", "coin"), (0, 1))


def test_babi_text_files_are_read_from_a_folder(tmp_path):
    (tmp_path / "qa1_single-supporting-fact_train.txt").write_text(STORY)
    assert len(load_babi.read_folder(tmp_path)) == 2


def test_nothing_found_says_what_was_expected(tmp_path):
    for reader, expected in ((load_marco.local_marco, "parquet"), (load_cotempqa.read_folder, "equal.json")):
        with pytest.raises(DataUnavailable, match=expected):
            reader(tmp_path)


@pytest.mark.network
def test_the_hub_has_the_sets():
    assert len(hub.hub_cotempqa()) == 4748


@pytest.mark.network
def test_the_babi_archive_gives_both_of_its_splits(caplog):
    """What can be known: the archive's tasks have 1,000 questions a split, a story has one or more of them."""
    with caplog.at_level("WARNING"):
        found = hub.hub_babi()
    assert "which stories the authors took is not in our sources" in caplog.text
    counts = Counter((p.category, p.split) for p in found)
    assert set(counts) == {(c, s) for c in load_babi.BABI_TASKS.values() for s in ("train", "test")}
    assert all(100 <= n <= 1000 for n in counts.values())
    assert all(p.evidence and p.answers for p in found)
    for category in load_babi.BABI_TASKS.values():
        train, test = counts[category, "train"], counts[category, "test"]
        assert 0.8 < test / train < 1.25, f"{category}: the archive's splits are about equally large"
