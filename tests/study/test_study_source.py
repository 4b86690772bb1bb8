"""Ratings are read strictly, and what is left out is counted; the stamp comes with simulated ratings alone."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracekd.plots import study as plots_study
from tracekd.study import ratings as study
from tracekd.study import simulate, stats

ITEMS = list(study.scale_of())


def person(name, rating="4", **more):
    """All answers of one participant, as text: 28 and two checks, both passed."""
    rows = [
        {"participant": name, "problem": "q1", "trace_type": kind, "item": item, "rating": rating, "order": str(i + 1)}
        for i, kind in enumerate(study.TRACE_TYPES)
        for item in ITEMS
    ]
    rows += [
        rows[7 * place] | {"trace_type": "", "item": f"check_{k}", "rating": str(k)} for place, k in ((1, 2), (3, 4))
    ]
    return [row | {"seconds": "3.5", "sequence": "1"} | more for row in rows]


def saved(path, rows):
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_a_folder_of_downloads_is_read_whole(tmp_path):
    saved(tmp_path / "b.csv", person("P0A0B"))
    saved(tmp_path / "a.csv", person("5f3a9c0b1d2e4f6a", rating="2"))
    data = study.read(tmp_path)
    assert tuple(data.ratings.columns) == study.COLUMNS and data.left_out == {}
    # 4 traces x 7 items and 2 checks each; participants are numbered in the order of their ids.
    found = data.ratings.groupby("participant")["rating"].agg(["size", "median"])
    assert found.to_dict("index") == {"P0001": {"size": 30, "median": 2}, "P0002": {"size": 30, "median": 4}}
    one = study.read(saved(tmp_path / "c.csv", data.ratings))  # and read again unchanged
    pd.testing.assert_frame_equal(one.ratings, data.ratings)


def test_answers_given_twice_and_incomplete_participants_are_left_out_and_counted(tmp_path):
    twice = [row | {"rating": "1", "problem": "q9"} for row in person("P1")]
    data = study.read(saved(tmp_path / "a.csv", person("P1") + twice + person("P2") + person("P3")[1:]))
    assert data.left_out == {"given twice": 30, "incomplete participants": 29}
    assert data.n == 2 and set(data.ratings.loc[~study.is_check(data.ratings["item"]), "rating"]) == {4}
    assert "given twice: 30 rows" in str(data)


@pytest.mark.parametrize(("column", "value"), [
    ("rating", "6"), ("rating", "2.5"), ("rating", ""), ("rating", "Agree"), ("trace_type", "gpt"),
    ("trace_type", ""), ("item", "beauty"), ("item", "check_9"), ("participant", " "), ("order", ""),
    ("order", "1.5"), ("seconds", "-2"), ("seconds", "inf"),
])  # fmt: skip
def test_a_wrong_value_is_named_by_file_and_line(tmp_path, column, value):
    rows = person("P01") + person("P02")
    rows[3][column] = value
    with pytest.raises(ValueError, match=rf"ratings.csv, line 5: {column} '{value}' \(1 rows\)"):
        study.read(saved(tmp_path / "ratings.csv", rows))
    rows[3] |= person("P01")[3] | {"seconds": ""}  # times may be missing
    assert study.read(saved(tmp_path / "ratings.csv", rows)).ratings["seconds"].isna().sum() == 1


@pytest.mark.parametrize(("content", "named"), [
    (b"", "no CSV file"), (b"participant,item\n1,2\n", "no column problem"),
    (",".join(study.COLUMNS).encode() + b"\n", "0 rows read"),
    (",".join(study.COLUMNS).encode() + b"\n1,2\n", "line 2: trace_type ''"),
    (b'participant,"item\n', "no (CSV file|column)"), (b"participant,\x81\n", "no CSV file"),
    (pd.DataFrame(person("P1")).to_csv(index=False).rstrip("\n").encode() + b",what else\n", "no CSV file"),
])  # fmt: skip
def test_what_is_no_file_of_ratings_is_named(tmp_path, content, named):
    with pytest.raises(ValueError, match=r"no \.csv file"):
        study.read(tmp_path)
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.csv.*{named}"):
        study.read(tmp_path / "x.csv")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, 10**6), st.integers(0, 40), st.sampled_from(["", ",", '"', "\n", "9", "-", "P1", "é", "r1"])
        ),
        max_size=4,
    )
)
def test_mutated_files_are_counted_row_by_row_or_refused_by_name(tmp_path, edits):
    text = pd.DataFrame(person("P1") + person("P2")).to_csv(index=False)
    for at, length, piece in edits:
        at %= len(text) + 1
        text = text[:at] + piece + text[at + length :]
    (tmp_path / "export.csv").write_text(text, encoding="utf-8", newline="")
    try:
        data = study.read(tmp_path / "export.csv")
    except ValueError as error:
        assert "export.csv" in str(error)
        return
    rows = pd.read_csv(tmp_path / "export.csv", dtype=str)
    assert len(data.ratings) + sum(data.left_out.values()) == len(rows)
    assert data.ratings["rating"].isin(study.POINTS).all()


def test_scores_shares_and_flags(tmp_path):
    rows = person("P01") + person("P02", rating="2")
    rows[0]["rating"] = "1"  # P01: r1 predictable 1, the other three items 4: mean 13/4 = 3.25
    ratings = study.read(saved(tmp_path / "r.csv", rows)).ratings
    table = study.scores(ratings, "interpretability")
    assert table.loc["P0001"].tolist() == [3.25, 4, 4, 4] and table.loc["P0002"].tolist() == [2, 2, 2, 2]
    shares = study.shares(ratings).set_index(["scale", "trace_type"])
    # Eight r1 ratings of interpretability: 1 once, 2 four times, 4 three times.
    assert shares.loc[("interpretability", "r1"), [1, 2, 3, 4, 5]].tolist() == [0.125, 0.5, 0, 0.375, 0]


def test_each_rule_flags_the_careless(tmp_path):
    def varied(name, checks="24", **more):
        """Each point as often as any other, and the two checks, which expect 2 and 4."""
        rows = [row | {"rating": str(1 + i % 5)} for i, row in enumerate(person(name, **more)[:-2])]
        return rows + [row | {"rating": point} for row, point in zip(person(name, **more)[-2:], checks, strict=True)]

    rows = varied("P1") + person("P2") + varied("P3", seconds="0.5") + varied("P4", checks="23") + varied("P5", "24")
    ratings = study.read(saved(tmp_path / "r.csv", rows)).ratings
    assert study.careless(ratings).tolist() == [False, True, True, True, False]
    unasked = ratings[~study.is_check(ratings["item"])].assign(seconds=np.nan)  # checks and times may be missing
    assert study.careless(unasked).tolist() == [False, True, False, False, False]


def test_published_numbers_are_those_that_the_sources_state():
    table = study.published()
    known = table.loc[list(study.SCALES)].stack().dropna()
    assert known.droplevel("student").to_dict() == {
        ("interpretability", "r1"): 3.39, ("interpretability", "correct"): 4.86, ("cognitive_load", "r1"): 4.59,
    }  # fmt: skip
    assert table.loc["accuracy"].shape == (4, 5) and table.loc["accuracy"].notna().all(axis=None)


@pytest.mark.parametrize("real", [False, True])
def test_simulated_ratings_are_stamped_everywhere_and_real_ones_nowhere(real, tmp_path):
    path = saved(tmp_path / "lab.csv", simulate.simulate(np.random.default_rng(5))) if real else ""
    data = simulate.open_study(path, np.random.default_rng(1))
    assert data.n == 100 and data.simulated != real
    about = data.about("Shares.")
    assert about["n"] == "100 participants" and about["source"] == data.source and "Shares." in about["caption"]
    table = data.table(study.shares(data.ratings)).to_html()
    for text in (data.source, data.name("05_likert"), about["caption"], table, str(data)):
        assert ("SIMULATED" in text) != real
    assert not real or data.source == "ratings file lab.csv"


def test_pictures_draw_what_the_tables_say():
    rng, fig = np.random.default_rng(1), plt.figure()
    data = simulate.simulate(rng)
    likert, means = plots_study.ratings(study.shares(data), stats.describe(data, rng, 50), fig).axes[:2]
    bars = [bar for container in likert.containers for bar in container]
    assert len(bars) == 20 and sum(bar.get_width() for bar in bars) == pytest.approx(400)
    middle = likert.containers[2][0]
    assert middle.get_x() + middle.get_width() / 2 == pytest.approx(0)
    assert likert.get_yticklabels()[0].get_text() == "R1\nn = 100"
    stars = [line.get_xdata()[0] for line in means.lines if line.get_marker() == "*"]
    assert [x for x in stars if np.isfinite(x)] == [3.39, 4.86]  # the published means
    curves = simulate.power(rng, 3, effects=(0.0, 1.0))
    ax = plots_study.power_curves(curves, plt.figure().subplots())
    assert ax.lines[0].get_ydata().tolist() == curves.loc[curves["test"] == "any", "power"].tolist()
    plt.close("all")
