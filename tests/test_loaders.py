"""Readers of CoTempQA, bAbI and own sets: every form that people have, and a message for everything else."""

import csv
import gzip
import io
import json
import tarfile
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracekd import forms, load_babi, load_cotempqa, problems
from tracekd.__main__ import main
from tracekd.derive import derive

ASKED = "While Ada Poe was working for Acme, which employer did Ada Poe work for at the same time?"
ROW = {
    "index": 0,
    "triple_element": "S1_R1_O2",
    "question": ASKED,
    "facts": ["Ada Poe works for Acme from 1999 to 2001.", "Ada Poe works for Zed Co from 1999 to 2001."],
    "answer": ["Zed Co"],
}
STORY = "1 Mary went to the garden.\n2 John moved to the office.\n3 Where is Mary? \tgarden\t1\n"
SECOND = "1 Ann went to the attic.\n2 Where is Ann? \tattic\t1\n"
CSV = (
    "passages,query,question,query_type,reasoning,answer_passage,answer\n"
    "\"['Ann went to the attic.', 'Bo went to the hall.']\",q,Where is Ann?,single-supporting-fact,r,"
    "\"['Ann went to the attic.']\",attic\n"
)


def own(number, category="place", **changes):
    row = {
        "id": f"q{number}",
        "context": [f"The lamp is in room {number}.", "The rug is in the den."],
        "question": f"Where is lamp {number}?",
        "answers": [f"room {number}"],
        "category": category,
        "evidence": [0],
    }
    return row | changes


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


# ---- CoTempQA


def test_ids_agree_between_whole_training_and_test_files(tmp_path):
    """`index` is the position in the Hub's file in training files, and counts through the four files in test files."""
    write(tmp_path / "mix_train.jsonl", lines(ROW | {"index": 7}))
    # mix comes after during (3,096) and equal (436): position 9 is 3096 + 436 + 9.
    write(tmp_path / "mix_test.jsonl", lines(ROW | {"index": 3541}))
    write(tmp_path / "equal.json", lines(ROW, ROW | {"question": "While " + ASKED}))
    found = load_cotempqa.read_folder(tmp_path)
    assert [(p.id, p.split) for p in found if p.category == "mix"] == [
        ("cotempqa/mix/0007", "train"),
        ("cotempqa/mix/0009", "test"),
    ]
    assert [p.id for p in found if p.category == "equal"] == ["cotempqa/equal/0000", "cotempqa/equal/0001"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"facts": "Ada Poe works for Acme."}, ("line 2", "facts", "expected a list of texts")),
        ({"answer": "Zed Co"}, ("line 2", "answer", "Zed Co")),
        ({"answer": []}, ("line 2", "answer")),
        ({"facts": [1]}, ("line 2", "facts", "[1]")),
        ({"facts": ["Ada likes tea."]}, ("line 2", "facts", "Ada likes tea.")),
        ({"question": ["x"]}, ("line 2", "question")),
        ({"triple_element": "S9"}, ("line 2", "triple_element", "S9")),
        ({"index": 5000}, ("line 2", "index", "5000", "3532")),
        ({"index": "3533"}, ("line 2", "index", "3533")),
        ({"answer": None}, ("line 2", "answer", "None")),
    ],
)
def test_wrong_fields_are_named_with_file_line_and_value(tmp_path, change, words):
    rows = [ROW | {"index": 3532}, ROW | {"index": 3533} | change]
    path = write(tmp_path / "mix_test.jsonl", lines(*rows))
    with pytest.raises(ValueError, match="mix_test") as caught:
        load_cotempqa.read_file(path)
    assert all(word in str(caught.value) for word in words)


def test_a_list_written_as_text_is_one_list(tmp_path):
    row = ROW | {"facts": str(ROW["facts"]), "answer": "['Zed Co']"}
    (found,) = load_cotempqa.read_file(write(tmp_path / "equal.json", lines(row)))
    assert (found.context, found.answers) == (tuple(ROW["facts"]), ("Zed Co",))


