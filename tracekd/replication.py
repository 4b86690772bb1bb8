"""The replication: what the students of a whole grid answered, kept so that no figure needs them trained again.

Adapters and outputs are made by ``tracekd train`` and ``tracekd generate``, on any machine and in any number of goes.
``record`` scores what is finished and writes four files without any text of problems or outputs:
``replication_verdicts.csv.gz`` (one row an output), ``replication_adapters.csv`` (one row a training: what it cost, on
which hardware, by which code), ``replication_logs.csv.gz`` (its losses) and ``replication_interventions.csv.gz`` (one
row a problem and given trace, of the students that ``tracekd intervene`` asked). ``load`` reads them back.

A condition may be there at several sizes: ``training_problems`` says how many problems were drawn for its training, 0
for the prompted student, which had none. Only students of one size are compared with one another. An adapter's ``n``
can be a little smaller: no rule writes a templated trace for every problem.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tracekd import benches, intervention_tables
from tracekd.command_line import Parser
from tracekd.few_shot import UNTRAINED
from tracekd.profiles import Run, open_run
from tracekd.records import replacing
from tracekd.released_verdicts import write_table
from tracekd.text import repetition

PROFILES = ("grid", "grid-r1", "grid-r1-as-released", "grid-corruption", "grid-mechanism")
VERDICTS, ADAPTERS, LOGS = "replication_verdicts.csv.gz", "replication_adapters.csv", "replication_logs.csv.gz"
INTERVENTIONS = "replication_interventions.csv.gz"
FILES = (VERDICTS, ADAPTERS, LOGS, INTERVENTIONS)
FLAGS = (
    "classification_correct", "retrieval_correct", "trace_correct", "answer_correct", "answer_contains", "answerable",
    "declined",
)  # fmt: skip
JOB = ("dataset", "condition", "seed")
SIZE = "training_problems"
COLUMNS = (
    "student", "source", *JOB, "teacher", SIZE, "id", "category", "status", *FLAGS, "answer_f1", "n_tokens",
    "repetition",
)  # fmt: skip
# What later versions record besides: gold facts of the problem, what its wrong trace reveals, ROUGE-L of free text.
LATER = ("n_facts", "reveals", "drawn_reveals", "answer_rouge_l", "passes_check")
COST = (
    "student", "source", *JOB, "teacher", "n", "supervised_tokens", "total_tokens", "epochs", "steps", "seconds",
    "mean_loss", "target_repetition", "peak_gib", "processes", "hardware", "commit", "weights",
)  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """The recorded replication as written by ``record``; ``interventions`` is empty where none were asked."""

    verdicts: pd.DataFrame
    adapters: pd.DataFrame
    logs: pd.DataFrame
    interventions: pd.DataFrame


def load(folder: Path = benches.FOLDER) -> Recorded:
    """Read the recorded replication.

    Raises:
        FileNotFoundError: nothing has been recorded there.
        ValueError: an earlier version recorded it, without columns of this one.
    """
    if not (folder / VERDICTS).exists():
        raise FileNotFoundError(f"no replication is recorded in {folder}: `python -m tracekd replication --record`")
    verdicts, adapters, logs, rows = (pd.read_csv(folder / name, dtype={"teacher": str}) for name in FILES)
    for name, made, wanted in ((VERDICTS, verdicts, COLUMNS), (ADAPTERS, adapters, COST)):
        if missing := sorted({*wanted} - {*made}):
            raise ValueError(
                f"{folder / name} has no column {missing[0]!r}: an earlier version recorded it; `python -m tracekd "
                "replication --record` where the outputs are makes it anew"
            )
    verdicts, adapters = (made.assign(teacher=made.teacher.fillna("")) for made in (verdicts, adapters))
    if len(rows):
        rows = rows.assign(**{flag: rows[flag].fillna(0).astype(bool) for flag in ("answer_correct", "trace_correct")})
    return Recorded(verdicts.astype(dict.fromkeys(FLAGS, bool)), adapters, logs, rows)


CORE = ("vanilla", "correct", "incorrect")


def main_sizes(frame: pd.DataFrame) -> dict[str, int]:
    """The size to speak of for each data set: the largest with all of ``CORE`` on a common seed, else the largest."""
    found = {}
    for dataset, part in frame.groupby("dataset"):
        seeds = {(s, c): set(rows.seed) for (s, c), rows in part.groupby([SIZE, "condition"])}
        sizes = sorted(part[SIZE].unique())
        whole = [s for s in sizes if set.intersection(*(seeds.get((s, c), set()) for c in CORE))]
        found[dataset] = int((whole or sizes)[-1])
    return found


def of_sizes(frame: pd.DataFrame, sizes: Mapping[str, int]) -> pd.DataFrame:
    """The rows of each data set's size in ``sizes``, with those of the prompted student."""
    if frame.empty:
        return frame
    return frame[(frame[SIZE] == 0) | (frame[SIZE] == frame.dataset.map(sizes))]


