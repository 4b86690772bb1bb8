"""Readers of CoTempQA and bAbI: right values, and a message with file, line and value for everything else."""

import gzip
import io
import json
import re
import tarfile
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_load_marco import record
from test_own_set import lines, own, small

from tracekd.data import load_babi, load_cotempqa, problem, problems

ASKED = "While Ada Poe was working for Acme, which employer did Ada Poe work for at the same time?"
FACTS = ["Ada Poe works for Acme from 1999 to 2001.", "Ada Poe works for Zed Co from 1999 to 2001."]
ROW = {"index": 0, "triple_element": "S1_R1_O2", "question": ASKED, "facts": FACTS, "answer": ["Zed Co"]}
STORY = "1 Mary went to the garden.\n2 John moved to the office.\n3 Where is Mary? \tgarden\t1\n"
SECOND = "1 Ann went to the attic.\n2 Where is Ann? \tattic\t1\n"
CSV = (
    "passages,query,question,query_type,reasoning,answer_passage,answer\n"
    "\"['Ann went to the attic.', 'Bo went to the hall.']\",q,Where is Ann?,single-supporting-fact,r,"
    "\"['Ann went to the attic.']\",attic\n"
)
TASK = "qa1_single-supporting-fact_train.txt"


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def archive(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"tasks_1-20_v1-2/{name}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def test_ids_agree_between_whole_training_and_test_files(tmp_path):
    """`index` is the position in the Hub's file in training files, and counts through the four files in test files."""
    write(tmp_path / "mix_train.jsonl", lines(ROW | {"index": 7}))
    # mix comes after during (3,096) and equal (436): position 9 is 3096 + 436 + 9.
    write(tmp_path / "mix_test.jsonl", lines(ROW | {"index": 3541}))
    write(tmp_path / "equal.json", lines(ROW, ROW | {"question": "While " + ASKED}))
    found = load_cotempqa.read_folder(tmp_path)
    assert [p.id.removeprefix("cotempqa/") for p in found] == ["equal/0000", "equal/0001", "mix/0007", "mix/0009"]
    assert [p.split for p in found[2:]] == ["train", "test"]


def test_unread_dates_and_answers_that_no_fact_holds_are_counted(tmp_path, caplog):
    row = ROW | {"facts": [*ROW["facts"], "Ada Poe works for Mill in the 1990s."], "answer": ["Nobody"]}
    (found,) = load_cotempqa.read_file(write(tmp_path / "equal.json", lines(row)))
    assert (found.context[:2], found.answers) == (tuple(ROW["facts"]), ("Nobody",))
    assert [record.args[1:3] for record in caplog.records] == [(1, "in the 1990s"), (1, 1)]


def second(**change):
    """The lines of a test file of mix whose second row has a change; mix begins at 3096 + 436 = 3532."""
    return lines(ROW | {"index": 3532}, ROW | {"index": 3533} | change)


@pytest.mark.parametrize(("name", "text", "words"), [
    ("mix_test.jsonl", second(facts=[1]), r"line 2: facts is \[1\]"),
    ("mix_test.jsonl", second(facts=["Ada likes tea."]), "line 2: .*Ada likes tea."),
    ("mix_test.jsonl", second(question=["x"]), "line 2: question"),
    ("mix_test.jsonl", second(triple_element="S9"), "line 2: triple_element is 'S9'"),
    ("mix_test.jsonl", second(index=5000), "line 2: index is 5000.*3532"),
    ("mix_test.jsonl", second(index=3532), "line 2: '0000' is in line 1"),
    ("other.jsonl", second(), "equal.json"),
    ("train.csv", CSV.replace(",answer\n", ",reply\n"), "line 2: answer missing"),
    ("train.csv", CSV.replace(",attic", ",attic,den"), r"line 2: .*beyond the header is \['den'\], .*quote commas"),
    ("train.csv", CSV.replace("['Ann went to the attic.']\"", "['Nobody.']\""), "line 2: answer_passage is 'No"),
    ("train.csv", CSV.replace("['Ann went to the attic.', 'Bo", "'Ann', 'Bo"), "line 2: passages"),
    ("train.csv", CSV.replace("single-supporting-fact", "single"), "line 2: query_type is 'single'"),
    ("train.csv", CSV.replace(",attic", ","), "line 2: answer is ''"),
    ("tasks.tar.gz", "no archive", "cannot be read"),
    ("d.parquet", "PAR1nothing", ""),
])  # fmt: skip
def test_wrong_files_are_named_with_line_and_value(tmp_path, name, text, words):
    with pytest.raises(ValueError, match=rf"(?s){re.escape(name)}.*{words}"):
        problems.read_any(write(tmp_path / name, text))


@pytest.mark.parametrize(("text", "words"), [
    (STORY.replace("\t1", ""), "line 3: .*Where is Mary"),
    (STORY.replace("\t1", "\t7"), "line 3: supporting fact is 7"),
    (STORY.replace("2 John", "John"), "line 2: line is 'John moved"),
    (STORY.replace("2 John", "9 John"), "line 2: number is 9"),
])  # fmt: skip
def test_wrong_lines_of_an_archive_are_named(tmp_path, text, words):
    with pytest.raises(ValueError, match=rf"(?s){TASK}.*{words}"):
        problems.read_any(archive(tmp_path / "tasks.tar.gz", {f"en/{TASK}": text}))


@pytest.mark.parametrize("text", [
    STORY + SECOND,
    (STORY + SECOND).replace("\n", "\r\n"),
    (STORY + SECOND).replace("1 Mary", "1  Mary ").replace(" went", "  went"),
    "\n\n" + STORY + "\n" + SECOND + "\n\n",
    STORY + "4 John went to the hall.\n5 Where is John?\thall\t4\n" + SECOND,
])  # fmt: skip
def test_the_first_question_of_each_story_of_the_papers_english_tasks(tmp_path, caplog, text):
    other = {"en-10k/" + TASK: SECOND, "hn/" + TASK: SECOND, "en/qa3_three-supporting-facts_train.txt": SECOND}
    archive(tmp_path / "tasks.tar.gz", {"en/" + TASK.replace("train", "test"): text, **other})
    one, two = load_babi.read_folder(tmp_path)
    assert one.context == ("Mary went to the garden.", "John moved to the office.")
    assert (one.question, one.answers, one.evidence, one.split) == ("Where is Mary?", ("garden",), (0,), "test")
    assert (two.id, two.context) == ("babi/single-supporting-fact/test-0001", ("Ann went to the attic.",))
    # One file of a task that the paper does not use; the last story has a further question.
    assert caplog.records[-1].args == (1, text.count("Where is John"))


def test_the_real_archive_has_the_authors_training_problems(shared_data):
    path = shared_data / "babi_archive" / "tasks_1-20_v1-2_en.tar.gz"
    if not path.exists():
        pytest.skip(f"no {path}")
    packed = load_babi.read_archive(path)
    # The authors' 3,773 training problems are the first questions of the archive's training stories.
    assert Counter(p.split for p in packed) == {"train": 3773, "test": 3774}
    whole = load_babi.read_file(shared_data / "babi" / "train.csv")
    assert {(p.context, p.question, p.answers) for p in whole} == {
        (p.context, p.question, p.answers) for p in packed if p.split == "train"
    }


def test_encodings_are_read_or_named(tmp_path):
    row = json.dumps(ROW | {"answer": ["Zoë"]}, ensure_ascii=False)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (found,) = load_cotempqa.read_file(write(tmp_path / "equal.json", row, encoding))
        (story,) = load_babi.read_file(write(tmp_path / "train.csv", CSV, encoding))
        assert (found.answers, story.answers, story.evidence) == (("Zoë",), ("attic",), (0,))
    packed = gzip.compress(row.encode())[:-12]
    wrong = {"equal.json": row.encode("cp1252"), "equal.json.gz": packed, "set.xlsx": b"PK\x03\x04rest"}
    for (name, content), words in zip(wrong.items(), ("line 1.*0xeb", "", "text"), strict=True):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name}.*{words}"):
            problems.read_any(tmp_path / name)


