"""What training adds to ``transformers.Trainer``: batches of like lengths, the loss on completions alone, progress."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback

from tracekd.io.records import write_json
from tracekd.progress import Bar
from tracekd.students import sft

IGNORED = -100


@dataclass(frozen=True)
class Collator:
    """Numbered encoded examples as rows padded at the end; a mask would change nothing there, and cost time."""

    pad: int

    def __call__(self, examples: Sequence[tuple[int, sft.Encoded]]) -> dict[str, torch.Tensor]:
        """Return ``input_ids``, ``labels``, ``parts`` (of targets), each (B, T), and ``rows`` (B), the numbers."""
        columns = {"input_ids": [], "labels": [], "parts": []}
        for _, e in examples:
            read = len(e.prompt_ids)
            columns["input_ids"].append(torch.tensor(e.prompt_ids + e.target_ids))
            columns["labels"].append(torch.tensor((IGNORED,) * read + e.target_ids))
            columns["parts"].append(torch.tensor((0,) * read + e.parts))
        fills = {"input_ids": self.pad, "labels": IGNORED, "parts": 0}
        padded = {name: pad_sequence(columns[name], batch_first=True, padding_value=fills[name]) for name in columns}
        return {**padded, "rows": torch.tensor([row for row, _ in examples])}


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
        size, span = self.batch, self.SPAN * self.batch
        spans = (order[first : first + span] for first in range(0, len(order), span))
        grouped = [index for part in spans for index in sorted(part, key=lambda i: -self.lengths[i])]
        whole = len(grouped) // size
        shuffled = [grouped[size * i : size * (i + 1)] for i in torch.randperm(whole, generator=draws).tolist()]
        return chain(*shuffled, grouped[size * whole :])


def token_losses(hidden: torch.Tensor, head, targets: torch.Tensor, chunk: int = 1024) -> torch.Tensor:
    """Cross-entropy (nats, fp32) of positions ``hidden`` (N, H) with token ids ``targets`` (N,), ``chunk`` at once."""

    def losses(states, ids):
        return cross_entropy(head(states).float(), ids, reduction="none")

    if len(targets) <= chunk:
        return losses(hidden, targets)
    parts = zip(hidden.split(chunk), targets.split(chunk), strict=True)
    return torch.cat([checkpoint(losses, *part, use_reentrant=False) for part in parts])


def parts_of(model) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The transformer and the head of a causal model (also within PEFT); ValueError where logits are more than both."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    for name in ("final_logit_softcapping", "logit_scale", "logits_scaling"):
        if getattr(plain.config, name, None) not in (None, 1, 1.0):
            raise ValueError(f"{plain.config.model_type} models rescale logits ({name}), which is not supported here")
    return plain.base_model, plain.get_output_embeddings()


class CpuDropout(torch.nn.Dropout):
    """Dropout whose mask is cheap to draw on a CPU (16 bits an element) and follows from seed, step, example and layer.

    So an adapter comes out the same, up to rounding, however an update is cut into passes, and resumed or not.
    """

    def __init__(self, p: float, seed: int, layer: int):
        """Drop at rate ``p`` by ``seed`` and number of the layer; the trainer sets ``step`` and ``rows`` (numbers)."""
        super().__init__(p)
        self.seed, self.layer, self.step, self.rows = seed, layer, 0, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` (B, T, H) with each element dropped at rate ``p`` and the rest scaled by 1 / (1 - p)."""
        if not self.training or self.p == 0:
            return x
        masks, count = [], x[0].numel()
        for row in self.rows or range(len(x)):  # draws of a row's first tokens do not depend on padding behind
            stream = np.random.SFC64([self.seed, self.step, row, self.layer])
            drawn = stream.random_raw((count + 3) // 4).view(np.int16)[:count]
            masks.append(torch.from_numpy(drawn).view(x.shape[1:]))
        dropped = torch.stack(masks) < round(self.p * 2**16) - 2**15
        return x.masked_fill(dropped, 0) * (1 / (1 - self.p))  # backward keeps only the mask, a byte an element


class CompletionTrainer(Trainer):
    """A Trainer whose loss is the mean over completion tokens of the whole update, logged by part of the target."""

    def __init__(self, *args, **options):
        """Take what Trainer takes."""
        super().__init__(*args, **options)
        self.body, self.head = parts_of(self.model)
        self.dropouts = [m for m in self.model.modules() if isinstance(m, CpuDropout)]
        self.model_accepts_loss_kwargs = True  # token-weighted accumulation: we divide by the update's token count
        self.tallies: dict[int, list[float]] = {sft.TRACE: [0.0, 0], sft.ANSWER: [0.0, 0]}

    def get_train_dataloader(self) -> DataLoader:
        """Batches in the order of ``LengthGroups``."""
        lengths = [len(example) for _, example in self.train_dataset]
        update = self.args.train_batch_size * self.args.gradient_accumulation_steps
        batches = DataLoader(
            self.train_dataset, batch_size=self.args.train_batch_size, collate_fn=self.data_collator,
            sampler=LengthGroups(lengths, update, self.args.seed), pin_memory=self.args.dataloader_pin_memory,
        )  # fmt: skip
        return self.accelerator.prepare(batches)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Cross-entropy (nats per token) of the completion tokens, summed, over ``num_items_in_batch`` tokens."""
        rows, labels = inputs.pop("rows").tolist(), inputs.pop("labels")[:, 1:]
        for layer in self.dropouts:
            layer.step, layer.rows = self.state.global_step, rows
        learned = labels != IGNORED
        parts = inputs.pop("parts")[:, 1:][learned]
        with self.accelerator.autocast():  # which Trainer puts around the whole model alone
            hidden = self.body(**inputs, use_cache=False).last_hidden_state
            losses = token_losses(hidden[:, :-1][learned], self.head, labels[learned])
        for part, tally in self.tallies.items():
            chosen = losses.detach()[parts == part]
            tally[0] += float(chosen.sum())
            tally[1] += chosen.numel()
        loss = losses.mean() if num_items_in_batch is None else losses.sum() / num_items_in_batch
        return (loss, losses) if return_outputs else loss

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
        self.before = json.loads(Path(resumed, "elapsed.json").read_text())["seconds"] if resumed else 0.0
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
