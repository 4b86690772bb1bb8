"""Answers after given traces: scored gold and implied answers, and the greedy answer, with the prompt's cache shared.

Training tokenises ``<think>TRACE</think> <answer>ANSWER</answer>`` as one string, so the ">" of ``<answer>`` may be one
token with the answer's first characters (">['"). So the whole turn is tokenised with each answer at hand and cut
*before* that ">", where all of them still begin alike; the student writes the ">" itself. Given and scored tokens
(">ANSWER</answer>") together are exactly those of training; the end token is not scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import torch

from tracekd.data.problem import Problem
from tracekd.interventions.forced import Reply, Variant
from tracekd.students import sft
from tracekd.students.generate import continued, prefill, selected
from tracekd.text import fact_set
from tracekd.traces import templates

OPEN, CLOSE = "<answer>", "</answer>"


@dataclass(frozen=True)
class Turn:
    """One variant in tokens: ``given`` up to the cut (as text ``head``), gold and implied answer to the closing tag."""

    head: str
    given: list[int]
    gold: list[int]
    implied: list[int] | None  # as ``gold`` where it is the same answer; None: there is none


def tokenise(tokenizer, problem: Problem, variant: Variant) -> Turn:
    """Cut one variant's turn into given and scored tokens; see the module's text for where."""
    before = f"<think>{variant.text}</think> {OPEN}"
    border = len(before) - 1  # the ">" belongs to what the student writes
    implied = variant.implied.answers
    if implied is not None and fact_set(implied) == fact_set(problem.answers):
        implied = problem.answers
    stated = [answers for answers in (problem.answers, implied) if answers is not None]
    answers = [templates.answer_text(replace(problem, answers=one)) for one in stated]
    texts = (before, *(before + answer + CLOSE for answer in answers))
    found = [tokenizer(text, add_special_tokens=False, return_offsets_mapping=True) for text in texts]
    cuts = [sum(end <= border for _, end in one.offset_mapping) for one in found]
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*(one.input_ids for one in found), strict=False))
    cut = min(*cuts, len(list(alike)))
    head = before[: found[0].offset_mapping[cut - 1][1]]
    _, gold, *rest = (one.input_ids[cut:] for one in found)
    return Turn(head, found[0].input_ids[:cut], gold, rest[0] if rest else None)


class Prefill:
    """A student that answers after given traces, as ``forced.run`` asks it."""

    def __init__(self, model, tokenizer, *, max_new_tokens: int = 64):
        """Take a model in evaluation mode, its tokenizer, and the most tokens to write for an answer."""
        self.model, self.tokenizer, self.max_new_tokens = model, tokenizer, max_new_tokens
        self.end = sft.end_token(tokenizer)

    @torch.inference_mode()
    def __call__(self, asked: Sequence[tuple[Problem, Sequence[Variant]]]) -> list[list[Reply]]:
        """One reply per variant of each problem, in their order; several problems are one batch."""
        turns, prompts, written = [], [], {}
        for problem, given in asked:
            made = [tokenise(self.tokenizer, problem, variant) for variant in given]
            prompt = sft.prompt_ids(self.tokenizer, templates.prompt(problem))
            turns, prompts = turns + made, prompts + [prompt + turn.given for turn in made]
        state = prefill(self.model, prompts, self.tokenizer.pad_token_id)
        jobs = [(i, turn.gold) for i, turn in enumerate(turns)]
        jobs += [(i, turn.implied) for i, turn in enumerate(turns) if turn.implied not in (None, turn.gold)]
        found: list[list[float]] = [[] for _ in turns]
        for (i, answer), (logp, likeliest) in zip(jobs, self._score(state, jobs), strict=True):
            found[i].append(logp)
            # A scored answer whose every token was the likeliest one is the greedy answer: nothing is left to decode.
            if likeliest and len(answer) <= self.max_new_tokens and CLOSE in self._text(answer):
                written[i] = answer, True
        if left := [i for i in range(len(turns)) if i not in written]:
            (logits, cache, mask), rows = state, torch.tensor(left, device=self.model.device)
            state = logits[rows], selected(cache, rows), mask[rows]
            made = continued(self.model, *state, end=self.end, limit=self.max_new_tokens)
            written |= {i: self._closed(*one) for i, one in zip(left, made, strict=True)}
        replies = []
        for i, turn in enumerate(turns):
            (ids, finished), text = written[i], turn.head + self._text(written[i][0])
            implied = (None, None) if turn.implied is None else (found[i][-1], len(turn.implied))
            replies.append(Reply(text, finished, len(ids), found[i][0], len(turn.gold), *implied))
        replies = iter(replies)
        return [[next(replies) for _ in given] for _, given in asked]

    def _score(self, state: tuple, jobs: list[tuple[int, list[int]]]) -> list[tuple[float, bool]]:
        """Of each (row of ``state``, answer): its log-probability, and whether every token of it was the likeliest."""
        (logits, cache, mask), device = state, self.model.device
        rows = torch.tensor([i for i, _ in jobs], device=device)
        longest = max(len(answer) for _, answer in jobs)
        # Padded at the right: no token sees what comes after it.
        ids = [answer + [self.tokenizer.pad_token_id] * (longest - len(answer)) for _, answer in jobs]
        ids, mask = torch.tensor(ids, device=device), mask[rows]
        positions = mask.sum(1, keepdim=True) + torch.arange(longest, device=device)
        after = self.model(
            input_ids=ids, attention_mask=torch.cat([mask, torch.ones_like(ids)], dim=1), position_ids=positions,
            past_key_values=selected(cache, rows), use_cache=True,
        ).logits  # fmt: skip
        scores = []
        for row, first, (_, answer) in zip(after, logits[rows], jobs, strict=True):
            target = torch.tensor(answer, device=device)
            before = torch.cat([first[None], row[: len(answer) - 1]]).float()
            logp = before.log_softmax(-1).gather(-1, target[:, None]).sum()
            scores.append((float(logp), bool((before.argmax(-1) == target).all())))
        return scores

    def _text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    def _closed(self, ids: list[int], ended: bool) -> tuple[list[int], bool]:
        """What was written up to the answer's closing tag, and whether it or the end token came."""
        end = next((n for n in range(1, len(ids) + 1) if CLOSE in self._text(ids[:n])), None)
        return (ids, ended) if end is None else (ids[:end], True)
