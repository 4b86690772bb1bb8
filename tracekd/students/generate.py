"""Generation: greedy decoding in batches, in which finished rows stop costing; outputs written as they come."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from itertools import takewhile
from pathlib import Path

import torch
from peft import PeftModel
from torch.nn.functional import pad as padded
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from tracekd import machine, progress
from tracekd.config import Recipe
from tracekd.data.problem import Problem
from tracekd.io.records import append_jsonl, locked, recover_jsonl, write_jsonl
from tracekd.students import records, registry, sft
from tracekd.students.records import PROMPTED, Turns
from tracekd.traces import templates

GROUP, GPU_GROUP = 8, 16  # prompts read at once: enough to fill a matrix, few enough to be of like length
SPARED = 128  # tokens that sharing the prompts' beginning must save to be worth its own pass
DROP_AT = 0.125  # share of finished rows at which the cache is cut down to the others; copying it costs about a step
ROOM = 128  # places by which a full cache grows
Batch = Sequence[tuple[Problem, list[int]]]  # problems with their prompts' token ids


def left_padded(rows: Sequence[Sequence[int]], pad: int, device) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts as (B, T) token ids that all end at the last column, and their mask."""
    width = max(map(len, rows))
    ids = [[pad] * (width - len(row)) + list(row) for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


class Growing(DynamicLayer):
    """Keys and values (B, heads, T, width) with empty places behind, so that a new token copies none of the others."""

    def update(self, key_states, value_states, *args, **options):
        """Put the states of new tokens behind the others; return all."""
        if not self.get_seq_length():
            return super().update(key_states, value_states, *args, **options)
        self.keys, self.values = _behind(self.keys, key_states), _behind(self.values, value_states)
        return self.keys, self.values


def _behind(held: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    (batch, heads, places, width), more = held.shape, new.shape[2]
    if held.stride(1) < (places + more) * width:  # the next head's keys lie there
        held, full = held.new_empty(batch, heads, places + max(more, ROOM), width)[:, :, :places], held
        held.copy_(full)
    both = held.as_strided((batch, heads, places + more, width), held.stride())
    both[:, :, places:] = new
    return both


def _cache(layers: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> Cache:
    """A cache of the keys and values (B, heads, T, width) of each layer."""
    made = Cache(layer_class_to_replicate=Growing)
    for number, states in enumerate(layers):
        made.update(*states, number)
    return made


def selected(cache: Cache, rows: torch.Tensor) -> Cache:
    """A cache of its own with these rows (B,) of ``cache``, each as often as it is named."""
    return _cache((layer.keys[rows], layer.values[rows]) for layer in cache.layers)


def _read(model, ids, cache: Cache, **options) -> torch.Tensor:
    """Let the model read tokens (B, T) into ``cache``; return the logits (B, V) at the last place."""
    return model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1, **options).logits[:, -1]


def prefill(model, prompts: Sequence[Sequence[int]], pad: int):
    """Run the shared beginning of all prompts once, and their rests a few rows at a time, padded to the longest.

    Returns the logits at the last place (B, V), the KV cache, and its mask (B, T): shared tokens, padding, rest.
    """
    begun = DynamicCache(config=model.config)
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*prompts, strict=False))
    shared = min(len(list(alike)), min(map(len, prompts)) - 1)  # each keeps a token of its own
    if shared * (len(prompts) - 1) < SPARED:
        shared = 0
    else:
        _read(model, torch.tensor([list(prompts[0][:shared])], device=model.device), begun)
    width, logits, caches, masks = max(map(len, prompts)) - shared, [], [], []
    at_once = GROUP if model.device.type == "cpu" else GPU_GROUP
    for first in range(0, len(prompts), at_once):
        ids, mask = left_padded([row[shared:] for row in prompts[first : first + at_once]], pad, model.device)
        cache, missing = copy.deepcopy(begun), width - ids.shape[1]
        if shared:
            cache.batch_repeat_interleave(len(ids))
        whole = padded(mask, (shared, 0), value=1)
        places = (whole.cumsum(1) - 1).clamp(min=0)[:, shared:]
        logits.append(_read(model, ids, cache, attention_mask=whole, position_ids=places))
        masks.append(padded(padded(mask, (missing, 0)), (shared, 0), value=1))
        # Empty places come after the shared tokens, as in the mask.
        states = [s for layer in cache.layers for s in (layer.keys, layer.values)]
        caches.append([torch.cat([s[:, :, :shared], padded(s[:, :, shared:], (0, 0, missing, 0))], 2) for s in states])
    states = [torch.cat(parts) for parts in zip(*caches, strict=True)]
    return torch.cat(logits), _cache(zip(states[::2], states[1::2], strict=True)), torch.cat(masks)


@torch.inference_mode()
def greedy(model, prompts: Sequence[Sequence[int]], *, end: int, pad: int, limit: int) -> list[tuple[list[int], bool]]:
    """Continue each prompt with the likeliest token until ``end`` or ``limit`` tokens; finished rows leave the batch.

    Returns, in the order of ``prompts``, the new token ids without ``end``, and whether ``end`` came.
    """
    return continued(model, *prefill(model, prompts, pad), end=end, limit=limit)


