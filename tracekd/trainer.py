"""The Trainer's parts: right-aligned batches, the loss on completions alone, cheap dropout, progress and its cost."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainerCallback
from transformers.trainer_pt_utils import get_length_grouped_indices

from tracekd import sft
from tracekd.records import write_json

IGNORED = -100


@dataclass(frozen=True)
class Collator:
    """Encoded examples as right-aligned batches: every target ends at the last position.

    Labels and parts cover the last positions only, as many as the longest target has and one before it, so that the
    head is computed on completion positions and on nothing else. As in any causal model, labels are shifted by one
    against the logits; the first column never carries loss, and Trainer leaves it out when it counts tokens.
    """

    pad: int

    def __call__(self, examples: Sequence[dict]) -> dict[str, torch.Tensor]:
        """Return ``input_ids``, ``attention_mask``, ``position_ids`` (B, T), and ``labels``, ``parts`` (B, K + 1)."""
        rows = [e["input_ids"] for e in examples]
        ids = self._left(rows, self.pad)
        mask = self._left([[1] * len(row) for row in rows], 0)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": (mask.cumsum(1) - 1).clamp(min=0),
            "labels": self._left([[IGNORED, *e["labels"]] for e in examples], IGNORED),
            "parts": self._left([[0, *e["parts"]] for e in examples], 0),
        }

    @staticmethod
    def _left(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
        width = max(map(len, rows))
        return torch.tensor([[fill] * (width - len(row)) + list(row) for row in rows])


class CpuDropout(torch.nn.Dropout):
    """Dropout whose mask costs a quarter of the random draws: 16 bits an element from torch's own generator.

    PyTorch's CPU Bernoulli spends one serial draw an element, a sixth of a training step here. The rate is kept to
    2^-16. The mask follows ``torch.manual_seed`` and checkpoints like any other draw.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` with each element dropped at rate ``p`` and the rest scaled by 1 / (1 - p)."""
        if not self.training or self.p == 0:
            return x
        draws = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        dropped = draws.view(torch.int16)[: x.numel()].view(x.shape) < round(self.p * 2**16) - 2**15
        return x.masked_fill(dropped, 0) * (1 / (1 - self.p))  # backward keeps the mask alone, a byte an element


class LengthGroups(torch.utils.data.Sampler):
    """Examples in random order, like lengths together; the order follows from seed and epoch alone.

    Trainer's own grouping draws from the global generator, so that a training resumed inside an epoch would see other
    batches than one that was never stopped.
    """

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
        """Indices of one epoch."""
        draws = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(get_length_grouped_indices(self.lengths, self.batch, generator=draws))


class CompletionTrainer(Trainer):
    """A Trainer whose loss is the mean over completion tokens of the whole update, kept apart by part."""

    def __init__(self, *args, **options):
        """Take what Trainer takes."""
        super().__init__(*args, **options)
        self.model_accepts_loss_kwargs = True  # token-weighted accumulation: we divide by the update's token count
        self.tallies: dict[int, list[float]] = {sft.TRACE: [0.0, 0], sft.ANSWER: [0.0, 0]}

    def _get_train_sampler(self, train_dataset=None):
        lengths = [len(example["input_ids"]) for example in self.train_dataset]
        update = self.args.train_batch_size * self.args.gradient_accumulation_steps
        return LengthGroups(lengths, update, self.args.seed)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Cross-entropy (nats a token) of the completion positions, summed over ``num_items_in_batch`` tokens."""
        labels, parts = inputs.pop("labels"), inputs.pop("parts")
        out = model(**inputs, logits_to_keep=labels.shape[1], use_cache=False)
        logits, labels, parts = out.logits[:, :-1].float(), labels[:, 1:].flatten(), parts[:, 1:].flatten()
        losses = cross_entropy(logits.flatten(0, 1), labels, ignore_index=IGNORED, reduction="none")
        for part, tally in self.tallies.items():
            chosen = losses.detach()[parts == part]
            tally[0] += float(chosen.sum())
            tally[1] += chosen.numel()
        count = num_items_in_batch if num_items_in_batch is not None else (labels != IGNORED).sum()
        loss = losses.sum() / count
        return (loss, out) if return_outputs else loss

    def log(self, logs, start_time=None):
        """Add each part's mean loss since the last entry to what Trainer logs."""
        if "loss" in logs:
            for name, part in (("trace_loss", sft.TRACE), ("answer_loss", sft.ANSWER)):
                total, count = self.tallies[part]
                logs[name] = total / count if count else None
                self.tallies[part] = [0.0, 0]
        super().log(logs, start_time)


class Progress(TrainerCallback):
    """One tqdm bar a training, with rate and time left, and the seconds spent, which checkpoints keep."""

    def __init__(self, label: str, resumed: str | None = None):
        """Show ``label`` before the bar; ``resumed`` is the checkpoint whose seconds count as spent."""
        self.label = label
        elapsed = Path(resumed or "", "elapsed.json")
        self.before = json.loads(elapsed.read_text())["seconds"] if resumed and elapsed.exists() else 0.0
        self.started = time.time()

    @property
    def seconds(self) -> float:
        """Seconds spent on this training, earlier parts of it included."""
        return self.before + time.time() - self.started

    def on_save(self, args, state, control, **_):
        """Note the seconds beside the checkpoint."""
        folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
        if folder.is_dir():
            write_json(folder / "elapsed.json", {"seconds": self.seconds})

    def on_train_begin(self, args, state, control, **_):
        """Open the bar."""
        from tqdm import tqdm

        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=self.label, unit="step", mininterval=5)

    def on_log(self, args, state, control, logs=None, **_):
        """Move the bar to the step just logged."""
        if "loss" in (logs or {}):
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}", refresh=False)
        self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, args, state, control, **_):
        """Close the bar."""
        self.bar.close()
