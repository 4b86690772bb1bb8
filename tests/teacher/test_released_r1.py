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
    found = released_r1.counts(
        rows(
            ("mix", "mix 1", "mix 1"),
            ("mix", "mix 2", "equal 9"),
            ("mix", "mix 3", "equal 9"),
            ("equal", "e", "equal 9"),
        )
    ).set_index("file")
    # mix: one row with its own message, two with the same other one, of another category; equal: one, of its own.
    assert found.loc["mix"].tolist() == [3, 1, 2, 2, 2, 2]
    assert found.loc["equal"].tolist() == [1, 0, 1, 1, 1, 0]
    assert found.loc["all"].tolist() == [4, 1, 3, 2, 3, 2]


PAPER = {  # spec of the release: rows, another problem's, distinct messages, another category's label
    "equal": (40, 36), "overlap": (40, 19), "during": (40, 25), "mix": (40, 40), "all": (160, 120),
}  # fmt: skip


def check(found):
    found = found.set_index("file")
    assert {name: tuple(found.loc[name, ["rows", "another_problem"]]) for name in found.index} == PAPER
    assert found.loc["all", "distinct_messages"] == 60 and found.loc["all", "another_category"] == 92
    assert found.loc["mix", "distinct_messages"] == 1 and found.loc["mix", "most_repeated"] == 40
    assert (found.same_problem + found.another_problem == found.rows).all()


def test_the_recorded_counts_are_shown_without_the_rows_and_are_the_papers(tmp_path):
    found, example = released_r1.counted(tmp_path)
    check(found)
    assert example == ""


def test_the_rows_give_the_kept_counts(shared_data, tmp_path):
    found, example = released_r1.counted(shared_data)
    check(found)
    released_r1.write(shared_data, tmp_path / "r1_sets.csv")
    assert (tmp_path / "r1_sets.csv").read_bytes() == released_r1.KEPT.read_bytes()
    assert "Row 1 of the file" in example and "a problem labelled during" in example


def test_claims_are_filled_from_the_counts():
    found = released_r1.claims(pd.read_csv(released_r1.KEPT))
    assert found.columns.tolist() == ["statement", "evidence", "verdict"]
    assert "160 in all" in found.evidence[0] and "120 hold" in found.evidence[0] and "60 distinct" in found.evidence[0]
    assert found.verdict[0].startswith("not tested")


@pytest.mark.parametrize(
    "change, said", [({"category": "never"}, "'never'"), ({"row": 1}, "row 1 of mix"), ({}, "row_question")]
)
def test_broken_rows_name_their_line(tmp_path, change, said):
    good = rows(("mix", "mix 1", "mix 1"), ("mix", "mix 2", "mix 2")).to_dict("records")
    bad = {**good[1], **change} if change else {"category": "mix", "row": 2}
    write_jsonl(tmp_path / "rows.jsonl", [good[0], bad])
    with pytest.raises(ValueError, match=f"rows.jsonl, line 2: .*{said}"):
        released_r1.read(tmp_path / "rows.jsonl")
