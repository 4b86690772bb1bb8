"""Greedy decoding of a batch with the KV cache on, in which finished rows stop costing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import takewhile

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

GROUP = 8  # prompts that a CPU reads at once: enough to fill a matrix, few enough to be of like length
GPU_GROUP = 16  # the same on a GPU, which has memory for the cache of all, but not for the activations of many
SPARED = 128  # tokens that sharing the prompts' beginning must save to be worth its own pass
DROP_AT = 0.125  # share of finished rows at which the cache is cut down to the others; copying it costs about a step


class RoomyLayer(DynamicLayer):
    """A cache layer with spare room: a new token is written in place, where ``DynamicLayer`` copies everything."""

    SPARE = 64  # places that are added if there is no room left

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs):
        """Append keys and values (B, heads, T, width); return all of them, as views."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys = self._appended("key_room", self.keys, key_states)
        self.values = self._appended("value_room", self.values, value_states)
        return self.keys, self.values

    def _appended(self, name: str, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        used = old.shape[-2] if old.numel() else 0
        length, room = used + new.shape[-2], getattr(self, name, None)
        # Rows that were selected, or states that were set from outside, are another tensor than the room's beginning.
        ours = room is not None and room.data_ptr() == old.data_ptr() and len(room) == len(old)
        if not ours or room.shape[-2] < length:
            room = new.new_empty(*new.shape[:-2], length + self.SPARE, new.shape[-1])
            if used:
                room[..., :used, :] = old
            setattr(self, name, room)
        room[..., used:length, :] = new
        return room[..., :length, :]


def left_padded(rows: Sequence[Sequence[int]], pad: int, device) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts as (B, T) token ids that all end at the last column, and their mask."""
    width = max(map(len, rows))
    ids = [[pad] * (width - len(row)) + list(row) for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def selected(cache: Cache, rows: torch.Tensor) -> Cache:
    """A cache of its own with these rows (B,) of ``cache``, each as often as it is named."""
    made = Cache(layer_class_to_replicate=RoomyLayer)
    for number, layer in enumerate(cache.layers):
        made.update(layer.keys[rows], layer.values[rows], number)
    return made


def prefill(model, prompts: Sequence[Sequence[int]], pad: int):
    """Run the shared beginning of all prompts once, and their rests a few rows at a time, padded to the longest.

    Returns:
        The logits at the last place (B, V), the KV cache of all rows, its mask (B, T): shared tokens, padding, rest.

    Raises:
        ValueError: a layer of the model looks back over a window only.
    """
    shared, begun = _begun(model, prompts)
    width, logits, caches, masks = max(map(len, prompts)) - shared, [], [], []
    at_once = GROUP if model.device.type == "cpu" else GPU_GROUP
    for first in range(0, len(prompts), at_once):
        ids, mask = left_padded([row[shared:] for row in prompts[first : first + at_once]], pad, model.device)
        cache, missing = copy.deepcopy(begun), width - ids.shape[1]
        if shared:
            cache.batch_repeat_interleave(len(ids))
        whole = torch.nn.functional.pad(mask, (shared, 0), value=1)
        out = model(
            input_ids=ids, attention_mask=whole, position_ids=(whole.cumsum(1) - 1).clamp(min=0)[:, shared:],
            past_key_values=cache, use_cache=True, logits_to_keep=1,
        )  # fmt: skip
        logits.append(out.logits[:, -1])
        masks.append(torch.cat([whole[:, :shared], whole.new_zeros(len(ids), missing), mask], dim=1))
        caches.append([[_wider(s, shared, missing) for s in (layer.keys, layer.values)] for layer in cache.layers])
    joined = Cache(layer_class_to_replicate=RoomyLayer)
    for number, parts in enumerate(zip(*caches, strict=True)):
        joined.update(*(torch.cat(part) for part in zip(*parts, strict=True)), number)
    return torch.cat(logits), joined, torch.cat(masks)


def _begun(model, prompts: Sequence[Sequence[int]]) -> tuple[int, DynamicCache]:
    """How many tokens all prompts share at their beginning (0 if not worth a pass), and the cache that these leave."""
    cache = DynamicCache(config=model.config)
    if kinds := {type(layer).__name__ for layer in cache.layers} - {"DynamicLayer"}:
        raise ValueError(
            f"{model.config.model_type} students have {', '.join(sorted(kinds))} in their cache, expected plain "
            "attention over the whole context: take a student of the registry"
        )
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*prompts, strict=False))
    shared = min(len(list(alike)), min(map(len, prompts)) - 1)  # each keeps a token of its own
    if shared * (len(prompts) - 1) < SPARED:
        return 0, cache
    ids = torch.tensor([list(prompts[0][:shared])], device=model.device)
    model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return shared, cache


def _wider(states: torch.Tensor, shared: int, places: int) -> torch.Tensor:
    """Keys or values (B, heads, T, width) with empty places after the shared ones."""
    empty = states.new_zeros(*states.shape[:2], places, states.shape[-1])
    return torch.cat([states[:, :, :shared], empty, states[:, :, shared:]], dim=2)


@torch.inference_mode()
def greedy(model, prompts: Sequence[Sequence[int]], *, end: int, pad: int, limit: int) -> list[tuple[list[int], bool]]:
    """Continue each prompt with the likeliest token until ``end`` or ``limit`` tokens; finished rows leave the batch.

    Returns:
        In the order of ``prompts``: the new token ids without ``end``, and whether ``end`` came.
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
            if ended[row]:
                continue
            if token == end:
                ended[row] = True
            else:
                made[row].append(token)
        open_rows = torch.tensor([not ended[row] for row in rows.tolist()], device=model.device)
        if not open_rows.any() or step == limit - 1:
            break
        positions = positions + 1
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        if (~open_rows).float().mean() >= DROP_AT:
            keep = open_rows.nonzero().flatten()
            cache.batch_select_indices(keep)
            rows, chosen, positions, mask = rows[keep], chosen[keep], positions[keep], mask[keep]
        out = model(
            input_ids=chosen[:, None], attention_mask=mask, position_ids=positions, past_key_values=cache,
            use_cache=True, logits_to_keep=1,
        )  # fmt: skip
        logits = out.logits[:, -1]
    return list(zip(made, ended, strict=True))
