"""What notebooks 02 and 03 show: what wrong traces reveal, verdicts on SFT sets, tokens, and what training costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from tracekd.analysis import leakage as lt
from tracekd.data.problem import DATASETS, Problem
from tracekd.data.problems import kept as kept_problems
from tracekd.data.problems import load
from tracekd.data.splits import select
from tracekd.students import registry, sft
from tracekd.students.records import adapter_path
from tracekd.teacher import run_texts
from tracekd.traces import freeform, templates

# The columns of the leakage table, in reading order.
LEAKAGE = ("problems", "kind", "n", "label_share", *lt.MEASURES, "form_accuracy")
COST = [
    "dataset", "condition", "seed", "n", "supervised_tokens", "total_tokens", "steps", "seconds", "tokens_per_second",
    "mean_loss", "peak_gib", "hardware",
]  # fmt: skip
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
    live = pd.DataFrame(
        {"dataset": name, "kind": "matched", "problems": run.label_of(name), **lt.row(lt.drawn(p, "matched", run.seed))}
        for name, p in drawn.items()
    )
    real = pd.read_csv(lt.RECORDED)
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
