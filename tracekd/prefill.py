"""Answers after given traces, with the prompt run once a problem and its KV cache shared by all traces.

Where the given part ends. Training tokenises ``<think>TRACE</think> <answer>ANSWER</answer>`` as one string
(``sft.encode``), so the ">" of ``<answer>`` may be one token with the answer's first characters (">['"). Cut after
it, the student would be asked to go on from a token that training never showed there. So the whole turn is tokenised
once with each answer at hand, cut by offsets *before* that ">", and what all of them begin with alike is given; the
student writes the ">" itself. The scored tokens are all after the cut, those of ">ANSWER</answer>", so that gold and
implied answer are probabilities of the same stretch of text, and given and scored tokens together are exactly those of
training. The end token after them is not scored.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import torch

from tracekd import sft, traces
from tracekd.implied import key
from tracekd.interventions import Reply
from tracekd.problems import Problem
from tracekd.variants import Variant

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
    answers = [traces.answer_text(problem)]
    if told is not None and not same:
        answers.append(traces.answer_text(replace(problem, answers=told)))
    texts = (before, *(before + answer + CLOSE for answer in answers))
    found = [tokenizer(text, add_special_tokens=False, return_offsets_mapping=True) for text in texts]
    cuts = [sum(end <= border for _, end in one.offset_mapping) for one in found]
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*(one.input_ids for one in found), strict=False))
    cut = min(*cuts, len(list(alike)))
    head = before[: found[0].offset_mapping[cut - 1][1]]
    _, gold, *rest = (one.input_ids[cut:] for one in found)
    return Turn(head, found[0].input_ids[:cut], gold, rest[0] if rest else None, same)


class Prefill:
    """A student that answers after given traces; each prompt is run once (an ``interventions.Answerer``)."""

    def __init__(self, model, tokenizer, *, max_new_tokens: int = 64):
        """Take a model in evaluation mode, its tokenizer, and the most tokens to write for an answer."""
        self.model, self.tokenizer, self.max_new_tokens = model, tokenizer, max_new_tokens
        self.end = sft.end_token(tokenizer)

    @torch.inference_mode()
    def __call__(self, problem: Problem, given: Sequence[Variant]) -> list[Reply]:
        """One reply a variant, in their order."""
        turns = [tokenise(self.tokenizer, problem, variant) for variant in given]
        prompt = sft.prompt_ids(self.tokenizer, traces.prompt(problem))
        first = self.model(input_ids=self._tensor([prompt]), use_cache=True, logits_to_keep=1).past_key_values
        first.batch_repeat_interleave(len(turns))
        state = _State(first, torch.ones(len(turns), len(prompt), dtype=torch.long, device=self.model.device))
        # Padded on the left, so that every trace ends in the last place; the cache then holds prompt, pad, trace.
        width = max(len(turn.given) for turn in turns)
        logits = self._feed(state, [[None] * (width - len(turn.given)) + turn.given for turn in turns], keep=1)
        scored = self._score(state, logits[:, -1], turns)
        return self._replies(state, logits[:, -1], turns, scored)

    def _tensor(self, rows) -> torch.Tensor:
        return torch.tensor(rows, device=self.model.device)

    def _feed(self, state: _State, rows: list[list[int | None]], keep: int = 0) -> torch.Tensor:
        """Run tokens on top of a state, which grows by them; None is padding, which nothing looks at.

        Positions count real tokens alone, so a row gets the numbers that it would get without its neighbours.
        """
        real = self._tensor([[int(token is not None) for token in row] for row in rows])
        state.mask = torch.cat([state.mask, real], dim=1)
        positions = (state.mask.cumsum(1) - 1).clamp(min=0)[:, -real.shape[1] :]
        pad = self.tokenizer.pad_token_id
        out = self.model(
            input_ids=self._tensor([[pad if token is None else token for token in row] for row in rows]),
            attention_mask=state.mask, position_ids=positions, past_key_values=state.cache, use_cache=True,
            logits_to_keep=keep,
        )  # fmt: skip
        state.cache = out.past_key_values
        return out.logits.float()

    def _score(self, state: _State, last: torch.Tensor, turns: list[Turn]) -> dict[tuple[int, str], Score]:
        """Score the gold answer of every row, and the implied one where it is another, in one padded batch."""
        jobs = [(i, "gold", turn.gold) for i, turn in enumerate(turns)]
        jobs += [(i, "implied", turn.implied) for i, turn in enumerate(turns) if turn.implied is not None]
        rows = self._tensor([i for i, _, _ in jobs])
        width = max(len(ids) for _, _, ids in jobs)
        padded = [ids + [None] * (width - len(ids)) for _, _, ids in jobs]
        logits = torch.cat([last[rows, None], self._feed(state.fork(rows), padded)[:, :-1]], dim=1)
        return {(i, name): score(logits[j, : len(ids)], ids) for j, (i, name, ids) in enumerate(jobs)}

    def _replies(self, state, last, turns, scored) -> list[Reply]:
        """Greedy answers: a scored answer whose every token was the likeliest one is it; the others are decoded."""
        written: dict[int, tuple[list[int], bool]] = {}
        for (i, name), score in scored.items():
            ids = getattr(turns[i], name)
            if score.greedy and len(ids) <= self.max_new_tokens and self._closed(ids):
                written[i] = ids, True
        open_rows = [i for i in range(len(turns)) if i not in written]
        if open_rows:
            index = self._tensor(open_rows)
            written |= dict(zip(open_rows, self._decode(state.fork(index), last[index]), strict=True))
        return [
            reply(self.tokenizer, turn, *written[i], scored[i, "gold"].logp, scored.get((i, "implied")))
            for i, turn in enumerate(turns)
        ]

    def _decode(self, state: _State, last: torch.Tensor) -> list[tuple[list[int], bool]]:
        """Write greedily until the answer is closed, the turn ends, or the limit is met."""
        written: list[list[int]] = [[] for _ in last]
        finished = [False] * len(written)
        alive = list(range(len(written)))
        for step in range(self.max_new_tokens):
            for i, token in zip(alive, last.argmax(-1).tolist(), strict=True):
                finished[i] = token == self.end
                written[i] += [] if finished[i] else [token]
                finished[i] = finished[i] or self._closed(written[i])
            going = [j for j, i in enumerate(alive) if not finished[i]]
            if not going or step == self.max_new_tokens - 1:
                break
            if len(going) < len(alive):
                state, alive = state.fork(self._tensor(going)), [alive[j] for j in going]
            last = self._feed(state, [[written[i][-1]] for i in alive], keep=1)[:, -1]
        return list(zip(written, finished, strict=True))

    def _closed(self, ids: list[int]) -> bool:
        return CLOSE in self.tokenizer.decode(ids, skip_special_tokens=True)


def reply(tokenizer, turn: Turn, written: list[int], finished: bool, gold: float, other: Score | None) -> Reply:
    """Put one reply together; an implied answer that is the gold one has its log-probability.

    The text is what was given, word for word, and what was written, so that it reads like any output.
    """
    text = turn.head + tokenizer.decode(written, skip_special_tokens=True)
    if turn.same:
        return Reply(text, finished, len(written), gold, len(turn.gold), gold, len(turn.gold))
    if other is None:
        return Reply(text, finished, len(written), gold, len(turn.gold))
    return Reply(text, finished, len(written), gold, len(turn.gold), other.logp, len(turn.implied))


@dataclass
class _State:
    """A KV cache and which of its places are real; rows are variants."""

    cache: object
    mask: torch.Tensor

    def fork(self, rows: torch.Tensor) -> _State:
        """The chosen rows as a state of their own. Layers replace their tensors as they grow, so copies are cheap."""
        cache = copy.copy(self.cache)
        cache.layers = [copy.copy(layer) for layer in self.cache.layers]
        cache.batch_select_indices(rows)
        return _State(cache, self.mask[rows])


@dataclass(frozen=True)
class Score:
    """One answer's summed log-probability in nats, and whether every token was the likeliest one."""

    logp: float
    greedy: bool


def score(logits: torch.Tensor, ids: list[int]) -> Score:
    """Score tokens by the logits of the places before them: logits (n, vocabulary), ids n."""
    target = torch.tensor(ids, device=logits.device)
    logp = logits.log_softmax(-1).gather(-1, target[:, None]).sum()
    return Score(float(logp), bool((logits.argmax(-1) == target).all()))
