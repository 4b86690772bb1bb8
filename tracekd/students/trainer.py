"""The Trainer's parts: the loss on completions alone, cheap dropout, progress and its cost."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback

from tracekd.io.records import write_json
from tracekd.progress import Bar
from tracekd.students import losses, sft
from tracekd.students.batches import IGNORED, LengthGroups


@dataclass
class Draws:
    """What decides the dropout masks of the rows in a pass, beside their layer: the seed, the step, each row's id."""

    seed: int
    step: int = 0
    rows: Sequence[int] = ()


class CpuDropout(torch.nn.Dropout):
    """Dropout whose mask is cheap to draw on a CPU and follows from seed, step, example and layer alone.

    PyTorch draws an element at a time, a sixth of a training step here; this takes 16 bits an element from numpy's
    SFC64, which keeps the rate to 2^-16. An adapter comes out the same, up to rounding, however an update is cut into
    passes and processes, and resumed or not.
    """

    def __init__(self, p: float, draws: Draws, layer: int):
        """Drop at rate ``p``; ``draws`` is shared by all layers of a model, and set by the trainer before each pass."""
        super().__init__(p)
        self.draws, self.layer = draws, layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` (B, T, H) with each element dropped at rate ``p`` and the rest scaled by 1 / (1 - p)."""
        if not self.training or self.p == 0:
            return x
        rows = [self._row(x[0].numel(), row).view(x.shape[1:]) for row in self.draws.rows or range(len(x))]
        dropped = (torch.stack(rows) if len(rows) > 1 else rows[0][None]) < round(self.p * 2**16) - 2**15
        return x.masked_fill(dropped, 0) * (1 / (1 - self.p))  # backward keeps only the mask, a byte an element

    def _row(self, count: int, row: int) -> torch.Tensor:
        """Uniform draws of 16 bits; those of a row's first tokens do not depend on the padding behind them."""
        stream = np.random.SFC64([self.draws.seed, self.draws.step, row, self.layer])
        return torch.from_numpy(stream.random_raw((count + 3) // 4).view(np.int16)[:count])


class CompletionTrainer(Trainer):
    """A Trainer whose loss is the mean over completion tokens of the whole update, logged by part of the target."""

    def __init__(self, *args, **options):
        """Take what Trainer takes."""
        super().__init__(*args, **options)
        self.head = losses.install(self.model)
        # Shared by all dropout layers; without any (no dropout, or a GPU) nobody reads it.
        self.draws = next((m.draws for m in self.model.modules() if isinstance(m, CpuDropout)), Draws(0))
        self.model_accepts_loss_kwargs = True  # token-weighted accumulation: we divide by the update's token count
        self.tallies: dict[int, list[float]] = {sft.TRACE: [0.0, 0], sft.ANSWER: [0.0, 0]}

    def get_train_dataloader(self) -> DataLoader:
        """Batches in the order of ``LengthGroups``, shared by the processes."""
        lengths = [len(example["input_ids"]) for example in self.train_dataset]
        update = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        batches = DataLoader(
            self.train_dataset, batch_size=self.args.train_batch_size, collate_fn=self.data_collator,
            sampler=LengthGroups(lengths, update, self.args.seed), pin_memory=self.args.dataloader_pin_memory,
        )  # fmt: skip
        return self.accelerator.prepare(batches)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Cross-entropy (nats per token) of the completion tokens, summed, over ``num_items_in_batch`` tokens.

        Processes average their gradients, so each one's share of the update's sum is multiplied by their number.
        """
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
        if num_items_in_batch is None:
            loss = out.logits.mean()
        else:
            loss = out.logits.sum() / num_items_in_batch * self.accelerator.num_processes
        return (loss, out) if return_outputs else loss

    def log(self, logs, start_time=None):
        """Add each part's mean loss since the last entry, over all processes, to what Trainer logs."""
        if "loss" in logs:
            for name, part in (("trace_loss", sft.TRACE), ("answer_loss", sft.ANSWER)):
                sums = torch.tensor(self.tallies[part], device=self.accelerator.device, dtype=torch.float64)
                total, count = self.accelerator.reduce(sums, "sum").tolist()
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
        """Write the seconds to the checkpoint, last, once all processes have written their parts."""
        folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero and folder.is_dir():
            write_json(folder / "elapsed.json", {"seconds": self.seconds})

    def on_train_begin(self, args, state, control, **_):
        """Open the bar."""
        self.begun = state.global_step
        hidden = not state.is_world_process_zero
        self.bar = Bar(self.label, state.max_steps, done=self.begun, unit="step", hidden=hidden)

    def on_log(self, args, state, control, logs=None, **_):
        """Move the bar to the step just logged."""
        read = self.tokens * (state.global_step - self.begun) / max(state.max_steps, 1)
        self.bar.at(state.global_step, round(read), (logs or {}).get("loss"))

    def on_train_end(self, args, state, control, **_):
        """Close the bar."""
        self.bar.close()