def test_missing_fields_and_unread_dates_are_said(tmp_path, caplog):
    with pytest.raises(ValueError, match=r"equal\.json, line 1: facts, answer missing"):
        load_cotempqa.read_file(write(tmp_path / "equal.json", lines({"question": "q", "triple_element": "S1_R1_O2"})))
    row = ROW | {"facts": [*ROW["facts"], "Ada Poe works for Mill in the 1990s."], "answer": ["Nobody"]}
    load_cotempqa.read_file(write(tmp_path / "equal.json", lines(row)))
    assert "1 times are not read, such as 'in the 1990s'" in caplog.text
    assert "in 1 of 1 problems no fact holds a gold answer" in caplog.text


def test_the_real_files_give_all_four_categories(shared_data):
    found = problems.load("cotempqa", str(shared_data))
    counts = Counter((p.split, p.category) for p in found)
    assert sum(n for (split, _), n in counts.items() if split == "train") == 1567
    assert [counts["test", c] for c in ("equal", "overlap", "during", "mix")] == [87, 131, 619, 113]
    assert len({p.id for p in found}) == len(found) == 1567 + 950
    whole = load_cotempqa.read_file(shared_data / "cotempqa" / "equal.json")
    drawn = {p.id: p.question for p in whole if p.split == "test"}
    authors = {p.id: p.question for p in load_cotempqa.read_file(shared_data / "cotempqa" / "equal_test.jsonl")}
    assert drawn == authors


# ---- bAbI


@pytest.mark.parametrize(
    "text",
    [
        STORY + SECOND,
        (STORY + SECOND).replace("\n", "\r\n"),
        (STORY + SECOND).replace("1 Mary", "1  Mary ").replace(" went", "  went"),
        "\ufeff\n\n" + STORY + "\n" + SECOND + "\n\n",
        (STORY + SECOND).replace("\t1\n", "\t1\t\n"),
        STORY + "4 John went to the hall.\n5 Where is John?\thall\t4\n" + SECOND,
    ],
)
@pytest.mark.parametrize("name", ["qa1_single-supporting-fact_test.txt", "qa1_test.txt"])
def test_task_files_as_people_have_them(tmp_path, text, name):
    write(tmp_path / name, text)
    one, two = load_babi.read_folder(tmp_path)
    assert one.context == ("Mary went to the garden.", "John moved to the office.")
    assert (one.question, one.answers, one.evidence, one.split) == ("Where is Mary?", ("garden",), (0,), "test")
    assert (two.id, two.context) == ("babi/single-supporting-fact/test-0001", ("Ann went to the attic.",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (STORY.replace("\t1", ""), ("line 3", "no supporting facts")),
        (STORY.replace("\tgarden\t1", "\t\t1"), ("line 3", "no answer")),
        (STORY.replace("\t1", "\t7"), ("line 3", "'7'", "1, 2")),
        (STORY.replace("\t1", "\tx"), ("line 3", "'x'")),
        (STORY.replace("2 John", "John"), ("line 2", "John moved")),
        (STORY.replace("2 John", "9 John"), ("line 3", "out of order")),
        (STORY.replace("3 Where is Mary? \tgarden\t1\n", "") + SECOND, ("line 1", "without a question")),
        ("\n", ("line 1", "no story")),
    ],
)
def test_wrong_task_files_name_file_and_line(tmp_path, text, words):
    write(tmp_path / "qa1_single-supporting-fact_train.txt", text)
    with pytest.raises(ValueError, match=r"qa1_single-supporting-fact_train\.txt, ") as caught:
        load_babi.read_folder(tmp_path)
    assert all(word in str(caught.value) for word in words)


