"""Pictures that every notebook shares: one style, one colour per condition."""

import matplotlib as mpl
import pandas as pd

from tracekd.text import NAMES, named

# Okabe and Ito's palette (2008), distinct under the common colour-vision deficiencies.
OKABE_ITO = {
    "black": "#000000", "orange": "#E69F00", "sky": "#56B4E9", "green": "#009E73",
    "yellow": "#F0E442", "blue": "#0072B2", "vermilion": "#D55E00", "purple": "#CC79A7", "grey": "#7F7F7F",
}  # fmt: skip
COLOURS = {
    "prompted": OKABE_ITO["grey"], "vanilla": OKABE_ITO["black"], "correct": OKABE_ITO["blue"],
    "incorrect": OKABE_ITO["vermilion"], "r1": OKABE_ITO["green"], "r1_summary": OKABE_ITO["sky"],
    "r1_explanation": OKABE_ITO["purple"], "swapped": OKABE_ITO["orange"],
    "few_shot": OKABE_ITO["grey"], "few_shot_traces": OKABE_ITO["grey"], "any": OKABE_ITO["green"],
    "foreign": OKABE_ITO["purple"], "natural": OKABE_ITO["orange"], "natural_correct": OKABE_ITO["blue"],
    "natural_incorrect": OKABE_ITO["vermilion"], "incorrect_uniform": OKABE_ITO["orange"],
    "incorrect_as_published": OKABE_ITO["vermilion"],
}  # fmt: skip
MARKERS = dict(zip(COLOURS, "osD^vPX*<>hHd8psv", strict=True))  # no two conditions share both colour and marker
STYLE = {  # for column width: 8 pt type, thin axes, embedded fonts
    "figure.figsize": (3.35, 2.5), "figure.dpi": 150, "figure.constrained_layout.use": True,
    "savefig.dpi": 200, "savefig.bbox": "tight",
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5, "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.6, "lines.linewidth": 1.2, "pdf.fonttype": 42, "ps.fonttype": 42, "svg.hashsalt": "tracekd",
    "axes.prop_cycle": mpl.cycler(color=[c for n, c in OKABE_ITO.items() if n not in ("black", "yellow")]),
}  # fmt: skip
WIDTH = 6.9  # inches: both columns


def colour_of(condition: str) -> str:
    """A training condition's colour, the same for ``r1`` and ``r1 (templated)``; grey for any other word."""
    return COLOURS.get(condition.partition(" (")[0], OKABE_ITO["grey"])


def marker_of(condition: str) -> str:
    """A training condition's marker, the same in every picture; a circle for any other word."""
    return MARKERS.get(condition.partition(" (")[0], "o")


def styled(frame: pd.DataFrame, precision: int = 3, **formats: str):
    """A frame as a reader sees it: owners' names, text on the left, no row numbers, no NaN.

    Numbers have ``precision`` digits; ``formats`` by column as in ``Styler.format``.
    """
    shown = frame.rename(index=NAMES, columns=NAMES).map(lambda cell: named(cell) if isinstance(cell, str) else cell)
    styled = shown.style.format(formats or None, precision=precision, thousands=",", na_rep="")
    styled = styled.set_properties(subset=[*shown.select_dtypes(exclude="number")], **{"text-align": "left"})
    return styled if any(shown.index.names) else styled.hide(axis="index")
