"""Outputs in the forms of other programs, each with the verdict of a careful reader, beside the grader's examples."""

import html
from dataclasses import replace

import pytest

from tracekd.scoring.aligned import verdict
from tracekd.scoring.grader_examples import FACT, LISTS, NOTHING, PROBLEM, REFERENCES, RIGHT, TWO, VALE, A, T
from tracekd.traces.templates import read

LINE = "\n"
NUMPY = f"[{FACT!r} {VALE!r}]"
LABEL = "The temporal relation between the event in question and the event in context is:"
# Problem, status, whether label, facts and answer are right, finished, outputs.
OUTPUTS = [
    (PROBLEM, "ok", "111", True, [
        f"assistant\n\n<think>{RIGHT}</think> {A}",
        f"<think>{RIGHT} {A}</think>",
        f"<think>{RIGHT}</think> {A} <answer></answer>",
        f"<think>\n\n</think>\n\n<think>{RIGHT}</think> {A}",
        f"<think>{T.format('**equal**', [FACT])}</think> {A}",
        f"<think>{RIGHT}</think><answer>Orion</answer></s>",
        f"<think>{RIGHT}</think> <answer>['Orion'].</answer>",
        f"<think>{RIGHT}</think> <answer>“Orion”</answer>",
        f"<think>{RIGHT}</think> <answer>- Orion</answer>",
        f"<|im_start|>assistant\n<think>\n{RIGHT}\n</think>\n\n{A}<|im_end|>",
        f"<|begin_of_text|><|start_header_id|>assistant<|end_header_id|>\n\n<think>{RIGHT}</think> {A}<|eot_id|>",
        f"<think>{RIGHT}</think> <answer>['Orion']<|endoftext|></answer>",
        f"<think>{RIGHT}</think> {A}<|im_end|>\n<|im_start|>user\nnext<|im_end|>\n<|im_start|>assistant\n"
        "<think>x</think> <answer>Vale</answer>",
        f"<think>{RIGHT}</think> {A}</s><s>[INST] more [/INST] <answer>Vale</answer>",
        f"<｜Assistant｜><think>{RIGHT}</think> {A}<｜end▁of▁sentence｜>",
        f"<start_of_turn>model\n<think>{RIGHT}</think> {A}<end_of_turn>",
        f"<think >{RIGHT}</think > <answer >['Orion']</answer >",
        f"&lt;think&gt;{RIGHT}&lt;/think&gt; {A}",
        f"\\u003cthink\\u003e{RIGHT}\\u003c/think\\u003e {A}",
        f"{A}\n<think>{RIGHT}</think>",
        f"<answer>['Vale']</answer> <think>{RIGHT}</think> {A}",
        f"<think></think><think>{RIGHT}</think>{A}",
        f"<think>\n\n</think>\n\n{RIGHT}</think> {A}",
        f"<think>{T.format('mix', ['x'])}</think><think>{RIGHT}</think>{A}",
        f"<think>{RIGHT}\n{A}",
        f"<think><think>{RIGHT}</think>{A}",
        f"```\n<think>{RIGHT}</think>\n<answer>['Orion']</answer>\n```",
        f"<think>\n```\n{RIGHT}\n```\n</think>\n{A}",
        f'<think>{RIGHT}</think> <answer>```json\n{{"answer": "Orion"}}\n```</answer>',
        f"<think>{T.format('Equal', [FACT])}</think> {A}",
        f"<think>{T.format('equal', [FACT])}\n\nTherefore, the answer is Orion since it holds [1].</think> {A}",
        f"<think>{T.format('equal', FACT)}\n\nTherefore it is Orion.</think> {A}",
        f"<think>{T.format('equal', '- ' + FACT)}</think> {A}",
        f"<think>{T.format('equal', '[“' + FACT + '”]')}</think> {A}",
        f"<think>{T.format('equal', '`' + FACT + '`')}</think> {A}",
        f"<think>{T.format('equal', [FACT]).replace('temporal relation', '**temporal relation**')}</think> {A}",
        f"<think>{T.format('equal', [FACT]).replace(LINE, ' ')}</think> {A}",
        f"<think>1. {T.format('equal', [FACT]).replace(LINE, LINE + '2. ')}</think> {A}",
        f"<think>{T.format('equal', [FACT]).replace(LINE, chr(13) + LINE)}</think>\r\n{A}\r\n",
        f"<think>{RIGHT}</think> {A}".replace(LINE, "\\n"),
        html.escape(html.escape(f"<think>{RIGHT}</think> {A}")),
        f"<thinking>{RIGHT}</thinking> {A}",
        f"<think>{T.format('equal. Both agree', [FACT])}</think> {A}",
        f"<think>{T.format('equal', f'[`{FACT}`]')}</think> <answer>[`Orion`]</answer>",
        f"<think>{RIGHT} So it was Orion.</think> {A}",
        f"<think>{RIGHT}\n{RIGHT}</think> {A}",
        f"<think>{RIGHT}</think><think></think> {A}",
        f"\\<think\\>{RIGHT}\\</think\\> \\<answer\\>Orion\\</answer\\>",
        f"<think>{RIGHT}<|eot_id|></think> {A}",
    ]),
    (PROBLEM, "no_trace", "001", True, [
        "Answer: ['Orion']",
        "**Answer**: Orion",
        "assistant\n\nAnswer: Orion",
        "> Answer: Orion",
        "The correct answer is: Orion",
        "assistant\n\n['Orion']",
        "**Answer:** Orion",
        "The final answer is: Orion",
        "<answer>Answer: Orion</answer>",
        "assistant\n<think>\n\n['Orion']",
        "<|start_header_id|>assistant<|end_header_id|>\n\nOrion<|eot_id|>",
        "<answer>```json\n[\"Orion\"]\n```</answer>",
        "<answer>`Orion`</answer>",
    ]),
    (PROBLEM, "untagged", "111", True, [
        f"<think>{RIGHT}</think> Final Answer: Orion",
        f"<think>{RIGHT}</think> <answer>Orion<|eot_id|>",
        f"<think>{RIGHT}<answer>['Orion']",
        f"<think>{RIGHT}</think>\n```python\n['Orion']\n```",
        f"<think>{RIGHT}</think>\n\n**Answer:** Orion\n\nI hope that this helps.",
        f"<think>{RIGHT}</think></answer>['Orion']</answer>",
        f"<think>{RIGHT}</think> <answer>['Orion'",
        f"<think>Is it <answer>['Vale']</answer>? {RIGHT}</think> Orion",
        f"<think>{RIGHT}\nAnswer: Orion",
        f"<think>{RIGHT}</think> <answer>Orion</s>",
    ]),
    (TWO, "no_trace", "001", True, [
        "<answer>Orion\n\nVale</answer>",
        '<answer>["Orion","Vale"]</answer>',
        "<answer>[Orion; Vale]</answer>",
        "<answer>['Vale' 'Orion']</answer>",
        "<answer>Vale; Orion</answer>",
        "<answer>Vale\nOrion</answer>",
        "<answer>['Vale', 'Orion', 'Orion']</answer>",
    ]),
    (LISTS, "no_trace", "001", True, [
        "milk,football",
        "Answer: milk, football.",
        "milk; football",
        "milk\nfootball",
        "<answer>['milk', 'football']</answer>",
        "<answer>milk football</answer>",
    ]),
    (PROBLEM, "ok", "011", True, [
        f"<think>{T.format('equal or mix', [FACT])}</think> {A}",
        f"<think>{T.format('mix', [FACT])}\n{T.format('equal', [FACT])}</think> {A}",
        f"<think>{T.format('equal', [FACT])}\n{LABEL} during.</think> {A}",
        f"<think>{T.format('equal. No, the relation is: mix', [FACT])}</think> {A}",
    ]),
    (TWO, "ok", "111", True, [
        f"<think>{T.format('equal', ' '.join([FACT, VALE]))}</think> <answer>['Orion', 'Vale']</answer>",
        f"<think>{T.format('equal', '; '.join([FACT, VALE]))}</think> <answer>['Orion', 'Vale']</answer>",
        f"<think>{T.format('equal', NUMPY)}</think> <answer>['Orion' 'Vale']</answer>",
        f"<think>{T.format('equal', LINE + '* ' + FACT + LINE + '* ' + VALE + LINE + LINE + 'Done.')}</think> "
        "<answer>* Orion\n* Vale</answer>",
    ]),
    (PROBLEM, "no_answer", "110", True, [
        f"<think>{RIGHT}</think>",
        f"<think>{RIGHT}</think> <answer> </answer>",
        f"<think>{RIGHT}",
    ]),
    (PROBLEM, "no_answer", "000", True, [
        " \n ",
        "<answer></answer>",
        "",
    ]),
    (PROBLEM, "ok", "101", True, [
        f"<think>{T.format('equal', LINE + '1) ' + FACT + LINE + '2) ' + PROBLEM.context[2])}</think> {A}",
        f"<think>{T.format('equal', [])}</think> {A}",
    ]),
    (LISTS, "no_trace", "000", True, [
        "milk and football",
        "<answer>milk</answer>",
    ]),
    (PROBLEM, "truncated", "111", False, [
        f"<think>{RIGHT}</think> {A}",
        f"<think>{RIGHT} {A[:-4]}",
    ]),
    (PROBLEM, "no_trace", "000", True, [
        "Answers vary: Orion",
        "<answer>['Orion'] and ['Vale']</answer>",
    ]),
    (PROBLEM, "ok", "001", True, [f"<think>{RIGHT}</think><think>hm</think>{A}"]),
    (PROBLEM, "untagged", "110", True, [f"<think>{RIGHT}</think> <answer>['Vale']"]),
    (PROBLEM, "ok", "110", True, [f"<think>{RIGHT}</think> <answer>[]</answer>"]),
    (PROBLEM, "truncated", "000", False, [f"<think>{RIGHT}"]),
    (REFERENCES, "no_trace", "000", True, ["<answer>Ada Lem or Dr. Ada Lem</answer>"]),
    (TWO, "untagged", "101", True, [f"<think>{RIGHT}</think>\n\nAnswer:\n\n- Vale\n\n- Orion"]),
    (replace(TWO, answers=("Vale, Hill", "Orion")), "no_trace", "001", True, [
        "[Orion; Vale, Hill]",
    ]),
    (replace(NOTHING, answers=("∞",), evidence=(0,)), "no_trace", "000", True, ["-∞"]),
    (NOTHING, "no_trace", "001", True, ["No answer present"]),
    (NOTHING, "no_trace", "000", True, ["There is no answer."]),
    (REFERENCES, "no_trace", "001", True, ["<answer>['Dr. Ada Lem', 'Ada Lem']</answer>"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "text", "expected", "finished"),
    [(problem, text, (status, right), end) for problem, status, right, end, texts in OUTPUTS for text in texts],
)
def test_a_careful_reader_agrees(problem, text, expected, finished):
    found = verdict(problem, text, finished)
    steps = (found["classification_correct"], found["retrieval_correct"], found["answer_correct"])
    assert (found["status"], "".join("01"[right] for right in steps)) == expected


def test_a_label_keeps_a_full_stop_of_its_own():
    assert read(T.format("U.S. History", [FACT]))[0] == "U.S. History"
