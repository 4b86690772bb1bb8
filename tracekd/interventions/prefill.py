"""Answers after given traces: scored gold and implied answers, and the greedy answer, with the prompt's cache shared.

Where the given part ends. Training tokenises ``<think>TRACE</think> <answer>ANSWER</answer>`` as one string
(``sft.encode``), so the ">" of ``<answer>`` may be one token with the answer's first characters (">['"). Cut after
it, the student would go on from a token that training never showed there. So the whole turn is tokenised with each
answer at hand and cut *before* that ">", where all of them still begin alike; the student writes the ">" itself. The
scored tokens are those of ">ANSWER</answer>", so that given and scored tokens together are exactly those of training.
The end token after them is not scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import torch

from tracekd.data.problem import Problem
from tracekd.interventions.forced import Reply
from tracekd.interventions.variants import Variant, key
from tracekd.students import sft
from tracekd.students.decode import greedy, left_padded
from tracekd.traces import templates

OPEN, CLOSE = "<answer>", "</answer>"


@dataclass(frozen=True)
class Turn:
    """One variant in tokens.

    Attributes:
        head: the text of the given tokens.
        given: tokens of the turn up to the cut.
        gold: tokens of the gold answer from the cut to its closing tag.
        implied: the same of the implied answer; None where there is none, or where it is the gold one.
        same: whether the implied answer is the gold one.
    """

    head: str
    given: list[int]
    gold: list[int]
    implied: list[int] | None
    same: bool


def tokenise(tokenizer, problem: Problem, variant: Variant) -> Turn:
    """Cut one variant's turn into given and scored tokens; see the module's text for where."""
    before = f"<think>{variant.text}</think> {OPEN}"
    border = len(before) - 1  # the ">" belongs to what the student writes
    told = variant.implied.answers
    same = told is not None and key(told) == key(problem.answers)
    answers = [templates.answer_text(problem)]
    if told is not None and not same:
        answers.append(templates.answer_text(replace(problem, answers=told)))
    texts = (before, *(before + answer + CLOSE for answer in answers))
    found = [tokenizer(text, add_special_tokens=False, return_offsets_mapping=True) for text in texts]
    cuts = [sum(end <= border for _, end in one.offset_mapping) for one in found]
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*(one.input_ids for one in found), strict=False))
    cut = min(*cuts, len(list(alike)))
    head = before[: found[0].offset_mapping[cut - 1][1]]
    _, gold, *rest = (one.input_ids[cut:] for one in found)
    return Turn(head, found[0].input_ids[:cut], gold, rest[0] if rest else None, same)


class Prefill:
    """A student that answers after given traces: a function of a problem and variants to one reply per variant."""

    def __init__(self, model, tokenizer, *, max_new_tokens: int = 64):
        """Take a model in evaluation mode, its tokenizer, and the most tokens to write for an answer."""
        self.model, self.tokenizer, self.max_new_tokens = model, tokenizer, max_new_tokens
        self.end = sft.end_token(tokenizer)

    @torch.inference_mode()
    def __call__(self, problem: Problem, given: Sequence[Variant]) -> list[Reply]:
        """One reply per variant, in their order."""
        turns = [tokenise(self.tokenizer, problem, variant) for variant in given]
        prompt = sft.prompt_ids(self.tokenizer, templates.prompt(problem))
        jobs = [(i, turn.gold) for i, turn in enumerate(turns)]
        jobs += [(i, turn.implied) for i, turn in enumerate(turns) if turn.implied is not None]
        scores = self._score(prompt, [(turns[i].given, answer) for i, answer in jobs])
        found: list[list[float]] = [[] for _ in turns]
        written = {}
        for (i, answer), (logp, likeliest) in zip(jobs, scores, strict=True):
            found[i].append(logp)
            # A scored answer whose every token was the likeliest one is the greedy answer: nothing is left to decode.
            if likeliest and len(answer) <= self.max_new_tokens and CLOSE in self._text(answer):
                written[i] = answer, True
        left = [i for i in range(len(turns)) if i not in written]
        if left:
            pad, prompts = self.tokenizer.pad_token_id, [prompt + turns[i].given for i in left]
            made = greedy(self.model, prompts, end=self.end, pad=pad, limit=self.max_new_tokens)
            written |= {i: self._closed(*one) for i, one in zip(left, made, strict=True)}
        return [self._reply(turn, *written[i], *found[i]) for i, turn in enumerate(turns)]

    def _score(self, prompt: list[int], jobs: list[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
        """Of each (given, answer): the answer's log-probability, and whether every token of it was the likeliest."""
        device = self.model.device
        cache = self.model(input_ids=torch.tensor([prompt], device=device), use_cache=True, logits_to_keep=1)
        cache.past_key_values.batch_repeat_interleave(len(jobs))
        ids, mask = left_padded([given + answer for given, answer in jobs], self.tokenizer.pad_token_id, device)
        mask = torch.nn.functional.pad(mask, (len(prompt), 0), value=1)
        longest = max(len(answer) for _, answer in jobs)
        logits = self.model(
            input_ids=ids, attention_mask=mask, position_ids=(mask.cumsum(1) - 1)[:, len(prompt) :],
            past_key_values=cache.past_key_values, use_cache=True, logits_to_keep=longest + 1,
        ).logits.float()  # fmt: skip
        scores = []
        for row, (_, answer) in zip(logits, jobs, strict=True):
            target, before = torch.tensor(answer, device=device), row[-len(answer) - 1 : -1]
            logp = before.log_softmax(-1).gather(-1, target[:, None]).sum()
            scores.append((float(logp), bool((before.argmax(-1) == target).all())))
        return scores

    def _text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    def _closed(self, ids: list[int], ended: bool) -> tuple[list[int], bool]:
        """What was written up to the answer's closing tag, and whether it or the end token came."""
        ends = (n for n in range(1, len(ids) + 1) if CLOSE in self._text(ids[:n]))
        end = next(ends, None)
        return (ids, ended) if end is None else (ids[:end], True)

    def _reply(self, turn: Turn, ids: list[int], finished: bool, gold: float, implied: float | None = None) -> Reply:
        """A reply whose text is what was given, word for word, and what was written, as in any output."""
        text, of = turn.head + self._text(ids), turn.gold if turn.same else turn.implied
        implied = gold if turn.same else implied
        return Reply(text, finished, len(ids), gold, len(turn.gold), implied, None if of is None else len(of))
