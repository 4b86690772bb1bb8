"""Import and cleaning of ratings: each rule touches the rows it should and reports them."""

import json

import pandas as pd
import pytest

from tracekd.study import files, importing
from tracekd.study import ratings as study

ITEMS = list(study.scale_of())


def person(name, kinds=study.TRACE_TYPES, rating="4", **more):
    return [
        {"participant": name, "problem": "q1", "trace_type": kind, "item": item, "rating": rating}
        | {"order": str(i + 1), "seconds": "3.5"}
        | more
        for i, kind in enumerate(kinds)
        for item in ITEMS
    ]


def cleaned(rows, **options):
    return importing.clean(pd.DataFrame(rows), **options)


def rules(result):
    return dict(zip(result.summary["rule"], result.summary["rows"], strict=True))


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("rating", "N/A", "missing_rating"),
        ("rating", "-99", "missing_rating"),
        ("rating", "", "missing_rating"),
        ("rating", None, "missing_rating"),
        ("trace_type", "gpt", "unknown_trace"),
        ("item", "beauty", "unknown_item"),
        ("participant", " ", "no_participant"),
        ("item", "check_9", "unknown_item"),
    ],
)
def test_a_bad_value_drops_its_row_and_no_other(column, value, rule):
    rows = person("P01") + person("P02")
    rows[3][column] = value
    result = cleaned(rows)
    assert rules(result) == {rule: 1} and len(result.ratings) == 55
    assert result.report[["line", "action"]].values.tolist() == [[4, "dropped"]]


def test_words_of_a_point_and_other_spellings_are_read():
    rows = person("P01") + person("P02")
    rows[0]["rating"] = "Strongly agree"
    rows[-1]["trace_type"] = "Decomposed"
    result = cleaned(rows)
    assert result.ratings["rating"].max() == 5 and rules(result) == {"trace_name": 1}
    assert len(result.ratings) == 56


def test_one_response_of_a_person_stays_the_first_complete_one():
    rows = person("P01") + person("P02")
    partial = [dict(row, rating="1") for row in rows[:5]]
    later = [dict(row, rating="2") for row in rows[:28]]
    # P01 began (5 answers), then answered all 28 questions twice: the first of these two stays; P02 is not touched.
    result = cleaned([*partial, *rows, *later])
    assert rules(result) == {"person_twice": 5 + 28} and len(result.ratings) == 56
    assert set(result.ratings["rating"]) == {4}


def test_parts_of_one_response_in_two_files_are_not_two_responses():
    rows = person("P01") + person("P02")
    for i, row in enumerate(rows):
        row["file"] = f"part{i % 28 < 14}.csv"
    assert len(cleaned(rows).ratings) == 56


def test_times_that_are_no_times_are_emptied():
    rows = person("P01") + person("P02")
    rows[0]["seconds"], rows[1]["order"] = "-2", "first"
    result = cleaned(rows)
    assert rules(result) == {"bad_number": 2} and len(result.ratings) == 56
    assert result.ratings["seconds"].isna().sum() == 1 and result.ratings["order"].isna().sum() == 1


def test_clean_long_ratings_are_not_touched(tmp_path):
    path = tmp_path / "ratings.csv"
    pd.DataFrame(person("P01") + person("P02")).to_csv(path, index=False)
    raw = files.read(path)
    assert raw["line"].tolist()[:2] == [2, 3] and set(raw["file"]) == {"ratings.csv"}
    result = importing.clean(raw)
    assert len(result.ratings) == 2 * 4 * 7 and result.report.empty
    assert tuple(result.ratings.columns) == study.COLUMNS and result.ratings["rating"].dtype == int


def test_personal_data_neither_stays_nor_shows():
    secret = {"RecipientEmail": "ada@example.org", "Last Name": "Lovelace", "IPAddress": "192.0.2.7", "Hobby": "x"}
    rows = person("5f3a9c0b1d2e4f6a7b8c9d0e", **secret) + person("ada@example.org", **secret)
    result = cleaned(rows)
    assert set(result.ratings["participant"]) == {"P0001", "P0002"}
    everything = result.ratings.to_csv() + result.report.to_csv()
    assert not any(word in everything for word in ("ada", "Lovelace", "192.0.2", "5f3a9c"))
    assert rules(result)["personal_column"] == 3 * 56 and rules(result)["personal_id"] == 56
    # A whole word "name" is taken as personal, wherever it is; parts of words are not.
    found = [bool(importing.PERSONAL.search(name)) for name in ("Trace Name Order", "filename", "renamed")]
    assert found == [True, False, False]
    # A new pseudonym is none that is taken.
    assert set(cleaned(person("P0001") + person("someone")).ratings["participant"]) == {"P0001", "P0002"}


def test_mixed_designs_are_refused_or_settled():
    rows = person("P01") + person("P02") + person("P03", kinds=("r1",))
    with pytest.raises(ValueError, match=r"2 participants .* 1 only"):
        cleaned(rows)
    assert cleaned(rows, design="within").ratings["participant"].nunique() == 2
    result = cleaned(rows, design="between")
    assert set(result.ratings["participant"]) == {"P03"} and rules(result) == {"mixed_design": 56}
    few = [row for i in range(10) for row in person(f"P{i:02d}")] + person("P99", kinds=("r1",))  # a drop-out
    assert rules(cleaned(few)) == {"mixed_design": 7} and cleaned(few).ratings["participant"].nunique() == 10


