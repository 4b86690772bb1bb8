"""Training: QLoRA on transformers.Trainer, with the loss on the completion alone."""

from __future__ import annotations

import json
import logging
import resource
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import psutil
import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from peft.tuners.lora import LoraLayer
from transformers import PrinterCallback, TrainingArguments, set_seed

from tracekd import sft, students
from tracekd.artefacts import commit, hardware
from tracekd.profiles import Recipe
from tracekd.records import sha256, write_json, write_jsonl
from tracekd.trainer import Collator, CompletionTrainer, CpuDropout, Progress

log = logging.getLogger(__name__)
# Activations of one token, all layers, without checkpointing: measured on SmolLM2-135M in fp32, rounded up.
BYTES_A_TOKEN = 3 * 2**20
VERSION = 4  # raise it when a change here changes what an adapter comes out as
# The part of a recipe that decides an adapter; the rest is about generation, or only a limit.
DECIDES = ("epochs", "learning_rate", "batch", "accumulation", "warmup", "lora_r", "lora_alpha", "lora_dropout")


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
    update is the same. On a CPU a third of the memory may go to activations, so that a laptop stays usable.
    """
    cuda = torch.cuda.is_available()
    memory = torch.cuda.get_device_properties(0).total_memory if cuda else psutil.virtual_memory().total / 3
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
        bf16=students.compute_dtype() == torch.bfloat16,
        fp16=students.compute_dtype() == torch.float16,
        use_cpu=not cuda,
        dataloader_pin_memory=cuda,
        seed=seed,
        logging_steps=1,
        logging_first_step=True,
        save_steps=max(10, steps // 4),
        save_total_limit=1,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
    )


def key(student: str, examples: Sequence[sft.Example], recipe: Recipe, seed: int) -> str:
    """A hash of everything that decides an adapter: student, examples, recipe, seed and the version of this code."""
    decisive = {name: getattr(recipe, name) for name in DECIDES}
    return sha256([VERSION, students.identity(student), decisive, seed, [asdict(e) for e in examples]])


def whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; torn ones, left by a kill, are removed.

    Trainer writes ``trainer_state.json`` last, so its presence tells.
    """
    steps = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for path in steps:
        try:
            json.loads((path / "trainer_state.json").read_text())
            return str(path)
        except (OSError, ValueError):
            log.warning("%s is torn and is removed", path.name)
            shutil.rmtree(path, ignore_errors=True)
    return None


def train(student: str, examples: Sequence[sft.Example], recipe: Recipe, *, seed: int, folder: Path) -> dict:
    """Train one adapter, or return the record of the one that is there already.

    The adapter, its loss log (``log.jsonl``) and its record (``record.json``, written last) lie in ``folder``. Where
    the record's ``key`` differs, the adapter is trained anew. A killed training goes on from its last whole checkpoint.

    Returns:
        The record: key, student, n, tokens (supervised and total), steps, seconds, seed, mean loss over the training
        (nats a token), peak memory (GiB, of the process so far), recipe, hardware, commit.

    Raises:
        ValueError: nothing to learn, or examples beyond ``max_tokens``: see ``sft.encode_all``.
        students.StudentUnavailable: see there.
    """
    name = key(student, examples, recipe, seed)
    if (kept := read_record(folder)) and kept["key"] == name:
        return kept
    tokenizer = students.load_tokenizer(student)
    encoded = sft.encode_all(examples, tokenizer, recipe.max_tokens)
    checkpoints = folder / "checkpoints" / name[:16]
    resumed = whole_checkpoint(checkpoints)
    progress = Progress("/".join(folder.parts[-3:]), resumed)
    trainer = _trainer(student, encoded, tokenizer, recipe, seed, checkpoints, progress)
    trainer.train(resume_from_checkpoint=resumed)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    record = {
        "key": name, "student": student, "seed": seed, "n": len(encoded),
        "supervised_tokens": sum(len(e.target_ids) for e in encoded), "total_tokens": sum(map(len, encoded)),
        "epochs": recipe.epochs, "steps": trainer.state.global_step, "seconds": round(progress.seconds, 1),
        "mean_loss": sum(losses) / len(losses), "peak_gib": peak_memory(), "recipe": asdict(recipe),
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


def _trainer(student, encoded, tokenizer, recipe, seed, folder, progress=None) -> CompletionTrainer:
    updates = -(-len(encoded) // (recipe.batch * recipe.accumulation)) * recipe.epochs
    trainer = CompletionTrainer(
        model=lora_model(student, recipe, seed),
        args=arguments(recipe, seed, folder, int(updates), max(map(len, encoded))),
        train_dataset=features(encoded),
        data_collator=Collator(tokenizer.pad_token_id),
        callbacks=[progress] if progress else None,
    )
    trainer.remove_callback(PrinterCallback)  # it prints every step; the log file has them
    return trainer


def _keep(trainer: CompletionTrainer, folder: Path, record: dict) -> None:
    """Write the adapter, then its log, then the record whose presence means complete; drop the checkpoints."""
    (folder / "record.json").unlink(missing_ok=True)
    trainer.model.save_pretrained(folder)
    fields = ("step", "loss", "trace_loss", "answer_loss", "learning_rate", "grad_norm")
    rows = [{f: entry.get(f) for f in fields} for entry in trainer.state.log_history if "loss" in entry]
    write_jsonl(folder / "log.jsonl", rows)
    write_json(folder / "record.json", record)
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

    An adapter of other examples, another student or another recipe is trained anew.

    Returns:
        A ``pandas.DataFrame``, one row an adapter: dataset, condition, seed and the record's columns.
    """
    import pandas as pd

    sets, rows = sft.kept(run), []
    for (dataset, condition), examples in sets.items():
        for seed in run.profile.seeds:
            folder = adapter_path(run, dataset, condition, seed)
            record = train(run.student, examples, run.profile.recipe, seed=seed, folder=folder)
            rows.append({"dataset": dataset, "condition": condition, **record})
    return pd.DataFrame(rows).drop(columns=["recipe", "key"])