def test_other_tasks_and_further_questions_are_counted_and_can_be_asked_for(tmp_path, caplog):
    write(tmp_path / "qa1_single-supporting-fact_train.txt", STORY + "4 Where is John?\toffice\t2\n")
    write(tmp_path / "qa3_three-supporting-facts_train.txt", SECOND)
    write(tmp_path / "qa19_path-finding_valid.txt", SECOND.replace("attic\t1", "s,s\t1"))
    assert [p.category for p in load_babi.read_folder(tmp_path)] == ["single-supporting-fact"]
    assert "1 further questions" in caplog.text and "2 problems of 2 tasks are left out" in caplog.text
    found = load_babi.read_folder(tmp_path, ["qa3", "19"])
    assert {(p.category, p.split) for p in found} == {("three-supporting-facts", "train"), ("path-finding", "train")}
    assert [p.answers for p in found if p.category == "path-finding"] == [("s,s",)]  # an order, not a set
    assert len(load_babi.read_folder(tmp_path, ["all"])) == 3
    with pytest.raises(ValueError, match=r"(?s)bAbI task 'countin'.*counting"):
        load_babi.tasks_of(["countin"])


def test_the_archive_packed_and_unpacked_gives_the_same(shared_data, tmp_path):
    archive = shared_data / "babi_archive" / "tasks_1-20_v1-2_en.tar.gz"
    if not archive.exists():
        pytest.skip(f"no {archive}")
    packed = load_babi.read_archive(archive)
    # The authors' 3,773 training problems are the first questions of the archive's training stories.
    assert Counter(p.split for p in packed) == {"train": 3773, "test": 3774}
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "babi", filter="data")
    assert load_babi.read_folder(tmp_path / "babi") == packed
    whole = load_babi.read_csv(shared_data / "babi" / "train.csv", "train")
    assert {(p.context, p.question, p.answers) for p in whole} == {
        (p.context, p.question, p.answers) for p in packed if p.split == "train"
    }


def test_english_is_taken_of_several_folders_in_an_archive(tmp_path):
    path = tmp_path / "tasks.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in (("en-10k", SECOND), ("en", STORY), ("hn", SECOND)):
            member = tarfile.TarInfo(f"tasks_1-20_v1-2/{name}/qa1_single-supporting-fact_train.txt")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    assert [p.question for p in load_babi.read_folder(tmp_path)] == ["Where is Mary?"]
    write(path, "no archive")
    with pytest.raises(ValueError, match=r"tasks\.tar\.gz cannot be read"):
        load_babi.read_folder(tmp_path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_with_other_separators_and_encodings(tmp_path, delimiter, encoding):
    text = CSV
    if delimiter != ",":
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter).writerows(csv.reader(io.StringIO(CSV)))
        text = out.getvalue()
    (found,) = load_babi.read_csv(write(tmp_path / "train.csv", text, encoding), "train")
    assert found.answers == ("attic",) and found.evidence == (0,)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("query_type", "type", ("line 1", "query_type")),
        ("['Ann went to the attic.']\"", "['Nobody.']\"", ("line 2", "answer_passage", "Nobody.")),
        ("\"['Ann went to the attic.', 'Bo went to the hall.']\"", "Ann went", ("line 2", "passages", "Ann went")),
        ("single-supporting-fact", "single-supporting", ("line 2", "query_type", "single-supporting-fact")),
        (",attic", ",", ("line 2", "answer")),
    ],
)
def test_wrong_csv_names_file_line_and_column(tmp_path, old, new, words):
    with pytest.raises(ValueError, match=r"train\.csv") as caught:
        load_babi.read_csv(write(tmp_path / "train.csv", CSV.replace(old, new)), "train")
    assert all(word in str(caught.value) for word in words)


# ---- encodings and forms


