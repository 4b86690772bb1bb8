"""Tables of training, for notebook 03: cost of each adapter, losses by part of the target."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tracekd.students.adapters import adapter_path
from tracekd.traces import freeform

COST = [
    "dataset", "condition", "seed", "n", "supervised_tokens", "total_tokens", "steps", "seconds", "tokens_per_second",
    "mean_loss", "peak_gib", "hardware",
]  # fmt: skip


def cost(adapters: pd.DataFrame, teachers: Mapping) -> pd.DataFrame:
    """One row per adapter of ``run_grid.train``, columns ``COST``; tokens_per_second counts prompts too."""
    rate = adapters.total_tokens * adapters.epochs / adapters.seconds
    return freeform.spelled(adapters.assign(tokens_per_second=rate)[COST], teachers)


def losses(run, adapters: pd.DataFrame, teachers: Mapping) -> pd.DataFrame:
    """One row per update of each adapter.

    Returns:
        Columns dataset, condition, seed, step, examples (seen so far), loss, trace_loss, answer_loss (nats per token;
        empty for a part that the condition does not have), learning_rate, grad_norm.
    """
    update, logs = run.profile.recipe.batch * run.profile.recipe.accumulation, []
    for row in adapters.itertuples():
        log = pd.read_json(adapter_path(run, row.dataset, row.condition, row.seed) / "log.jsonl", lines=True)
        seen = (log.step * update).clip(upper=row.n * row.epochs)  # the last update may hold fewer
        logs.append(log.assign(dataset=row.dataset, condition=row.condition, seed=row.seed, examples=seen))
    made = freeform.spelled(pd.concat(logs, ignore_index=True), teachers)
    parts = ["trace_loss", "answer_loss"]
    return made.assign(**made[parts].apply(pd.to_numeric))
