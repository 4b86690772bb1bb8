"""Training: QLoRA on transformers.Trainer, in batches of like lengths, with the loss on the completion alone."""

import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from peft.tuners.lora import LoraLayer
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from tracekd import machine
from tracekd.config import Recipe
from tracekd.io.records import locked, sha256, write_json, write_jsonl, writing
from tracekd.progress import Bar
from tracekd.students import registry, sft
from tracekd.students.records import WEIGHTS, adapter_key, damaged, read_record

log = logging.getLogger(__name__)
IGNORED = -100
SPAN = 16  # updates over which lengths are sorted: enough for little padding, few enough to stay random
LOGGED = ("step", "loss", "trace_loss", "answer_loss", "learning_rate", "grad_norm")


def collate(pad: int, examples: Sequence[tuple[int, sft.Encoded]]) -> dict[str, torch.Tensor]:
    """Numbered examples as rows padded at the end; a mask would change nothing there, and cost time.

    Returns ``input_ids``, ``labels``, ``parts`` (of targets), each (B, T), and ``rows`` (B), the numbers.
    """

    def rows(fill: int, whole) -> torch.Tensor:
        return pad_sequence([torch.tensor(whole(e)) for _, e in examples], batch_first=True, padding_value=fill)

    return {
        "input_ids": rows(pad, lambda e: e.prompt_ids + e.target_ids),
        "labels": rows(IGNORED, lambda e: (IGNORED,) * len(e.prompt_ids) + e.target_ids),
        "parts": rows(0, lambda e: (0,) * len(e.prompt_ids) + e.parts),
        "rows": torch.tensor([number for number, _ in examples]),
    }


class LengthGroups(torch.utils.data.Sampler):
    """Examples in random order, like lengths in one update; unlike Trainer's, by seed and epoch alone, also resumed."""

    def __init__(self, lengths: Sequence[int], batch: int, seed: int):
        """Take each example's length in tokens."""
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
        spans = (order[first : first + SPAN * self.batch] for first in range(0, len(order), SPAN * self.batch))
        grouped = [index for part in spans for index in sorted(part, key=lambda i: -self.lengths[i])]
        *whole, rest = (grouped[first : first + self.batch] for first in range(0, len(grouped) + 1, self.batch))
        return chain(*(whole[i] for i in torch.randperm(len(whole), generator=draws).tolist()), rest)


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
    """Dropout by seed, step, example and layer alone, however an update is cut; cheap to draw: 16 bits an element."""

    def __init__(self, p: float, seed: int, layer: int):
        """Drop at rate ``p`` by ``seed`` and number of the layer; the trainer sets ``step`` and ``rows``."""
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
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []  # parts and losses of tokens since the last log entry

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
        self.seen.append((parts, losses.detach()))
        return losses.mean() if num_items_in_batch is None else losses.sum() / num_items_in_batch

    def log(self, logs, start_time=None):
        """Add each part's mean loss since the last entry to what Trainer logs."""
        if "loss" in logs:
            for name, part in (("trace_loss", sft.TRACE), ("answer_loss", sft.ANSWER)):
                chosen = [losses[parts == part] for parts, losses in self.seen]
                count = sum(map(len, chosen))
                logs[name] = sum(float(losses.sum()) for losses in chosen) / count if count else None
            self.seen.clear()
        super().log(logs, start_time)


class Progress(TrainerCallback):
    """How far one training is, shown by ``progress.Bar``, and the seconds spent, which checkpoints keep."""

    def __init__(self, label: str, tokens: int, resumed: Path | None):
        """Show ``label``; the training reads ``tokens`` in all; the seconds of the checkpoint ``resumed`` count."""
        self.label, self.tokens, self.started = label, tokens, time.time()
        if resumed:
            self.started -= json.loads((resumed / "elapsed.json").read_text())["seconds"]

    def on_save(self, args, state, control, **_):
        """Write the seconds to the checkpoint, last: a checkpoint without them broke off."""
        folder = Path(args.output_dir, f"checkpoint-{state.global_step}")
        write_json(folder / "elapsed.json", {"seconds": time.time() - self.started})

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


