"""Outputs in the forms of other programs, each with the verdict of a careful reader, beside the printed table."""

import html
from dataclasses import replace

import pytest

from tracekd.cases import FACT, LISTS, NOTHING, PROBLEM, REFERENCES, RIGHT, TWO, A, T
from tracekd.score import verdict
from tracekd.traces import read

VALE, LINE = TWO.context[2], "\n"
NUMPY = f"[{FACT!r} {VALE!r}]"
LABEL = "The temporal relation between the event in question and the event in context is:"
OUTPUTS = [
    (PROBLEM, f"<think>{RIGHT}</think><answer>Orion</answer></s>", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think>\n<answer>\nOrion\n</answer>\n\n", ("ok", True, True, True)),
    (PROBLEM, f"<think>\n{RIGHT}\n</think>\n\n<answer> [ 'Orion' ] </answer>", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion'].</answer>", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>**['Orion']**</answer>", ("ok", True, True, True)),
    (PROBLEM, f'<think>{RIGHT}</think> <answer>"Orion"</answer>', ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>“Orion”</answer>", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>('Orion',)</answer>", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>- Orion</answer>", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> Final Answer: Orion", ("untagged", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> ANSWER: Orion", ("untagged", True, True, True)),
    (PROBLEM, "Answer: ['Orion']", ("no_trace", False, False, True)),
    (PROBLEM, "answer: Orion", ("no_trace", False, False, True)),
    (PROBLEM, "Answer:\n\nOrion", ("no_trace", False, False, True)),
    (PROBLEM, "**Answer**: Orion", ("no_trace", False, False, True)),
    (PROBLEM, "__Answer:__ Orion", ("no_trace", False, False, True)),
    (PROBLEM, "assistant: Answer: Orion", ("no_trace", False, False, True)),
    (PROBLEM, "assistant\n\nAnswer: Orion", ("no_trace", False, False, True)),
    (PROBLEM, "Assistant:\nOrion", ("no_trace", False, False, True)),
    (PROBLEM, "> Answer: Orion", ("no_trace", False, False, True)),
    (PROBLEM, f"<|im_start|>assistant\n<think>\n{RIGHT}\n</think>\n\n{A}<|im_end|>", ("ok", True, True, True)),
    (
        PROBLEM,
        f"<|begin_of_text|><|start_header_id|>assistant<|end_header_id|>\n\n<think>{RIGHT}</think> {A}<|eot_id|>",
        ("ok", True, True, True),
    ),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>Orion<|eot_id|>", ("untagged", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion']<|endoftext|></answer>", ("ok", True, True, True)),
    (
        PROBLEM,
        f"<think>{RIGHT}</think> {A}<|im_end|>\n<|im_start|>user\nnext<|im_end|>\n<|im_start|>assistant\n"
        "<think>x</think> <answer>Vale</answer>",
        ("ok", True, True, True),
    ),
    (PROBLEM, f"<think>{RIGHT}</think> {A}</s><s>[INST] more [/INST] <answer>Vale</answer>", ("ok", True, True, True)),
    (PROBLEM, f"<｜Assistant｜><think>{RIGHT}</think> {A}<｜end▁of▁sentence｜>", ("ok", True, True, True)),
    (PROBLEM, f"<start_of_turn>model\n<think>{RIGHT}</think> {A}<end_of_turn>", ("ok", True, True, True)),
    (PROBLEM, f"<think >{RIGHT}</think > <answer >['Orion']</answer >", ("ok", True, True, True)),
    (PROBLEM, f"<Think>{RIGHT}</Think> <ANSWER>['Orion']</ANSWER>", ("ok", True, True, True)),
    (PROBLEM, f"< think>{RIGHT}< /think> <answer>['Orion']< / answer>", ("ok", True, True, True)),
    (PROBLEM, f"&lt;think&gt;{RIGHT}&lt;/think&gt; {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think>&lt;answer&gt;['Orion']&lt;/answer&gt;", ("ok", True, True, True)),
    (PROBLEM, f"\\u003cthink\\u003e{RIGHT}\\u003c/think\\u003e {A}", ("ok", True, True, True)),
    (PROBLEM, f"{A}\n<think>{RIGHT}</think>", ("ok", True, True, True)),
    (PROBLEM, f"<answer>['Vale']</answer> <think>{RIGHT}</think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think></think><think>{RIGHT}</think>{A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>\n\n</think>\n\n{RIGHT}</think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('mix', ['x'])}</think><think>{RIGHT}</think>{A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think><think>hm</think>{A}", ("ok", False, False, True)),
    (PROBLEM, f"<think>{RIGHT}\n{A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}<answer>['Orion']", ("untagged", True, True, True)),
    (PROBLEM, f"<think><think>{RIGHT}</think>{A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think></think>{A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> {A} {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> {A}\n<think>", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Vale']", ("untagged", True, True, False)),
    (PROBLEM, f"<think>{RIGHT}</think>", ("no_answer", True, True, False)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>   </answer>", ("no_answer", True, True, False)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>[]</answer>", ("ok", True, True, False)),
    (PROBLEM, "   \n ", ("no_answer", False, False, False)),
    (PROBLEM, "<answer></answer>", ("no_answer", False, False, False)),
    (PROBLEM, "<think></think>", ("no_answer", False, False, False)),
    (PROBLEM, "</think>", ("no_answer", False, False, False)),
    (PROBLEM, f"```\n<think>{RIGHT}</think>\n<answer>['Orion']</answer>\n```", ("ok", True, True, True)),
    (PROBLEM, f"<think>\n```\n{RIGHT}\n```\n</think>\n{A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think>\n```python\n['Orion']\n```", ("untagged", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>```['Orion']```</answer>", ("ok", True, True, True)),
    (PROBLEM, f'<think>{RIGHT}</think> <answer>```json\n{{"answer": "Orion"}}\n```</answer>', ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('Equal', [FACT])}</think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('EQUAL', [FACT.upper()])}</think> {A}", ("ok", True, True, True)),
    (
        PROBLEM,
        f"<think>{T.format('equal', [FACT])}\n\nTherefore, the answer is Orion since it holds [1].</think> {A}",
        ("ok", True, True, True),
    ),
    (PROBLEM, f"<think>{T.format('equal', FACT)}\n\nTherefore it is Orion.</think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('equal', [FACT])} (see context) </think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('equal or mix', [FACT])}</think> {A}", ("ok", False, True, True)),
    (PROBLEM, f"<think>{T.format('mix', [FACT])}\n{T.format('equal', [FACT])}</think> {A}", ("ok", False, True, True)),
    (
        PROBLEM,
        f"<think>{T.format('equal', [FACT])}\n{LABEL} during.</think> {A}",
        ("ok", False, True, True),
    ),
    (
        PROBLEM,
        f"<think>{T.format('equal', [FACT])}\n{LABEL} equal.</think> {A}",
        ("ok", True, True, True),
    ),
    (PROBLEM, f"<think>{T.format('equal', [FACT, FACT])}</think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('equal', '- ' + FACT)}</think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('equal', LINE + '1. ' + FACT)}</think> {A}", ("ok", True, True, True)),
    (
        PROBLEM,
        f"<think>{T.format('equal', LINE + '1) ' + FACT + LINE + '2) ' + PROBLEM.context[2])}</think> {A}",
        ("ok", True, False, True),
    ),
    (PROBLEM, f"<think>{T.format('equal', '[' + FACT + ']')}</think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('equal', '[“' + FACT + '”]')}</think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('equal', '`' + FACT + '`')}</think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('equal', '**[' + repr(FACT) + ']**')}</think> {A}", ("ok", True, True, True)),
    (
        PROBLEM,
        f"<think>{T.format('equal', [FACT]).replace('temporal relation', '**temporal relation**')}</think> {A}",
        ("ok", True, True, True),
    ),
    (PROBLEM, f"<think>{T.format('equal', [])}</think> {A}", ("ok", True, False, True)),
    (PROBLEM, f"<think>{T.format('equal', [FACT.rstrip('.')])}</think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('equal', [FACT]).replace(LINE, ' ')}</think> {A}", ("ok", True, True, True)),
    (
        PROBLEM,
        f"<think>{T.format('equal', [FACT]).replace(LINE, LINE * 2)}</think> {A}",
        ("ok", True, True, True),
    ),
    (
        PROBLEM,
        f"<think>1. {T.format('equal', [FACT]).replace(LINE, LINE + '2. ')}</think> {A}",
        ("ok", True, True, True),
    ),
    (
        PROBLEM,
        f"<think>- {T.format('equal', [FACT]).replace(LINE, LINE + '- ')}</think> {A}",
        ("ok", True, True, True),
    ),
    (
        PROBLEM,
        f"<think>{T.format('equal', [FACT]).replace(LINE, chr(13) + LINE)}</think>\r\n{A}\r\n",
        ("ok", True, True, True),
    ),
    (
        TWO,
        f"<think>{T.format('equal', ' '.join([FACT, VALE]))}</think> <answer>['Orion', 'Vale']</answer>",
        ("ok", True, True, True),
    ),
    (
        TWO,
        f"<think>{T.format('equal', '; '.join([FACT, VALE]))}</think> <answer>['Orion', 'Vale']</answer>",
        ("ok", True, True, True),
    ),
    (
        TWO,
        f"<think>{T.format('equal', NUMPY)}</think> <answer>['Orion' 'Vale']</answer>",
        ("ok", True, True, True),
    ),
    (
        TWO,
        f"<think>{T.format('equal', LINE + '* ' + FACT + LINE + '* ' + VALE + LINE + LINE + 'Done.')}</think> "
        "<answer>* Orion\n* Vale</answer>",
        ("ok", True, True, True),
    ),
    (TWO, "<answer>1) Orion\n2) Vale</answer>", ("no_trace", False, False, True)),
    (TWO, "<answer>• Orion\n• Vale</answer>", ("no_trace", False, False, True)),
    (TWO, "<answer>Orion\n\nVale</answer>", ("no_trace", False, False, True)),
    (TWO, '<answer>["Orion","Vale"]</answer>', ("no_trace", False, False, True)),
    (TWO, "<answer>{'Orion', 'Vale'}</answer>", ("no_trace", False, False, True)),
    (TWO, "<answer>('Orion', 'Vale')</answer>", ("no_trace", False, False, True)),
    (TWO, "<answer>'Orion', 'Vale'</answer>", ("no_trace", False, False, True)),
    (TWO, "<answer>[Orion; Vale]</answer>", ("no_trace", False, False, True)),
    (TWO, "<answer>['Orion', 'Vale',]</answer>", ("no_trace", False, False, True)),
    (TWO, "<answer>['Orion'\n'Vale']</answer>", ("no_trace", False, False, True)),
    (TWO, "<answer>Orion</answer><answer>Vale</answer>", ("no_trace", False, False, False)),
    (TWO, "<answer>['Orion' 'Vale' 'Nova']</answer>", ("no_trace", False, False, False)),
    (LISTS, "milk,football", ("no_trace", False, False, True)),
    (LISTS, "Answer: milk, football.", ("no_trace", False, False, True)),
    (LISTS, "milk; football", ("no_trace", False, False, True)),
    (LISTS, "milk\nfootball", ("no_trace", False, False, True)),
    (LISTS, "- milk\n- football", ("no_trace", False, False, True)),
    (LISTS, "[milk, football]", ("no_trace", False, False, True)),
    (LISTS, "the milk, the football", ("no_trace", False, False, False)),
    (LISTS, "milk and football", ("no_trace", False, False, False)),
    (LISTS, "milk, football, apple", ("no_trace", False, False, False)),
    (PROBLEM, f"<think>{RIGHT}</think> {A}", ("truncated", True, True, True), False),
    (PROBLEM, f"<think>{RIGHT}", ("truncated", False, False, False), False),
    (PROBLEM, f"<think>{RIGHT} {A[:-4]}", ("truncated", True, True, True), False),
    (REFERENCES, "<answer>ada lem.</answer>", ("no_trace", False, False, True)),
    (REFERENCES, "<answer>Ada Lem or Dr. Ada Lem</answer>", ("no_trace", False, False, False)),
    # Forms that an audit's rewriting found to move verdicts of real targets: escapes, words after the label, quotes.
    (PROBLEM, f"<think>{RIGHT}</think> {A}".replace(LINE, "\\n"), ("ok", True, True, True)),
    (PROBLEM, html.escape(html.escape(f"<think>{RIGHT}</think> {A}")), ("ok", True, True, True)),
    (PROBLEM, f"<thinking>{RIGHT}</thinking> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('equal. Both agree', [FACT])}</think> {A}", ("ok", True, True, True)),
    (PROBLEM, f"<think>{T.format('equal. No, the relation is: mix', [FACT])}</think> {A}", ("ok", False, True, True)),
    (
        PROBLEM,
        f"<think>{T.format('equal', f'[`{FACT}`]')}</think> <answer>[`Orion`]</answer>",
        ("ok", True, True, True),
    ),
    (
        PROBLEM,
        f"<think>{RIGHT}</think>\n\n**Answer:** Orion\n\nI hope that this helps.",
        ("untagged", True, True, True),
    ),
    (TWO, f"<think>{RIGHT}</think>\n\nAnswer:\n\n- Vale\n\n- Orion", ("untagged", True, False, True)),
    (PROBLEM, "The correct answer is: Orion", ("no_trace", False, False, True)),
    (replace(TWO, answers=("Vale, Hill", "Orion")), "[Orion; Vale, Hill]", ("no_trace", False, False, True)),
    (replace(NOTHING, answers=("∞",), evidence=(0,)), "-∞", ("no_trace", False, False, False)),
    (NOTHING, "No answer present", ("no_trace", False, False, True)),
    (NOTHING, "There is no answer.", ("no_trace", False, False, False)),
]


@pytest.mark.parametrize("case", OUTPUTS)
def test_a_careful_reader_agrees(case):
    problem, text, expected, *finished = case
    found = verdict(problem, text, *finished)
    steps = (found["classification_correct"], found["retrieval_correct"], found["answer_correct"])
    assert (found["status"], *steps) == expected


def test_a_label_keeps_a_full_stop_of_its_own():
    text = T.format("U.S. History", [FACT])
    assert read(text)[0] == "U.S. History"