def teachers(frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Who wrote the traces of each (data set, condition) of ``verdicts``, one size: two would be named together."""
    named = frame.groupby(["dataset", "condition"]).teacher
    return {key: " and ".join(sorted(set(part) - {""})) for key, part in named}


def marked(frame: pd.DataFrame, verdicts: pd.DataFrame | None = None) -> pd.DataFrame:
    """``frame`` with its generated sets named so: ``marco (GENERATED)``.

    Args:
        frame: with the columns ``dataset`` and ``source``; or without any row.
        verdicts: says the sources of a frame that has no such column.
    """
    if frame.empty:
        return frame
    where = frame.source if verdicts is None else frame.dataset.map(verdicts.groupby("dataset").source.first())
    generated = where.astype(str).str.contains("GENERATED") & ~frame.dataset.str.contains("GENERATED")
    return frame.assign(dataset=frame.dataset.where(~generated, frame.dataset + " (GENERATED)"))


def sources(frame: pd.DataFrame) -> str:
    """Where the problems of a frame come from, in words: by data set where that differs."""
    found = frame.groupby("dataset").source.agg(lambda names: " and ".join(sorted(set(names))))
    by_source = {source: ", ".join(part.index) for source, part in found.groupby(found, sort=False)}
    if len(by_source) == 1:
        return next(iter(by_source))
    return "; ".join(f"{names}: {source}" for source, names in by_source.items())


def categories_of(frame: pd.DataFrame) -> str:
    """Which categories of problems a frame has: their names, or how many where there are more than four.

    With them the number of problems whose question has no answer in its context, where there are such.
    """
    names, asked = sorted(frame.category.unique()), frame.drop_duplicates("id")
    words = ", ".join(names) if len(names) <= 4 else f"{len(names)} categories"
    without = int((~asked.answerable).sum())
    return f"{words}; {without} of {len(asked)} unanswerable" if without else words


def counted(frame: pd.DataFrame) -> str:
    """How many problems of which set a frame has, for captions: ``375 problems of babi, 218 of cotempqa``."""
    parts = [f"{n} of {dataset}" for dataset, n in frame.groupby("dataset").id.nunique().items()]
    return ", ".join(parts).replace(" of", " problems of", 1)


def in_strata(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with each category's unanswerable problems as a category of their own."""
    return frame.assign(category=frame.category.where(frame.answerable, frame.category + ", unanswerable"))


def answerable(frame: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """The rows of a frame with ``id`` whose question has an answer in its context, as ``verdicts`` say."""
    return frame[frame.id.isin(verdicts.id[verdicts.answerable])]


def trained_on(frame: pd.DataFrame, sizes: Mapping[str, int]) -> str:
    """The training sizes of each data set in words, with the categories of its test problems in ``frame``."""
    parts = {dataset: categories_of(part) for dataset, part in frame.groupby("dataset")}
    return "; ".join(f"{dataset} {sizes[dataset]:,} ({words})" for dataset, words in parts.items())


def by_size(frame: pd.DataFrame, table: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """``table`` of each training size by itself, largest first, with ``training_problems`` as first column."""
    parts = []
    for size, part in sorted(frame.groupby(SIZE), reverse=True):
        made = table(part)
        made.insert(0, SIZE, size)
        parts.append(made)
    return pd.concat(parts, ignore_index=True)


def finished(run: Run) -> tuple[list[tuple], list[tuple]]:
    """The jobs (dataset, condition, seed) of a run that are answered in full, and the others.

    An outputs file counts where it holds an output of every test problem, made by the adapter that is there now.
    """
    from tracekd import outputs

    asked, done, open_ = outputs.evaluation_problems(run), [], []
    for job in outputs.jobs(run):
        (done if outputs.answered(run, asked[job[0]], *job) else open_).append(job)
    return done, open_


def verdicts(run: Run, jobs: Sequence[tuple]) -> pd.DataFrame:
    """The verdicts of the outputs of ``jobs``, columns ``COLUMNS`` and those of ``LATER`` that there are."""
    from tracekd import outputs, own_verdicts
    from tracekd.problems import kept, label_of

    if not jobs:
        return pd.DataFrame(columns=list(COLUMNS))
    known = [p for part in kept(run).values() for p in part]
    frame, _ = own_verdicts.verdict_frame(known, [outputs.outputs_path(run, *job) for job in jobs], seed=run.seed)
    frame["source"] = frame.dataset.map({d: label_of(d, run.source) for d in frame.dataset.unique()})
    wrote = {job: _teacher(run, job) for job in jobs}
    frame["teacher"] = [wrote[job] for job in zip(*(frame[name] for name in JOB), strict=True)]
    return sized(run, frame)[list(dict.fromkeys([*COLUMNS, *(name for name in LATER if name in frame)]))]


def _teacher(run: Run, job: tuple) -> str:
    from tracekd import adapters

    if job[1] in UNTRAINED:
        return ""
    return adapters.teacher_of(adapters.read_record(adapters.adapter_path(run, *job)), job[1])


def drawn(run: Run) -> dict[str, int]:
    """How many training problems a run draws, by data set."""
    from tracekd.problems import kept
    from tracekd.run_texts import training_problems

    return {dataset: len(training_problems(run, dataset, part)) for dataset, part in kept(run).items()}


def sized(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """``frame``, which has ``dataset`` and ``condition``, with the column ``training_problems``."""
    return frame.assign(**{SIZE: frame.dataset.map(drawn(run)).where(~frame.condition.isin(UNTRAINED), 0)})


def trainings(run: Run, jobs: Sequence[tuple]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the trainings of ``jobs`` cost (columns ``COST``), and their losses update by update."""
    from tracekd import adapters
    from tracekd.problems import label_of
    from tracekd.records import read_jsonl

    costs, logs = [], []
    for job in jobs:
        if job[1] in UNTRAINED:
            continue
        folder, about = adapters.adapter_path(run, *job), dict(zip(JOB, job, strict=True))
        record = adapters.read_record(folder)
        record["target_repetition"] = _target_repetition(run, job, record)
        costs.append({**record, **about, "teacher": _teacher(run, job), "source": label_of(job[0], run.source)})
        rows = pd.DataFrame(list(read_jsonl(folder / "log.jsonl")))[["step", "loss", "trace_loss", "answer_loss"]]
        logs.append(rows.assign(**about))
    logs = pd.concat(logs) if logs else pd.DataFrame(columns=list(JOB))
    return sized(run, pd.DataFrame(costs, columns=list(COST))), sized(run, logs)


def _target_repetition(run: Run, job: tuple, record: Mapping) -> float:
    """Mean repetition of the texts that an adapter was taught; NaN where the run holds other texts by now."""
    from tracekd import adapters, sft
    from tracekd.records import read_jsonl

    path = sft.set_path(run, *job[:2])
    taught = [sft.Example(**row) for row in read_jsonl(path)] if path.exists() else []
    if adapters.key(run.student, taught, run.profile.recipe_of(job[1]), job[2]) != record["key"]:
        return math.nan
    return float(pd.Series([repetition(e.target) for e in taught], dtype=float).mean())


def given_traces(run: Run, jobs: Sequence[tuple]) -> pd.DataFrame:
    """The answers after given traces of those ``jobs`` that were asked, without text."""
    from tracekd import intervention_grid

    chosen = intervention_grid.chosen(run)
    whole = [j for j in jobs if j[1] not in UNTRAINED and intervention_grid.answered(run, chosen[j[0]], *j)]
    rows = intervention_grid.read(intervention_grid.rows_path(run, *job) for job in whole)
    return sized(run, intervention_grid.without_text(intervention_tables.frame(rows))) if rows else pd.DataFrame()


def record(runs: Sequence[Run], folder: Path = benches.FOLDER) -> Recorded:
    """Score what is finished in ``runs`` and write it to ``folder``, in place of what was recorded before.

    Raises:
        ValueError: nothing is finished, or two runs answered the same job after training on as many problems.
    """
    jobs, seen = [], set()
    for run in runs:
        size = drawn(run)
        sizes = {job: 0 if job[1] in UNTRAINED else size[job[0]] for job in finished(run)[0]}
        # A student that was not trained answers the same in every run: the first run's counts.
        found = {(job, size) for job, size in sizes.items() if size or (job, size) not in seen}
        if twice := seen & found:
            job, many = sorted(twice)[0]
            raise ValueError(
                f"{job}, trained on {many} problems, is answered in two of the runs: give profiles with other "
                "conditions or sizes"
            )
        jobs.append([job for job in sizes if (job, sizes[job]) in found])
        seen |= found
    if not seen:
        raise ValueError("no job is finished: run `python -m tracekd train` and `generate` with these profiles first")
    made = [_tables(run, found) for run, found in zip(runs, jobs, strict=True)]
    for name, parts in zip(FILES, zip(*made, strict=True), strict=True):
        table = pd.concat([p for p in parts if len(p)] or [pd.DataFrame(columns=["id"])], ignore_index=True)
        if name.endswith(".gz"):
            write_table(folder / name, table)
        else:
            with replacing(folder / name) as temporary:
                table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
    return load(folder)


def _tables(run: Run, jobs: Sequence[tuple]) -> tuple[pd.DataFrame, ...]:
    """The tables of one run, in the order of ``FILES``."""
    return (verdicts(run, jobs), *trainings(run, jobs), given_traces(run, jobs))


def main(argv: list[str]) -> int:
    """Say which jobs of the replication are finished; with --record, score them and keep the verdicts."""
    parser = Parser("replication", main.__doc__, "python -m tracekd replication --profiles grid")
    parser.add_argument("--profiles", default=",".join(PROFILES), help="whose grids, comma-separated")
    parser.add_argument("--data", default="", help="generated, hub or a folder (default: the profile's)")
    parser.add_argument("--texts", default="", help="a teacher's traces that were trained on (default: TRACEKD_TEXTS)")
    parser.add_argument("--record", action="store_true", help="write figures/data/replication_*")
    options = parser.parse_args(argv)
    about = {"data": options.data, "texts": options.texts}
    runs = [open_run("replication", name, **about) for name in options.profiles.split(",")]
    for run in runs:
        for word, jobs in zip(("finished", "open"), finished(run), strict=True):
            print(f"{run.profile.name}, {word}: {len(jobs)} jobs" + "".join(f"\n  {d} {c} {s}" for d, c, s in jobs))
    if options.record:
        kept = record(runs)
        print(f"kept {len(kept.verdicts)} verdicts of {len(kept.adapters)} adapters in {benches.FOLDER}")
    return 0
