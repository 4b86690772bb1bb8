"""Every number that the paper or its release prints, in one long table with its source: ``published.csv``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pandas as pd

from tracekd.records import replacing

COLUMNS = ("kind", "dataset", "category", "student", "condition", "seed", "measure", "value", "unit", "source")
ENDINGS = {
    "-sft-adapter-reasoning-facts-perturbed": "incorrect",
    "-sft-adapter-reasoning-facts": "correct",
    "-sft-adapter": "vanilla",
}
# The release's names for what was trained on the R1 subset, in ours.
R1_CONDITIONS = {
    "r1-traces": "r1",
    "summarized-r1-traces": "r1_summary",
    "r1-explanations": "r1_explanation",
    "r1-set-vanilla": "vanilla",
    "r1-set-custom-traces": "correct",
    "r1-set-incorrect-traces": "incorrect",
    "r1-set-swapped": "swapped",
}
MATRICES = {"matrix1": ("classification", "category"), "matrix2": ("retrieval", "fact"), "matrix3": ("trace", "trace")}
CELLS = {
    "both": "correct_answer_correct_{}",
    "answer_only": "correct_answer_incorrect_{}",
    "trace_only": "incorrect_answer_correct_{}",
    "neither": "incorrect_answer_incorrect_{}",
}
PAPER = "arXiv 2505.13792"
# (kind, dataset, category, condition, measure, value, unit): what the paper prints in its text and tables.
TEXT = (
    *(("size", "cotempqa", c, "", "problems", n, "problems") for c, n in
      {"all": 4748, "equal": 436, "overlap": 653, "during": 3096, "mix": 563}.items()),
    ("size", "cotempqa", "all", "", "test problems", 950, "problems"),
    ("size", "marco", "all", "", "problems", 6000, "problems"),
    ("size", "marco", "all", "", "test problems", 1000, "problems"),
    ("size", "babi", "all", "", "problems", 4149, "problems"),
    ("size", "babi", "all", "", "train problems", 3773, "problems"),
    ("size", "babi", "all", "", "test problems", 376, "problems"),
    ("claim", "cotempqa", "all", "correct", "correct traces led to correct solutions", 28, "% of test cases"),
    ("claim", "", "", "", "critical value of chi-squared", 3.841, "chi-squared, 1 df, 0.05"),
    ("study", "", "", "", "participants", 100, "people"),
    ("study", "", "", "r1", "interpretability", 3.39, "mean of 1 to 5"),
    ("study", "", "", "r1", "cognitive load", 4.59, "mean of 1 to 5"),
    ("study", "", "", "correct", "interpretability", 4.86, "mean of 1 to 5"),
)  # fmt: skip


def load() -> pd.DataFrame:
    """The table with ``COLUMNS``; ``seed`` is empty where none is stated, ``value`` is a number in ``unit``."""
    return pd.read_csv(files("tracekd") / "published.csv", keep_default_na=False, dtype={"seed": str})


def split_adapter(name: str, category: str = "") -> tuple[str, str]:
    """Student and condition of an adapter's published name."""
    name = name.removesuffix(f"_{category}")
    for ending, condition in ENDINGS.items():
        if name.endswith(ending):
            return name.removesuffix(ending), condition
    return name.split("_", 1)[-1], "prompted"


def build(folder: str | Path) -> pd.DataFrame:
    """Build the table from the release's CSVs in ``folder`` and from the numbers of the paper's text."""
    folder = Path(folder)
    rows = [
        dict(zip(COLUMNS, (kind, dataset, category, "", condition, "", measure, value, unit, PAPER), strict=True))
        for kind, dataset, category, condition, measure, value, unit in TEXT
    ]
    rows += _answers(pd.read_csv(folder / "published_answer_metrics.csv"))
    rows += _matrices(pd.read_csv(folder / "published_confusion_matrices.csv"))
    rows += _runs(pd.read_csv(folder / "published_r1_conditions.csv"), "r1 subset")
    rows += _runs(pd.read_csv(folder / "published_seed_replicates.csv"), "seeds")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _answers(table: pd.DataFrame) -> list[dict]:
    rows = []
    for row in table.to_dict("records"):
        student, condition = split_adapter(row["adapter"], row["category"])
        about = {"kind": "answer metric", "dataset": row["dataset"], "category": row["category"], "student": student}
        source = f"release, evaluation results of {row['adapter']} (May 2025)"
        about |= {"condition": condition, "seed": "", "unit": "%", "source": source}
        rows += [{**about, "measure": name, "value": row[name]} for name in ("acc", "f1", "p", "r", "avg")]
    return rows


def _matrices(table: pd.DataFrame) -> list[dict]:
    rows = []
    for row in table.to_dict("records"):
        student, condition = split_adapter(row["adapter"])
        source = f"release, confusion matrix of {row['adapter']} (May 2025)"
        about = {"kind": "matrix", "dataset": row["dataset"], "category": "all", "student": student, "seed": ""}
        about |= {"condition": condition, "unit": "outputs", "source": source}
        values = {
            f"{step} {cell}": row[f"{matrix}.{pattern.format(word)}"]
            for matrix, (step, word) in MATRICES.items()
            for cell, pattern in CELLS.items()
        }
        for ours, theirs in (("classification", "category"), ("retrieval", "fact"), ("answer", "answer")):
            values[f"{ours} correct"] = row[f"accuracies.{theirs}_accuracy"]
        values["unevaluated"] = row["accuracies.unevaluated"]
        rows += [{**about, "measure": name, "value": int(v)} for name, v in values.items() if v == v]
    return rows


def _runs(table: pd.DataFrame, kind: str) -> list[dict]:
    rows = []
    for row in table.to_dict("records"):
        condition = R1_CONDITIONS.get(row["condition"], row["condition"])
        source = f"release, {row['path']} at {row['commit'][:10]}"
        about = {"kind": kind, "dataset": "cotempqa", "category": row["category"], "student": row["model"]}
        about |= {"condition": condition, "seed": str(row.get("seed", "")), "unit": "%", "source": source}
        rows += [{**about, "measure": name, "value": row[name]} for name in ("acc", "f1", "p", "r", "avg")]
    return rows


def write(folder: str | Path, path: str | Path) -> Path:
    """Write ``build(folder)`` to ``path``."""
    with replacing(path) as temporary:
        build(folder).to_csv(temporary, index=False, lineterminator="\n")
    return Path(path)
