"""Every number that the paper (arXiv 2505.13792) or its release prints, in one long table: ``published.csv``.

Columns: kind (``size``, ``answer metric``, ``matrix``, ``r1 subset``, ``seeds``, ``claim``, ``ratings``), dataset,
category, student, condition (in our names), seed, measure, value, unit, source (where it is printed).
"""

from __future__ import annotations

from importlib.resources import files

import pandas as pd


def load() -> pd.DataFrame:
    """The table; ``seed`` is empty where none is stated, ``value`` is a number in ``unit``."""
    return pd.read_csv(files("tracekd.analysis") / "published.csv", keep_default_na=False, dtype={"seed": str})
