"""Pictures of training: loss curves by part of the target, and how far NF4 rounds a student's weights."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullFormatter

from tracekd.plots import colour_of

PARTS = {"trace_loss": "trace tokens", "answer_loss": "answer tokens"}


def loss_curves(ax: plt.Axes, logs: pd.DataFrame, part: str) -> plt.Axes:
    """Draw the loss of one part of the target over training, one line a condition and seed; return ``ax``.

    Args:
        ax: where to draw.
        logs: columns condition, seed, step, examples (seen so far), trace_loss and answer_loss (nats a token).
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
    # Labels at 1, 2 and 5 of each decade: enough to read a value, few enough not to touch.
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    return ax


def token_strip(ax: plt.Axes, shares: pd.DataFrame) -> plt.Axes:
    """Draw how the tokens of an SFT set divide into prompt, trace and answer, one bar a condition; return ``ax``.

    Args:
        ax: where to draw.
        shares: one row a condition; columns condition, prompt, trace, answer (mean tokens an example).
    """
    left = np.zeros(len(shares))
    styles = {"prompt": ("#dddddd", ""), "trace": ("#56B4E9", "//"), "answer": ("#0072B2", "")}
    for part, (colour, hatch) in styles.items():
        values = shares[part].to_numpy(float)
        ax.barh(shares.condition, values, left=left, color=colour, hatch=hatch, edgecolor="white", lw=0, label=part)
        left += values
    for row, total in enumerate(left):
        ax.annotate(f"{total:.0f}", (total, row), (3, 0), textcoords="offset points", va="center", fontsize=7)
    ax.invert_yaxis()
    ax.set_xlabel("tokens an example (mean)")
    ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return ax
