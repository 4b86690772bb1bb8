"""The card of an adapter, as the Hub reads it: what was trained on what, how, with which result, on whose terms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from tracekd.students import STUDENTS
from tracekd.templated import TEACHER as TEMPLATED

# Hub ids of the students that are embedded here, and of the data sets where they are real (README, Data and licences).
BASES = {"smollm2-135m": "HuggingFaceTB/SmolLM2-135M-Instruct"}
DATASETS = {"cotempqa": "Warrieryes/CotempQA", "marco": "microsoft/ms_marco"}
TERMS = {
    "cotempqa": "CoTempQA: its authors' terms",
    "marco": "MS MARCO QA v2.1: Microsoft's terms, non-commercial research",
    "babi": "bAbI v1.2: its authors' terms (CC BY 3.0)",
}
LICENCES = {"Apache-2.0": "apache-2.0", "Llama 3.2 Community": "llama3.2", "Llama 3.1 Community": "llama3.1"}
RECIPE = (
    "epochs", "learning_rate", "batch", "accumulation", "warmup", "lora_r", "lora_alpha", "lora_dropout", "max_tokens",
    "quantise", "packing", "habits",
)  # fmt: skip


def base_of(student: str) -> str | None:
    """The Hub id of a student; None for one that is only a folder here, or made on the spot."""
    if student in BASES:
        return BASES[student]
    origin = STUDENTS[student].origin if student in STUDENTS else student
    return origin if origin.count("/") == 1 and not Path(origin).is_dir() and " " not in origin else None


def data_terms(dataset: str, source: str) -> str:
    """Whose terms the training texts are under.

    Args:
        dataset: its name.
        source: in words, as ``problems.label_of`` gives it.
    """
    if "GENERATED" in source:
        return "GENERATED problems with invented names (tracekd.generated): Apache-2.0"
    return TERMS.get(dataset, "own problems: their owner's terms")


def model_card(
    record: Mapping, *, dataset: str, condition: str, source: str, scores: Mapping | None = None
) -> ModelCard:
    """The card of one adapter.

    Args:
        record: of its training (``train.train``).
        dataset: what it learned from.
        condition: which traces.
        source: of the problems in words (``problems.label_of``).
        scores: of its test outputs under the aligned rules (``score_cli.score_file``); None where there are none.
    """
    base, real = base_of(record["student"]), "GENERATED" not in source
    name = f"{record['student']}-{dataset}-{condition}-seed{record['seed']}"
    licence = STUDENTS[record["student"]].licence if record["student"] in STUDENTS else "see the base model"
    results = []
    if scores:
        kind = f"{dataset} ({source})"
        results = [
            EvalResult(
                "question-answering", DATASETS.get(dataset, dataset), kind, metric, scores[f"{step}_share"], label
            )
            for step, metric, label in (
                ("answer", "exact_match", "exact answers"),
                ("trace", "accuracy", "right traces"),
            )
        ]
    free = real and dataset == "marco"
    data = ModelCardData(
        base_model=base, library_name="peft", pipeline_tag="text-generation", language="en",
        license="other" if free else LICENCES.get(licence, "other"),
        license_name="non-commercial-data" if free else None,
        datasets=[DATASETS[dataset]] if real and dataset in DATASETS else None,
        tags=["lora", "trace-distillation", condition, "generated-data" if not real else "real-data"],
        model_name=name, eval_results=results or None,
    )  # fmt: skip
    text = _text(name, record, dataset, condition, source, licence, base)
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}\n{_scores(scores)}")


def _text(name, record, dataset, condition, source, licence, base) -> str:
    teacher = record.get("teacher") or "rules (no language model)"
    teacher = "TEMPLATED stand-ins, written by rules" if teacher == TEMPLATED else teacher
    recipe = "\n".join(f"| {key} | {record['recipe'][key]} |" for key in RECIPE if key in record["recipe"])
    return f"""# {name}

A LoRA adapter in PEFT's form, trained by [tracekd](https://arxiv.org/abs/2505.13792), the open companion to
*Interpretable Traces, Unexpected Outcomes*. It is a research artefact: it answers in `<think>` and `<answer>` tags.

| | |
|---|---|
| base model | {record["student"]}{f" ({base})" if base else ""}, {licence} |
| data | {dataset}, {source}; {data_terms(dataset, source)} |
| condition | {condition} |
| traces written by | {teacher} |
| training problems | {record["n"]} ({record["supervised_tokens"]} supervised tokens) |
| seed | {record["seed"]} |
| updates, mean loss | {record["steps"]}, {record["mean_loss"]:.4f} nats per token |
| hardware | {record["hardware"]} |
| code | tracekd, commit {record["commit"]} |
| weights, sha256 | {record.get("weights", "not recorded")} |

## Recipe

| setting | value |
|---|---|
{recipe}
"""


def _scores(scores: Mapping | None) -> str:
    if not scores:
        return "## Results\n\nNot evaluated: this run has no outputs of the adapter.\n"
    rows = [
        f"| {label} | {scores[step]} | {100 * scores[f'{step}_share']:.1f}% | "
        f"{100 * scores[f'{step}_ci'][0]:.1f} to {100 * scores[f'{step}_ci'][1]:.1f} |"
        for step, label in (("answer", "exact answers"), ("trace", "right traces"))
    ]
    head = f"## Results\n\nTest problems: {scores['n']}. Intervals: 95%, Wilson.\n\n"
    return head + "| | right | share | interval |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
