"""Training: QLoRA on transformers.Trainer, with the loss on the completion alone."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from peft.tuners.lora import LoraLayer
from transformers import PrinterCallback, TrainingArguments, set_seed

from tracekd import disk, freeform, lengths, memory, nf4, seals, sft, students, templated
from tracekd.artefacts import commit, hardware
from tracekd.batches import IGNORED, Collator, Packed, packing_error
from tracekd.locks import locked
from tracekd.profiles import Recipe
from tracekd.records import sha256, write_json, write_jsonl
from tracekd.trainer import CompletionTrainer, CpuDropout, Progress

log = logging.getLogger(__name__)
PACKING_TOLERANCE = 0.1  # of what mixing two examples would change; rounding to 16 bits stays below
WEIGHTS = "adapter_model.safetensors"
VERSION = 6  # raise it when a change here changes what an adapter comes out as
# The part of a recipe that decides an adapter; the rest is about generation, or only a limit.
DECIDES = (
    "epochs", "learning_rate", "batch", "accumulation", "warmup", "lora_r", "lora_alpha", "lora_dropout", "habits",
    "packing", "quantise",
)  # fmt: skip


def features(encoded: Sequence[sft.Encoded]) -> list[dict]:
    """What a collator takes: whole sequences, with labels and parts at the target's tokens alone."""
    return [
        {
            "input_ids": [*e.prompt_ids, *e.target_ids],
            "labels": [IGNORED] * len(e.prompt_ids) + list(e.target_ids),
            "parts": [0] * len(e.prompt_ids) + list(e.parts),
        }
        for e in encoded
    ]


def lora_model(student: str, recipe: Recipe, seed: int, *, checkpointing: bool = False):
    """The student, in NF4 unless the recipe says otherwise, with a fresh LoRA adapter made after the seed is set."""
    model = students.load_model(student, quantise=recipe.quantise)
    if recipe.quantise:
        model = nf4.unpack(prepare_model_for_kbit_training(model, use_gradient_checkpointing=checkpointing))
    elif checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable({"use_reentrant": False})
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
    return model.train()  # bitsandbytes repacks weights in bf16, with loss, on some CPUs at the first evaluation


def processes() -> int:
    """How many processes train together: set by ``accelerate launch`` or ``torchrun``, else 1."""
    return int(os.environ.get("WORLD_SIZE", 1))


def is_main() -> bool:
    """Is this the process, of those that train together, that writes files?"""
    return int(os.environ.get("RANK", 0)) == 0


