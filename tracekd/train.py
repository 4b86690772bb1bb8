"""Training: QLoRA on transformers.Trainer, with the loss on the completion alone."""

from __future__ import annotations

import json
import logging
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from peft.tuners.lora import LoraLayer
from torch.nn.functional import cross_entropy
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from tracekd import sft, students
from tracekd.artefacts import commit, hardware
from tracekd.problems import datasets_of
from tracekd.profiles import Recipe
from tracekd.records import replacing, sha256, write_json, write_jsonl

log = logging.getLogger(__name__)
IGNORED = -100
# Activations of one token, all layers, without checkpointing: measured on SmolLM2-135M in fp32, rounded up.
BYTES_A_TOKEN = 3 * 2**20
VERSION = 2  # raise it when a change here changes what an adapter comes out as


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


class CompletionTrainer(Trainer):
    """A Trainer whose loss is the mean over completion tokens of the whole update, kept apart by part."""

    def __init__(self, *args, **options):
        """Take what Trainer takes."""
        super().__init__(*args, **options)
        self.model_accepts_loss_kwargs = True  # token-weighted accumulation: we divide by the update's token count
        self.tallies: dict[int, list[float]] = {sft.TRACE: [0.0, 0], sft.ANSWER: [0.0, 0]}

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
    """One tqdm bar a training, with rate and time left, that also reads well in a log."""

    def __init__(self, label: str):
        """Show ``label`` before the bar."""
        self.label = label

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


def features(encoded: Sequence[sft.Encoded]) -> list[dict]:
    """What the Collator takes: whole sequences, with labels and parts for the target alone."""
    return [
        {"input_ids": [*e.prompt_ids, *e.target_ids], "labels": list(e.target_ids), "parts": list(e.parts)}
        for e in encoded
    ]


def lora_model(student: str, recipe: Recipe, seed: int):
    """The student in NF4 with a fresh LoRA adapter; the seed is set before the adapter is made."""
    model = students.load_model(student, quantise=True)
    # Checkpointing trades time for memory, which a small student on short examples has no need to.
    big = sum(p.numel() for p in model.parameters()) > 5e8
    model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=big)
    set_seed(seed)
    config = LoraConfig(
        r=recipe.lora_r,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=students.TARGETS,
        task_type="CAUSAL_LM",
    )
    with students.quiet():
        model = get_peft_model(model, config)
    if not torch.cuda.is_available() and recipe.lora_dropout:
        for layer in model.modules():
            if isinstance(layer, LoraLayer):
                layer.lora_dropout["default"] = CpuDropout(recipe.lora_dropout)
    return model


def micro_batch(batch: int, longest: int) -> int:
    """The most examples of a batch that go through the student at once, by memory: a divisor of ``batch``.

    The rest of the batch follows in further passes of the same update. The loss is weighted by tokens, so the
    update is the same. On a CPU a sixth of the memory may go to activations, so that a laptop stays usable.
    """
    cuda = torch.cuda.is_available()
    memory = torch.cuda.get_device_properties(0).total_memory if cuda else psutil.virtual_memory().total / 6
    fits = memory / BYTES_A_TOKEN / longest
    return max((d for d in range(1, batch + 1) if batch % d == 0 and d <= fits), default=1)


def arguments(recipe: Recipe, seed: int, folder: Path, steps: int, longest: int) -> TrainingArguments:
    """The paper's optimiser settings, with what differs between a GPU and a CPU."""
    cuda = torch.cuda.is_available()
    at_once = micro_batch(recipe.batch, longest)
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, round(recipe.warmup * steps)),
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=recipe.accumulation * recipe.batch // at_once,
        optim="paged_adamw_8bit" if cuda else "adamw_torch",
        bf16=cuda and torch.cuda.is_bf16_supported(),
        use_cpu=not cuda,
        dataloader_pin_memory=cuda,
        train_sampling_strategy="group_by_length",
        seed=seed,
        logging_steps=1,
        logging_first_step=True,
        save_steps=max(10, steps // 4),
        save_total_limit=1,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
    )


