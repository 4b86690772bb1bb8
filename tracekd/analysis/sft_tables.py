"""What notebook 02 shows of the SFT sets: what wrong traces reveal, verdicts on whole sets, lengths in tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from tracekd.analysis import leakage as lt
from tracekd.data.problem import DATASETS, Problem
from tracekd.data.problems import kept as kept_problems
from tracekd.data.problems import load
from tracekd.data.splits import select
from tracekd.students import registry, sft
from tracekd.teacher import run_texts
from tracekd.traces import freeform, templates

# The columns of the leakage table, in reading order.
LEAKAGE = ("problems", "kind", "n", "label_share", *lt.MEASURES, "form_accuracy")
WRONG = {f"incorrect {step}": {"corrupt": step} for step in ("classification", "retrieval", "both")}


def generated(seed: int) -> dict[str, list[Problem]]:
    """Generated problems of each set, which may be shown whatever source a run uses."""
    return {name: load(name, "generated", size=220, seed=seed) for name in DATASETS}


def leakage(run) -> pd.DataFrame:
    """What wrong traces reveal (columns ``LEAKAGE``), with the interval of the form classifier's accuracy.

    First of this run's training problems (the default kind, at most 1,000 a set), then as recorded of the real ones.
    """
    trained = {name: [p for p in found if p.split == "train"] for name, found in kept_problems(run).items()}
    drawn = {name: select(found, 1000, run.rng(f"{name}/leakage")) for name, found in trained.items()}
    live = lt.table(drawn, run.seed, ["matched"])
    live["problems"] = live.dataset.map(run.label_of)
    real = lt.recorded()
    real = real[(real.problems == lt.TRAINING) & (real.kind != "uniform") | (real.kind == lt.RELEASED)]
    made = pd.concat([live, real.assign(problems="real " + real.problems)], ignore_index=True)
    made["problems"] = made.dataset + ": " + made.problems
    intervals = zip(made.form_accuracy, made.form_low, made.form_high, strict=True)
    made["form_accuracy"] = [f"{share:.3f} [{low:.3f}, {high:.3f}]" for share, low, high in intervals]
    return made[list(LEAKAGE)]


def verified(run) -> pd.DataFrame:
    """Verdicts on the right traces and on each way to be wrong, over the training problems of a run.

    Returns:
        One row a data set and kind of trace: ``n``, traces right in classification and in retrieval.
    """
    rows = []
    for name, found in kept_problems(run).items():
        chosen = run_texts.training_problems(run, name, found)
        for kind, options in {"correct": {}, **WRONG}.items():
            seen = [templates.verify(templates.build(p, kind.split()[0], seed=run.seed, **options), p) for p in chosen]
            rows.append((name, kind, len(seen), *(sum(step) for step in zip(*seen, strict=True))))
    return pd.DataFrame(rows, columns=["data set", "trace", "n", "classification right", "retrieval right"])


def encoded(run, problem: Problem) -> tuple:
    """One problem's correct example in tokens, as ``display.token_view`` takes it."""
    tokenizer = registry.load_tokenizer(run.student)
    made = sft.encode(sft.build([problem], "correct", seed=run.seed)[0], tokenizer)
    return made.prompt_ids, made.target_ids, made.parts, tokenizer


def tokens(run, sets: Mapping[tuple[str, str], Sequence[sft.Example]]) -> pd.DataFrame:
    """Mean tokens per example of each SFT set: read, learned as trace, learned as answer (with the end token).

    Returns:
        One row a data set and condition, with ``n`` (examples) and ``learned (%)``, the share that carries loss.
    """
    tokenizer, limit = registry.load_tokenizer(run.student), run.profile.recipe.max_tokens
    rows, teachers = [], sft.teachers(sets)
    for (dataset, condition), made in sft.fitting(sets, run.student, run.profile.recipe).items():
        examples = sft.encode_all(made, tokenizer, limit)
        parts = pd.DataFrame(
            {"read": len(e.prompt_ids), "trace": e.parts.count(sft.TRACE), "answer": e.parts.count(sft.ANSWER)}
            for e in examples
        )
        means = parts.mean().round(1)
        name = freeform.longhand(condition, teachers[dataset, condition])
        learned = round(100 * (means.trace + means.answer) / means.sum(), 1)
        rows.append({"data set": dataset, "condition": name, "n": len(parts), **means, "learned (%)": learned})
    return pd.DataFrame(rows)
