"""The sets' own file forms, on small files in exactly their shape."""

import io
import json
import tarfile
from collections import Counter

import pytest

from tracekd import sources
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
    found = sources.babi_stories({"qa8_lists-sets_test.txt": STORY, "qa3_three-supporting-facts_train.txt": STORY})
    assert [p.id for p in found] == ["babi/lists-sets/test-0000", "babi/lists-sets/test-0001"]
    first, second = found
    assert first.context == ("Ann moved to the attic.", "Bob went back to the cellar.")
    assert (first.question, first.answers, first.evidence) == ("Where is Ann?", ("attic",), (0,))
    assert (second.answers, second.evidence) == (("lamp", "coin"), (0, 1))


def test_babi_text_files_are_read_from_a_folder(tmp_path):
    (tmp_path / "qa1_single-supporting-fact_train.txt").write_text(STORY)
    assert len(sources.local_babi(tmp_path)) == 2


def marco_row(**changes):
    """One row in the form of MS MARCO QA v2.1 (its passages are lists side by side)."""
    passages = {"passage_text": ["a river", "a lake"], "is_selected": [0, 1], "url": ["u", "v"]}
    row = {"query": "what is it", "query_type": "ENTITY", "passages": passages, "answers": ["a lake"], "query_id": 1}
    return row | changes


def test_marco_evidence_is_the_selected_passage_and_none_where_nothing_answers():
    rows = [marco_row(), marco_row(answers=["No Answer Present."], query="b"), marco_row(query_type="PERSON")]
    found = sources.marco_problems(rows)
    assert [p.evidence for p in found] == [(1,), (), (1,)]
    assert [p.id for p in found] == ["marco/ENTITY/0000", "marco/ENTITY/0001", "marco/PERSON/0000"]
    assert found[1].answers == ("No Answer Present.",)


def test_marco_stops_at_its_size_and_reads_both_file_forms(tmp_path):
    import pandas as pd

    assert len(sources.marco_problems((marco_row(query=str(i)) for i in range(50)), size=20)) == 20
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(marco_row(query=str(i))) + "\n" for i in range(5)))
    pd.DataFrame([marco_row(query=f"p{i}") for i in range(5)]).to_parquet(tmp_path / "b.parquet")
    found = sources.local_marco(tmp_path)
    assert [p.question for p in found] == [*"01234", *(f"p{i}" for i in range(5))]
    assert found[-1].context == ("a river", "a lake")


def test_nothing_found_says_what_was_expected(tmp_path):
    for reader, expected in ((sources.local_marco, "parquet"), (sources.local_cotempqa, "equal.json")):
        with pytest.raises(DataUnavailable, match=expected):
            reader(tmp_path)


def test_the_hub_out_of_reach_names_the_ways_on(monkeypatch):
    monkeypatch.setattr(
        "huggingface_hub.HfApi.list_repo_files", lambda *_, **__: (_ for _ in ()).throw(OSError("down"))
    )
    with pytest.raises(DataUnavailable, match=r"(?s)Warrieryes/CotempQA cannot be reached.*--data generated"):
        sources.hub_cotempqa()


@pytest.mark.network
def test_the_hub_has_the_sets():
    assert len(sources.hub_cotempqa()) == 4748


@pytest.mark.network
def test_the_babi_archive_gives_both_of_its_splits(caplog):
    """What can be known: the archive's tasks have 1,000 questions a split, a story has one or more of them."""
    with caplog.at_level("WARNING"):
        found = sources.hub_babi()
    assert "which stories the authors took is not in our sources" in caplog.text
    counts = Counter((p.category, p.split) for p in found)
    assert set(counts) == {(c, s) for c in sources.BABI_TASKS.values() for s in ("train", "test")}
    assert all(100 <= n <= 1000 for n in counts.values())
    assert all(p.evidence and p.answers for p in found)
    for category in sources.BABI_TASKS.values():
        train, test = counts[category, "train"], counts[category, "test"]
        assert 0.8 < test / train < 1.25, f"{category}: the archive's splits are about equally large"


def test_babi_from_the_archive_says_what_it_takes(tmp_path, monkeypatch, caplog):
    """The archive as it is packed, with two tasks; the warning says that the authors' own choice is not known."""
    archive = tmp_path / "tracekd" / "tasks_1-20_v1-2.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("en/qa8_lists-sets_train.txt", "en/qa8_lists-sets_test.txt", "en-10k/qa8_lists-sets_test.txt"):
            member = tarfile.TarInfo(f"tasks_1-20_v1-2/{name}")
            member.size = len(STORY.encode())
            tar.addfile(member, io.BytesIO(STORY.encode()))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with caplog.at_level("WARNING"):
        found = sources.hub_babi()
    assert Counter(p.split for p in found) == {"train": 2, "test": 2}
    assert "the archive's own train and test split, the first question of each story" in caplog.text