def test_encodings_are_read_or_named(tmp_path):
    row = json.dumps(ROW | {"answer": ["Zoë"]}, ensure_ascii=False)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        (found,) = load_cotempqa.read_file(write(tmp_path / "equal.json", row, encoding))
        assert found.answers == ("Zoë",)
    for encoding, word in (("cp1252", "0xeb"), ("utf-16-le", "UTF-16")):
        with pytest.raises(ValueError, match=r"equal\.json, line 1") as caught:
            load_cotempqa.read_file(write(tmp_path / "equal.json", row, encoding))
        assert word in str(caught.value)
    (tmp_path / "equal.json.gz").write_bytes(gzip.compress(row.encode())[:-12])
    with pytest.raises(ValueError, match=r"equal\.json\.gz"):
        load_cotempqa.read_file(tmp_path / "equal.json.gz")
    workbook = tmp_path / "set.xlsx"
    workbook.write_bytes(b"PK\x03\x04rest")
    with pytest.raises(ValueError, match=r"set\.xlsx .*CSV"):
        forms.read_any(workbook)


SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Rooms",
            "paragraphs": [
                {
                    "context": f"The lamp is in hall {n}. The rug is in the den. The cup is on shelf {n}.",
                    "qas": [
                        {"id": f"a{n}", "question": "Where is the lamp?", "answers": [{"text": f"hall {n}"}]},
                        {"id": f"b{n}", "question": "On what is the cup?", "answers": [{"text": f"shelf {n}"}]},
                        {"id": f"c{n}", "question": "Who sings?", "answers": []},
                    ],
                }
                for n in range(6)
            ],
        }
    ],
}
HOTPOT = [
    {
        "_id": f"{kind}{n}",
        "question": f"Which {kind} is number {n}?",
        "answer": f"hall {n}",
        "type": kind,
        "supporting_facts": [["Rooms", 0]],
        "context": [["Rooms", [f"The {kind} {n} is hall {n}.", "Other."]], ["Dens", ["The rug is in the den."]]],
    }
    for kind in ("bridge", "comparison")
    for n in range(5)
]


@pytest.mark.parametrize(("name", "value"), [("SQuAD", SQUAD), ("HotpotQA", HOTPOT)])
@pytest.mark.parametrize("indent", [None, 1])
def test_foreign_sets_are_named_and_the_documented_lines_convert_them(tmp_path, monkeypatch, name, value, indent):
    from tracekd.profiles import ROOT

    path = write(tmp_path / f"{name.lower()}.json", json.dumps(value, indent=indent))
    with pytest.raises(ValueError, match=f"form of {name}: convert it with the lines under 'From {name}'"):
        problems.load("x", str(path))
    text = (ROOT / "notebooks" / "OWN_DATA.md").read_text(encoding="utf-8")
    code = text.split(f"### From {name}\n")[1].split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    found = problems.load("x", str(tmp_path / f"my_{name.lower()}.jsonl"))
    assert len(found) == (12 if name == "SQuAD" else 10)
    assert all(p.answers[0] in p.facts[0] for p in found)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("equal.json", lines(ROW), ("cotempqa/", "--data FOLDER")),
        ("qa1_single-supporting-fact_train.txt", STORY, ("babi/", "--data FOLDER")),
        ("train.csv", CSV, ("babi/", "--data FOLDER")),
        ("list.jsonl", json.dumps([own(1)]), ("JSON list", "jq")),
        ("spread.jsonl", json.dumps(own(1), indent=1), ("several lines", "jq")),
    ],
)
def test_a_known_sets_own_file_says_which_folder_is_wanted(tmp_path, name, text, words):
    with pytest.raises(ValueError, match=name) as caught:
        problems.load("x", str(write(tmp_path / name, text)))
    assert all(word in str(caught.value) for word in words)


# ---- own sets


def small(**changes):
    return [own(n, category, **changes) for n, category in enumerate(["place", "place", "thing", "thing"])]