def plan(student: str, recipe: Recipe, longest: int) -> memory.Plan:
    """How one process cuts its share of an update.

    Raises:
        ValueError: the update cannot be shared evenly by the processes.
    """
    update = recipe.batch * recipe.accumulation
    if update % processes():
        raise ValueError(
            f"an update of {update} examples cannot be shared by {processes()} processes: set batch x accumulation "
            "of the recipe to a multiple, or launch fewer processes"
        )
    config = students.load_config(student)
    share = min(recipe.batch, update // processes())
    cut = memory.plan(config, students.compute_dtype().itemsize, share, longest)
    return replace(cut, passes=update // processes() // cut.at_once)


def arguments(recipe: Recipe, seed: int, folder: Path, steps: int, cut: memory.Plan) -> TrainingArguments:
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
        bf16=students.compute_dtype() == torch.bfloat16,
        fp16=students.compute_dtype() == torch.float16,
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


def key(student: str, examples: Sequence[sft.Example], recipe: Recipe, seed: int) -> str:
    """A hash of everything that decides an adapter: student, examples, recipe, seed and the version of this code."""
    decisive = {name: getattr(recipe, name) for name in DECIDES}
    # Who wrote a text does not decide what is learned from it.
    texts = [{name: value for name, value in asdict(e).items() if name != "teacher"} for e in examples]
    return sha256([VERSION, students.identity(student), decisive, seed, texts])


def whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that is as it was sealed; torn and damaged ones are removed."""
    steps = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for path in steps:
        if (wrong := seals.broken(path)) is None:
            return str(path)
        log.warning("%s is removed: %s", path, wrong)
        shutil.rmtree(path, ignore_errors=True)
    return None


def train(student: str, examples: Sequence[sft.Example], recipe: Recipe, *, seed: int, folder: Path) -> dict:
    """Train one adapter, or return the record of the one that is there already.

    The adapter, its loss log (``log.jsonl``) and its record (``record.json``, written last) lie in ``folder``. Where
    the record's ``key`` differs, the adapter is trained anew. A killed training goes on from its last whole checkpoint.

    Returns:
        The record: key, student, teacher (who wrote the traces, "" for rules), n, tokens (supervised, total, of the
        longest target), steps, seconds, seed, mean loss over the training (nats a token), peak memory (GiB, of the
        process so far), recipe, hardware, commit.

    Raises:
        ValueError: nothing to learn, or examples beyond ``max_tokens``: see ``sft.encode_all``; or the adapter that is
            there learned from a teacher's traces and these are not that teacher's.
        students.StudentUnavailable: see there.
    """
    name = key(student, examples, recipe, seed)
    with locked(folder / "train") if processes() == 1 or is_main() else nullcontext():
        kept = read_record(folder)
        if kept and kept["key"] == name:
            if (wrong := damaged(folder, kept)) is None:
                return _with_teacher(folder, kept, examples)
            log.warning("%s is trained anew: %s", folder, wrong)
        elif kept:
            _check_teacher(folder, kept, examples)
        return _train(student, examples, recipe, seed, folder, name)


def _with_teacher(folder: Path, kept: dict, examples: Sequence[sft.Example]) -> dict:
    """The record, which names who wrote the traces as the examples do: the key does not say it."""
    if teacher_of(kept, examples[0].condition) == (teacher := sft.teacher_of(examples)):
        return kept
    write_json(folder / "record.json", {**kept, "teacher": teacher})
    return {**kept, "teacher": teacher}


def _check_teacher(folder: Path, kept: dict, examples: Sequence[sft.Example]) -> None:
    """Refuse to train over an adapter of a teacher's traces where a forgotten option would have it so."""
    now = sft.teacher_of(examples)
    wrote = kept.get("teacher", "")
    if wrote not in ("", templated.TEACHER, now):
        raise ValueError(
            f"{folder} learned from traces by {wrote}, and this run would train over it with {now or 'other'} traces: "
            "give the same --texts (or TRACEKD_TEXTS), or another TRACEKD_RUNS; to train anew, delete the folder"
        )


def _train(student, examples, recipe, seed, folder, name) -> dict:
    tokenizer = students.load_tokenizer(student)
    encoded = sft.encode_all(examples, tokenizer, recipe.max_tokens, recipe.habits)
    checkpoints = folder / "checkpoints" / name[:16]
    resumed = whole_checkpoint(checkpoints)
    progress = Progress("/".join(folder.parts[-3:]), resumed)
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
        "recipe": asdict(recipe), "hardware": hardware(), "commit": commit(),
    }  # fmt: skip
    with disk.writing(folder):
        return _keep(trainer, folder, record)


def _trainer(student, encoded, tokenizer, recipe, seed, folder, progress=None) -> CompletionTrainer:
    updates = -(-len(encoded) // (recipe.batch * recipe.accumulation)) * recipe.epochs
    cut = plan(student, recipe, max(map(len, encoded)))
    model = lora_model(student, recipe, seed, checkpointing=cut.checkpointing)
    trainer = CompletionTrainer(
        model=model,
        args=arguments(recipe, seed, folder, int(updates), cut),
        train_dataset=features(encoded),
        data_collator=_collator(recipe, model, tokenizer),
        callbacks=[progress] if progress else None,
    )
    trainer.remove_callback(PrinterCallback)  # it prints every step; the log file has them
    return trainer


def _collator(recipe: Recipe, model, tokenizer) -> Collator | Packed:
    """The recipe's collator.

    Raises:
        ValueError: the recipe packs, and this model's attention does not keep packed examples apart.
    """
    if not recipe.packing:
        return Collator(tokenizer.pad_token_id)
    if (error := packing_error(model, len(tokenizer))) > PACKING_TOLERANCE:
        raise ValueError(
            f"packing lets {error:.0%} of one example's effect through to the next, at most {PACKING_TOLERANCE:.0%} is "
            f"allowed: this student's attention ({model.config._attn_implementation}) mixes packed examples; set "
            "packing = false in the recipe"
        )
    return Packed()


def _keep(trainer: CompletionTrainer, folder: Path, record: dict) -> dict:
    """Write the adapter, then its log, then the record whose presence means complete; drop the checkpoints."""
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


def damaged(folder: Path, record: dict) -> str | None:
    """What is wrong with a finished adapter's weights, in words; None where they are those that were trained."""
    if not (folder / WEIGHTS).is_file():
        return f"{WEIGHTS} is missing"
    # Records of earlier versions have no checksum.
    return None if record.get("weights") in (None, sha256(folder / WEIGHTS)) else f"{WEIGHTS} is not what was trained"


def read_record(folder: Path) -> dict | None:
    """The record of a finished training in ``folder``, else None."""
    path = folder / "record.json"
    return json.loads(path.read_text()) if path.exists() else None


def teacher_of(record: Mapping, condition: str) -> str:
    """Who wrote the traces that an adapter was trained on; records from before teachers could be given do not say."""
    return record.get("teacher", templated.TEACHER if freeform.takes_texts(condition) else "")


def adapter_path(run, dataset: str, condition: str, seed: int) -> Path:
    """Where a run keeps one adapter."""
    return run.path("adapters", dataset, condition, f"seed{seed}", "record.json").parent


def jobs(run) -> list[tuple[str, str, int]]:
    """All (dataset, condition, seed) of a run's adapters, in a fixed order."""
    return [(d, c, s) for d in run.datasets for c in run.profile.conditions_of(d) for s in run.profile.seeds]


def train_grid(run):
    """Train every adapter of a run that is not there yet: data sets x conditions x seeds.

    An adapter of other examples, another student or another recipe is trained anew.

    Returns:
        A ``pandas.DataFrame``, one row an adapter: dataset, condition, seed and the record's columns.
    """
    import pandas as pd

    sets, rows = lengths.training_sets(run), []
    for (dataset, condition), examples in sets.items():
        for seed in run.profile.seeds:
            folder = adapter_path(run, dataset, condition, seed)
            record = train(run.student, examples, run.profile.recipe_of(condition), seed=seed, folder=folder)
            rows.append({"dataset": dataset, "condition": condition, **record})
    return pd.DataFrame(rows).drop(columns=["recipe", "key"])
