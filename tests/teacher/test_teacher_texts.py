import json
from collections import Counter
from dataclasses import asdict, replace

import pytest

from tracekd import config
from tracekd.data import problems
from tracekd.io.records import read_jsonl, write_jsonl
from tracekd.run import open_run
from tracekd.students import sft
from tracekd.students.records import adapter_key
from tracekd.teacher.run_texts import R1, read
from tracekd.traces import freeform
from tracekd.traces.corruption import same

FAMILY = ("vanilla", "correct", "incorrect", "r1", "r1_summary", "r1_explanation", "swapped")


@pytest.fixture(scope="module")
def found():
    return problems.load("cotempqa", "generated", size=60, seed=4)


@pytest.fixture(scope="module")
def real(shared_data):
    return problems.load("cotempqa", str(shared_data))


def r1_row(p, **changes):
    """A row as an R1 file has it: the problem's question and facts, in another order, and R1's texts."""
    row = {"question": p.question, "facts": list(p.context)[::-1], "r1_trace": f"Let me see, {p.id}."}
    texts = {"r1_summary": "S", "r1_explanation": "E", "r1_prediction": f"**Answer:** {p.answers[0]}"}
    return {**row, **texts, **changes}


def one(tmp_path, row, asked):
    write_jsonl(tmp_path / "r1.jsonl", [row])
    return read(tmp_path / "r1.jsonl", asked)


def test_our_own_files_are_read_by_id(tmp_path, found):
    texts = freeform.from_rules(found, seed=1)
    assert write_jsonl(tmp_path / "t.jsonl", map(asdict, texts)) == len(texts)
    assert read(tmp_path / "t.jsonl", found).texts == texts
    # Ids of another data set are no concern of this one; ids that this set does not have are counted and named.
    rows = [replace(texts[0], id=name) for name in ("babi/counting/1", "cotempqa/mix/9999", "9999")]
    write_jsonl(tmp_path / "other.jsonl", map(asdict, rows))
    other = read(tmp_path / "other.jsonl", found)
    assert not other.texts and len(other.left_out) == 2 and "'9999'" in other.left_out[1]
    assert "other.jsonl, line 2" in other.left_out[0] and "cotempqa/mix/9999" in other.left_out[0]
    # Sets of two seeds share their ids, and no problem: texts on one are none on the other.
    with pytest.raises(ValueError, match=r"t\.jsonl, line 1: the text on .* is on another problem"):
        read(tmp_path / "t.jsonl", problems.load("cotempqa", "generated", size=60, seed=77))


def test_r1_rows_are_joined_by_question_and_set_of_facts(tmp_path, found):
    text = one(tmp_path, r1_row(found[3]), found).texts[0]
    assert (text.id, text.teacher, text.summary, text.explanation) == (found[3].id, R1, "S", "E")
    assert text.answer == f"**Answer:** {found[3].answers[0]}" and text.problem == freeform.fingerprint(found[3])
    released = {"r1_trace_summary": "S", "r1_exp_ans": "E", "prediction": "P"}  # the names of the release
    row = {name: value for name, value in r1_row(found[3]).items() if name in ("question", "facts", "r1_trace")}
    text = one(tmp_path, row | released, found).texts[0]
    assert (text.summary, text.explanation, text.answer) == ("S", "E", "P")
    # One fact less is another problem. Without a gold answer the row cannot be one of its own.
    none = one(tmp_path, r1_row(found[3], facts=list(found[3].context[1:])), found)
    assert none.texts == none.added == [] and "r1.jsonl, line 1" in none.left_out[0]
    assert found[3].question[:60] in none.left_out[0]


def test_a_row_that_holds_a_whole_problem_adds_it_to_training(tmp_path, found):
    p, rest = found[3], [q for q in found if q.id != found[3].id]
    whole = r1_row(p, answer=list(p.answers), triple_element=p.meta["triple_element"], category=p.category)
    made = one(tmp_path, whole, rest)
    (added,) = made.added
    assert added.split == "train" and added.category == p.category and added.id == made.texts[0].id
    assert (set(added.context), added.answers, set(added.facts)) == (set(p.context), p.answers, set(p.facts))
    assert added.id.startswith(f"cotempqa/{p.category}/r1-") and added.id not in {q.id for q in found}
    with pytest.raises(ValueError, match="line 1: category is 'never'"):
        one(tmp_path, {**whole, "category": "never"}, rest)