@torch.inference_mode()
def continued(model, logits: torch.Tensor, cache: Cache, mask: torch.Tensor, *, end: int, limit: int):
    """As ``greedy``, from what ``prefill`` returned; the cache is used up."""
    positions = mask.sum(1, keepdim=True) - 1
    made: list[list[int]] = [[] for _ in logits]
    ended = [False] * len(logits)
    rows = torch.arange(len(logits), device=model.device)  # which prompt each row of the batch belongs to
    for step in range(limit):
        chosen = logits.argmax(-1)
        for row, token in zip(rows.tolist(), chosen.tolist(), strict=True):
            ended[row] = ended[row] or token == end
            if not ended[row]:
                made[row].append(token)
        open_rows = torch.tensor([not ended[row] for row in rows.tolist()], device=model.device)
        if not open_rows.any() or step == limit - 1:
            break
        positions, mask = positions + 1, padded(mask, (0, 1), value=1)
        if (~open_rows).float().mean() >= DROP_AT:
            keep = open_rows.nonzero().flatten()
            cache.batch_select_indices(keep)
            rows, chosen, positions, mask = rows[keep], chosen[keep], positions[keep], mask[keep]
        logits = _read(model, chosen[:, None], cache, attention_mask=mask, position_ids=positions)
    return list(zip(made, ended, strict=True))


def batches(model, tokenizer, problems: Sequence[Problem], limit: int, batch: int, before: Turns) -> Iterator[Batch]:
    """Cut prompts (after the turns ``before``), the longest first, into batches of ``batch``, or as memory holds."""
    prompts, first = [(p, sft.prompt_ids(tokenizer, templates.prompt(p), before)) for p in problems], 0
    prompts.sort(key=lambda pair: -len(pair[1]))
    while first < len(prompts):
        many = min(batch, machine.rows_at_once(model, len(prompts[first][1]) + limit))
        yield prompts[first : first + many]
        first += many


def loaded(student: str, quantise: bool = True):
    """The student in evaluation mode."""
    model = registry.load_base(student, quantise).eval()
    plain = not getattr(model, "is_loaded_in_4bit", False)
    if plain and model.device.type == "cuda" and registry.weights_bytes(student) < 2**30:
        model = model.float()  # exact; and where an adapter is merged (``adapted``), a step is fewer products
    # The states at the last places are a slice. Of a slice torch makes one product a row, each with a copy of the
    # weights of the whole vocabulary: half the time and a GiB of memory at 8 rows of SmolLM2-135M in bf16.
    model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(),))
    return model


def adapted(model, adapter: Path):
    """``model`` with ``adapter`` on it, in evaluation mode; ``model`` itself must not be used beside."""
    kinds = {weight.dtype for weight in model.parameters()}
    # In fp32 the adapter is added to a copy: fewer products. Weights in fewer bits would be rounded anew by that.
    exact = kinds == {torch.float32}
    base = copy.deepcopy(model) if exact else model
    wrapped = PeftModel.from_pretrained(base, str(adapter), autocast_adapter_dtype=kinds != {torch.bfloat16})
    return (wrapped.merge_and_unload() if exact else wrapped).eval()


class Asker:
    """A student that is loaded when first asked, and changes adapters without loading the base again."""

    def __init__(self, student: str, recipe: Recipe):
        """Remember the student and the recipe; load nothing yet."""
        self.student, self.recipe, self.asked = student, recipe, None

    @cached_property
    def tokenizer(self):
        """The student's tokenizer."""
        return registry.load_tokenizer(self.student)

    @cached_property
    def base(self):
        """The student without an adapter."""
        return loaded(self.student, self.recipe.quantise)

    def with_adapter(self, adapter: Path | None):
        """The student with ``adapter`` on it (see ``adapted``), or without."""
        self.asked = self.asked.unload() if isinstance(self.asked, PeftModel) else None
        self.asked = self.base if adapter is None else adapted(self.base, adapter)
        return self.asked

    def complete(
        self, path: Path, problems: Sequence[Problem], adapter: Path | None, about: dict, before: Turns = ()
    ) -> None:
        """Fill ``path`` until it has an output for each problem, and replace those under another ``output_key``.

        ``adapter`` None asks the student as it is, after the worked examples ``before``. An unfinished batch is
        generated whole, as its other problems can tip a near tie. FileNotFoundError for a damaged adapter.
        """
        record = PROMPTED if adapter is None else records.read_record(adapter)
        if adapter and (wrong := records.damaged(adapter, record)):
            raise FileNotFoundError(f"the adapter at {adapter} is damaged ({wrong}): `tracekd train` trains it again")
        key = records.output_key(registry.identity(self.student), record, self.recipe, problems, before)
        with locked(path):
            done = {row["id"]: row for row in recover_jsonl(path) if row.get("key") == key}
            if all(p.id in done for p in problems):
                return
            limit = records.limit_of(self.recipe, record)
            cut = batches(self.base, self.tokenizer, problems, limit, self.recipe.generate_batch, before)
            left = [part for part in cut if any(p.id not in done for p, _ in part)]
            again = {p.id for part in left for p, _ in part}
            write_jsonl(path, [row for i, row in done.items() if i not in again])
            self._answer(path, left, adapter, limit, {**about, "key": key})

    def _answer(self, path: Path, left: list[Batch], adapter: Path | None, limit: int, about: dict) -> None:
        model, tokens, done = self.with_adapter(adapter), 0, 0
        end, pad = sft.end_token(self.tokenizer), self.tokenizer.pad_token_id
        label = f"{about['dataset']}/{about['condition']}/{about['seed']}"
        with closing(progress.Bar(label, sum(map(len, left)), unit="problem")) as bar:
            for part in left:
                rows = []
                made = greedy(model, [ids for _, ids in part], end=end, pad=pad, limit=limit)
                for (p, _), (ids, finished) in zip(part, made, strict=True):
                    text = self.tokenizer.decode(ids, skip_special_tokens=True)
                    rows.append({"id": p.id, "text": text, "finished": finished, "n_tokens": len(ids), **about})
                append_jsonl(path, rows)
                tokens, done = tokens + sum(row["n_tokens"] for row in rows), done + len(part)
                bar.at(done, tokens)
