"""The check that needs no gold, at inference time: does the trace that an output states pass the derivation?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tracekd.analysis.tables import BY, accuracy


def at_inference(
    frame: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000, by: Sequence[str] = BY
) -> pd.DataFrame:
    """How often the check agrees with the verdict by gold on the trace (``passes_check``), and what it buys.

    Returns:
        Columns of ``tables.accuracy`` after ``by`` and ``measure``, and ``not_checked``, the group's outputs that the
        check does not apply to. A measure without outputs has no row.
    """
    checked = frame[frame.passes_check.notna()]
    passed = checked.passes_check.astype(bool)
    checked = checked.assign(passed=passed, agrees=passed == checked.trace_correct.astype(bool))
    parts = {
        "agrees with gold": (checked, "agrees"),
        "passes": (checked, "passed"),
        "answer right": (checked, "answer_correct"),
        "answer right, trace passes": (checked[passed], "answer_correct"),
        "answer right, trace fails": (checked[~passed], "answer_correct"),
    }
    made = [accuracy(part, column, rng, repeats, by).assign(measure=name) for name, (part, column) in parts.items()]
    order = [*by, "measure"]
    if (found := pd.concat(made)).empty:
        return pd.DataFrame(columns=[*order, "value", "low", "high", "not_checked"])
    left = frame.passes_check.isna().groupby([frame[name] for name in by], observed=True).sum()
    found = found.merge(left.rename("not_checked").reset_index(), on=list(by), how="left")
    return found[[*order, *found.columns.drop(order)]].sort_values(list(by), kind="stable", ignore_index=True)
