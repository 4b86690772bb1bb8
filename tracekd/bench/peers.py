"""What `bench` measures: one turn of training or generation, by us or by a peer, on the same student and tokens."""

import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import TrainerCallback

from tracekd import machine
from tracekd.config import Recipe
from tracekd.data.problem import Problem
from tracekd.scoring.aligned import verdict
from tracekd.students import generate, registry, sft, train
from tracekd.traces import templates

SEED = 121
STEPS = ("status", "classification_correct", "retrieval_correct", "answer_correct")
Outputs = dict[str, tuple[list[int], bool]]  # problem id to token ids, and whether the end token came


class Clock(TrainerCallback):
    """The times at which a training began and each of its updates ended."""

    def __init__(self) -> None:
        """Begin with none."""
        self.times: list[float] = []

    def on_train_begin(self, *_, **__):
        """Note the time."""
        self.times.append(_now())

    on_step_end = on_train_begin


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def trainer(name: str, encoded: Sequence[sft.Encoded], student: str, recipe: Recipe, folder: Path):
    """A contender's trainer on the same tokens and labels: ``ours``, or TRL's with its defaults or best settings."""
    if name == "ours":
        return train.trainer_of(student, encoded, recipe, SEED, folder)
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    labels = [(train.IGNORED,) * len(e.prompt_ids) + e.target_ids for e in encoded]
    rows = [{"input_ids": e.prompt_ids + e.target_ids, "labels": of} for e, of in zip(encoded, labels, strict=True)]
    cuda = torch.cuda.is_available()
    # TRL's defaults are gradient checkpointing, bf16 autocast and random order.
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


def training(name: str, student: str, encoded: list[sft.Encoded], recipe: Recipe, ready) -> dict:
    """Train an epoch: tokens_per_second (median over updates but the first), peak_gib; call ``ready`` when loaded."""
    counts, clock = [], Clock()
    with tempfile.TemporaryDirectory() as folder:
        made = trainer(name, encoded, student, recipe, Path(folder))
        collate, key = made.data_collator, 1 if name == "ours" else "input_ids"
        made.data_collator = lambda rows: counts.append(sum(len(row[key]) for row in rows)) or collate(rows)
        made.add_callback(clock)
        ready()
        made.train()
    passes = -(-len(counts) // (len(clock.times) - 1))  # of an update; the last one may have fewer
    rates = np.add.reduceat(counts, range(0, len(counts), passes)) / np.diff(clock.times)
    return {"tokens_per_second": float(np.median(rates[1:] if len(rates) > 1 else rates)), "peak_gib": machine.peak()}


@torch.inference_mode()
def plain(model, prompts: Sequence[Sequence[int]], *, end: int, pad: int, limit: int, cache: bool = True):
    """As ``generate.greedy`` by ``model.generate`` on left-padded prompts."""
    ids, mask = generate.left_padded(prompts, pad, model.device)
    made = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=limit, do_sample=False, temperature=None, top_p=None,
        top_k=None, eos_token_id=end, pad_token_id=pad, use_cache=cache,
    )[:, ids.shape[1] :].tolist()  # fmt: skip
    return [(row[: row.index(end)], True) if end in row else (row, False) for row in made]


def generation(name: str, student: str, problems: list[Problem], recipe: Recipe, ready) -> dict:
    """Answer (``authors``: one problem, the cache off): tokens_per_second, peak_gib, outputs; ``ready``: see above."""
    tokenizer, batch = registry.load_tokenizer(student), 1 if name == "authors" else recipe.generate_batch
    load = generate.loaded if name == "ours" else registry.load_model
    model = load(student, quantise=recipe.quantise).eval()
    way = {"ours": generate.greedy, "plain": plain, "authors": partial(plain, cache=False)}[name]
    ends = {"end": sft.end_token(tokenizer), "pad": tokenizer.pad_token_id}

    def made(problems: Sequence[Problem], limit: int) -> Outputs:
        if name == "ours":  # sorted by length
            cut = generate.batches(model, tokenizer, problems, limit, batch, ())
        else:
            asked = [(p, sft.prompt_ids(tokenizer, templates.prompt(p))) for p in problems]
            cut = [asked[first : first + batch] for first in range(0, len(asked), batch)]
        answered = [(part, way(model, [ids for _, ids in part], **ends, limit=limit)) for part in cut]
        return {p.id: answer for part, answers in answered for (p, _), answer in zip(part, answers, strict=True)}

    made(problems[:2], 2)  # the first pass allocates
    ready()
    started = _now()
    outputs = made(problems[:1] if name == "authors" else problems, recipe.max_new_tokens)
    rate = sum(len(ids) for ids, _ in outputs.values()) / (_now() - started)
    return {"tokens_per_second": rate, "peak_gib": machine.peak(), "outputs": outputs}


def differences(problems: Sequence[Problem], first: Outputs, second: Outputs, tokenizer) -> dict:
    """How many outputs differ: n (problems in both), text (token ids), verdict (status, trace steps or answer)."""

    def judged(problem: Problem, output: tuple[list[int], bool]) -> list:
        found = verdict(problem, tokenizer.decode(output[0], skip_special_tokens=True), output[1])
        return [found[step] for step in STEPS]

    both = [p for p in problems if p.id in first and p.id in second]
    verdicts = sum(judged(p, first[p.id]) != judged(p, second[p.id]) for p in both)
    return {"n": len(both), "text": sum(first[p.id] != second[p.id] for p in both), "verdict": verdicts}
