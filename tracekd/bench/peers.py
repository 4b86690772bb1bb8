"""What `bench` measures: one turn of training or generation, by us or by a peer, on the same student and tokens."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import TrainerCallback

from tracekd.config import Recipe
from tracekd.data.problem import Problem
from tracekd.scoring.aligned import verdict
from tracekd.students import decode, generate, memory, registry, sft, train
from tracekd.traces import templates

SEED = 121
STEPS = ("status", "classification_correct", "retrieval_correct", "answer_correct")
Outputs = dict[str, tuple[list[int], bool]]  # problem id to token ids, and whether the end token came


class Clock(TrainerCallback):
    """Seconds of each update."""

    def __init__(self) -> None:
        """Begin with none."""
        self.seconds: list[float] = []

    def on_step_begin(self, *_, **__):
        """Start the clock."""
        self.started = _now()

    def on_step_end(self, *_, **__):
        """Note the update's seconds."""
        self.seconds.append(_now() - self.started)


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def trainer(name: str, encoded: Sequence[sft.Encoded], student: str, recipe: Recipe, folder: Path):
    """A contender's trainer: ``ours``, or TRL's SFTTrainer on the same tokens and labels, ``trl`` or ``trl_best``.

    TRL's defaults are gradient checkpointing, bf16 autocast and random order. ``trl_best`` is the faster setting here:
    no checkpointing, like lengths together, bf16 only on a GPU.
    """
    if name == "ours":
        return train.trainer_of(student, encoded, recipe, SEED, folder)
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = [{k: f[k] for k in ("input_ids", "labels")} for f in train.features(encoded)]
    cuda = torch.cuda.is_available()
    best = {"gradient_checkpointing": False, "bf16": cuda, "train_sampling_strategy": "group_by_length"}
    config = SFTConfig(
        output_dir=str(folder), per_device_train_batch_size=recipe.batch, num_train_epochs=recipe.epochs,
        gradient_accumulation_steps=recipe.accumulation, learning_rate=recipe.learning_rate, use_cpu=not cuda,
        seed=SEED, report_to="none", logging_steps=1, save_strategy="no", disable_tqdm=True, max_length=None,
        dataloader_pin_memory=cuda, **(best if name == "trl_best" else {}),
    )  # fmt: skip
    return SFTTrainer(
        model=registry.load_model(student, quantise=recipe.quantise), args=config,
        train_dataset=Dataset.from_list(rows), peft_config=train.lora_config(recipe),
        processing_class=registry.load_tokenizer(student),
    )  # fmt: skip


def training(name: str, student: str, recipe: Recipe) -> Callable[..., dict]:
    """A function that trains an epoch on encoded examples.

    It returns tokens_per_second (padding not counted; median over updates, without the first, which warms up) and
    peak_gib (of the process).
    """

    def turn(encoded: Sequence[sft.Encoded]) -> dict:
        counts, clock = [], Clock()
        with tempfile.TemporaryDirectory() as folder:
            made = trainer(name, encoded, student, recipe, Path(folder))
            collate = made.data_collator
            made.data_collator = lambda rows: counts.append(sum(len(r["input_ids"]) for r in rows)) or collate(rows)
            made.add_callback(clock)
            made.train()
        passes = len(counts) // len(clock.seconds)
        tokens = [sum(counts[first : first + passes]) for first in range(0, len(counts), passes)]
        rates = [n / s for n, s in zip(tokens, clock.seconds, strict=True)]
        return {"tokens_per_second": statistics.median(rates[1:] or rates), "peak_gib": memory.peak()}

    return turn


@torch.inference_mode()
def plain(model, tokenizer, problems: Sequence[Problem], limit: int, batch: int, *, cache: bool = True) -> Outputs:
    """``model.generate`` on left-padded batches in the given order."""
    end, pad, found = sft.end_token(tokenizer), tokenizer.pad_token_id, {}
    for first in range(0, len(problems), batch):
        part = problems[first : first + batch]
        rows = [sft.prompt_ids(tokenizer, templates.prompt(p)) for p in part]
        ids, mask = decode.left_padded(rows, pad, model.device)
        made = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=limit, do_sample=False, temperature=None, top_p=None,
            top_k=None, eos_token_id=end, pad_token_id=pad, use_cache=cache,
        )[:, ids.shape[1] :].tolist()  # fmt: skip
        for problem, row in zip(part, made, strict=True):
            found[problem.id] = (row[: row.index(end)], True) if end in row else (row, False)
    return found


def generation(name: str, student: str, recipe: Recipe) -> Callable[..., dict]:
    """A function that answers problems by ``ours``, ``plain``, or ``authors`` (one at a time with the cache off).

    It returns tokens_per_second (new tokens), peak_gib (of the process) and the outputs.
    """
    tokenizer = registry.load_tokenizer(student)
    model = generate.loaded(student) if name == "ours" else registry.load_model(student).eval()

    def turn(problems: Sequence[Problem], limit: int = recipe.max_new_tokens) -> dict:
        started, batch = _now(), recipe.generate_batch
        if name == "ours":  # sorted by length, shared beginnings run once, finished rows leave
            cut = generate.batches(tokenizer, model.config, problems, limit=limit, batch=batch)
            parts = generate.answer(model, tokenizer, cut, limit)
            made = {p.id: (tokens, ended) for part in parts for p, tokens, ended in part}
        else:
            one = name == "authors"
            made = plain(model, tokenizer, problems, limit, 1 if one else batch, cache=not one)
        rate = sum(len(ids) for ids, _ in made.values()) / (_now() - started)
        return {"tokens_per_second": rate, "peak_gib": memory.peak(), "outputs": made}

    return turn


def differences(problems: Sequence[Problem], first: Outputs, second: Outputs, tokenizer) -> dict:
    """How many outputs differ: n (problems in both), text (token ids), verdict (status, trace steps or answer)."""

    def judged(problem: Problem, output: tuple[list[int], bool]) -> list:
        found = verdict(problem, tokenizer.decode(output[0], skip_special_tokens=True), output[1])
        return [found[step] for step in STEPS]

    both = [p for p in problems if p.id in first and p.id in second]
    verdicts = sum(judged(p, first[p.id]) != judged(p, second[p.id]) for p in both)
    return {"n": len(both), "text": sum(first[p.id] != second[p.id] for p in both), "verdict": verdicts}
