import pandas as pd
import pytest

from tracekd.io.records import write_jsonl
from tracekd.teacher import released_r1


def rows(*triples):
    """Rows of (file, own question, message's question); a message's label is the first word of its question."""
    made = [
        {"category": c, "row": i, "row_question": a, "message_question": b, "message_label": b.split()[0],
         "message_answer": "['x']"}
        for i, (c, a, b) in enumerate(triples, 1)
    ]  # fmt: skip
    return pd.DataFrame(made)


def test_counts_by_hand():
    of_mix = [("mix", "mix 1", "mix 1"), ("mix", "mix 2", "equal 9"), ("mix", "mix 3", "equal 9")]
    found = released_r1.counts(rows(*of_mix, ("equal", "e", "equal 9"))).set_index("file")
    # mix: one row with its own message, two with the same other one, of another category; equal: one, of its own.
    assert found.loc["mix"].tolist() == [3, 1, 2, 2, 2, 2]
    assert found.loc["equal"].tolist() == [1, 0, 1, 1, 1, 0]
    assert found.loc["all"].tolist() == [4, 1, 3, 2, 3, 2]


PAPER = {"equal": (40, 36), "overlap": (40, 19), "during": (40, 25), "mix": (40, 40), "all": (160, 120)}


def test_the_recorded_counts_are_the_papers(tmp_path):
    """Spec of the release: rows and those with another problem's message."""
    recorded, example = released_r1.counted(tmp_path)
    found = recorded.set_index("file")
    assert {name: tuple(found.loc[name, ["rows", "another_problem"]]) for name in found.index} == PAPER
    assert found.loc["all", "distinct_messages"] == 60 and found.loc["all", "another_category"] == 92
    assert found.loc["mix", "distinct_messages"] == 1 and found.loc["mix", "most_repeated"] == 40
    assert (found.same_problem + found.another_problem == found.rows).all() and example == ""


def test_the_rows_give_the_recorded_counts(shared_data):
    found, example = released_r1.counted(shared_data)
    pd.testing.assert_frame_equal(found, pd.read_csv(released_r1.KEPT))
    assert "Row 1 of the file" in example and "a problem labelled during" in example


@pytest.mark.parametrize("change, said", [({"category": "never"}, "'never'"), ({}, "message_answer")])
def test_broken_rows_name_their_line(tmp_path, change, said):
    good = rows(("mix", "mix 1", "mix 1"), ("mix", "mix 2", "mix 2")).to_dict("records")
    bad = {**good[1], **change} if change else {"category": "mix", "row": 2}
    write_jsonl(tmp_path / released_r1.ROWS, [good[0], bad])
    with pytest.raises(ValueError, match=f"r1_set_rows.jsonl, line 2: .*{said}"):
        released_r1.counted(tmp_path)
