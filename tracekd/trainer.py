"""The Trainer's parts: the loss on completions alone, cheap dropout, progress and its cost."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
from transformers import Trainer, TrainerCallback

from tracekd import losses, seals, sft
from tracekd.batches import IGNORED, LengthGroups
from tracekd.records import write_json


class CpuDropout(torch.nn.Dropout):
    """Dropout whose mask is cheap to draw on a CPU: 16 bits an element from numpy's SFC64.

    PyTorch's CPU Bernoulli spends one serial draw an element, a sixth of a training step here. The rate is kept to
    2^-16. Each mask's seed is drawn from torch's own generator, so that ``torch.manual_seed`` and checkpoints decide
    it like any other draw.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` with each element dropped at rate ``p`` and the rest scaled by 1 / (1 - p)."""
        if not self.training or self.p == 0:
            return x
        seed = int(torch.empty((), dtype=torch.int64).random_())
        draws = torch.from_numpy(np.random.SFC64(seed).random_raw((x.numel() + 3) // 4).view(np.int16))
        dropped = draws[: x.numel()].view(x.shape) < round(self.p * 2**16) - 2**15
        return x.masked_fill(dropped, 0) * (1 / (1 - self.p))  # backward keeps the mask alone, a byte an element


class CompletionTrainer(Trainer):
    """A Trainer whose loss is the mean over completion tokens of the whole update, kept apart by part."""

    def __init__(self, *args, **options):
        """Take what Trainer takes."""
        super().__init__(*args, **options)
        self.head = losses.install(self.model)
        self.model_accepts_loss_kwargs = True  # token-weighted accumulation: we divide by the update's token count
        self.tallies: dict[int, list[float]] = {sft.TRACE: [0.0, 0], sft.ANSWER: [0.0, 0]}

    def _get_train_sampler(self, train_dataset=None):
        lengths = [len(example["input_ids"]) for example in self.train_dataset]
        update = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return LengthGroups(lengths, update, self.args.seed)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Cross-entropy (nats a token) of the completion tokens, summed, over ``num_items_in_batch`` tokens.

        Processes average their gradients, so each one's share of the update's sum is multiplied by their number.
        """
        parts = inputs.pop("parts")
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
                total, count = self._over_processes(self.tallies[part])
                logs[name] = total / count if count else None
                self.tallies[part] = [0.0, 0]
        super().log(logs, start_time)

    def _over_processes(self, tally: list[float]) -> list[float]:
        if self.accelerator.num_processes == 1:
            return tally
        return self.accelerator.reduce(torch.tensor(tally, device=self.accelerator.device), "sum").tolist()


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
        """Note the seconds beside the checkpoint and seal it, when all processes have written their parts of it."""
        folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if state.is_world_process_zero and folder.is_dir():
            write_json(folder / "elapsed.json", {"seconds": self.seconds})
            seals.seal(folder)

    def on_train_begin(self, args, state, control, **_):
        """Open the bar."""
        from tqdm import tqdm

        total, done, others = state.max_steps, state.global_step, not state.is_world_process_zero
        self.bar = tqdm(total=total, initial=done, desc=self.label, unit="step", mininterval=5, disable=others)

    def on_log(self, args, state, control, logs=None, **_):
        """Move the bar to the step just logged."""
        if "loss" in (logs or {}):
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}", refresh=False)
        self.bar.update(state.global_step - self.bar.n)

    def on_train_end(self, args, state, control, **_):
        """Close the bar."""
        self.bar.close()
