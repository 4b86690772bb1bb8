"""The grader's examples (``grader_examples.toml``, which notebook 04 shows), values in two forms, and the joins."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented_outputs import LISTS, NOTHING, PROBLEM, REFERENCES, T

from tracekd.data.problem import read_problems
from tracekd.io.records import read_jsonl
from tracekd.scoring import aligned
from tracekd.text import normalise, quoted_list, word_f1


@pytest.mark.parametrize(("problem", "text", "finished", "expected", "note"), aligned.example_cases())
def test_grader_examples(problem, text, finished, expected, note):
    found = aligned.verdict(problem, text, finished)
    steps = (found["classification_correct"], found["retrieval_correct"], found["answer_correct"])
    assert (found["status"], *steps) == expected
    assert found["cell"] == aligned.CELLS[found["trace_correct"], found["answer_correct"]]


def test_degrees_beside_the_verdict():
    two_of_three = f"<think>{T.format('equal', list(PROBLEM.context))}</think> <answer>['Orion', 'Vale']</answer>"
    found = aligned.verdict(PROBLEM, two_of_three)
    # One gold fact among three stated: precision 1/3, recall 1/1. Two answers stated, one gold: F1 = 2*1/(2+1).
    assert found["retrieval_precision"] == pytest.approx(1 / 3)
    assert found["retrieval_recall"] == 1 and found["retrieval_any"] is True
    assert found["answer_f1"] == pytest.approx(2 / 3) and found["answer_contains"] is True
    assert aligned.verdict(LISTS, r"<answer>['milk', 'foot\u00adball']</answer>")["answer_contains"]  # Python's escape
    assert quoted_list("""['The words "and" "or" are two.']""") == ('The words "and" "or" are two.',)


def test_marco_takes_the_best_reference():
    # "Ada" against "Ada Lem" and "Dr. Ada Lem": 2*1/(1+2) words in common; ROUGE-L the same, a subsequence of one.
    found = aligned.verdict(REFERENCES, "<answer>Ada</answer>")
    assert found["answer_f1"] == pytest.approx(2 / 3) and found["answer_rouge_l"] == pytest.approx(2 / 3)
    assert found["answer_correct"] is False and found["answer_contains"] is False
    assert aligned.verdict(REFERENCES, "<answer>Ada Lem, MD</answer>")["answer_contains"] is True
    # "the red wool" against "red wool coat": 2 shared of 3 + 3 words, F1 = 4/6.
    assert word_f1("The red wool!", "red wool coat") == pytest.approx(4 / 6) and word_f1("", "coat") == 0


def test_score_joins_by_id_and_counts_what_it_cannot_join():
    outputs = [
        {"id": LISTS.id, "text": "<answer>milk</answer>", "finished": True},
        {"id": PROBLEM.id, "text": "<answer>['Orion']</answer>", "finished": True},
        {"id": PROBLEM.id, "text": "<answer>['Other']</answer>", "finished": True},
        {"id": "cotempqa/equal/9999", "text": "x"}, {"id": 7}, {"id": NOTHING.id, "text": "x", "finished": "false"},
    ]  # fmt: skip
    faults = {}
    rows = list(aligned.verdicts({p.id: p for p in (PROBLEM, LISTS, NOTHING)}, outputs, faults))
    assert [(row["id"], row["answer_correct"]) for row in rows] == [(LISTS.id, False), (PROBLEM.id, True)]
    assert {kind: len(names) for kind, names in faults.items()} == {
        "malformed": 2, "unknown": 1, "duplicate": 1, "missing": 1,
    }  # fmt: skip
    assert faults["missing"] == [NOTHING.id]


def test_shared_outputs_get_the_wanted_verdicts(shared_data):
    """Numbers, signs, symbols and letters from public bug reports, where the folder of cases lies beside the data."""
    folder = shared_data.parent / "cases" / "outputs"
    if not folder.is_dir():
        pytest.skip(f"no cases at {folder}")
    known = {p.id: p for p in read_problems(folder / "problems.jsonl")}
    wanted = {row["id"]: row["want"] for row in json.loads((folder / "expect.json").read_text())}
    rows = aligned.verdicts(known, read_jsonl(folder / "outputs.jsonl"), {})
    assert {row["id"]: row["answer_correct"] for row in rows} == wanted


SAME = [
    ("$ 1,200.50", "$1200.50"), ("-$5", "$-5"), ("25ºC", "25°C"), ("1½", "1 1/2"), ("H₂O", "H2O"), ("Ｃ＋＋", "C++"),
    ("1\u202f200", "1200"), ("2001–2005", "2001-2005"), ("co\u00adop", "coop"), ("Orion™", "Orion"), ('"5"', "5"),
    (">= 5", "≥5"), ("1,00,000", "100000"), ("June 2,1998", "June 2, 1998"), ("❤️", "❤"), ("Ⅳ", "IV"), ("−5", "–5"),
    ("5 %", "5%"), (".5", "0.5"), ("2¹⁰", "2^10"), ("2001-05-03", "2001/05/03"), ("STRASSE", "Straße"),
    ("O'Neill", "O’Neill"), ("AT&T", "AT&amp;T"), ("  St. Mary's_College –  X ", "st mary s college x"),
    ("- 5", "5"), ("café", "cafe\u0301"), ("Paris", "Paris 😀"), ("UTC +5", "UTC+5"), ("n\u22121", "n-1"),
]  # fmt: skip
DIFFERENT = [
    ("10⁻³", "10^3"), ("1½", "11/2"), ("5'", '5"'), ("18+", "18"), ("2001-", "2001"), ("O+", "O-"), ("±5", "5"),
    ("≤5", "<5"), ("1/2", "1 2"), ("F♯", "F"), ("Canal+", "Canal"), ("2*3", "23"), ("ไม้", "ไม่"), ("-0.5", "0.5"),
    ("C++", "C"), ("5,5", "5 5"), ("1,200", "1.200"), ("$5", "€5"), ("1/2", "12"), ("3:30", "330"), ("की", "कि"),
    ("😀", "😡"), ("5%", "5 percent"), ("5°C", "5°F"), ("A+", "A-"), ("0.5", "5"), ("2^10", "210"), (">5", "<5"),
    ("café", "cafe"), ("5", "5.0"), ("UTC-5", "UTC+5"), ("GMT\u22125", "GMT+5"), ("1e-19", "1E+19"), ("O\u2212", "O"),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right", "same"), [(*p, True) for p in SAME] + [(*p, False) for p in DIFFERENT])
def test_the_form_in_which_values_are_compared(left, right, same):
    assert (normalise(left) == normalise(right)) is same


@given(st.text(alphabet="<>/thinkaswer []'\",.:\n*`-1", max_size=80), st.booleans())
def test_any_output_gets_one_status(text, finished):
    found = aligned.verdict(PROBLEM, text, finished)
    assert found["status"] in aligned.STATUSES and (found["status"] == "truncated") == (not finished)
    assert found["cell"] == aligned.CELLS[found["trace_correct"], found["answer_correct"]]
