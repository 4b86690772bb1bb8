"""Generation: batched greedy decoding, outputs written as they come."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tracekd import few_shot, machine, memory, nf4, progress, sft, students, traces
from tracekd.adapters import adapter_path, damaged, read_record
from tracekd.artefacts import hardware
from tracekd.columns import columns
from tracekd.decode import greedy
from tracekd.few_shot import UNTRAINED, Turns
from tracekd.locks import locked
from tracekd.outputs import BACKENDS, limit_of, output_key, outputs_path
from tracekd.problems import Problem, label_of
from tracekd.profiles import Recipe, nearest
from tracekd.records import append_jsonl, recover_jsonl, write_jsonl

log = logging.getLogger(__name__)
PROBE = 64  # problems that another backend is compared on before its outputs are kept


def in_order(tokenizer, problems: Sequence[Problem], before: Turns = ()) -> list[tuple[Problem, list[int]]]:
    """Problems with their prompts' token ids, the longest first, so that like lengths share a batch.

    ``before`` are the turns of worked examples, see ``few_shot.turns``.
    """
    prompts = [(p, sft.prompt_ids(tokenizer, traces.prompt(p), before)) for p in problems]
    return sorted(prompts, key=lambda pair: -len(pair[1]))


def groups(prompts: Sequence[tuple], config, limit: int, batch: int) -> Iterator[Sequence[tuple]]:
    """Cut ``in_order``'s prompts into what is answered at once: ``batch`` of them, fewer where memory holds fewer.

    A group is decided by its longest prompt and the limit alone, at four bytes per number on any
    CPU, so that whole groups that are left over from a kill are cut the same way once more.
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
        One list a batch of (problem, new token ids without the end token, whether the end token came).
    """
    end = sft.end_token(tokenizer)
    for part in groups(in_order(tokenizer, problems, before), model.config, max_new_tokens, batch):
        made = greedy(model, [ids for _, ids in part], end=end, pad=tokenizer.pad_token_id, limit=max_new_tokens)
        yield [(p, tokens, ended) for (p, _), (tokens, ended) in zip(part, made, strict=True)]


def by_id(batches) -> dict[str, tuple[list[int], bool]]:
    """The answers of ``answer`` by problem id: token ids, and whether the end token came."""
    return {p.id: (tokens, ended) for batch in batches for p, tokens, ended in batch}


def answer_job(run, asker: Asker, problems: dict[str, list[Problem]], dataset: str, condition: str, seed: int) -> Path:
    """Let one student of the run answer its problems, whatever is missing; return the outputs file."""
    path = outputs_path(run, dataset, condition, seed)
    about = {"student": run.student, "dataset": dataset, "condition": condition, "seed": seed}
    about["source"] = label_of(dataset, run.source)
    adapter = None if condition in UNTRAINED else adapter_path(run, dataset, condition, seed)
    asker.complete(path, problems[dataset], adapter, about, few_shot.turns(run, dataset, condition))
    return path


def loaded(student: str, quantise: bool = True):
    """The student as it is asked: in evaluation mode, its weights laid out for decoding where that pays."""
    return columns(nf4.load(student) if quantise else students.load_model(student, quantise=False)).eval()


class Asker:
    """A student that is loaded when first asked, and changes adapters without loading the base again."""

    def __init__(self, student: str, recipe: Recipe, backend: str = "transformers"):
        """Remember the student and how it is to be asked (``backend``: one of ``BACKENDS``); load nothing yet.

        Raises:
            ValueError: no backend has that name.
        """
        if backend not in BACKENDS:
            raise ValueError(f"no backend {backend!r}: {nearest(backend, BACKENDS)}")
        self.student, self.recipe, self.backend = student, recipe, backend
        self.base = self.asked = self.tokenizer = self.engine = None
        self.before: Turns = ()

    def complete(
        self, path: Path, problems: Sequence[Problem], adapter: Path | None, about: dict, before: Turns = ()
    ) -> None:
        """Fill ``path`` until it has an output for each problem; what it has under the same key is kept.

        ``adapter`` None asks the student as it is, after the worked examples of ``before`` where there are any.
        Outputs under another key (``output_key``) are replaced. A kill loses at most the batch in flight.

        Raises:
            FileNotFoundError: the adapter has not been trained.
        """
        record = {"key": "prompted"} if adapter is None else read_record(adapter)
        if record is None:
            raise FileNotFoundError(f"no finished adapter at {adapter}: run notebook 03_qlora_train first")
        if adapter and (wrong := damaged(adapter, record)):
            raise FileNotFoundError(f"the adapter at {adapter} is damaged ({wrong}): `tracekd train` trains it anew")
        key = output_key(students.identity(self.student), record, self.recipe, problems, self.backend, before)
        self.before = before
        limit = limit_of(self.recipe, record)
        with locked(path):
            done = {row["id"]: row for row in recover_jsonl(path) if row.get("key") == key}
            if any(p.id not in done for p in problems):
                missing = self._missing(problems, done, limit)
                left = {p.id for p in missing}
                write_jsonl(path, [row for i, row in done.items() if i not in left])
                self._answer(path, missing, adapter, limit, {**about, "key": key})

    def _missing(self, problems: Sequence[Problem], done: dict, limit: int) -> list[Problem]:
        """The problems of all batches that are not whole, in order: each is answered in the company it was meant for.

        The size of a batch can tip a near tie, so what a kill interrupted must not go on in other groups.
        """
        self.tokenizer = self.tokenizer or students.load_tokenizer(self.student)
        ordered, config = in_order(self.tokenizer, problems, self.before), students.load_config(self.student)
        cut = groups(ordered, config, limit, self.recipe.generate_batch)
        return [p for group in cut if any(p.id not in done for p, _ in group) for p, _ in group]

    def _answer(self, path, problems, adapter, limit, about) -> None:
        label = f"{about['dataset']}/{about['condition']}/{about['seed']}"
        started, tokens, done = time.time(), 0, 0
        with progress.Bar(label, len(problems), unit="problem") as bar:
            for batch in self._batches(problems, adapter, limit, path):
                append_jsonl(path, [self._row(p, ids, finished, about) for p, ids, finished in batch])
                tokens, done = tokens + sum(len(ids) for _, ids, _ in batch), done + len(batch)
                bar.at(done, tokens)
        seconds = time.time() - started
        log.info("%s: %d outputs, %.0f tokens/s on %s", label, len(problems), tokens / seconds, hardware())

    def _batches(self, problems, adapter, limit, path):
        if self.backend == "vllm":
            return self._by_vllm(problems, adapter, limit, path)
        return self._by_transformers(problems, adapter, limit)

    def _by_transformers(self, problems, adapter, limit):
        how = {"max_new_tokens": limit, "batch": self.recipe.generate_batch, "before": self.before}
        return answer(self.with_adapter(adapter), self.tokenizer, problems, **how)

    def _by_vllm(self, problems, adapter, limit, path):
        """All answers by vLLM, once some of them have been compared with the reference."""
        from tracekd import vllm_backend

        self.engine = self.engine or vllm_backend.Engine(self.student, self.recipe)
        batches = list(self.engine.answer(problems, adapter, limit, self.before))
        probe = problems[:PROBE]
        both = (by_id(self._by_transformers(probe, adapter, limit)), by_id(batches))
        found = vllm_backend.agreed(*both, probe, self.tokenizer, path.with_suffix(".parity.json"))
        log.info(
            "%s: vLLM differs in %d texts and %d verdicts of %d", path.name, found["text"], found["verdict"], found["n"]
        )
        return batches

    def _row(self, problem: Problem, ids: list[int], finished: bool, about: dict) -> dict:
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return {"id": problem.id, "text": text, "finished": finished, "n_tokens": len(ids), **about}

    def with_adapter(self, adapter: Path | None):
        """The student with ``adapter`` on it (see ``nf4.adapted``), or without; loads the base at the first call."""
        from peft import PeftModel

        if self.base is None:
            self.tokenizer = self.tokenizer or students.load_tokenizer(self.student)
            self.base = loaded(self.student, self.recipe.quantise)
        self.asked = self.asked.unload() if isinstance(self.asked, PeftModel) else None
        self.asked = self.base if adapter is None else nf4.adapted(self.base, adapter)
        return self.asked
