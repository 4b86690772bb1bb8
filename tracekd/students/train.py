"""Training: QLoRA on transformers.Trainer, with the loss on the completion alone."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from peft.tuners.lora import LoraLayer
from transformers import PrinterCallback, TrainingArguments, set_seed

from tracekd.config import Recipe
from tracekd.io import disk
from tracekd.io.locks import locked
from tracekd.io.records import sha256, write_json, write_jsonl
from tracekd.machine import commit, hardware
from tracekd.students import memory, nf4, registry, sft
from tracekd.students.adapters import WEIGHTS, damaged, key, read_record, with_teacher
from tracekd.students.batches import IGNORED, Collator
from tracekd.students.trainer import CompletionTrainer, CpuDropout, Draws, Progress

log = logging.getLogger(__name__)


def features(encoded: Sequence[sft.Encoded]) -> list[dict]:
    """Numbered whole sequences for ``Collator``, with labels and parts at the target's tokens alone."""
    return [
        {
            "input_ids": [*e.prompt_ids, *e.target_ids],
            "labels": [IGNORED] * len(e.prompt_ids) + list(e.target_ids),
            "parts": [0] * len(e.prompt_ids) + list(e.parts),
            "row": row,
        }
        for row, e in enumerate(encoded)
    ]


def lora_model(student: str, recipe: Recipe, seed: int, *, checkpointing: bool = False):
    """The student, in NF4 unless the recipe says otherwise, with a fresh LoRA adapter made after the seed is set."""
    model = nf4.load(student) if recipe.quantise else registry.load_model(student, quantise=False)
    if getattr(model, "is_loaded_in_4bit", False):
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=checkpointing)
    elif checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable({"use_reentrant": False})
    set_seed(seed)
    config = LoraConfig(
        r=recipe.lora_r,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=registry.TARGETS,
        task_type="CAUSAL_LM",
    )
    with registry.quiet():
        model = get_peft_model(model, config)
    if not torch.cuda.is_available() and recipe.lora_dropout:
        draws = Draws(seed)
        for number, layer in enumerate(m for m in model.modules() if isinstance(m, LoraLayer)):
            layer.lora_dropout["default"] = CpuDropout(recipe.lora_dropout, draws, number)
    return model.train()  # bitsandbytes repacks weights in bf16, with loss, on some CPUs at the first evaluation


def processes() -> int:
    """Processes that train together, as set by ``accelerate launch`` or ``torchrun``; else 1."""
    return int(os.environ.get("WORLD_SIZE", 1))


def is_main() -> bool:
    """Whether this process, of those that train together, writes the files."""
    return int(os.environ.get("RANK", 0)) == 0