@pytest.mark.parametrize("change, said", [
    ({"r1_trace": None}, "trace is None"), ({"facts": "no list"}, "'no list'"),
    ({"question": ""}, "question is ''"), ({"r1_trace": "so.</think> hall"}, "'hall'"),
    ({"r1_trace": "", "r1_summary": " ", "r1_explanation": "", "r1_prediction": ""}, "trace is empty"),
    ({"r1_summary": "\ud800"}, "'\\ud800'"),
])  # fmt: skip
def test_a_broken_row_names_file_line_and_value(tmp_path, found, change, said):
    good, bad = r1_row(found[0]), r1_row(found[1], **change)
    (tmp_path / "r1.jsonl").write_text(f"{json.dumps(good)}\n\n{json.dumps(bad)}\n")
    with pytest.raises(ValueError) as error:
        read(tmp_path / "r1.jsonl", found)
    assert "r1.jsonl, line 3: " in str(error.value) and said in str(error.value)


def test_a_problem_has_one_text_and_a_folder_some(tmp_path, found):
    for name in (".a.x1.jsonl", "a.jsonl", "b.jsonl"):  # the first is what a killed process left
        write_jsonl(tmp_path / name, [r1_row(found[0])])
    with pytest.raises(ValueError, match=rf"b\.jsonl, line 1: {found[0].id}"):
        read(tmp_path, found)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty"):
        read(tmp_path / "empty", found)


def test_the_real_r1_texts(shared_data, real):
    """183 rows, each on a training problem: what the data folder lacks the rows hold whole. None is a test problem."""
    rows = list(read_jsonl(shared_data / "r1" / "cotempqa_r1.jsonl"))
    made = read(shared_data / "r1", real)
    assert len(rows) == 183 == len(made.texts) and not made.left_out
    everything = {p.id: p for p in [*real, *made.added]}
    found = [everything[text.id] for text in made.texts]
    assert {p.split for p in found} == {"train"}
    asked = {(same(p.question), frozenset(map(same, p.context))) for p in real if p.split == "test"}
    assert not asked & {(same(row["question"]), frozenset(map(same, row["facts"]))) for row in rows}
    assert Counter(p.category for p in found) == {"equal": 48, "overlap": 50, "mix": 44, "during": 41}


def test_a_run_on_real_data_takes_r1_by_itself(shared_data, elsewhere, capsys):
    """Every condition on the same 183 problems with the same answer, and the teacher's name where it wrote."""
    sets = sft.kept(open_run("x", "grid-r1", data=str(shared_data)))
    assert "183 problems have texts by DeepSeek-R1" in capsys.readouterr().out
    assert tuple(c for _, c in sets) == FAMILY
    answers = {e.id: e.target for e in sets["cotempqa", "vanilla"]}
    assert len(answers) == 183 and all([e.id for e in examples] == list(answers) for examples in sets.values())
    assert all(e.target.endswith(answers[e.id]) for examples in sets.values() for e in examples)
    wrote = sft.teachers(sets)
    assert {c: wrote["cotempqa", c] for c in FAMILY} == {c: R1 if c in freeform.CONDITIONS else "" for c in FAMILY}


def test_as_released_teaches_the_final_message(tmp_path, found):
    write_jsonl(tmp_path / "r1.jsonl", [r1_row(p) for p in found[:6]])
    texts = read(tmp_path / "r1.jsonl", found).texts
    conditions = [f"{c}{freeform.AS_RELEASED}" for c in ("vanilla", "r1", "r1_summary", "swapped")]
    vanilla, r1, summary, swapped = (sft.build(found[:6], c, seed=1, texts=texts) for c in conditions)
    message = {p.id: f"<answer>**Answer:** {p.answers[0]}</answer>" for p in found[:6]}
    assert all(e.target.endswith(message[e.id]) for e in [*r1, *summary, *swapped])
    assert [e.target for e in vanilla] == [message[p.id] for p in found[:6]]
    assert r1[0].target == f"<think>Let me see, {found[0].id}.</think> {message[found[0].id]}"
    assert all(e.id not in e.target for e in swapped) and summary[0].teacher == R1
    # The taught answer is part of what an adapter is kept under.
    recipe = config.load("smoke").recipe
    gold = sft.build(found[:6], "r1", seed=1, texts=texts)
    assert adapter_key("tiny-random", gold, recipe, 1) != adapter_key("tiny-random", r1, recipe, 1)
    with pytest.raises(ValueError, match=f"{found[0].id} has no answer"):
        sft.build(found[:6], "r1_as_released", seed=1, texts=[replace(t, answer="") for t in texts])