def test_refusals_name_what_is_wrong():
    with pytest.raises(ValueError, match="lack trace_type"):
        importing.clean(pd.DataFrame({"participant": ["P1"], "item": ["effort"], "rating": ["1"]}))
    with pytest.raises(ValueError, match="no rating is left after cleaning: missing_rating 28"):
        cleaned(person("P01", rating=""))
    with pytest.raises(ValueError, match="no participant fits"):
        cleaned(person("P01"), design="between")


def test_wide_csv_as_qualtrics_writes_it(tmp_path):
    columns = ["Status", "IPAddress", "ResponseId", "PROLIFIC_PID", "Duration (in seconds)"]
    cells = [f"{k}__{i}" for k in study.TRACE_TYPES for i in ITEMS] + ["check_4", "r1__order"]
    rows = [
        ["Response Type", "IP Address", "Response ID", "panel", "Duration"] + ["How ...?"] * len(cells),
        ['{"ImportId":"status"}'] * (len(columns) + len(cells)),
        ["IP Address", "192.0.2.1", "R_1", "5f3a9c0b1d2e4f6a7b8c9d0e", "290"] + ["Agree"] * 28 + ["4", "1"],
        ["IP Address", "192.0.2.2", "R_2", "6f3a9c0b1d2e4f6a7b8c9d0e", "29"] + ["3"] * 28 + ["2", "2"],
        ["Survey Preview", "192.0.2.3", "R_3", "me", "29"] + ["1"] * 28 + ["2", "2"],
    ]
    path = tmp_path / "wide.csv"
    pd.DataFrame(rows, columns=columns + cells).to_csv(path, index=False)
    result = importing.clean(files.read(path))
    ratings = result.ratings
    assert set(ratings["participant"]) == {"P0001", "P0002"} and len(ratings) == 2 * 29
    assert ratings.groupby("participant")["rating"].median().tolist() == [4, 3]
    assert ratings.groupby("participant")["seconds"].first().tolist() == [10.0, 1.0]
    assert ratings.loc[ratings["trace_type"] == "r1", "order"].tolist() == [1.0] * 7 + [2.0] * 7
    assert rules(result)["preview"] == 29
    assert "192.0.2" not in result.report.to_csv()
    flags = study.careless(ratings)
    assert flags["failed_checks"].tolist() == [False, True]


def test_a_folder_of_our_own_exports(tmp_path):
    for name in ("P0A0B", "P1"):
        export = {"tracekd_survey": 1, "ratings": person(name)}
        (tmp_path / f"{name}.json").write_text(json.dumps(export))
    assert len(importing.clean(files.read(tmp_path)).ratings) == 56


def test_files_that_are_nothing_of_the_kind(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"columns a, b fit no known kind.*r1__predictable"):
        files.read(path)
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match=r"x\.json"):
        files.read(tmp_path / "x.json")
    with pytest.raises(ValueError, match=r"nothing\.csv"):
        files.read(tmp_path / "nothing.csv")


def test_scores_shares_and_flags():
    rows = person("P01") + person("P02", rating="2")
    rows[0]["rating"] = "1"  # P01: r1 predictable 1, the other three items 4: mean 13/4 = 3.25
    ratings = cleaned(rows).ratings
    table = study.matrix(study.scores(ratings), "interpretability")
    assert table.loc["P01"].tolist() == [3.25, 4, 4, 4] and table.loc["P02"].tolist() == [2, 2, 2, 2]
    shares = study.shares(ratings).set_index(["scale", "trace_type"])
    # Eight r1 ratings of interpretability: 1 once, 2 four times, 4 three times.
    assert shares.loc[("interpretability", "r1"), [1, 2, 3, 4, 5]].tolist() == [0.125, 0.5, 0, 0.375, 0]
    flags = study.careless(ratings)
    assert flags["same_share"].tolist() == [27 / 28, 1.0] and flags["straight_line"].all()
    assert study.without_careless(ratings).empty


def test_published_numbers_are_those_that_the_sources_state():
    table = study.published()
    known = table.loc[list(study.SCALES)].stack().dropna()
    assert known.droplevel("student").to_dict() == {
        ("interpretability", "r1"): 3.39, ("interpretability", "correct"): 4.86, ("cognitive_load", "r1"): 4.59,
    }  # fmt: skip
    # Means over the four category files of the release.
    accuracy = table.loc["accuracy"]
    assert accuracy.shape == (4, 4) and accuracy.notna().all(axis=None)
    assert accuracy.loc["Llama-3.2-1B-Instruct", ["r1", "correct"]].tolist() == pytest.approx([63.0, 32.4], abs=0.051)
    assert accuracy.loc["Qwen3-1.7B", ["r1_summary", "correct"]].tolist() == pytest.approx([60.4, 33.7], abs=0.051)
