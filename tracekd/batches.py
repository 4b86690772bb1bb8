"""Batches: which examples go together, in which order, and as which tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

IGNORED = -100


@dataclass(frozen=True)
class Collator:
    """Encoded examples as padded rows, the padding at the end and no attention mask.

    A causal model's tokens never look ahead, so what stands after an example changes nothing in it, and padding
    carries no label: without a mask, attention may take its fastest causal path. ``labels`` and ``parts`` stand at
    their own tokens; a model predicts the token at place i from place i - 1.
    """

    pad: int

    def __call__(self, examples: Sequence[dict]) -> dict[str, torch.Tensor]:
        """Return ``input_ids``, ``labels`` and ``parts``, each (B, T), and ``rows`` (B), the examples' numbers."""
        width = max(len(e["input_ids"]) for e in examples)
        fills = {"input_ids": self.pad, "labels": IGNORED, "parts": 0}
        padded = {
            name: torch.tensor([list(e[name]) + [fill] * (width - len(e[name])) for e in examples])
            for name, fill in fills.items()
        }
        return {**padded, "rows": torch.tensor([e["row"] for e in examples])}


@dataclass(frozen=True)
class Packed:
    """Encoded examples one after another in a single row: no padding at all.

    Positions begin at 0 with each example, from which transformers' attention keeps them apart. Whether it does is
    for ``packing_error`` to find out: not every model and backend looks at positions.
    """

    def __call__(self, examples: Sequence[dict]) -> dict[str, torch.Tensor]:
        """Return ``input_ids``, ``position_ids``, ``labels`` and ``parts``, each (1, T), and ``rows``: the first's."""
        joined = {
            name: torch.tensor([[value for e in examples for value in e[name]]])
            for name in ("input_ids", "labels", "parts")
        }
        joined["position_ids"] = torch.tensor([[i for e in examples for i in range(len(e["input_ids"]))]])
        return {**joined, "rows": torch.tensor([examples[0]["row"]])}


@torch.inference_mode()
def packing_error(model, vocabulary: int, length: int = 12) -> float:
    """How much of one example reaches the next one when they are packed: 0 nothing, about 1 as if they were one text.

    Two rows of fixed pseudo-random tokens go through the model apart, packed, and joined to one text. The error is
    the mean absolute change of the second row's logits by packing, over that by joining: a ratio, so that rounding to
    16 bits, which is far smaller than what a foreign context does, does not count as mixing.

    The model's mode is left alone, see ``train.lora_model``: a new adapter adds nothing yet, so that its dropout does
    not matter here.
    """
    draws = torch.Generator().manual_seed(0)
    first, second = (torch.randint(0, vocabulary, (1, length + i), generator=draws).to(model.device) for i in (0, 3))
    both = torch.cat([first, second], dim=1)
    positions = torch.cat([torch.arange(row.shape[1], device=row.device)[None] for row in (first, second)], dim=1)
    apart = model(input_ids=second, use_cache=False).logits
    packed = model(input_ids=both, position_ids=positions, use_cache=False).logits[:, first.shape[1] :]
    joined = model(input_ids=both, use_cache=False).logits[:, first.shape[1] :]
    return float((packed - apart).abs().mean() / (joined - apart).abs().mean())


class LengthGroups(torch.utils.data.Sampler):
    """Examples in random order, like lengths in one update; the order follows from seed and epoch alone.

    Two defects of Trainer's own grouping are mended. It draws from the global generator, so that a training resumed
    inside an epoch would see other batches than one that was never stopped. And it leaves each group of updates
    sorted from long to short: on a few hundred examples the student sees a saw of lengths, ends on the short ones, and
    its loss jumps at each tooth. Here the updates are shuffled.
    """

    SPAN = 16  # updates over which lengths are sorted: enough for little padding, few enough to keep the draw random

    def __init__(self, lengths: Sequence[int], batch: int, seed: int):
        """Take each example's length in tokens, and how many examples make an update."""
        self.lengths, self.batch, self.seed, self.epoch = list(lengths), batch, seed, 0

    def __len__(self) -> int:
        """Examples in all."""
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader before each epoch."""
        self.epoch = epoch

    def __iter__(self):
        """Indices of one epoch: whole updates in random order, a last incomplete one at the end."""
        draws = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.lengths), generator=draws).tolist()
        span = self.SPAN * self.batch
        grouped = [
            index
            for first in range(0, len(order), span)
            for index in sorted(order[first : first + span], key=lambda i: -self.lengths[i])
        ]
        updates = [grouped[first : first + self.batch] for first in range(0, len(grouped), self.batch)]
        whole, rest = (updates[:-1], updates[-1:]) if len(updates[-1]) < self.batch else (updates, [])
        shuffled = [whole[i] for i in torch.randperm(len(whole), generator=draws).tolist()]
        return iter([index for update in [*shuffled, *rest] for index in update])


def padding_waste(lengths: Sequence[int], order: Sequence[int], at_once: int) -> float:
    """The share of computed tokens that is padding, in 0..1, when ``order`` is cut into rows of ``at_once``."""
    cut = [[lengths[i] for i in order[first : first + at_once]] for first in range(0, len(order), at_once)]
    return 1 - sum(map(sum, cut)) / sum(len(rows) * max(rows) for rows in cut)
