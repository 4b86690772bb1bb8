"""Readers of CoTempQA and bAbI: every form that people have, and a message for everything else."""

import csv
import gzip
import io
import json
import re
import tarfile
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_load_marco import columns, official, record
from test_own_set import lines, own, small

from tracekd.config import ROOT
from tracekd.data import forms, hub, load_babi, load_cotempqa, problem, problems, splits

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


def test_unread_dates_and_answers_that_no_fact_holds_are_counted(tmp_path, caplog):
    row = ROW | {"facts": str([*ROW["facts"], "Ada Poe works for Mill in the 1990s."]), "answer": "['Nobody']"}
    (found,) = load_cotempqa.read_file(write(tmp_path / "equal.json", lines(row)))
    assert (found.context[:2], found.answers) == (tuple(ROW["facts"]), ("Nobody",))  # a list written as a text
    assert [record.args[1:3] for record in caplog.records] == [(1, "in the 1990s"), (1, 1)]


def second(**change):
    """The lines of a test file of mix whose second row has a change; mix begins at 3096 + 436 = 3532."""
    return lines(ROW | {"index": 3532}, ROW | {"index": 3533} | change)


TASK = "qa1_single-supporting-fact_train.txt"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("mix_test.jsonl", second(facts="Ada Poe works for Acme."), "line 2: facts"),
        ("mix_test.jsonl", second(facts=[1]), r"line 2: facts is \[1\]"),
        ("mix_test.jsonl", second(facts=["Ada likes tea."]), "line 2: .*Ada likes tea."),
        ("mix_test.jsonl", second(answer=[]), "line 2: answer"),
        ("mix_test.jsonl", second(answer=None), "line 2: answer is None"),
        ("mix_test.jsonl", second(question=["x"]), "line 2: question"),
        ("mix_test.jsonl", second(triple_element="S9"), "line 2: triple_element is 'S9'"),
        ("mix_test.jsonl", second(index=5000), "line 2: index is 5000.*3532"),
        ("mix_test.jsonl", second(index="3533"), "line 2: index is '3533'"),
        ("mix_test.jsonl", second(index=3532), "line 2: index 3532 .*line 1"),
        ("equal.json", lines({"question": "q", "triple_element": "S1_R1_O2"}), "none of the known forms"),
        ("equal.json", lines({"facts": [], "triple_element": "S1_R1_O2"}), "line 1: question, answer missing"),
        (TASK, STORY.replace("\t1", ""), "line 3: .*no supporting facts"),
        (TASK, STORY.replace("\tgarden\t1", "\t\t1"), "line 3: .*no answer"),
        (TASK, STORY.replace("\t1", "\t7"), "line 3: .*'7'.*1, 2"),
        (TASK, STORY.replace("2 John", "John"), "line 2: 'John moved"),
        (TASK, STORY.replace("2 John", "9 John"), "line 3: number 3"),
        (TASK, STORY.replace("3 Where is Mary? \tgarden\t1\n", "") + SECOND, "line 1: a story without"),
        ("train.csv", CSV.replace(",answer\n", "\n"), "line 1: column answer"),
        ("train.csv", CSV.replace("['Ann went to the attic.']\"", "['Nobody.']\""), "line 2: answer_passage 'Nobody.'"),
        ("train.csv", CSV.replace("['Ann went to the attic.', 'Bo", "'Ann', 'Bo"), "line 2: passages"),
        ("train.csv", CSV.replace("['Ann went to the attic.']", "'Ann went to the attic.'"), "line 2: answer_passage"),
        ("train.csv", CSV.replace("single-supporting-fact", "single"), "line 2: query_type is 'single'"),
        ("train.csv", CSV.replace(",attic", ","), "line 2: answer is ''"),
        ("own.csv", "id,context,question\n1,a,b\n", "a table"),
    ],
)
def test_wrong_files_are_named_with_line_and_value(tmp_path, name, text, words):
    with pytest.raises(ValueError, match=rf"(?s){re.escape(name)}.*{words}"):
        forms.read_any(write(tmp_path / name, text))


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


def test_several_answers_and_supporting_facts_are_sets():
    text = "1 Cleo took the lamp.\n2 Cleo took the coin.\n3 What is Cleo carrying? \tlamp,coin\t2 1\n"
    (found,) = load_babi.babi_stories({"qa8_lists-sets_test.txt": text})
    assert (found.id, found.answers, found.evidence) == ("babi/lists-sets/test-0000", ("lamp", "coin"), (0, 1))


def test_other_tasks_and_further_questions_are_counted_and_can_be_asked_for(tmp_path, caplog):
    write(tmp_path / "qa1_single-supporting-fact_train.txt", STORY + "4 Where is John?\toffice\t2\n")
    write(tmp_path / "qa3_three-supporting-facts_train.txt", SECOND)
    write(tmp_path / "qa19_path-finding_valid.txt", SECOND.replace("attic\t1", "s,s\t1"))
    assert [p.category for p in load_babi.read_folder(tmp_path)] == ["single-supporting-fact"]
    assert [record.args[:2] for record in caplog.records] == [(1,), (2, 2)]  # further questions; problems, tasks
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


# ---- encodings and forms


def test_encodings_are_read_or_named(tmp_path):
    row = json.dumps(ROW | {"answer": ["Zoë"]}, ensure_ascii=False)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
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
    path = write(tmp_path / f"{name.lower()}.json", json.dumps(value, indent=indent))
    with pytest.raises(ValueError, match=f"form of {name}.*'From {name}'"):
        problems.load("x", str(path))
    text = (ROOT / "notebooks" / "OWN_DATA.md").read_text(encoding="utf-8")
    code = text.split(f"### From {name}\n")[1].split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    found = problems.load("x", str(tmp_path / f"my_{name.lower()}.jsonl"))
    assert len(found) == (12 if name == "SQuAD" else 10)
    assert all(p.answers[0] in p.facts[0] for p in found)


@pytest.mark.network
def test_the_hub_has_the_sets(caplog):
    """What can be known of bAbI: its archive's tasks have 1,000 questions a split, a story has one or more of them."""
    assert len(hub.hub_cotempqa()) == 4748
    found = hub.hub_babi()
    counts = Counter((p.category, p.split) for p in found)
    assert set(counts) == {(c, s) for c in problem.CATEGORIES["babi"] for s in ("train", "test")}
    assert all(100 <= n <= 1000 for n in counts.values())
    assert all(p.evidence and p.answers for p in found)


# ---- mutations


SAMPLES = {
    "equal.json": lines(ROW, ROW | {"question": "q", "answer": ["Zed Co", "Acme"]}),
    "mix_test.jsonl": lines(ROW | {"index": 3532}, ROW | {"index": 3533}),
    "qa1_single-supporting-fact_train.txt": STORY + SECOND,
    "train.csv": CSV,
    "records.jsonl": lines(record(0), official(record(1)), record(2, query_type="numeric", answers=[])),
    "dev.json": columns([official(record(4)), official(record(5))]),
    "mine.jsonl": lines(*small(), own(5, split="test"), own(6, "thing", evidence=0)),
    "kept.jsonl": lines(problem.as_row(problem.Problem("a/b/1", "a", "b", ("x", "y"), "q", ("x",), (0,), "test"))),
}
# The place in the file, or what is wrong with the whole of it.
WHERE = re.compile(
    "line |, row |known forms|form of|two categories|holds no|labels are compared|none of its problems|whole file"
)
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
        assert name in str(error)
        assert WHERE.search(str(error)), error
    else:
        for p in splits.check(found):
            assert p.context and all(isinstance(text, str) and len(text) > 0 for text in (*p.context, *p.answers))
