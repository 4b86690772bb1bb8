"""Pictures of training: loss curves by part of the target."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import LogLocator, NullFormatter

from tracekd.plots.style import colour_of

PARTS = {"trace_loss": "trace tokens", "answer_loss": "answer tokens"}


def loss_curves(ax: plt.Axes, logs: pd.DataFrame, part: str) -> plt.Axes:
    """Draw the loss of one part of the target over training, one line per condition and seed; return ``ax``.

    Args:
        ax: where to draw.
        logs: columns condition, seed, step, examples (seen so far), trace_loss and answer_loss (nats per token).
        part: ``trace_loss`` or ``answer_loss``. A condition without such tokens (vanilla has no trace) has no line.
    """
    for (condition, _), rows in logs.groupby(["condition", "seed"], sort=False):
        rows = rows.dropna(subset=[part]).sort_values("step")
        if rows.empty:
            continue
        smooth = rows[part].rolling(max(1, len(rows) // 12), min_periods=1).mean()
        colour, dot = colour_of(condition), "o" if len(rows) == 1 else None  # no line of one step
        ax.plot(rows.examples, rows[part], color=colour, alpha=0.25, lw=0.7)
        ax.plot(rows.examples, smooth, color=colour, marker=dot, ms=3.5, label=condition)
    ax.set(title=PARTS[part], xlabel="examples seen", yscale="log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # enough labels to read a value, few enough not to touch
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    return ax
