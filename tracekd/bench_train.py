"""Training against its peers: the same student, data, LoRA and batch, in turns within one process."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import TrainerCallback

from tracekd import batches, meter, sft, students, train
from tracekd.profiles import Recipe

PEERS = ("trl", "trl_best")


class Clock(TrainerCallback):
    """Seconds of each update."""

    def __init__(self):
        """Begin with none."""
        self.seconds: list[float] = []

    def on_step_begin(self, *_, **__):
        """Start the clock."""
        meter.synchronise()
        self.started = time.perf_counter()

    def on_step_end(self, *_, **__):
        """Note the update's seconds."""
        meter.synchronise()
        self.seconds.append(time.perf_counter() - self.started)


class Counting:
    """A collator that counts what it is given and what it makes."""

    def __init__(self, collator):
        """Pass everything on to ``collator``."""
        self.collator, self.real, self.computed, self.supervised = collator, [], [], []

    def __call__(self, examples):
        """Collate, and count tokens: real, computed (padding included) and with a label."""
        made = self.collator(examples)
        self.real.append(sum(len(e["input_ids"]) for e in examples))
        self.computed.append(made["input_ids"].numel())
        self.supervised.append(int((made["labels"] != batches.IGNORED).sum()))
        return made


def ours(student: str, encoded: Sequence[sft.Encoded], recipe: Recipe, seed: int, folder: Path):
    """Our trainer, as ``train.train`` makes it."""
    return train._trainer(student, encoded, students.load_tokenizer(student), recipe, seed, folder)


def trl(student: str, encoded: Sequence[sft.Encoded], recipe: Recipe, seed: int, folder: Path, *, best: bool = False):
    """TRL's SFTTrainer on the same tokens and labels, at its defaults or at its ``best`` setting for this hardware.

    The defaults are TRL's own: gradient checkpointing, bf16 autocast, random order. ``best`` takes what is faster
    here: no checkpointing, like lengths together, bf16 only on a GPU.

    Raises:
        ModuleNotFoundError: TRL is not installed; it is a peer, not a requirement.
    """
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    rows = [{k: f[k] for k in ("input_ids", "labels")} for f in train.features(encoded)]
    cuda = torch.cuda.is_available()
    setting = {"gradient_checkpointing": False, "bf16": cuda, "train_sampling_strategy": "group_by_length"}
    config = SFTConfig(
        output_dir=str(folder), per_device_train_batch_size=recipe.batch, num_train_epochs=recipe.epochs,
        gradient_accumulation_steps=recipe.accumulation, learning_rate=recipe.learning_rate, use_cpu=not cuda,
        seed=seed, report_to="none", logging_steps=1, save_strategy="no", disable_tqdm=True, max_length=None,
        dataloader_pin_memory=cuda, **(setting if best else {}),
    )  # fmt: skip
    lora = LoraConfig(
        r=recipe.lora_r, lora_alpha=recipe.lora_alpha, lora_dropout=recipe.lora_dropout,
        target_modules=students.TARGETS, task_type="CAUSAL_LM",
    )  # fmt: skip
    model = students.load_model(student, quantise=recipe.quantise)
    tokenizer = students.load_tokenizer(student)
    return SFTTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(rows), peft_config=lora, processing_class=tokenizer
    )


MAKERS = {
    "ours": ours,
    "trl": trl,
    "trl_best": lambda *args: trl(*args, best=True),
}


def turn(name: str, student: str, encoded: Sequence[sft.Encoded], recipe: Recipe, seed: int) -> dict:
    """One contender's turn: an epoch over ``encoded``; the first update, which warms up, is left out of the rates.

    Returns:
        A dictionary: trainer, tokens_per_second and supervised_per_second (real tokens, padding not counted; the
        median over updates, since shared machines stall), seconds_per_step (median), peak_gib (above what stood
        before the model was loaded), padding (share of computed tokens), operations_per_second (those that the
        update needs, see ``meter.operations``), steps.
    """
    memory = meter.Memory()
    with tempfile.TemporaryDirectory() as folder, memory.watched():
        trainer = MAKERS[name](student, encoded, recipe, seed, Path(folder))
        trainer.data_collator = counts = Counting(trainer.data_collator)
        clock = Clock()
        trainer.add_callback(clock)
        with students.quiet():
            trainer.train()
    passes = len(counts.real) // len(clock.seconds)
    real, supervised = (_by_step(tokens, passes) for tokens in (counts.real, counts.supervised))
    rate = statistics.median(n / s for n, s in zip(real[1:], clock.seconds[1:], strict=True))
    needed = meter.operations(trainer.model, [len(e) for e in encoded], sum(len(e.target_ids) for e in encoded))
    return {
        "trainer": name, "tokens_per_second": rate, "supervised_per_second": rate * sum(supervised) / sum(real),
        "seconds_per_step": statistics.median(clock.seconds[1:]), "peak_gib": memory.gib,
        "padding": 1 - sum(counts.real) / sum(counts.computed),
        "operations_per_second": needed / sum(map(len, encoded)) * rate, "steps": len(clock.seconds),
    }  # fmt: skip


def _by_step(tokens: list[int], passes: int) -> list[int]:
    return [sum(tokens[first : first + passes]) for first in range(0, len(tokens), passes)]


def losses_on_one_batch(student: str, encoded: Sequence[sft.Encoded], recipe: Recipe, seed: int) -> dict[str, float]:
    """The loss (nats a token) that each trainer finds on the same examples, in fp32, before any training.

    A new adapter adds nothing, so that its random values and its dropout play no part.
    """
    found = {}
    for name in ("ours", "trl_best"):
        with tempfile.TemporaryDirectory() as folder:
            trainer = MAKERS[name](student, encoded, recipe, seed, Path(folder))
            trainer.model.train()
            rows = train.features(encoded) if name == "ours" else list(trainer.train_dataset)
            batch = {k: v.to(trainer.model.device) for k, v in trainer.data_collator(rows).items()}
            found[name] = float(trainer.compute_loss(trainer.model, batch).detach())
    return found
