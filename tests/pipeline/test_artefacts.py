"""Artefacts: complete manifests, stamps on what is not real, tables that print well."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from tracekd.pipeline import artefacts
from tracekd.pipeline.notebook_run import open_run
from tracekd.traces.freeform import TEMPLATED

REAL = "real problems (local files)"
BOTH = "GENERATED problems, TEMPLATED traces"
MIXED = f"recorded: babi: {REAL}; marco: GENERATED problems"


@pytest.fixture()
def run(elsewhere):
    return open_run("04_evaluate", "smoke", 121)


@pytest.fixture()
def fig():
    fig, ax = plt.subplots()
    ax.plot([1, 3, 2])
    yield fig
    plt.close(fig)


def test_opening_says_what_a_reader_must_know(capsys, run):
    text = capsys.readouterr().out
    assert [w for w in ("smoke", "121", "tiny-random", "GENERATED problems", "torch", "CPU") if w not in text] == []


def test_artefacts_leave_files_data_and_one_manifest_row(run, fig):
    frame = pd.DataFrame({"a_b": ["x%", "y"], "share": [0.25, float("nan")]})
    for _ in range(2):  # the second save replaces the first
        run.save_figure(fig, "04_f", caption="A line.", n=3, data=frame)
        run.save_table(frame, "04_t", caption="A table.", n=2)
    folder = run.folder / "figures"
    rows = artefacts.rows(folder)
    assert [row["id"] for row in rows] == ["04_f", "04_t"]
    assert all(value for row in rows for value in row.values())
    assert all((folder / file).stat().st_size > 0 for row in rows for file in artefacts.files(row))
    assert r"x\%" in (folder / "tables/04_t.tex").read_text()
    pd.testing.assert_frame_equal(pd.read_csv(artefacts.table_path("04_t", folder)), frame)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "data/04_f.csv"), frame)


@pytest.mark.parametrize(("name", "source", "frame", "tag"), [
    ("04_f", REAL, None, ""), ("04_f", REAL, {"source": [REAL], "n": [1], "condition": ["correct"]}, ""),
    ("04_f", "GENERATED problems", None, "GENERATED problems"),
    ("04_f", "real files (committed counts)", {"source": ["GENERATED problems"]}, "GENERATED problems"),
    ("04_f", REAL, {"dataset": ["babi", "marco (GENERATED)"]}, "GENERATED problems"),
    ("05_f_SIMULATED", "ratings", None, "SIMULATED data"),
    ("05_f_SIMULATED", "SIMULATED ratings (x)", None, "SIMULATED ratings (x)"),
    ("04_f", REAL, {"teacher": ["", TEMPLATED]}, "TEMPLATED traces"),
    ("04_f", REAL, {"condition": ["r1 (templated)"]}, "TEMPLATED traces"),
    ("02_f", BOTH, {"teacher": [TEMPLATED]}, BOTH), ("08_f", MIXED, None, "marco: GENERATED problems"),
    ("08_f", MIXED, {"teacher": [TEMPLATED]}, "marco: GENERATED problems; TEMPLATED traces"),
])  # fmt: skip
def test_whatever_is_not_real_is_stamped(run, fig, name, source, frame, tag):
    """By the source in words, by the artefact's name, or by any column of the data; real data get no stamp."""
    frame = pd.DataFrame(frame or {"x": [1.0]})
    run.save_figure(fig, name, caption="A line.", n=3, data=frame, source=source)
    run.save_table(frame, f"{name}_t", caption="A table.", n=3, source=source)
    folder = run.folder / "figures"
    assert [text.get_text() for text in fig.texts if text.get_gid() == "stamp"] == ([tag] if tag else [])
    assert (f"/Keywords ({tag[:10]}".encode() in (folder / f"{name}.pdf").read_bytes()) == bool(tag)
    stamps = {".md": f"\n**{tag}.** A table.", ".tex": f"\\footnotesize {tag.replace('_', chr(92) + '_')}"}
    for suffix, stamp in stamps.items():
        assert (stamp in artefacts.table_path(f"{name}_t", folder).with_suffix(suffix).read_text()) == bool(tag)
    assert all(part in row["source"] for row in artefacts.rows(folder) for part in tag.split("; "))


@pytest.mark.parametrize("where", ["outside lower center", "outside upper center"])
def test_a_stamp_and_a_legend_of_the_figure_are_at_opposite_edges(run, fig, where):
    fig.axes[0].plot([1, 2], label="x" * 60)  # as wide as the figure
    legend = fig.legend(loc=where)
    run.save_figure(fig, "04_f", caption="A line.", n=3)
    (stamp,) = (text for text in fig.texts if text.get_gid() == "stamp")
    assert not stamp.get_window_extent().overlaps(legend.get_window_extent())
    assert (stamp.get_window_extent().y0 > fig.bbox.height / 2) == ("lower" in where)


def test_tables_show_small_p_values_dashes_intervals_and_who_made_them(run):
    frame = pd.DataFrame({"n": [3, 4], "p_holm": [1e-6, float("nan")], "tost_holm": [0.0, 0.2], "p_yes": [0.0, 0.5]})
    frame = frame.assign(p_yes_low=[-0.1, float("nan")], p_yes_high=[0.2, float("nan")], by_seed="babi")
    run.save_table(frame, "04_t", caption="A table.", n="7 outputs")
    folder = run.folder / "figures" / "tables"
    shown = (folder / "04_t.md").read_text()
    first, second = ([cell.strip() for cell in line.strip("|").split("|")] for line in shown.splitlines()[2:4])
    assert first == ["3", "<0.001", "<0.001", "0.000 [-0.100, 0.200]"]
    assert second == ["4", "–", "0.200", "0.500"]
    assert "– means undefined" in shown and f"student: {run.student}; seed of the run: {run.seed};" in shown
    assert "n = 7 outputs;" in shown and "$<$0.001" in (folder / "04_t.tex").read_text()
    stored = pd.read_csv(folder / "04_t.csv")
    assert stored.p_holm[0] == 1e-6 and stored.p_holm.isna()[1]


def test_figures_repeat_to_the_byte_and_a_caption_is_required(run, fig):
    saved = []
    for _ in range(2):
        run.save_figure(fig, "04_f", caption="A line.", n=3)
        saved.append([(run.folder / "figures" / f"04_f{s}").read_bytes() for s in (".png", ".pdf")])
    assert saved[0] == saved[1]
    with pytest.raises(ValueError, match="04_t"):
        run.save_table(pd.DataFrame({"a": [1]}), "04_t", caption=" ", n=1)
