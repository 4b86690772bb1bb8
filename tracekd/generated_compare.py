"""Real and generated problems side by side, as counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from tracekd.problems import Problem


def compare(
    real: Sequence[Problem], generated: Sequence[Problem], count_tokens: Callable[[str], int] | None = None
) -> pd.DataFrame:
    """Category shares and sizes of real and generated problems of one set or several.

    Args:
        real: problems of the real files; a data set or category that only one side has gets NaN on the other.
        generated: problems of the generators.
        count_tokens: counts a prompt's tokens; words (split at white space) are counted if it is None.

    Returns:
        One row a data set, category ("all" for the whole set) and measure, with the columns ``dataset``,
        ``category``, ``measure``, and for each of ``real`` and ``generated``: ``n`` (problems), ``mean``, ``p5`` and
        ``p95`` (5% and 95% quantiles). Measures: ``share`` (of the set, 0 to 1, mean only), ``facts`` (sentences or
        passages), ``evidence`` (gold facts), ``answers``, ``question_words``, ``fact_words`` (mean words a fact), and
        ``prompt_words`` or ``prompt_tokens`` (context and question).
    """
    sides = {"real": _measured(real, count_tokens), "generated": _measured(generated, count_tokens)}
    tables = [_summary(frame).add_prefix(f"{side}_") for side, frame in sides.items()]
    table = pd.concat(tables, axis=1, join="outer", sort=False)
    return table.rename_axis(["dataset", "category", "measure"]).reset_index()


def _measured(problems: Sequence[Problem], count_tokens: Callable[[str], int] | None) -> pd.DataFrame:
    count, unit = (count_tokens, "prompt_tokens") if count_tokens else (lambda text: len(text.split()), "prompt_words")
    rows = [
        {
            "dataset": p.dataset,
            "category": p.category,
            "facts": len(p.context),
            "evidence": len(p.evidence),
            "answers": len(p.answers),
            "question_words": len(p.question.split()),
            "fact_words": sum(len(fact.split()) for fact in p.context) / max(len(p.context), 1),
            unit: count("\n".join((*p.context, p.question))),
        }
        for p in problems
    ]
    return pd.DataFrame(rows)


def _summary(frame: pd.DataFrame) -> pd.DataFrame:
    rows = {}
    for dataset, whole in frame.groupby("dataset", sort=False) if len(frame) else ():
        for category, part in [("all", whole), *whole.groupby("category", sort=False)]:
            rows[dataset, category, "share"] = {"n": len(part), "mean": len(part) / len(whole)}
            for measure in frame.columns[2:]:
                values = part[measure]
                rows[dataset, category, measure] = {
                    "n": len(part),
                    "mean": values.mean(),
                    "p5": values.quantile(0.05),
                    "p95": values.quantile(0.95),
                }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["n", "mean", "p5", "p95"])
