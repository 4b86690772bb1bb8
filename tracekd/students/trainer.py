"""What training adds to ``transformers.Trainer``: batches of like lengths, the loss on completions alone, progress."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback

from tracekd.io.records import write_json
from tracekd.progress import Bar
from tracekd.students import sft

IGNORED = -100


@dataclass(frozen=True)
class Collator:
    """Encoded examples as rows padded at the end; a mask would change nothing there, and make attention slower."""

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

    Trainer's own grouping draws from the global generator, so that a resumed training would see other batches.
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


def token_losses(hidden: torch.Tensor, head, targets: torch.Tensor, chunk: int = 1024) -> torch.Tensor:
    """Cross-entropy (nats, fp32) of positions ``hidden`` (N, H) with token ids ``targets`` (N,), ``chunk`` at once."""
    if len(targets) <= chunk:
        return _losses(hidden, head, targets)
    parts = zip(hidden.split(chunk), targets.split(chunk), strict=True)
    return torch.cat([checkpoint(_losses, h, head, t, use_reentrant=False) for h, t in parts])


def _losses(hidden, head, targets):
    return cross_entropy(head(hidden).float(), targets, reduction="none")


class LossHead(torch.nn.Module):
    """A model's head that, while ``labels`` are set, returns the losses of their tokens in place of logits."""

    def __init__(self, head: torch.nn.Module):
        """Wrap ``head``, the layer from hidden states to logits."""
        super().__init__()
        self.head, self.labels = head, None

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits (B, T, V); with ``labels`` (B, T) set, losses (N,) of the N labels after the first column."""
        if self.labels is None:
            return self.head(hidden)
        supervised = self.labels[:, 1:] != IGNORED
        return token_losses(hidden[:, :-1][supervised], self.head, self.labels[:, 1:][supervised])


def install(model) -> LossHead:
    """Put a ``LossHead`` in the place of a causal model's head (through PEFT, if it is wrapped) and return it.

    Raises:
        ValueError: the model changes its logits after the head, so that the head alone does not give its loss.
    """
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    for name in ("final_logit_softcapping", "logit_scale", "logits_scaling"):
        if getattr(plain.config, name, None) not in (None, 1, 1.0):
            raise ValueError(f"{plain.config.model_type} models rescale logits ({name}), which is not supported here")
    if not isinstance(plain.lm_head, LossHead):
        plain.lm_head = LossHead(plain.lm_head)
    return plain.lm_head


@dataclass
class Draws:
    """What decides the dropout masks of the rows in a pass, beside their layer: the seed, the step, each row's id."""

    seed: int
    step: int = 0
    rows: Sequence[int] = ()


class CpuDropout(torch.nn.Dropout):
    """Dropout whose mask is cheap to draw on a CPU (16 bits an element) and follows from seed, step, example and layer.

    So an adapter comes out the same, up to rounding, however an update is cut into passes, and resumed or not.
    """

    def __init__(self, p: float, draws: Draws, layer: int):
        """Drop at rate ``p``; ``draws`` is shared by all layers of a model, and set by the trainer before each pass."""
        super().__init__(p)
        self.draws, self.layer = draws, layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` (B, T, H) with each element dropped at rate ``p`` and the rest scaled by 1 / (1 - p)."""
        if not self.training or self.p == 0:
            return x
        rows, count = [], x[0].numel()
        for row in self.draws.rows or range(len(x)):  # draws of a row's first tokens do not depend on padding behind
            stream = np.random.SFC64([self.draws.seed, self.draws.step, row, self.layer])
            drawn = stream.random_raw((count + 3) // 4).view(np.int16)[:count]
            rows.append(torch.from_numpy(drawn).view(x.shape[1:]))
        dropped = torch.stack(rows) < round(self.p * 2**16) - 2**15
        return x.masked_fill(dropped, 0) * (1 / (1 - self.p))  # backward keeps only the mask, a byte an element


class CompletionTrainer(Trainer):
    """A Trainer whose loss is the mean over completion tokens of the whole update, logged by part of the target."""

    def __init__(self, *args, **options):
        """Take what Trainer takes."""
        super().__init__(*args, **options)
        self.head = install(self.model)
        # Shared by all dropout layers; without any (no dropout, or a GPU) nobody reads it.
        self.draws = next((m.draws for m in self.model.modules() if isinstance(m, CpuDropout)), Draws(0))
        self.model_accepts_loss_kwargs = True  # token-weighted accumulation: we divide by the update's token count
        self.tallies: dict[int, list[float]] = {sft.TRACE: [0.0, 0], sft.ANSWER: [0.0, 0]}

    def get_train_dataloader(self) -> DataLoader:
        """Batches in the order of ``LengthGroups``."""
        lengths = [len(example["input_ids"]) for example in self.train_dataset]
        update = self.args.train_batch_size * self.args.gradient_accumulation_steps
        batches = DataLoader(
            self.train_dataset, batch_size=self.args.train_batch_size, collate_fn=self.data_collator,
            sampler=LengthGroups(lengths, update, self.args.seed), pin_memory=self.args.dataloader_pin_memory,
        )  # fmt: skip
        return self.accelerator.prepare(batches)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Cross-entropy (nats per token) of the completion tokens, summed, over ``num_items_in_batch`` tokens."""
        parts = inputs.pop("parts")
        self.draws.step, self.draws.rows = self.state.global_step, inputs.pop("rows").tolist()
        self.head.labels = labels = inputs.pop("labels")
        try:
            out = model(**inputs, use_cache=False)
        finally:
            self.head.labels = None
        parts = parts[:, 1:][labels[:, 1:] != IGNORED]
        for part, tally in self.tallies.items():
            chosen = out.logits.detach()[parts == part]
            tally[0] += float(chosen.sum())
            tally[1] += chosen.numel()
        loss = out.logits.mean() if num_items_in_batch is None else out.logits.sum() / num_items_in_batch
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
    """How far one training is, shown by ``progress.Bar``, and the seconds spent, which checkpoints keep."""

    def __init__(self, label: str, tokens: int, resumed: str | None = None):
        """Show ``label``; the training reads ``tokens`` in all; the seconds of the checkpoint ``resumed`` count."""
        self.label, self.tokens = label, tokens
        elapsed = Path(resumed or "", "elapsed.json")
        self.before = json.loads(elapsed.read_text())["seconds"] if resumed and elapsed.exists() else 0.0
        self.started = time.time()

    @property
    def seconds(self) -> float:
        """Seconds spent on this training, earlier parts included."""
        return self.before + time.time() - self.started

    def on_save(self, args, state, control, **_):
        """Write the seconds to the checkpoint, last: a checkpoint without them broke off."""
        folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
        write_json(folder / "elapsed.json", {"seconds": self.seconds})

    def on_train_begin(self, args, state, control, **_):
        """Open the bar."""
        self.begun = state.global_step
        self.bar = Bar(self.label, state.max_steps, done=self.begun, unit="step")

    def on_log(self, args, state, control, logs=None, **_):
        """Move the bar to the step just logged."""
        read = self.tokens * (state.global_step - self.begun) / max(state.max_steps, 1)
        self.bar.at(state.global_step, round(read), (logs or {}).get("loss"))

    def on_train_end(self, args, state, control, **_):
        """Close the bar."""
        self.bar.close()