SAMPLES = {
    "equal.json": lines(ROW, ROW | {"question": "q", "answer": ["Zed Co", "Acme"]}),
    "mix_test.jsonl": lines(ROW | {"index": 3532}, ROW | {"index": 3533}),
    "train.csv": CSV,
    "records.jsonl": lines(record(0), record(2, query_type="numeric", answers=[])),
    "mine.jsonl": lines(*small(), own(5, split="test"), own(6, "thing", evidence=0)),
    "kept.jsonl": lines(problem.as_row(problem.Problem("a/b/1", "a", "b", ("x", "y"), "q", ("x",), (0,), "test"))),
}
# The place in the file, or what is wrong with the whole of it.
WHERE = re.compile("line |two categories|holds no|labels are compared|none of its problems|whole|says its category")
_BYTES = [
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xeb", b"\n", b"\r", b"\t", b"|", b'"', b"[", b"]", b"{", b"}", b";",
    b"null", b"[[[[", b"1e999", b"NaN", b"-1", b"\\ud800", "\u2019".encode(), b" to present", b"9" * 5000,
]  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_files_give_problems_or_a_message_with_file_and_line(tmp_path, data):
    name = data.draw(st.sampled_from(sorted(SAMPLES)))
    content = SAMPLES[name].encode()
    for _ in range(data.draw(st.integers(1, 3))):
        start, cut = data.draw(st.integers(0, len(content))), data.draw(st.integers(0, 12))
        content = content[:start] + data.draw(st.sampled_from(_BYTES)) + content[start + cut :]
    path = tmp_path / name
    path.write_bytes(content)
    try:
        found = problems.read_any(path)
    except ValueError as error:
        assert name in str(error) and WHERE.search(str(error)), error
    else:
        for p in problem.check(found):
            assert p.context and p.answers and all(isinstance(text, str) for text in (*p.context, *p.answers))