def lora_config(recipe: Recipe) -> LoraConfig:
    """The recipe's LoRA on all seven projections."""
    sizes = {"r": recipe.lora_r, "lora_alpha": recipe.lora_alpha, "lora_dropout": recipe.lora_dropout}
    return LoraConfig(target_modules=registry.TARGETS, task_type="CAUSAL_LM", **sizes)


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
    student: str, encoded: Sequence[sft.Encoded], recipe: Recipe, seed: int, folder: Path, *callbacks: TrainerCallback
) -> CompletionTrainer:
    """The trainer of one adapter; the paper's paged 8-bit AdamW is for students packed in NF4 on a GPU."""
    steps = int(-(-len(encoded) // (recipe.batch * recipe.accumulation)) * recipe.epochs)
    config, dtype, cuda = registry.load_config(student), registry.compute_dtype(student), torch.cuda.is_available()
    at_once, checkpointing = machine.plan(config, dtype.itemsize, recipe.batch, max(map(len, encoded)))
    model = lora_model(student, recipe, seed, checkpointing=checkpointing)
    arguments = TrainingArguments(
        output_dir=str(folder), num_train_epochs=recipe.epochs, seed=seed, use_cpu=not cuda,
        learning_rate=recipe.learning_rate, lr_scheduler_type="cosine",
        warmup_steps=round(recipe.warmup * steps),  # a warm-up's first step has rate 0: none where steps are few
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=recipe.batch * recipe.accumulation // at_once,
        optim="paged_adamw_8bit" if getattr(model, "is_loaded_in_4bit", False) and cuda else "adamw_torch",
        bf16=dtype == torch.bfloat16, fp16=dtype == torch.float16,
        logging_steps=1, save_steps=max(10, steps // 4), save_total_limit=1, disable_tqdm=True,
    )  # fmt: skip
    arguments._n_gpu = 1  # of several that are visible each would take a batch, and an update grow with their number
    collator = partial(collate, registry.load_tokenizer(student).pad_token_id)
    trainer = CompletionTrainer(model, arguments, collator, list(enumerate(encoded)), callbacks=list(callbacks))
    trainer.remove_callback(PrinterCallback)  # it prints every step; the log file has them
    return trainer


def train(student: str, examples: Sequence[sft.Example], recipe: Recipe, *, seed: int, folder: Path) -> dict:
    """Train one adapter, or return the record of the one that is there already and has the same ``key``.

    ``folder`` gets the adapter, ``log.jsonl`` and ``record.json`` (see ``_train``; mean_loss in nats per token). A
    killed training goes on from its last whole checkpoint. Errors: see ``sft.encode_all``, ``registry.load_model``.
    """
    examples = sft.of_seed(examples, seed)
    key = adapter_key(student, examples, recipe, seed)
    with locked(folder / "train"):
        if (earlier := read_record(folder)) and earlier["key"] == key:
            if (wrong := damaged(folder, earlier)) is None:
                return earlier
            log.warning("%s is trained again: %s", folder, wrong)
        return _train(student, examples, recipe, seed, folder, key)


def _train(student, examples, recipe, seed, folder, key) -> dict:
    """Train; write the adapter, then its log, then the record, whose presence means complete; drop the checkpoints."""
    encoded = sft.encode_all(examples, registry.load_tokenizer(student), recipe.max_tokens, recipe.habits)
    checkpoints = folder / "checkpoints" / key[:16]
    whole = (path.parent for path in checkpoints.glob("checkpoint-*/elapsed.json"))  # written last
    resumed = max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)
    progress = Progress("/".join(folder.parts[-3:]), round(sum(map(len, encoded)) * recipe.epochs), resumed)
    trainer = trainer_of(student, encoded, recipe, seed, checkpoints, progress)
    with writing(checkpoints):
        trainer.train(resume_from_checkpoint=resumed and str(resumed))
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    record = {
        "key": key, "student": student, "seed": seed, "teacher": sft.teacher_of(examples), "n": len(encoded),
        "supervised_tokens": sum(len(e.target_ids) for e in encoded), "total_tokens": sum(map(len, encoded)),
        "longest_target": max(len(e.target_ids) for e in encoded), "epochs": recipe.epochs,
        "steps": trainer.state.global_step, "seconds": round(time.time() - progress.started, 1),
        "mean_loss": sum(entry["loss"] for entry in logs) / len(logs), "peak_gib": machine.peak(), "processes": 1,
        "compute": str(registry.compute_dtype(student)).removeprefix("torch."), "recipe": asdict(recipe),
        "hardware": machine.hardware(), "commit": machine.commit(),
    }  # fmt: skip
    (folder / "record.json").unlink(missing_ok=True)
    trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder)
    write_jsonl(folder / "log.jsonl", [{name: entry.get(name) for name in LOGGED} for entry in logs])
    record["weights"] = sha256(folder / WEIGHTS)
    write_json(folder / "record.json", record)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return record