def plan(student: str, recipe: Recipe, longest: int) -> memory.Plan:
    """How one process cuts its share of an update.

    Raises:
        ValueError: the update cannot be shared evenly by the processes.
    """
    update = recipe.batch * recipe.accumulation
    if update % processes():
        raise ValueError(
            f"an update of {update} examples cannot be shared by {processes()} processes: change batch x accumulation "
            "of the recipe, or the number of processes"
        )
    config = registry.load_config(student)
    share = min(recipe.batch, update // processes())
    cut = memory.plan(config, registry.compute_dtype(student).itemsize, share, longest)
    return replace(cut, passes=update // processes() // cut.at_once)


def arguments(
    recipe: Recipe, dtype: torch.dtype, seed: int, folder: Path, steps: int, cut: memory.Plan
) -> TrainingArguments:
    """The paper's optimiser settings, with what differs between a GPU and a CPU."""
    cuda = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(recipe.warmup * steps),  # a warm-up's first step has rate 0: none where steps are few
        per_device_train_batch_size=cut.at_once,
        gradient_accumulation_steps=cut.passes,
        optim="paged_adamw_8bit" if cuda else "adamw_torch",
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,
        use_cpu=not cuda,
        ddp_backend="gloo" if processes() > 1 and not cuda else None,
        ddp_find_unused_parameters=False,
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


def whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; others are removed."""
    steps = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for path in steps:
        if (path / "elapsed.json").exists():  # written last
            return str(path)
        log.warning("%s is removed: it was not written to its end", path)
        shutil.rmtree(path, ignore_errors=True)
    return None


def train(student: str, examples: Sequence[sft.Example], recipe: Recipe, *, seed: int, folder: Path) -> dict:
    """Train one adapter, or return the record of the one that is there already.

    The adapter, its loss log (``log.jsonl``) and its record (``record.json``, written last) lie in ``folder``. If the
    record's ``key`` differs, the adapter is trained again. A killed training goes on from its last whole checkpoint.

    Returns:
        The record: key, student, teacher (who wrote the traces, "" for rules), n, tokens (supervised, total, of the
        longest target), steps, seconds, seed, mean loss over the training (nats per token), peak memory (GiB, of the
        process so far), compute (the type of the matrix products), recipe, hardware, commit.

    Raises:
        ValueError: nothing to learn, or examples beyond ``max_tokens`` (``sft.encode_all``).
        students.StudentUnavailable: see there.
    """
    examples = sft.of_seed(examples, seed)
    name = key(student, examples, recipe, seed)
    with locked(folder / "train") if processes() == 1 or is_main() else nullcontext():
        earlier = read_record(folder)
        if earlier and earlier["key"] == name:
            if (wrong := damaged(folder, earlier)) is None:
                return with_teacher(folder, earlier, examples)
            log.warning("%s is trained again: %s", folder, wrong)
        return _train(student, examples, recipe, seed, folder, name)


def _train(student, examples, recipe, seed, folder, name) -> dict:
    tokenizer = registry.load_tokenizer(student)
    encoded = sft.encode_all(examples, tokenizer, recipe.max_tokens, recipe.habits)
    checkpoints = folder / "checkpoints" / name[:16]
    resumed = whole_checkpoint(checkpoints)
    tokens = round(sum(map(len, encoded)) * recipe.epochs)
    progress = Progress("/".join(folder.parts[-3:]), tokens, resumed)
    trainer = _trainer(student, encoded, tokenizer, recipe, seed, checkpoints, progress)
    with disk.writing(checkpoints):
        trainer.train(resume_from_checkpoint=resumed)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    record = {
        "key": name, "student": student, "seed": seed, "teacher": sft.teacher_of(examples), "n": len(encoded),
        "supervised_tokens": sum(len(e.target_ids) for e in encoded), "total_tokens": sum(map(len, encoded)),
        "longest_target": max(len(e.target_ids) for e in encoded),
        "epochs": recipe.epochs, "steps": trainer.state.global_step, "seconds": round(progress.seconds, 1),
        "mean_loss": sum(losses) / len(losses), "peak_gib": memory.peak(), "processes": processes(),
        "compute": str(registry.compute_dtype(student)).removeprefix("torch."),
        "recipe": asdict(recipe), "hardware": hardware(), "commit": commit(),
    }  # fmt: skip
    with disk.writing(folder):
        return _save(trainer, folder, record)


def _trainer(student, encoded, tokenizer, recipe, seed, folder, progress=None) -> CompletionTrainer:
    updates = -(-len(encoded) // (recipe.batch * recipe.accumulation)) * recipe.epochs
    cut = plan(student, recipe, max(map(len, encoded)))
    model = lora_model(student, recipe, seed, checkpointing=cut.checkpointing)
    trainer = CompletionTrainer(
        model=model,
        args=arguments(recipe, registry.compute_dtype(student), seed, folder, int(updates), cut),
        train_dataset=features(encoded),
        data_collator=Collator(tokenizer.pad_token_id),
        callbacks=[progress] if progress else None,
    )
    trainer.remove_callback(PrinterCallback)  # it prints every step; the log file has them
    return trainer


def _save(trainer: CompletionTrainer, folder: Path, record: dict) -> dict:
    """Write the adapter, then its log, then the record, whose presence means complete; remove the checkpoints."""
    if trainer.is_fsdp_enabled:
        trainer.save_model(str(folder))  # gathers the shards, on all processes
    trainer.accelerator.wait_for_everyone()
    if not trainer.is_world_process_zero():
        return record
    (folder / "record.json").unlink(missing_ok=True)
    if not trainer.is_fsdp_enabled:
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder)
    fields = ("step", "loss", "trace_loss", "answer_loss", "learning_rate", "grad_norm")
    rows = [{f: entry.get(f) for f in fields} for entry in trainer.state.log_history if "loss" in entry]
    write_jsonl(folder / "log.jsonl", rows)
    record = {**record, "weights": sha256(folder / WEIGHTS)}
    write_json(folder / "record.json", record)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return record
