import pandas as pd
import pytest

from tracekd.io.records import write_jsonl
from tracekd.teacher import run_texts


def rows(*triples):
    """Rows of (file, own question, message's question); a message's label is the first word of its question."""
    return [
        {"category": c, "row": i, "row_question": a, "message_question": b, "message_label": b.split()[0],
         "message_answer": "['x']"}
        for i, (c, a, b) in enumerate(triples, 1)
    ]  # fmt: skip


def test_counts_by_hand(tmp_path):
    of_mix = [("mix", "mix 1", "mix 1"), ("mix", "mix 2", "equal 9"), ("mix", "mix 3", "equal 9")]
    write_jsonl(tmp_path / run_texts.R1_ROWS, rows(*of_mix, ("equal", "e", "equal 9")))
    found = run_texts.r1_sets(tmp_path).set_index("file")
    # mix: one row with its own message, two with the same other one, of another category; equal: one, of its own.
    assert found.loc["mix"].tolist() == [3, 1, 2, 2, 2, 2]
    assert found.loc["equal"].tolist() == [1, 0, 1, 1, 1, 0]
    assert found.loc["all"].tolist() == [4, 1, 3, 2, 3, 2]


def test_the_recorded_counts_are_the_papers(tmp_path):
    """Spec of the release: rows and those with another problem's message."""
    found = run_texts.r1_sets(tmp_path).set_index("file")
    paper = {"equal": (40, 36), "overlap": (40, 19), "during": (40, 25), "mix": (40, 40), "all": (160, 120)}
    assert {name: tuple(found.loc[name, ["rows", "another_problem"]]) for name in found.index} == paper
    assert found.loc["all", "distinct_messages"] == 60 and found.loc["all", "another_category"] == 92
    assert (found.same_problem + found.another_problem == found.rows).all()


def test_the_rows_give_the_recorded_counts(shared_data):
    pd.testing.assert_frame_equal(run_texts.r1_sets(shared_data), pd.read_csv(run_texts.R1_COUNTS))


@pytest.mark.parametrize("change, said", [({"category": "never"}, "'never'"), ({}, "message_answer")])
def test_broken_rows_name_their_line(tmp_path, change, said):
    good = rows(("mix", "mix 1", "mix 1"), ("mix", "mix 2", "mix 2"))
    bad = {**good[1], **change} if change else {"category": "mix", "row": 2}
    write_jsonl(tmp_path / run_texts.R1_ROWS, [good[0], bad])
    with pytest.raises(ValueError, match=f"r1_set_rows.jsonl, line 2: .*{said}"):
        run_texts.r1_sets(tmp_path)
