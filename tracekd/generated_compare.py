"""Real and generated problems side by side, as counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from tracekd import problems, records
from tracekd.generated_marco import NO_ANSWER, PUBLISHED_MEANS, PUBLISHED_TYPES
from tracekd.problems import CATEGORIES, Problem

_KEYS = ["dataset", "category", "measure"]
_COUNTS = ("facts", "evidence", "answers")
_LENGTHS = ("question_words", "answer_words", "fact_words", "prompt_words", "prompt_tokens")
# The order of rows: the project's order of sets and categories, the whole set first.
_ORDER = (*CATEGORIES, "all", *(c for names in CATEGORIES.values() for c in names), "share", *_COUNTS, *_LENGTHS)
# Files of the real sets that the committed comparison was counted on.
_FILES = {"cotempqa": "cotempqa/*_test.jsonl", "babi": "babi/*.csv"}


def compare(
    real: Sequence[Problem], generated: Sequence[Problem], count_tokens: Callable[[str], int] | None = None
) -> pd.DataFrame:
    """Category shares and sizes of real and generated problems, of one set or several.

    Args:
        real: problems of the real files; a set or category that only one side has gets NaN on the other.
        generated: problems of the generators.
        count_tokens: counts the tokens of a text; without it only words (split at white space) are counted.

    Returns:
        One row a data set, category ("all" for the whole set) and measure, with the columns ``dataset``,
        ``category``, ``measure``, and for each of ``real`` and ``generated``: ``_n`` (problems), ``_mean``, ``_p5``
        and ``_p95`` (5% and 95% quantiles). Measures: ``share`` (of the set, 0 to 1, mean only), ``facts``
        (sentences or passages), ``evidence`` (gold facts), ``answers``, ``question_words``, ``answer_words``
        (mean words an answer; NaN where there is none), ``fact_words`` (mean words a fact), ``prompt_words``
        (context and question), and ``prompt_tokens`` where tokens are counted.
    """
    sides = {"real": real, "generated": generated}
    tables = [_summary(_measured(part, count_tokens)).add_prefix(f"{side}_") for side, part in sides.items()]
    table = tables[0].join(tables[1], how="outer").reset_index()
    return table.sort_values(_KEYS, key=_rank, ignore_index=True)


def compare_files(
    folder: str | Path, seed: int = 121, count_tokens: Callable[[str], int] | None = None
) -> pd.DataFrame:
    """``compare`` for the real files of a folder and as many generated problems: what is committed as a table.

    CoTempQA is compared on its test split, which the folder has whole; bAbI on both splits; MARCO with the means and
    shares that its makers publish. Columns beside those of ``compare``: ``real_source``, ``real_sha256`` (digest of
    the files' sorted names and digests; empty for published numbers) and ``generated_seed``.
    """
    folder = Path(folder)
    real = [p for p in problems.load("cotempqa", str(folder)) if p.split == "test"]
    real += problems.load("babi", str(folder))
    generated = [p for p in problems.load("cotempqa", size=4748, seed=seed) if p.split == "test"]
    generated += problems.load("babi", size=4149, seed=seed) + problems.load("marco", size=6000, seed=seed)
    table = compare(real, generated, count_tokens)
    digests = {
        dataset: records.sha256({path.name: records.sha256(path) for path in sorted(folder.glob(pattern))})
        for dataset, pattern in _FILES.items()
    }
    n = {"all": sum(PUBLISHED_TYPES.values()), **PUBLISHED_TYPES}
    known = {("all", measure): mean for measure, mean in PUBLISHED_MEANS.items()}
    known |= {(category, "share"): count / n["all"] for category, count in n.items()}
    marco = table["dataset"] == "marco"
    keys = list(zip(table.loc[marco, "category"], table.loc[marco, "measure"], strict=True))
    table.loc[marco, "real_mean"] = [known.get(key, float("nan")) for key in keys]
    table.loc[marco, "real_n"] = [n[key[0]] if key in known else float("nan") for key in keys]
    source = table["dataset"].map({"cotempqa": "local files", "babi": "local files", "marco": "published statistics"})
    return table.assign(real_source=source, real_sha256=table["dataset"].map(digests), generated_seed=seed)


def _rank(column: pd.Series) -> pd.Series:
    return column.map({name: rank for rank, name in enumerate(_ORDER)}).fillna(len(_ORDER))


def _measured(part: Sequence[Problem], count_tokens: Callable[[str], int] | None) -> pd.DataFrame:
    rows = []
    for p in part:
        prompt = "\n".join((*p.context, p.question))
        row = {
            "dataset": p.dataset,
            "category": p.category,
            "facts": len(p.context),
            "evidence": len(p.evidence),
            "answers": len(p.answers),
            "question_words": len(p.question.split()),
            "answer_words": _mean_words(a for a in p.answers if a != NO_ANSWER),
            "fact_words": _mean_words(p.context),
            "prompt_words": len(prompt.split()),
        }
        rows.append(row | ({"prompt_tokens": count_tokens(prompt)} if count_tokens else {}))
    return pd.DataFrame(rows, columns=None if rows else ["dataset", "category"])


def _mean_words(texts: Iterable[str]) -> float:
    return pd.Series([len(text.split()) for text in texts], dtype=float).mean()


def _summary(frame: pd.DataFrame) -> pd.DataFrame:
    keys, rows = [], []
    for dataset, whole in frame.groupby("dataset", sort=False):
        for category, part in [("all", whole), *whole.groupby("category", sort=False)]:
            keys.append((dataset, category, "share"))
            rows.append({"n": len(part), "mean": len(part) / len(whole)})
            for measure in frame.columns[2:]:
                values = part[measure]
                low, high = values.quantile([0.05, 0.95])
                keys.append((dataset, category, measure))
                rows.append({"n": len(part), "mean": values.mean(), "p5": low, "p95": high})
    index = pd.MultiIndex.from_tuples(keys, names=_KEYS) if keys else pd.MultiIndex.from_arrays([[]] * 3, names=_KEYS)
    return pd.DataFrame(rows, index=index, columns=["n", "mean", "p5", "p95"])
