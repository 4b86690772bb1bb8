"""Generation: batched greedy decoding, outputs written as they come."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tracekd import machine, progress
from tracekd.config import Recipe
from tracekd.data.problem import Problem
from tracekd.data.problems import label_of
from tracekd.io.locks import locked
from tracekd.io.records import append_jsonl, recover_jsonl, write_jsonl
from tracekd.machine import hardware
from tracekd.students import few_shot, memory, nf4, registry, sft
from tracekd.students.adapters import adapter_path, damaged, read_record
from tracekd.students.decode import greedy
from tracekd.students.few_shot import UNTRAINED, Turns
from tracekd.students.outputs import limit_of, output_key, outputs_path
from tracekd.traces import templates

log = logging.getLogger(__name__)


def in_order(tokenizer, problems: Sequence[Problem], before: Turns = ()) -> list[tuple[Problem, list[int]]]:
    """Problems with their prompts' token ids, the longest first, so that like lengths share a batch.

    ``before`` are the turns of worked examples, see ``few_shot.turns``.
    """
    prompts = [(p, sft.prompt_ids(tokenizer, templates.prompt(p), before)) for p in problems]
    return sorted(prompts, key=lambda pair: -len(pair[1]))


def groups(prompts: Sequence[tuple], config, limit: int, batch: int) -> Iterator[Sequence[tuple]]:
    """Cut ``in_order``'s prompts into batches of ``batch``, or fewer if memory holds fewer.

    A batch follows from its longest prompt and the limit alone, at four bytes a number on any CPU, so that a resumed
    run cuts the rest the same way.
    """
    size, first = 2 if machine.has_gpu() else 4, 0
    while first < len(prompts):
        many = min(batch, memory.rows_at_once(config, size, len(prompts[first][1]) + limit))
        yield prompts[first : first + many]
        first += many


def answer(
    model, tokenizer, problems: Sequence[Problem], *, max_new_tokens: int, batch: int, before: Turns = ()
) -> Iterator[list[tuple[Problem, list[int], bool]]]:
    """Answer problems greedily, longest prompts first, in left-padded batches with the KV cache on (see ``groups``).

    Yields:
        One list per batch of (problem, new token ids without the end token, whether the end token came).
    """
    end = sft.end_token(tokenizer)
    for part in groups(in_order(tokenizer, problems, before), model.config, max_new_tokens, batch):
        made = greedy(model, [ids for _, ids in part], end=end, pad=tokenizer.pad_token_id, limit=max_new_tokens)
        yield [(p, tokens, ended) for (p, _), (tokens, ended) in zip(part, made, strict=True)]


def answer_job(run, asker: Asker, problems: dict[str, list[Problem]], dataset: str, condition: str, seed: int) -> Path:
    """Let one student of the run answer the problems that it has not answered yet; return the outputs file."""
    path = outputs_path(run, dataset, condition, seed)
    about = {"student": run.student, "dataset": dataset, "condition": condition, "seed": seed}
    about["source"] = label_of(dataset, run.source)
    adapter = None if condition in UNTRAINED else adapter_path(run, dataset, condition, seed)
    asker.complete(path, problems[dataset], adapter, about, few_shot.turns(run, dataset, condition))
    return path


def loaded(student: str, quantise: bool = True):
    """The student in evaluation mode."""
    model = (nf4.load(student) if quantise else registry.load_model(student, quantise=False)).eval()
    # The states at the last places are a slice. Of a slice torch makes one product a row, each with a copy of the
    # weights of the whole vocabulary: half the time and a GiB of memory at 8 rows of SmolLM2-135M in bf16.
    model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(),))
    return model


class Asker:
    """A student that is loaded when first asked, and changes adapters without loading the base again."""

    def __init__(self, student: str, recipe: Recipe):
        """Remember the student and the recipe; load nothing yet."""
        self.student, self.recipe = student, recipe
        self.base = self.asked = self.tokenizer = None

    def complete(
        self, path: Path, problems: Sequence[Problem], adapter: Path | None, about: dict, before: Turns = ()
    ) -> None:
        """Fill ``path`` until it has an output for each problem, and replace those under another ``output_key``.

        ``adapter`` None asks the student as it is, after the worked examples ``before``. A kill loses at most the
        batch in flight.

        Raises:
            FileNotFoundError: the adapter has not been trained, or is damaged.
        """
        record = {"key": "prompted"} if adapter is None else read_record(adapter)
        if record is None:
            raise FileNotFoundError(f"no finished adapter at {adapter}: run notebook 03_qlora_train first")
        if adapter and (wrong := damaged(adapter, record)):
            raise FileNotFoundError(f"the adapter at {adapter} is damaged ({wrong}): `tracekd train` trains it again")
        key = output_key(registry.identity(self.student), record, self.recipe, problems, before)
        with locked(path):
            done = {row["id"]: row for row in recover_jsonl(path) if row.get("key") == key}
            if any(p.id not in done for p in problems):
                how = {"max_new_tokens": limit_of(self.recipe, record), "before": before}
                missing = self._missing(problems, done, how)
                left = {p.id for p in missing}
                write_jsonl(path, [row for i, row in done.items() if i not in left])
                self._answer(path, missing, adapter, how, {**about, "key": key})

    def _missing(self, problems: Sequence[Problem], done: dict, how: dict) -> list[Problem]:
        """The problems of unfinished batches: regenerated with their original batch-mates, which can tip a near tie."""
        self.tokenizer = self.tokenizer or registry.load_tokenizer(self.student)
        ordered, config = in_order(self.tokenizer, problems, how["before"]), registry.load_config(self.student)
        cut = groups(ordered, config, how["max_new_tokens"], self.recipe.generate_batch)
        return [p for group in cut if any(p.id not in done for p, _ in group) for p, _ in group]

    def _answer(self, path, problems, adapter, how, about) -> None:
        label = f"{about['dataset']}/{about['condition']}/{about['seed']}"
        started, tokens, done = time.time(), 0, 0
        model = self.with_adapter(adapter)
        with progress.Bar(label, len(problems), unit="problem") as bar:
            for batch in answer(model, self.tokenizer, problems, batch=self.recipe.generate_batch, **how):
                append_jsonl(path, [self._row(p, ids, finished, about) for p, ids, finished in batch])
                tokens, done = tokens + sum(len(ids) for _, ids, _ in batch), done + len(batch)
                bar.at(done, tokens)
        seconds = time.time() - started
        log.info("%s: %d outputs, %.0f tokens/s on %s", label, len(problems), tokens / seconds, hardware())

    def _row(self, problem: Problem, ids: list[int], finished: bool, about: dict) -> dict:
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return {"id": problem.id, "text": text, "finished": finished, "n_tokens": len(ids), **about}

    def with_adapter(self, adapter: Path | None):
        """The student with ``adapter`` on it (see ``nf4.adapted``), or without; loads the base at the first call."""
        from peft import PeftModel

        if self.base is None:
            self.tokenizer = self.tokenizer or registry.load_tokenizer(self.student)
            self.base = loaded(self.student, self.recipe.quantise)
        self.asked = self.asked.unload() if isinstance(self.asked, PeftModel) else None
        self.asked = self.base if adapter is None else nf4.adapted(self.base, adapter)
        return self.asked