def train(student: str, examples: Sequence[sft.Example], recipe: Recipe, *, seed: int, folder: Path) -> dict:
    """Train one adapter, or return the record of the one that is there already.

    The adapter, its loss log (``log.jsonl``) and its record (``record.json``, written last) lie in ``folder``. The
    record's key covers student, examples, recipe and seed: where it differs, the adapter is trained anew.

    Returns:
        The record: key, student, n, tokens (supervised and total), steps, seconds, seed, final loss, hardware, commit.

    Raises:
        ValueError: nothing to learn, or examples beyond ``max_tokens``: see ``sft.encode_all``.
        students.StudentUnavailable: see there.
    """
    key = sha256([VERSION, student, asdict(recipe), seed, [asdict(e) for e in examples]])
    if (kept := read_record(folder)) and kept["key"] == key:
        return kept
    tokenizer = students.load_tokenizer(student)
    encoded = sft.encode_all(examples, tokenizer, recipe.max_tokens)
    checkpoints = folder / "checkpoints" / key[:16]
    started = time.time()
    trainer = _trainer(student, encoded, tokenizer, recipe, seed, checkpoints, label="/".join(folder.parts[-3:]))
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None)
    record = {
        "key": key, "student": student, "seed": seed, "n": len(encoded),
        "supervised_tokens": sum(len(e.target_ids) for e in encoded), "total_tokens": sum(map(len, encoded)),
        "epochs": recipe.epochs, "steps": trainer.state.global_step, "seconds": round(time.time() - started, 1),
        "peak_gib": peak_memory(), "final_loss": trainer.state.log_history[-1]["train_loss"], "recipe": asdict(recipe),
        "hardware": hardware(), "commit": commit(),
    }  # fmt: skip
    _keep(trainer, folder, record)
    return record


def peak_memory() -> float:
    """Peak memory so far in GiB: allocated on the GPU, else the whole process."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**30, 2)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30, 2)


def _trainer(student, encoded, tokenizer, recipe, seed, folder, label) -> CompletionTrainer:
    updates = -(-len(encoded) // (recipe.batch * recipe.accumulation)) * recipe.epochs
    trainer = CompletionTrainer(
        model=lora_model(student, recipe, seed),
        args=arguments(recipe, seed, folder, int(updates), max(map(len, encoded))),
        train_dataset=features(encoded),
        data_collator=Collator(tokenizer.pad_token_id),
        callbacks=[Progress(label)],
    )
    trainer.remove_callback(PrinterCallback)  # it prints every step; the log file has them
    return trainer


def _keep(trainer: CompletionTrainer, folder: Path, record: dict) -> None:
    """Write the adapter, then its log, then the record whose presence means complete; drop the checkpoints."""
    trainer.model.save_pretrained(folder)
    fields = ("step", "loss", "trace_loss", "answer_loss", "learning_rate", "grad_norm")
    rows = [{f: entry.get(f) for f in fields} for entry in trainer.state.log_history if "loss" in entry]
    write_jsonl(folder / "log.jsonl", rows)
    with replacing(folder / "record.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1))
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def read_record(folder: Path) -> dict | None:
    """The record of a finished training in ``folder``, else None."""
    path = folder / "record.json"
    return json.loads(path.read_text()) if path.exists() else None


def adapter_path(run, dataset: str, condition: str, seed: int) -> Path:
    """Where a run keeps one adapter."""
    return run.path("adapters", dataset, condition, f"seed{seed}", "record.json").parent


def train_grid(run):
    """Train every adapter of a run that is not there yet: data sets x conditions x seeds.

    Returns:
        A ``pandas.DataFrame``, one row an adapter: dataset, condition, seed and the record's columns.
    """
    import pandas as pd

    rows = []
    for dataset in datasets_of(run.source):
        for condition in run.profile.conditions:
            examples = sft.read_set(run, dataset, condition)
            for seed in run.profile.seeds:
                folder = adapter_path(run, dataset, condition, seed)
                record = train(run.student, examples, run.profile.recipe, seed=seed, folder=folder)
                rows.append({"dataset": dataset, "condition": condition, **record})
    frame = pd.DataFrame(rows).drop(columns=["recipe", "key"])
    write_json(run.path("adapters", "SOURCE.json"), {"source": run.source, "seed": run.seed})
    return frame
