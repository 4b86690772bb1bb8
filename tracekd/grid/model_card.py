"""The card of an adapter, as the Hub reads it: what was trained on what, how, with which result, on whose terms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from tracekd.students.registry import STUDENTS
from tracekd.traces.templated import TEACHER as TEMPLATED

# Hub ids of the embedded student, and of the data sets where they are real (README, Data and licences).
BASES = {"smollm2-135m": "HuggingFaceTB/SmolLM2-135M-Instruct"}
DATASETS = {"cotempqa": "Warrieryes/CotempQA", "marco": "microsoft/ms_marco"}
TERMS = {
    "cotempqa": "CoTempQA: its authors' terms",
    "marco": "MS MARCO QA v2.1: Microsoft's terms, non-commercial research",
    "babi": "bAbI v1.2: its authors' terms (CC BY 3.0)",
}
LICENCES = {"Apache-2.0": "apache-2.0", "Llama 3.2 Community": "llama3.2", "Llama 3.1 Community": "llama3.1"}
STEPS = {"answer": ("exact_match", "exact answers"), "trace": ("accuracy", "right traces")}


def base_of(student: str) -> str | None:
    """The Hub id of a student; None for a folder, or a student that is made on the spot."""
    if student in BASES:
        return BASES[student]
    origin = STUDENTS[student].origin if student in STUDENTS else student
    return origin if origin.count("/") == 1 and not Path(origin).is_dir() and " " not in origin else None


def data_terms(dataset: str, source: str) -> str:
    """Whose terms the training texts are under; ``source`` in words, as ``problems.label_of`` gives it."""
    if "GENERATED" in source:
        return "GENERATED problems with invented names (tracekd.data.synthetic.generated): Apache-2.0"
    return TERMS.get(dataset, "own problems: their owner's terms")


def model_card(
    record: Mapping, *, dataset: str, condition: str, source: str, scores: Mapping | None = None
) -> ModelCard:
    """The card of one adapter.

    Args:
        record: of its training (``train.train``).
        dataset: its training data.
        condition: its traces.
        source: of the problems in words (``problems.label_of``).
        scores: of its test outputs under the aligned rules (``score_cli.score_file``), if there are any.
    """
    real, student = "GENERATED" not in source, record["student"]
    name = f"{student}-{dataset}-{condition}-seed{record['seed']}"
    licence = STUDENTS[student].licence if student in STUDENTS else "see the base model"
    on = (DATASETS.get(dataset, dataset), f"{dataset} ({source})")
    results = [
        EvalResult("question-answering", *on, metric, scores[f"{step}_share"], label)
        for step, (metric, label) in STEPS.items()
        if scores
    ]
    restricted = real and dataset == "marco"
    data = ModelCardData(
        base_model=base_of(student), library_name="peft", pipeline_tag="text-generation", language="en",
        license="other" if restricted else LICENCES.get(licence, "other"),
        license_name="non-commercial-data" if restricted else None,
        datasets=[DATASETS[dataset]] if real and dataset in DATASETS else None,
        tags=["lora", "trace-distillation", condition, "real-data" if real else "generated-data"],
        model_name=name, eval_results=results or None,
    )  # fmt: skip
    teacher = record.get("teacher") or "rules (no language model)"
    about = {
        "base model": f"{student} ({base_of(student) or 'no Hub id'}), {licence}",
        "data": f"{dataset}, {source}; {data_terms(dataset, source)}",
        "condition": condition,
        "traces written by": "TEMPLATED stand-ins, written by rules" if teacher == TEMPLATED else teacher,
        "training problems": f"{record['n']} ({record['supervised_tokens']} supervised tokens)",
        "seed": record["seed"],
        "updates, mean loss": f"{record['steps']}, {record['mean_loss']:.4f} nats per token",
        "hardware": record["hardware"],
        "code": f"tracekd, commit {record['commit']}",
        "weights, sha256": record.get("weights", "not recorded"),
    }
    return ModelCard(
        f"---\n{data.to_yaml()}\n---\n\n# {name}\n\n"
        "A LoRA adapter in PEFT's form, trained by tracekd, the open companion to *Interpretable Traces, Unexpected "
        "Outcomes* ([arXiv 2505.13792](https://arxiv.org/abs/2505.13792)). It is a research artefact: it answers in "
        f"`<think>` and `<answer>` tags.\n\n{_table('', about)}\n## Recipe\n\n{_table('setting', record['recipe'])}\n"
        f"## Results\n\n{_scores(scores)}"
    )


def _table(head: str, rows: Mapping) -> str:
    return f"| {head} | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows.items())


def _scores(scores: Mapping | None) -> str:
    if not scores:
        return "Not evaluated: this run has no outputs of the adapter.\n"
    shares = {
        label: f"{scores[step]}, {scores[f'{step}_share']:.1%} [{scores[f'{step}_ci'][0]:.1%}, "
        f"{scores[f'{step}_ci'][1]:.1%}]"
        for step, (_, label) in STEPS.items()
    }
    return f"Test problems: {scores['n']}. Intervals: 95%, Wilson.\n\n{_table('', shares)}"