def test_a_small_set_runs_and_says_what_is_left_out(tmp_path, caplog):
    rows = [*small(), own(9, "rare")]
    found = problems.load("x", str(write(tmp_path / "mine.jsonl", lines(*rows))))
    assert Counter((p.category, p.split) for p in found) == {
        ("place", "train"): 1, ("place", "test"): 1, ("thing", "train"): 1, ("thing", "test"): 1, ("rare", "train"): 1,
    }  # fmt: skip
    assert "1 of 5 problems: only in training, their category has no test problem" in caplog.text


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (small(split="train"), ("two categories", "'place' 2 train and 0 test")),
        (small(split="test"), ("two categories", "'thing' 0 train and 2 test")),
        ([own(n) for n in range(9)], ("two categories", "'place' 7 train and 2 test")),
        (small()[1:], ("two categories", "'place' 1 train and 0 test")),
        (small(answers=["hall"]), ("'hall'", "always")),
        (small(evidence=[0, 1]), ("beside its evidence",)),
        ([*small(), own(9, "a|b")], ("line 5", "a|b")),
    ],
)
def test_sets_that_no_notebook_could_use_are_refused_at_loading(tmp_path, rows, words):
    with pytest.raises(ValueError, match=r"mine\.jsonl") as caught:
        problems.load("x", str(write(tmp_path / "mine.jsonl", lines(*rows))))
    assert all(word in str(caught.value) for word in words)


def test_half_characters_and_taken_names_are_refused(tmp_path):
    text = lines(*small()).replace("the den", "the \\ud800 den")
    with pytest.raises(ValueError, match=r"mine\.jsonl, line 1: .*surrogate"):
        problems.load("x", str(write(tmp_path / "mine.jsonl", text)))
    for name in ("babi.jsonl", "CoTempQA.jsonl", "marco.jsonl.gz", "generated.jsonl"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(lines(*small()).encode()) if name.endswith("gz") else lines(*small()).encode())
        with pytest.raises(ValueError, match="rename the file"):
            problems.load("x", str(path))


