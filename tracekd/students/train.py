"""Training: QLoRA on transformers.Trainer, with the loss on the completion alone."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from peft.tuners.lora import LoraLayer
from transformers import PrinterCallback, TrainingArguments, set_seed

from tracekd import machine
from tracekd.config import Recipe
from tracekd.io.records import locked, sha256, write_json, write_jsonl, writing
from tracekd.students import registry, sft
from tracekd.students.records import WEIGHTS, adapter_key, damaged, read_record
from tracekd.students.trainer import Collator, CompletionTrainer, CpuDropout, Progress

log = logging.getLogger(__name__)


def lora_config(recipe: Recipe) -> LoraConfig:
    """The recipe's LoRA on all seven projections."""
    return LoraConfig(
        r=recipe.lora_r, lora_alpha=recipe.lora_alpha, lora_dropout=recipe.lora_dropout,
        target_modules=registry.TARGETS, task_type="CAUSAL_LM",
    )  # fmt: skip


def lora_model(student: str, recipe: Recipe, seed: int, *, checkpointing: bool = False):
    """The student, in NF4 unless the recipe says otherwise, with a fresh LoRA adapter made after the seed is set."""
    model = registry.load_base(student, recipe.quantise)
    if getattr(model, "is_loaded_in_4bit", False):
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=checkpointing)
    elif checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable({"use_reentrant": False})
    set_seed(seed)
    model = get_peft_model(model, lora_config(recipe))
    if not torch.cuda.is_available() and recipe.lora_dropout:
        for number, layer in enumerate(m for m in model.modules() if isinstance(m, LoraLayer)):
            layer.lora_dropout["default"] = CpuDropout(recipe.lora_dropout, seed, number)
    return model.train()  # bitsandbytes repacks weights in bf16, with loss, on some CPUs at the first evaluation


def trainer_of(
    student: str, encoded: Sequence[sft.Encoded], recipe: Recipe, seed: int, folder: Path, progress=None
) -> CompletionTrainer:
    """The trainer of one adapter, by the recipe; it writes its checkpoints below ``folder``.

    The paper's paged 8-bit AdamW is for students that are packed in NF4 on a GPU: where memory counts.
    """
    steps = int(-(-len(encoded) // (recipe.batch * recipe.accumulation)) * recipe.epochs)
    config, dtype, cuda = registry.load_config(student), registry.compute_dtype(student), torch.cuda.is_available()
    at_once, checkpointing = machine.plan(config, dtype.itemsize, recipe.batch, max(map(len, encoded)))
    model = lora_model(student, recipe, seed, checkpointing=checkpointing)
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(recipe.warmup * steps),  # a warm-up's first step has rate 0: none where steps are few
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=recipe.batch * recipe.accumulation // at_once,
        optim="paged_adamw_8bit" if getattr(model, "is_loaded_in_4bit", False) and cuda else "adamw_torch",
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,
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
    collator, callbacks = Collator(registry.load_tokenizer(student).pad_token_id), [progress] if progress else None
    trainer = CompletionTrainer(model, arguments, collator, list(enumerate(encoded)), callbacks=callbacks)
    trainer.remove_callback(PrinterCallback)  # it prints every step; the log file has them
    return trainer


def whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; others are removed."""
    for path in sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1])):
        if (path / "elapsed.json").exists():  # written last
            return str(path)
        log.warning("%s is removed: it was not written to its end", path)
        shutil.rmtree(path, ignore_errors=True)
    return None


def train(student: str, examples: Sequence[sft.Example], recipe: Recipe, *, seed: int, folder: Path) -> dict:
    """Train one adapter, or return the record of the one that is there already and has the same ``key``.

    The adapter, its loss log (``log.jsonl``) and its record (``record.json``, written last) lie in ``folder``. A killed
    training goes on from its last whole checkpoint. In the record (see ``_train``) teacher is who wrote the traces, ""
    for rules; mean_loss is in nats per token. Errors: see ``sft.encode_all`` and ``registry.load_model``.
    """
    examples = sft.of_seed(examples, seed)
    key = adapter_key(student, examples, recipe, seed)
    with locked(folder / "train"):
        earlier = read_record(folder)
        if earlier and earlier["key"] == key:
            if (wrong := damaged(folder, earlier)) is None:
                return earlier
            log.warning("%s is trained again: %s", folder, wrong)
        return _train(student, examples, recipe, seed, folder, key)


def _train(student, examples, recipe, seed, folder, key) -> dict:
    """Train; write the adapter, then its log, then the record, whose presence means complete; drop the checkpoints."""
    encoded = sft.encode_all(examples, registry.load_tokenizer(student), recipe.max_tokens, recipe.habits)
    checkpoints = folder / "checkpoints" / key[:16]
    resumed = whole_checkpoint(checkpoints)
    tokens = round(sum(map(len, encoded)) * recipe.epochs)
    progress = Progress("/".join(folder.parts[-3:]), tokens, resumed)
    trainer = trainer_of(student, encoded, recipe, seed, checkpoints, progress)
    with writing(checkpoints):
        trainer.train(resume_from_checkpoint=resumed)
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    record = {
        "key": key, "student": student, "seed": seed, "teacher": sft.teacher_of(examples), "n": len(encoded),
        "supervised_tokens": sum(len(e.target_ids) for e in encoded), "total_tokens": sum(map(len, encoded)),
        "longest_target": max(len(e.target_ids) for e in encoded),
        "epochs": recipe.epochs, "steps": trainer.state.global_step, "seconds": round(progress.seconds, 1),
        "mean_loss": sum(entry["loss"] for entry in logs) / len(logs), "peak_gib": machine.peak(), "processes": 1,
        "compute": str(registry.compute_dtype(student)).removeprefix("torch."),
        "recipe": asdict(recipe), "hardware": machine.hardware(), "commit": machine.commit(),
    }  # fmt: skip
    (folder / "record.json").unlink(missing_ok=True)
    trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder)
    fields = ("step", "loss", "trace_loss", "answer_loss", "learning_rate", "grad_norm")
    write_jsonl(folder / "log.jsonl", [{name: entry.get(name) for name in fields} for entry in logs])
    record["weights"] = sha256(folder / WEIGHTS)
    write_json(folder / "record.json", record)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return record
