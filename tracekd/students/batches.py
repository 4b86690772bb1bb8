"""Batches: which examples share an update, in which order, and as which tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

IGNORED = -100


@dataclass(frozen=True)
class Collator:
    """Encoded examples as rows padded at the end, without an attention mask.

    A causal model never looks ahead, and padding carries no label, so the mask changes nothing; without it, attention
    takes its fastest path.
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


class LengthGroups(torch.utils.data.Sampler):
    """Examples in random order, like lengths in one update; the order follows from seed and epoch alone.

    Trainer's own grouping draws from the global generator, so that a resumed training sees other batches, and leaves
    each group of updates sorted from long to short; here the updates are shuffled.
    """

    SPAN = 16  # updates over which lengths are sorted: enough for little padding, few enough to stay random

    def __init__(self, lengths: Sequence[int], batch: int, seed: int):
        """Take each example's length in tokens, and the number of examples per update."""
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
    """The share of computed tokens that is padding, in 0..1, if ``order`` is cut into rows of ``at_once``."""
    cut = [[lengths[i] for i in order[first : first + at_once]] for first in range(0, len(order), at_once)]
    return 1 - sum(map(sum, cut)) / sum(len(rows) * max(rows) for rows in cut)