def test_every_command_reads_the_documented_form(tmp_path, capsys):
    from tracekd import derive_cli, released

    path = write(tmp_path / "mine.jsonl", lines(*small()))
    assert derive_cli.main([str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 4
    assert len(forms.read_any(path)) == 4
    assert {p.split for p in released.test_problems(None, path)} == {"test"}


def test_rules_of_another_file_of_the_same_name_are_not_taken_over(tmp_path):
    for name in ("ruled", "bare"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "mine.jsonl", lines(*small()))
    write(tmp_path / "ruled" / "mine_rules.py", "def retrieve(problem):\n    return (0,)\n")
    assert derive(problems.load("x", str(tmp_path / "ruled" / "mine.jsonl"))[0]).evidence == (0,)
    assert derive(problems.load("x", str(tmp_path / "bare" / "mine.jsonl"))[0]).underivable


def test_score_and_teacher_read_every_form_that_derive_reads(tmp_path, capsys):
    """Two problems each, of the test file: counted by derive, asked for three texts each, missing from no outputs."""
    forms_of = {
        "babi/qa1_single-supporting-fact_test.txt": STORY + SECOND,
        "babi-csv/test.csv": CSV + CSV.split("\n", 1)[1],
        "cotempqa/equal_test.jsonl": lines(ROW | {"index": 3096}, ROW | {"index": 3097}),
    }
    outputs = write(tmp_path / "outputs.jsonl", lines({"id": "nobody", "text": "hall"}))
    for name, text in forms_of.items():
        (tmp_path / name).parent.mkdir()
        path = write(tmp_path / name, text)
        dataset = name.split("/")[0].split("-")[0]
        assert main(["derive", str(path)]) == 0
        n = json.loads(capsys.readouterr().out)["n"]
        assert n == 2
        assert main(["teacher", str(path), "--url", "http://localhost:9/v1", "--model", "m"]) == 0
        assert json.loads(capsys.readouterr().out)["estimate"]["requests"] == 3 * n
        for place in ([str(path)], [str(path), "--dataset", dataset], [str(path.parent), "--dataset", dataset]):
            # Nothing can be scored, so the exit code is 2, after the counts.
            assert main(["score", "--problems", *place, "--outputs", str(outputs)]) == 2
            assert json.loads(capsys.readouterr().out)["missing"] == n


def test_a_file_without_a_usable_problem_is_named_by_every_command(tmp_path, capsys):
    path = write(tmp_path / "qa3_three-supporting-facts_test.txt", STORY)
    for command in (["derive"], ["teacher", "--url", "http://localhost:9/v1", "--model", "m"], ["score", "--outputs"]):
        argv = [*command, __file__, "--problems"] if command[0] == "score" else command
        assert main([*argv, str(path)]) == 2
        assert path.name in capsys.readouterr().err


def test_a_look_ahead_at_an_own_set_counts_repeated_problems_as_loading_does(tmp_path):
    """Without its repeated training problem "thing" has none: refused when the options are checked, not later."""
    first, second = own(0, split="train"), own(1, split="test")
    rows = [first, second, own(0, "thing", id="a", split="train"), own(9, "thing", id="b", split="test")]
    path = write(tmp_path / "mine.jsonl", lines(*rows))
    with pytest.raises(ValueError, match="'thing' 0 train and 1 test"):
        problems.check_source(str(path))


def test_an_index_that_comes_twice_is_named(tmp_path):
    path = write(tmp_path / "equal_test.jsonl", lines(ROW | {"index": 3096}, ROW | {"index": 3096}))
    with pytest.raises(ValueError, match=r"line 2: index 3096 stands in line 1"):
        load_cotempqa.read_file(path)


def test_a_table_is_named_as_one(tmp_path):
    path = write(tmp_path / "own.csv", "id,context,question\n1,a,b\n")
    for read in (forms.read_any, lambda p: problems.load("x", str(p))):
        with pytest.raises(ValueError, match=r"own\.csv.* a table"):
            read(path)


# ---- mutations


SAMPLES = {
    "equal.json": lines(ROW, ROW | {"question": "q", "answer": ["Zed Co", "Acme"]}),
    "mix_test.jsonl": lines(ROW | {"index": 3532}, ROW | {"index": 3533}),
    "qa1_single-supporting-fact_train.txt": STORY + SECOND,
    "train.csv": CSV,
    "mine.jsonl": lines(*small(), own(5, split="test"), own(6, "thing", evidence=0)),
    "kept.jsonl": lines(problems.as_row(problems.Problem("a/b/1", "a", "b", ("x", "y"), "q", ("x",), (0,), "test"))),
}
_BYTES = [
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xeb", b"\n", b"\r", b"\t", b"|", b'"', b"[", b"]", b"{", b"}", b";",
    b"null", b"[[[[", b"1e999", b"NaN", b"-1", b"\\ud800", "\u2019".encode(), b" to present", b"9" * 5000,
]  # fmt: skip
_VALUES = [None, True, 0, -1, 1.5, "", " ", "x", [], ["x"], [""], [None], {}, [[1]], "\ud800", "[", "['a'", 10**30]


@st.composite
def mutated(draw):
    name = draw(st.sampled_from(sorted(SAMPLES)))
    text = SAMPLES[name]
    if text.startswith("{") and draw(st.booleans()):
        rows = [json.loads(line) for line in text.splitlines()]
        row = draw(st.sampled_from(rows))
        field = draw(st.sampled_from(sorted(row)))
        if draw(st.booleans()):
            row[field] = draw(st.sampled_from(_VALUES))
        else:
            del row[field]
        return name, lines(*rows).encode()
    data = text.encode()
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        data = data[:start] + draw(st.sampled_from(_BYTES)) + data[end:]
    return name, data


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated())
def test_mutated_files_give_problems_or_a_message_with_file_and_line(tmp_path, case):
    name, data = case
    path = tmp_path / name
    path.write_bytes(data)
    try:
        found = forms.read_any(path)
    except ValueError as error:
        whole = ("none of the known forms", "form of", "two categories", "holds no", "as labels are compared")
        assert name in str(error)
        assert ", line " in str(error) or ", after line" in str(error) or any(w in str(error) for w in whole), error
    else:
        for p in problems.check(found):
            assert p.context and all(isinstance(text, str) and len(text) > 0 for text in (*p.context, *p.answers))
