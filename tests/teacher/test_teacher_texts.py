import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekd import config
from tracekd.data import problems
from tracekd.io.records import read_jsonl, write_jsonl
from tracekd.run import open_run
from tracekd.students import sft
from tracekd.teacher.texts import R1, read
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
    row = {
        "question": p.question,
        "facts": list(p.context)[::-1],
        "r1_trace": f"Let me see, {p.id}.",
        "r1_summary": "S",
    }
    return {**row, "r1_explanation": "E", "r1_prediction": f"**Answer:** {p.answers[0]}", **changes}


def one(tmp_path, row, asked, name="r1.jsonl"):
    write_jsonl(tmp_path / name, [row])
    return read(tmp_path / name, asked)


def test_our_own_files_are_read_by_id(tmp_path, found):
    texts = freeform.from_rules(found, seed=1)
    assert freeform.keep(tmp_path / "t.jsonl", texts) == len(texts)
    assert read(tmp_path / "t.jsonl", found).texts == texts
    # Ids of another data set are no concern of this one; an id that this set does not have is counted and named.
    rows = [replace(texts[0], id="babi/counting/1"), replace(texts[0], id="cotempqa/mix/9999")]
    freeform.keep(tmp_path / "other.jsonl", rows)
    other = read(tmp_path / "other.jsonl", found)
    assert not other.texts and len(other.left_out) == 1
    assert "other.jsonl, line 2" in other.left_out[0] and "cotempqa/mix/9999" in other.left_out[0]


def test_r1_rows_are_joined_by_question_and_set_of_facts(tmp_path, found):
    text = one(tmp_path, r1_row(found[3]), found).texts[0]
    assert (text.id, text.teacher, text.summary, text.explanation) == (found[3].id, R1, "S", "E")
    assert text.answer == f"**Answer:** {found[3].answers[0]}" and text.problem == freeform.fingerprint(found[3])
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


def test_files_of_a_folder_complete_one_another(tmp_path, found):
    """Summaries in one file, explanations in another, as the release has them."""
    p = found[0]
    release = {
        "question": p.question,
        "facts": repr(list(p.context)),
        "r1_trace": "T",
        "prediction": "M",
        "gold": ["x"],
    }
    write_jsonl(tmp_path / "a_summary.jsonl", [{**release, "r1_trace_summary": "S"}])
    write_jsonl(tmp_path / "b.jsonl", [{**release, "r1_exp_ans": "E", "r1_exp_trace": "how to explain"}])
    (text,) = read(tmp_path, found).texts
    assert [getattr(text, name) for name in ("trace", "summary", "explanation", "answer")] == list("TSEM")
    (tmp_path / "c.jsonl").write_text(json.dumps({**release, "r1_trace": "another"}))
    with pytest.raises(ValueError, match=r"c\.jsonl, line 1"):
        read(tmp_path, found)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"r1_trace": None}, "trace is None"),
        ({"facts": "no list"}, "facts is 'no list'"),
        ({"question": ""}, "question is ''"),
        ({"r1_trace": "so.</think> hall"}, "trace goes on after </think> with 'hall'"),
        ({"r1_trace": "", "r1_summary": " ", "r1_explanation": "", "r1_prediction": ""}, "trace is empty"),
        ({"r1_summary": "\ud800"}, "'\\ud800' is half of a character"),
    ],
)
def test_a_broken_row_names_file_line_and_field(tmp_path, found, change, said):
    good, bad = r1_row(found[0]), r1_row(found[1], **change)
    (tmp_path / "r1.jsonl").write_text(f"{json.dumps(good)}\n\n{json.dumps(bad)}\n")
    with pytest.raises(ValueError) as error:
        read(tmp_path / "r1.jsonl", found)
    assert f"r1.jsonl, line 3: {said}" in str(error.value)


def test_what_is_no_file_of_texts_says_what_was_expected(tmp_path, found):
    for row in ({"facts": ["x"], "question": "y"}, {"id": "x"}, {"id": "a", "trace": "b", "colour": "c"}):
        with pytest.raises(ValueError, match="line 1"):
            one(tmp_path, row, found)
    twice = r1_row(found[0])
    write_jsonl(tmp_path / "twice.jsonl", [twice, twice])
    with pytest.raises(ValueError, match=f"line 2: {found[0].id} has more than one text, first in line 1"):
        read(tmp_path / "twice.jsonl", found)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no \.jsonl"):
        read(tmp_path / "empty", found)


def test_tags_are_taken_out_and_counted(tmp_path, found):
    row = r1_row(found[0], r1_trace="<think>\nIt is.\n</think>", r1_summary="so <answer>hall</ Answer > &lt;think&gt;")
    made = one(tmp_path, row, found)
    assert made.texts[0].trace == "It is." and made.texts[0].summary == "so hall"
    assert made.cleaned == ["r1.jsonl, line 1, trace", "r1.jsonl, line 1, summary"]
    assert "tags were taken out of 2 texts" in made.summary()


