"""``python -m tracekd export``: SFT sets as JSON lines that other trainers read, and adapters with their cards.

SFT sets: ``sft/DATASET/CONDITION/prompt_completion.jsonl`` (``prompt`` and ``completion``, each a list of one message:
TRL puts the loss on the completion alone and sees the same tokens as ``tracekd train``) and ``messages.jsonl``
(``messages``: the whole chat), with a data card whose configurations ``datasets.load_dataset`` knows. Adapters:
``adapters/DATASET/CONDITION/seedN`` in PEFT's form with a model card.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import DatasetCard, DatasetCardData

from tracekd.grid.commands import open_grid
from tracekd.grid.model_card import base_of, data_terms, model_card
from tracekd.io.records import replacing, write_json, write_jsonl
from tracekd.scoring.score_cli import score_file
from tracekd.students import adapters, sft
from tracekd.students.adapters import Job
from tracekd.students.outputs import answered, evaluation_problems, outputs_path

FORMS = ("prompt_completion", "messages")


def row(example: sft.Example, form: str) -> dict:
    """One example as a record of the form: id, dataset, condition, teacher, and the chat."""
    user, assistant = {"role": "user", "content": example.prompt}, {"role": "assistant", "content": example.target}
    chat = {"messages": [user, assistant]}
    if form == "prompt_completion":
        chat = {"prompt": [user], "completion": [assistant]}
    return {**{name: getattr(example, name) for name in ("id", "dataset", "condition", "teacher")}, **chat}


def write_sets(run, sets: dict[tuple[str, str], list[sft.Example]], folder: Path) -> int:
    """Write every set in every form, and the data card; returns how many examples there are."""
    configs, lines = [], []
    for (dataset, condition), examples in sets.items():
        for form in FORMS:
            name = f"{dataset}/{condition}/{form}.jsonl"
            write_jsonl(folder / name, (row(example, form) for example in examples))
            configs.append({"config_name": f"{dataset}_{condition}_{form}", "data_files": name})
        label, teacher = run.label_of(dataset), sft.teacher_of(examples) or "rules"
        terms = data_terms(dataset, label)
        lines.append(f"| {dataset} | {condition} | {len(examples)} | {teacher} | {label}; {terms} |\n")
    data = DatasetCardData(language="en", task_categories=["question-answering"], license="other", configs=configs)
    text = (
        f"---\n{data.to_yaml()}\n---\n\n# SFT sets of tracekd, profile {run.profile.name}, seed {run.seed}\n\nTraining "
        "problems only. `prompt_completion` holds the chat in two parts, `messages` in one.\n\n"
        "| data set | condition | examples | traces written by | problems and their terms |\n|---|---|---|---|---|\n"
    )
    with replacing(folder / "README.md") as temporary:
        DatasetCard(text + "".join(lines)).save(temporary)
    return sum(map(len, sets.values()))


def write_adapters(run, jobs: Iterable[Job], folder: Path) -> tuple[int, int]:
    """Copy finished adapters with their cards; returns how many were written, and how many are not trained yet."""
    problems = evaluation_problems(run)
    written = missing = 0
    for job in jobs:
        trained = adapters.adapter_path(run, *job)
        record = adapters.read_record(trained)
        if record is None or adapters.damaged(trained, record):
            missing += 1
            continue
        _write_adapter(run, job, trained, record, problems[job[0]], folder.joinpath(*job[:2], f"seed{job[2]}"))
        written += 1
    return written, missing


def _write_adapter(run, job: Job, trained: Path, record: dict, problems, folder: Path) -> None:
    dataset, condition, _ = job
    config = json.loads((trained / "adapter_config.json").read_text(encoding="utf-8"))
    # The student's folder on this machine means nothing elsewhere.
    write_json(folder / "adapter_config.json", {**config, "base_model_name_or_path": base_of(record["student"])})
    with replacing(folder / adapters.WEIGHTS) as temporary:
        shutil.copyfile(trained / adapters.WEIGHTS, temporary)
    scores = None
    if answered(run, problems, *job):
        scores = score_file(outputs_path(run, *job), {p.id: p for p in problems}, "aligned")
    card = model_card(record, dataset=dataset, condition=condition, source=run.label_of(dataset), scores=scores)
    with replacing(folder / "README.md") as temporary:
        card.save(temporary)


def main(argv: list[str]) -> int:
    """Write the SFT sets and the trained adapters of a profile in the forms that other tools read."""
    run, jobs, options = open_grid("export", main.__doc__, argv, adapters.jobs)
    if options.list:
        return 0
    wanted = {job[:2] for job in jobs}
    sets = {key: examples for key, examples in sft.kept(run).items() if key in wanted}
    n = write_sets(run, sets, options.output / "sft")
    written, missing = write_adapters(run, jobs, options.output / "adapters")
    print(f"{options.output}/sft: {n} examples in {len(sets)} sets, each in the forms {' and '.join(FORMS)}")
    print(f"{options.output}/adapters: {written} adapters with their cards; {missing} not trained yet, left out")
    return 0
