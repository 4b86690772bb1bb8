"""The interventions of a whole run: every trained student after given traces, its own outputs as its own traces."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pandas as pd

from tracekd import machine, progress
from tracekd.data.problem import Problem
from tracekd.interventions import forced
from tracekd.interventions.tables import frame
from tracekd.io.records import locked, read_jsonl
from tracekd.scoring.verdict_tables import write_table
from tracekd.students import records, registry, sft
from tracekd.traces import freeform, templates

# An answer alone is written after a given trace: a student that has not closed it by then rambles.
ANSWER_TOKENS = 96
# Columns of a row that may hold words of a problem or an output; no committed table has them.
TEXT = ("trace_label", "implied", "no_implied", "answer", "left_out", "key", "identity", "adapter")
FLAGS = (
    "classification_correct", "retrieval_correct", "trace_correct", "names_gold", "names_any", "disagrees",
    "answer_in_trace", "answer_correct",
)  # fmt: skip


def rows_path(run, dataset: str, condition: str, seed: int) -> Path:
    """Where a run keeps the rows of one adapter (see ``forced.row``)."""
    return run.path("interventions", dataset, f"{condition}-{seed}.jsonl")


def chosen(run) -> dict[str, list[Problem]]:
    """The problems of a run's interventions by data set: the first of its test problems, which are in a drawn order."""
    sizes, problems = run.profile.interventions, records.evaluation_problems(run)
    return {d: part if sizes.get(d, "all") == "all" else part[: int(sizes[d])] for d, part in problems.items()}


def complete(run, asker, problems: Sequence[Problem], dataset: str, condition: str, seed: int) -> Path:
    """Fill the rows file of a trained student from where it stopped; rows of other adapters or outputs are replaced."""
    from tracekd.interventions.prefill import Prefill  # it needs torch; whoever only looks for rows does not

    job = dataset, condition, seed
    path, asked = rows_path(run, *job), _asked(run, problems, *job)
    place = {problem.id: i for i, problem in enumerate(problems, 1)}
    begun = progress.Bar(f"{dataset}/{condition}/{seed}", len(problems), unit="problem")
    with locked(path), closing(begun) as bar:
        model = asker.with_adapter(records.adapter_path(run, *job))
        student = Prefill(model, asker.tokenizer, max_new_tokens=asked["limit"])

        def answer(given: Sequence[tuple]) -> list[list[forced.Reply]]:
            replies = student(given)
            bar.at(place[given[-1][0].id])
            return replies

        longest = max(len(sft.prompt_ids(asker.tokenizer, templates.prompt(p))) for p in problems)
        rows = machine.rows_at_once(asker.base, 2 * longest) if machine.has_gpu() else 0
        many = max(1, rows // (3 * len(forced.VARIANTS)))  # scoring copies caches twice
        forced.run(answer, problems, path=path, at_once=many, **asked)
    return path


def _asked(run, problems, *job) -> dict:
    """What decides a student's rows, as arguments of ``forced.run`` and ``forced.row_key``."""
    about = records.about(run, *job) | {"adapter": records.read_record(records.adapter_path(run, *job))["key"]}
    about["identity"] = registry.identity(run.student)
    ids = {problem.id for problem in problems}
    own = [out for out in read_jsonl(records.outputs_path(run, *job)) if out["id"] in ids]
    limit = min(ANSWER_TOKENS, run.profile.recipe.max_new_tokens)
    return {"outputs": own, "about": about, "limit": limit, "seed": run.seed}


def answered(run, problems: Sequence[Problem], dataset: str, condition: str, seed: int) -> bool:
    """Whether the rows file of a job is whole, made of the adapter and the outputs that are there now."""
    job = dataset, condition, seed
    path, record = rows_path(run, *job), records.adapter_path(run, *job) / "record.json"
    if not all(file.exists() for file in (path, record, records.outputs_path(run, *job))):
        return False
    return forced.whole(path, forced.row_key(problems, **_asked(run, problems, *job))) == {p.id for p in problems}


def tables(run, paths: Iterable[Path]) -> tuple[list[dict], pd.DataFrame]:
    """All rows of a run, and their ``frame`` with conditions in longhand; without text it goes to figures/data, too."""
    rows = read(paths)
    table = freeform.with_teacher(frame(rows), sft.teachers(sft.kept(run)))
    write_table(run.path("figures", "data", "07_interventions.csv.gz"), without_text(table))
    return rows, freeform.spelled(table)


def read(paths: Iterable[Path]) -> list[dict]:
    """All rows of rows files, in the order given."""
    return [row for path in paths for row in read_jsonl(path)]


def without_text(table: pd.DataFrame) -> pd.DataFrame:
    """The rows as they may be committed: ids, flags, counts and log-probabilities, no text of problems or outputs."""
    return table.drop(columns=[name for name in TEXT if name in table]).astype(dict.fromkeys(FLAGS, "boolean"))
