"""Greedy decoding of a batch with the KV cache on, in which finished rows stop costing."""

from __future__ import annotations

from collections.abc import Sequence

import torch

DROP_AT = 0.125  # share of finished rows at which the cache is cut down to the others: copying it costs about a step


def left_padded(rows: Sequence[Sequence[int]], pad: int, device) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts as (B, T) token ids that all end at the last column, and their mask."""
    width = max(map(len, rows))
    ids = [[pad] * (width - len(row)) + list(row) for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


@torch.inference_mode()
def greedy(model, prompts: Sequence[Sequence[int]], *, end: int, pad: int, limit: int) -> list[tuple[list[int], bool]]:
    """Continue each prompt with the likeliest token until ``end`` or ``limit`` tokens.

    ``model.generate`` carries every row until the last one is finished; here a finished row leaves the batch and its
    cache. A row's own numbers stay the same; only the shapes of the matrix products around them change.

    Returns:
        In the order of ``prompts``: the new token ids without ``end``, and whether ``end`` came.
    """
    from transformers import DynamicCache

    ids, mask = left_padded(prompts, pad, model.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    made: list[list[int]] = [[] for _ in prompts]
    ended = [False] * len(prompts)
    rows = torch.arange(len(prompts), device=model.device)  # which prompt each row of the batch belongs to
    for _ in range(limit):
        out = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        chosen = out.logits[:, -1].argmax(-1)
        for row, token in zip(rows.tolist(), chosen.tolist(), strict=True):
            if ended[row]:
                continue
            if token == end:
                ended[row] = True
            else:
                made[row].append(token)
        open_rows = torch.tensor([not ended[row] for row in rows.tolist()], device=model.device)
        if not open_rows.any():
            break
        positions = positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        if (~open_rows).float().mean() >= DROP_AT:
            keep = open_rows.nonzero().flatten()
            cache.batch_select_indices(keep)
            rows, chosen, positions, mask = rows[keep], chosen[keep], positions[keep], mask[keep]
        ids = chosen[:, None]
    return [(tokens, done) for tokens, done in zip(made, ended, strict=True)]
