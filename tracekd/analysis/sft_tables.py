"""What notebook 02 shows of the SFT sets: what wrong traces reveal, verdicts on whole sets, lengths in tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from tracekd.analysis import leakage as lt
from tracekd.data.problem import DATASETS, Problem
from tracekd.data.problems import kept as kept_problems
from tracekd.data.problems import load
from tracekd.data.splits import select
from tracekd.students import registry, sft
from tracekd.teacher import run_texts
from tracekd.traces import freeform, templates, verify

# The columns of the leakage table, in reading order.
LEAKAGE = ("problems", "kind", "n", "label_share", *lt.MEASURES, "form_accuracy")
WRONG = {f"incorrect {step}": {"corrupt": step} for step in ("classification", "retrieval", "both")}


def generated(seed: int) -> dict[str, list[Problem]]:
    """Generated problems of each set, which may be shown whatever source a run uses."""
    return {name: load(name, "generated", size=220, seed=seed) for name in DATASETS}


def leakage(run) -> pd.DataFrame:
    """What wrong traces reveal: of this run's training problems (at most 1,000 a set), and as recorded of real ones.

    Returns:
        Columns ``LEAKAGE``, the form classifier's accuracy with its interval. This run's rows have the default kind;
        the real ones also that of the release, as built here and as released.
    """
    drawn = {}
    for name, found in kept_problems(run).items():
        train = [p for p in found if p.split == "train"]
        drawn[name] = select(train, 1000, run.rng(f"{name}/leakage"))
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
        One row a data set and kind of trace: ``n``, traces right in classification and in retrieval, how many could be
        judged without gold (against the derivation), and how many of these verdicts differ from those by gold.
    """
    rows = []
    for name, found in kept_problems(run).items():
        chosen = run_texts.training_problems(run, name, found)
        for kind, options in {"correct": {}, **WRONG}.items():
            made = [templates.build(p, kind.split()[0], seed=run.seed, **options) for p in chosen]
            seen = verify.verify_all(chosen, made)
            both = seen.differ.notna()
            rows.append(
                {
                    "data set": name,
                    "trace": kind,
                    "n": len(seen),
                    "classification right": int(seen.classification.sum()),
                    "retrieval right": int(seen.retrieval.sum()),
                    "judged without gold": int(both.sum()),
                    "verdicts differ": int(seen.differ[both].sum()),
                }
            )
    return pd.DataFrame(rows)


def free_form_lengths(run, stand_ins: Sequence[Problem]) -> tuple[pd.DataFrame, str]:
    """Words of each type of trace on CoTempQA (columns ``condition``, ``length``), and in words whose traces they are.

    ``stand_ins`` are generated problems, taken with templated traces where no real texts are at hand.
    """
    found, texts, wrote = run_texts.free_form_examples(run, "cotempqa", stand_ins)
    kinds = {name: freeform.build_all(found, name, texts, seed=run.seed) for name in freeform.CONDITIONS}
    kinds |= {name: {p.id: templates.build(p, name, seed=run.seed) for p in found} for name in ("correct", "incorrect")}
    rows = [(name, len(trace.text.split())) for name, made in kinds.items() for trace in made.values()]
    return pd.DataFrame(rows, columns=["condition", "length"]), wrote


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


def sentences(judged: pd.DataFrame, sizes: pd.DataFrame) -> Iterator[str]:
    """What ``verified`` and ``tokens`` found, in words."""
    steps = ["classification right", "retrieval right", "n"]
    for kind, words in (("correct", "correct traces"), ("incorrect both", "traces wrong in both steps")):
        label, facts, n = judged[judged.trace == kind][steps].sum()
        yield f"Of {n:,} {words} {label:,} pass in classification and {facts:,} in retrieval."
    for name, part in sizes.groupby("data set", sort=False):
        of = part.set_index("condition")
        if {"correct", "incorrect", "vanilla"} <= set(of.index):
            right, wrong, none = (of.loc[condition] for condition in ("correct", "incorrect", "vanilla"))
            yield (
                f"**{name}**: a correct trace has {right.trace:.1f} tokens, an incorrect one {wrong.trace:.1f}. "
                f"{right['learned (%)']:.0f}% of an example's tokens are learned with correct traces, "
                f"{none['learned (%)']:.0f}% without (means over {part.n.min()} examples)."
            )