@given(
    st.lists(st.sampled_from(["<", "/", "think", "answer", ">", "&lt;", "&gt;", "<|im_end|>", "x", " "]), max_size=12)
)
def test_no_tag_survives_cleaning(parts):
    text = "".join(parts)
    made = freeform.clean(text)
    assert freeform.clean(made) == made and "<|im_end|>" not in made
    assert not any(tag in made for tag in ("<think>", "</think>", "<answer>", "</answer>"))
    if not set("<&") & set(text):
        assert made == text.strip()


def test_the_real_r1_texts(shared_data, real):
    """183 rows, each on a training problem: what the data folder lacks the rows hold whole. None is a test problem."""
    rows = list(read_jsonl(shared_data / "r1" / "cotempqa_r1.jsonl"))
    made = read(shared_data / "r1", real)
    assert len(rows) == 183 == len(made.texts) and not made.left_out and not made.cleaned
    everything = {p.id: p for p in [*real, *made.added]}
    assert all(everything[text.id].split == "train" for text in made.texts)
    asked = {(same(p.question), frozenset(map(same, p.context))) for p in real if p.split == "test"}
    assert not asked & {(same(row["question"]), frozenset(map(same, row["facts"]))) for row in rows}
    by_id = {text.id: text for text in made.texts}
    found = [everything[name] for name in by_id]
    assert {c: sum(p.category == c for p in found) for c in ("equal", "overlap", "mix", "during")} == {
        "equal": 48, "overlap": 50, "mix": 44, "during": 41,
    }  # fmt: skip
    # Where the release's own samples are on the same problems, they agree with these texts letter for letter.
    for kind, number, shared in (("summary", 10, 9), ("explanation", 6, 6)):
        sample = read(shared_data / "r1_samples" / f"r1_with_{kind}.jsonl", real)
        assert len(sample.texts) == number and not sample.left_out
        both = [(text, by_id[text.id]) for text in sample.texts if text.id in by_id]
        assert len(both) == shared
        for name in (kind, "trace", "answer"):
            assert all(getattr(one, name) == getattr(other, name) for one, other in both)


def test_a_run_on_real_data_takes_r1_by_itself(shared_data, tmp_path, monkeypatch, capsys):
    """Every condition on the same 183 problems with the same answer, and the teacher's name where it wrote."""
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path))
    monkeypatch.delenv("TRACEKD_TEXTS", raising=False)
    run = open_run("x", "grid-r1", data=str(shared_data))
    sets = sft.kept(run)
    assert "183 problems have texts by DeepSeek-R1" in capsys.readouterr().out
    assert tuple(c for _, c in sets) == FAMILY
    ids = [e.id for e in sets["cotempqa", "vanilla"]]
    assert len(ids) == 183 and all([e.id for e in examples] == ids for examples in sets.values())
    answers = {e.id: e.target for e in sets["cotempqa", "vanilla"]}
    assert all(e.target.endswith(answers[e.id]) for examples in sets.values() for e in examples)
    wrote = sft.teachers(sets)
    assert {c: wrote["cotempqa", c] for c in FAMILY} == {c: R1 if c in freeform.CONDITIONS else "" for c in FAMILY}
    assert freeform.longhand("r1", wrote["cotempqa", "r1"]) == "r1 (DeepSeek-R1)"
    # The main experiment in the same folder: 512 problems, no free-form condition, so no text is looked at.
    main = open_run("x", "grid", data=str(shared_data))
    assert main.texts == "" and main.profile.train["cotempqa"] == 512
    assert open_run("x", "grid-r1", data=str(shared_data), texts="templated").texts == ""


def test_as_released_teaches_the_final_message(tmp_path, found):
    write_jsonl(tmp_path / "r1.jsonl", [r1_row(p) for p in found[:6]])
    texts = read(tmp_path / "r1.jsonl", found).texts
    sets = {
        c: sft.build(found[:6], f"{c}{freeform.AS_RELEASED}", seed=1, texts=texts)
        for c in ("vanilla", "r1", "r1_summary", "swapped")
    }
    message = {p.id: f"<answer>**Answer:** {p.answers[0]}</answer>" for p in found[:6]}
    assert all(e.target.endswith(message[e.id]) for examples in sets.values() for e in examples)
    assert [e.target for e in sets["vanilla"]] == [message[p.id] for p in found[:6]]
    assert sets["r1"][0].target == f"<think>Let me see, {found[0].id}.</think> {message[found[0].id]}"
    assert all(e.id not in e.target for e in sets["swapped"]) and sets["r1_summary"][0].teacher == R1
    # The taught answer is part of what an adapter is kept under.
    from tracekd.students.train import key

    recipe = config.load("smoke").recipe
    gold = sft.build(found[:6], "r1", seed=1, texts=texts)
    assert key("tiny-random", gold, recipe, 1) != key("tiny-random", sets["r1"], recipe, 1)
    with pytest.raises(ValueError, match="6 texts have no answer"):
        sft.build(found[:6], "r1_as_released", seed=1, texts=[replace(t, answer="") for t in texts])
