"""Outputs in the forms of other programs, with the verdict of a careful reader, who soon gives up on a loop."""

from dataclasses import replace

import pytest
from invented_outputs import FACT, LISTS, NOTHING, PROBLEM, REFERENCES, RIGHT, TWO, VALE, A, T

from tracekd.scoring.aligned import verdict

LINE = "\n"
NUMPY = f"[{FACT!r} {VALE!r}]"
LABEL = "The temporal relation between the event in question and the event in context is:"
# Problem, status, whether label, facts and answer are right, finished, outputs.
OUTPUTS = [
    (PROBLEM, "ok", "111", True, [
        f"assistant\n\n<think>{RIGHT}</think> {A}",
        f"{RIGHT}</think> <answer>orion.</answer>",
        f"<think>{RIGHT} {A}</think>",
        f"<think>{RIGHT} {A}",
        f"<think>{RIGHT}</think> {A} <answer></answer>",
        f"<think>\n\n</think>\n\n<think>{RIGHT}</think> {A}",
        f"<think>{T.format('**equal**', [FACT])}</think> {A}",
        f"<think>{RIGHT}</think> <answer>“Orion”</answer>",
        f"<|im_start|>assistant\n<think>\n{RIGHT}\n</think>\n\n{A}<|im_end|>",
        f"<think>{RIGHT}</think> <answer>['Orion']<|endoftext|></answer>",
        f"<think>{RIGHT}</think> {A}<|im_end|>\n<|im_start|>user\nnext<|im_end|>\n<|im_start|>assistant\n"
        "<think>x</think> <answer>Vale</answer>",
        f"<｜Assistant｜><think>{RIGHT}</think> {A}<｜end▁of▁sentence｜>",
        f"< THINK >{RIGHT}</ think > <Answer >['Orion']</ANSWER>",
        f"&lt;think&gt;{RIGHT}&lt;/think&gt; &lt;answer&gt;[&#39;Orion&#39;]&lt;/answer&gt;",
        f"<answer>['Vale']</answer> <think>{RIGHT}</think> {A}",
        f"<think>{T.format('mix', ['x'])}</think><think>{RIGHT}</think>{A}",
        f"<think><think>{RIGHT}</think>{A}",
        f"```\n<think>{RIGHT}</think>\n<answer>['Orion']</answer>\n```",
        f'<think>{RIGHT}</think> <answer>```json\n{{"answer": "Orion"}}\n```</answer>',
        f"<think>{T.format('equal', [FACT])}\n\nTherefore, the answer is Orion since it holds [1].</think> {A}",
        f"<think>{T.format('equal', '- ' + FACT)}</think> {A}",
        f"<think>{T.format('equal', [FACT]).replace(LINE, ' ')}</think> {A}",
        f"<think>1. {T.format('equal', [FACT]).replace(LINE, LINE + '2. ')}</think> {A}",
        f"<think>{T.format('equal', [FACT]).replace(LINE, chr(13) + LINE)}</think>\r\n{A}\r\n",
    ]),
    (PROBLEM, "no_trace", "001", True, [
        "Answer: ['Orion']", "**Answer:** Orion", "assistant\n<think>\n\n['Orion']",
        "<|start_header_id|>assistant<|end_header_id|>\n\nOrion<|eot_id|>",
        "<answer>\\boxed{Orion}</answer>",
    ]),
    (PROBLEM, "untagged", "111", True, [
        f"<think>{RIGHT}</think> Final Answer: Orion",
        f"<think>{RIGHT}</think>\n```python\n['Orion']\n```",
        f"<think>{RIGHT}</think>\n\n**Answer:** Orion\n\nI hope that this helps.",
        f"<think>{RIGHT}</think>Orion\n\nThis follows since the club\nis in the second fact.",
        f"<think>{RIGHT}</think></answer>['Orion']</answer>",
        f"<think>Is it <answer>['Vale']</answer>? {RIGHT}</think> Orion",
    ]),
    (TWO, "no_trace", "001", True, [
        '<answer>["Orion","Vale"]</answer>',
        "<answer>[Orion; Vale]</answer>", "<answer>['Vale' 'Orion']</answer>", "<answer>Vale\nOrion</answer>",
        "<answer>['Vale', 'Orion', 'Orion']</answer>",
    ]),
    (LISTS, "no_trace", "001", True, ["Answer: milk, football.", "milk\nfootball", "<answer>milk football</answer>"]),
    (PROBLEM, "ok", "011", True, [
        f"<think>{T.format('equal or mix', [FACT])}</think> {A}",
        f"<think>{T.format('equal', [FACT])}\n{LABEL} during.</think> {A}",
        f"<think>{T.format('equal. No, the relation is: mix', [FACT])}</think> {A}",
    ]),
    (TWO, "ok", "111", True, [
        f"<think>{T.format('equal', ' '.join([FACT, VALE]))}</think> <answer>['Orion', 'Vale']</answer>",
        f"<think>{T.format('equal', NUMPY)}</think> <answer>['Orion' 'Vale']</answer>",
        f"<think>{T.format('equal', LINE + '* ' + FACT + LINE + '* ' + VALE + LINE + LINE + 'Done.')}</think> "
        "<answer>* Orion\n* Vale</answer>",
    ]),
    (PROBLEM, "no_answer", "110", True, [f"<think>{RIGHT}</think>", f"<think>{RIGHT}"]),
    (PROBLEM, "no_answer", "000", True, [" \n ", "<answer></answer>", "<think>Orion", f"<think>{LABEL}x{9000 * ' '}y"]),
    (PROBLEM, "ok", "101", True, [f"<think>{T.format('equal', [])}</think> {A}"]),
    (PROBLEM, "truncated", "111", False, [f"<think>{RIGHT}</think> {A}", f"<think>{RIGHT} {A[:-4]}"]),
    (PROBLEM, "no_trace", "000", True, ["Answers vary: Orion", "assistant Orion"]),
    (PROBLEM, "untagged", "110", True, [f"<think>{RIGHT}</think>{x}" for x in (f"Orion{4000 * LINE}x", 900 * "a b ")]),
    (PROBLEM, "ok", "001", True, [f"<think>{RIGHT}</think><think>hm</think>{A}"]),
    (PROBLEM, "ok", "110", True, [f"<think>{RIGHT}</think> <answer>[]</answer>"]),
    (LISTS, "no_trace", "000", True, ["milk and football", "<answer>milk</answer>"]),
    (REFERENCES, "no_trace", "000", True, ["<answer>Ada Lem or Dr. Ada Lem</answer>"]),
    (replace(TWO, answers=("Vale, Hill", "Orion")), "no_trace", "001", True, ["[Orion; Vale, Hill]"]),
    (replace(TWO, answers=("Vale's", "Orion")), "no_trace", "001", True, ["['Vale's', 'Orion']"]),
    (NOTHING, "no_trace", "000", True, ["There is no answer."]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "text", "expected", "finished"),
    [(problem, text, (status, right), end) for problem, status, right, end, texts in OUTPUTS for text in texts],
)
def test_a_careful_reader_agrees(problem, text, expected, finished):
    found = verdict(problem, text, finished)
    steps = (found["classification_correct"], found["retrieval_correct"], found["answer_correct"])
    assert (found["status"], "".join("01"[right] for right in steps)) == expected
