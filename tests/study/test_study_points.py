"""Answers become points, or the import stops and asks: nothing is dropped point by point."""

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracekd.study import files
from tracekd.study import ratings as study
from tracekd.study.importing import clean

ITEMS = list(study.scale_of())
CELLS = [f"{kind}__{item}" for kind in study.TRACE_TYPES for item in ITEMS]
DATA = Path(os.environ.get("TRACEKD_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
CASES = DATA.parent / "cases" / "survey"


def wide(answer, people=6, **more):
    """One row a person; ``answer(person, column)`` gives the cell."""
    return pd.DataFrame(
        [
            {"Status": "IP Address", "ResponseId": f"R_{p}"}
            | {column: answer(p, c) for c, column in enumerate(CELLS)}
            | {name: values[p] for name, values in more.items()}
            for p in range(people)
        ]
    )


def cycle(low, high):
    return lambda p, c: str(low + (p + c) % (high - low + 1))


def saved(folder, frame, name="ratings.csv", **options):
    frame.to_csv(folder / name, index=False, **options)
    return folder / name


def imported(path, **options):
    return clean(files.read(path), **options)


def rules(result):
    return dict(zip(result.summary["rule"], result.summary["rows"], strict=True))


@pytest.mark.parametrize(("low", "high"), [(0, 4), (1, 7), (-2, 2), (0, 10), (0, 100)])
def test_another_scale_is_asked_for_and_then_brought_to_1_to_5(tmp_path, low, high):
    path = saved(tmp_path, wide(cycle(low, high), people=101))
    with pytest.raises(ValueError, match=rf"ratings.csv, line \d+, column .*--scale={low}-{high} "):
        imported(path)
    ratings = imported(path, scale=f"{low}-{high}").ratings
    assert len(ratings) == 101 * 28
    # Every point equally often up to the remainder: the middle of the scale is 3.
    assert ratings["rating"].min() == 1 and ratings["rating"].max() == 5
    assert ratings["rating"].mean() == pytest.approx(3, abs=0.1)
    assert study.shares(ratings)[[1, 2, 3, 4, 5]].sum(axis=1).tolist() == pytest.approx([1] * 8)


def test_scales_may_differ_between_the_two_sets_of_items(tmp_path):
    load = [i for i, name in enumerate(CELLS) if study.scale_of()[name.split("__")[1]] == "cognitive_load"]
    path = saved(tmp_path, wide(lambda p, c: str(20 * (p % 2)) if c in load else str(1 + p % 5)))
    with pytest.raises(ValueError, match="these items alone: --scale=cognitive_load=0-20"):
        imported(path)
    ratings = imported(path, scale="cognitive_load=0-20").ratings
    assert set(study.scores(ratings).query("scale == 'cognitive_load'")["score"]) == {1.0, 5.0}


@pytest.mark.parametrize("text", ["7", "7-1", "1-x", "beauty=1-5"])
def test_a_scale_of_another_form_is_named(text):
    with pytest.raises(ValueError, match="such as 1-7"):
        files.read_scale(text)


def test_one_number_off_the_scale_stops_and_a_label_settles_it(tmp_path):
    path = saved(tmp_path, wide(lambda p, c: "99" if (p, c) == (1, 3) else "4"))
    with pytest.raises(ValueError, match=r"line 3, column r1__faithful: '99' \(1\).*lose 1 of 96"):
        imported(path)
    (tmp_path / "labels.csv").write_text("label;point\n99;\n")
    result = imported(path, labels=str(tmp_path / "labels.csv"))
    assert rules(result)["label_without_point"] == 1 and len(result.ratings) == 6 * 28 - 1


QUALTRICS = ["Strongly disagree", "Somewhat disagree", "Neither agree nor disagree", "Somewhat agree", "Strongly agree"]
SEVEN = [*QUALTRICS[:1], "Disagree", *QUALTRICS[1:4], "Agree", *QUALTRICS[4:]]


@pytest.mark.parametrize(
    ("words", "points"),
    [
        (QUALTRICS, [1, 2, 3, 4, 5]),
        (SEVEN, [1 + 4 * i / 6 for i in range(7)]),
        (["Strongly disagree", "Disagree", "Neither", "Agree", "Strongly agree"], [1, 2, 3, 4, 5]),
        (["Very low", "Very high"], [1, 5]),
        (["1 - Strongly disagree", "5 - Strongly agree", "3"], [1, 5, 3]),
        (["Not at all (1)", "Extremely (5)"], [1, 5]),
    ],
)
def test_known_choice_texts_are_read(tmp_path, words, points):
    path = saved(tmp_path, wide(lambda p, c: words[p], people=len(words)))
    result = imported(path)
    assert result.ratings.groupby("participant")["rating"].first().tolist() == pytest.approx(points)


@pytest.mark.parametrize(
    "words",
    [
        ["Agree", "Rather so"],  # not met before
        ["Somewhat agree", "Strongly agree"],  # of five points, or of seven
        ["Strongly disagree", "Disagree", "Agree", "Strongly agree"],  # of five without the middle, or of four
    ],
)
def test_words_that_cannot_be_told_stop_and_a_file_of_labels_settles_them(tmp_path, words):
    path = saved(tmp_path, wide(lambda p, c: words[p % len(words)]))
    with pytest.raises(ValueError, match=r"ratings.csv, line \d+, column r1__.*--labels FILE"):
        imported(path)
    labels = tmp_path / "labels.csv"
    labels.write_text("label,point\n" + "".join(f"{word},{1 + i}\n" for i, word in enumerate(words)))
    assert imported(path, labels=str(labels)).ratings["rating"].max() == len(words)


@pytest.mark.parametrize(
    ("text", "named"),
    [("label,points\na,1\n", "point"), ("label,point\na,1\nA,2\n", "line 3"), ("label,point\na,6\n", "line 2")],
)
def test_a_wrong_file_of_labels_is_named(tmp_path, text, named):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ValueError, match=named):
        files.read_labels(tmp_path / "labels.csv")


def test_tests_and_spam_are_left_out_by_word_and_by_number(tmp_path):
    # 0 real, 1 preview, 2 test, 4 imported, 8 spam, 16 offline, 17 = 16 + 1 offline preview, 12 = 8 + 4 imported spam.
    path = saved(tmp_path, wide(cycle(1, 5), people=8).assign(Status=["0", "1", "2", "4", "8", "16", "17", "12"]))
    assert {k: v for k, v in rules(imported(path)).items() if k in ("preview", "spam")} == {"preview": 84, "spam": 56}
    words = ["IP Address", "Survey Preview", "Survey Test", "Imported", "Spam", "Offline", "IP Address", "Preview Spam"]
    path = saved(tmp_path, wide(cycle(1, 5), people=8).assign(Status=words))
    assert imported(path).ratings["participant"].nunique() == 4


def test_a_status_that_cannot_be_told_stops_and_an_option_settles_it(tmp_path):
    path = saved(tmp_path, wide(cycle(1, 5)).assign(Status=["Panel A"] * 4 + ["Screened"] * 2))
    with pytest.raises(ValueError, match=r"ratings.csv, line 2, column Status.*'panel a' \(112\)"):
        imported(path)
    result = imported(path, status=["Panel A"])
    assert result.ratings["participant"].nunique() == 4 and rules(result)["other_status"] == 56


def test_who_did_not_finish_does_not_count_as_the_complete_response(tmp_path):
    frame = wide(
        lambda p, c: str(1 + p % 5), people=4, PROLIFIC_PID=["a", "a", "b", "c"], Finished=["0", "1", "1", "1"]
    )
    result = imported(saved(tmp_path, frame))
    assert rules(result)["person_twice"] == 28
    assert sorted(result.ratings.groupby("participant")["rating"].first()) == [2, 3, 4]


def test_a_column_that_is_almost_a_rating_is_named(tmp_path):
    path = saved(tmp_path, wide(cycle(1, 5)).rename(columns={"r1__effort": "r1__efort"}))
    result = imported(path)
    assert rules(result)["unknown_column"] == 6 and set(result.report["column"]) >= {"r1__efort"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", list(files.SEPARATORS))
def test_encodings_and_separators_change_nothing(tmp_path, encoding, separator):
    frame = wide(cycle(1, 5)).assign(comment="it\u2019s \u201cfine\u201d, caf\u00e9; yes")
    path = saved(tmp_path, frame, sep=separator, encoding=encoding)
    raw = files.read(path)
    assert set(raw["comment"]) == {"it\u2019s \u201cfine\u201d, caf\u00e9; yes"}
    pd.testing.assert_frame_equal(clean(raw).ratings, clean(files.read(saved(tmp_path, frame, "b.csv"))).ratings)
    path.write_text(f"sep={separator}\n{path.read_text(encoding)}", encoding)  # a spreadsheet's line before the header
    assert len(clean(files.read(path)).ratings) == 6 * 28 and files.read(path)["line"].min() == 3


def test_a_workbook_is_read_like_a_table(tmp_path):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl, which .xlsx needs, is not installed")
    frame = wide(cycle(1, 5))
    book = openpyxl.Workbook()
    book.active.title = "empty"
    sheet = book.create_sheet("answers")
    for cells in [frame.columns.tolist(), *frame.to_numpy().tolist()]:
        sheet.append([float(x) if x.isdigit() else x for x in cells])  # spreadsheets hold numbers as 4.0
    book.save(tmp_path / "book.xlsx")
    pd.testing.assert_frame_equal(imported(tmp_path / "book.xlsx").ratings, imported(saved(tmp_path, frame)).ratings)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty"),
        (b"participant,participant\n1,2\n", "line 1: column 'participant'"),
        (b"participant,item\n1\n", "line 2: 1 cells, the header has 2"),
        (b"participant,item\n1,2,3\n", "line 2: 3 cells"),
        (b'participant,item\n"1,2\n', "line 2"),
        (b"participant,item\n1,\x81\n", "line 2: byte 0x81"),
        (b"PK\x03\x04 and more", "not a workbook"),
        (b"\xd0\xcf\x11\xe0 and more", ".xls"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, content, named):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ValueError, match=named):
        files.table(tmp_path / "x.csv")


def test_a_workbook_without_its_package_names_the_package(tmp_path, monkeypatch):
    (tmp_path / "x.xlsx").write_bytes(b"PK\x03\x04")
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(ValueError, match="pip install openpyxl"):
        files.table(tmp_path / "x.xlsx")


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not beside the repository")
def test_the_shared_cases():
    """12 people x 28 answers each."""
    for name in ("d_semicolon", "h_cp1252", "k_text_somewhat", "q_duplicate_person"):
        assert len(imported(CASES / f"{name}.csv").ratings) == 336, name
    assert rules(imported(CASES / "q_duplicate_person.csv"))["person_twice"] == 2 * 28
    raw = pd.read_csv(CASES / "zb_long_1to7.csv")
    made = imported(CASES / "zb_long_1to7.csv", scale="1-7").ratings
    assert made["rating"].mean() == pytest.approx(1 + 4 * (raw["rating"].mean() - 1) / 6)


SAMPLES = {
    "wide": wide(cycle(1, 5), people=3),
    "words": wide(lambda p, c: QUALTRICS[(p + c) % 5], people=3),
    "long": pd.DataFrame(
        [
            {"participant": p, "problem": "q", "trace_type": kind, "item": item, "rating": "4", "seconds": "3,5"}
            for p in ("P1", "P2")
            for kind in study.TRACE_TYPES
            for item in ITEMS
        ]
    ),
}
PIECES = st.sampled_from(
    [
        "", ",", ";", "\t", '"', "\n", "\0", "9", "-1", "2.5", "1e9", "nan", "inf", "\u00e9", "\ufeff", "Agree",
        "check_9", "Status", "file", "line", "__", '{"ImportId":"x"}', "participant", "rating",
        "6", "0", "P1", "r1__effort",
        "column", "response", "Finished", "problem", "seconds", "r1__order", "order", "correct", "DistributionChannel",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sample=st.sampled_from(sorted(SAMPLES)),
    separator=st.sampled_from(files.SEPARATORS),
    encoding=st.sampled_from(["utf-8", "cp1252", "utf-16", "utf-8-sig"]),
    edits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 40), PIECES), max_size=4),
    lines=st.lists(st.tuples(st.sampled_from(["drop", "twice", "cut"]), st.integers(0, 200)), max_size=3),
)
def test_mutated_exports_give_counts_or_an_error_that_names_the_file(
    tmp_path, sample, separator, encoding, edits, lines
):
    """Accepted: ratings with every row accounted for, or a ValueError that names file and place."""
    text = SAMPLES[sample].to_csv(index=False, sep=separator)
    for at, length, piece in edits:
        at %= len(text) + 1
        text = text[:at] + piece + text[at + length :]
    rows = text.split("\n")
    for what, number in lines:
        number %= max(1, len(rows))
        rows[number : number + 1] = {"drop": [], "twice": rows[number : number + 1] * 2, "cut": [rows[number][:9]]}[
            what
        ]
    path = tmp_path / "export.csv"
    path.write_bytes("\n".join(rows).encode(encoding, errors="replace"))
    try:
        raw = files.read(path)
        result = clean(raw)
    except ValueError as error:
        assert "export.csv" in str(error) or "mixed design" in str(error) or "no rating is left" in str(error), error
        return
    dropped = result.report.loc[result.report["action"].eq("dropped") & result.report["rule"].ne("personal_column")]
    assert len(raw) == len(result.ratings) + len(dropped)
    assert result.ratings["rating"].between(1, 5).all()
