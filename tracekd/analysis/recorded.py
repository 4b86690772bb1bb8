"""The replication: score what ``tracekd train``, ``generate`` and ``intervene`` have finished, record it, read it.

``record`` merges into three files without any text of problems or outputs: ``replication_verdicts.csv.gz`` (one row
per output), ``replication_adapters.csv`` (one row per training: cost, hardware, commit) and
``replication_interventions.csv.gz`` (one row per problem and forced trace). ``training_problems`` says how many
problems were drawn for a training, 0 for a student without one. Only students of one size are compared. An adapter's
``n`` can be smaller: not every problem has a trace of every kind, and not every answer of a student is wrong.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tracekd import config
from tracekd.command_line import Parser, each_of
from tracekd.data.problems import kept, label_of
from tracekd.grid import forced_traces as intervention_grid
from tracekd.interventions import tables
from tracekd.io.records import replacing
from tracekd.run import Run, open_run
from tracekd.scoring import verdict_tables
from tracekd.scoring.verdict_tables import write_table
from tracekd.students import records, sft
from tracekd.students.records import UNTRAINED
from tracekd.teacher.run_texts import training_problems
from tracekd.text import repetition
from tracekd.traces.freeform import CONDITIONS as FREEFORM

FOLDER = config.ROOT / "figures" / "data"
VERDICTS, ADAPTERS = "replication_verdicts.csv.gz", "replication_adapters.csv"
FILES = (VERDICTS, ADAPTERS, "replication_interventions.csv.gz")
FLAGS = (
    "classification_correct", "retrieval_correct", "trace_correct", "answer_correct", "answer_contains", "answerable",
    "declined",
)  # fmt: skip
JOB = ("dataset", "condition", "seed")
SIZE = "training_problems"
KEY = ("student", *JOB, SIZE)  # of a recorded job
COLUMNS = (
    "student", "source", *JOB, "teacher", SIZE, "id", "category", "status", *FLAGS, "answer_f1", "n_tokens",
    "repetition", "n_facts", "n_context", "reveals", "drawn_reveals", "profile", "pub_answer_correct",
)  # fmt: skip
SOME = ("answer_rouge_l", "passes_check")  # columns that not every set has
COST = (
    "student", "source", *JOB, "teacher", "n", "supervised_tokens", "total_tokens", "epochs", "steps", "seconds",
    "mean_loss", "target_repetition", "peak_gib", "processes", "hardware", "commit", "weights",
)  # fmt: skip
CORE = ("vanilla", "correct", "incorrect")
ORDER = (*UNTRAINED, *CORE, *FREEFORM)  # of the paper's conditions


class Recorded(NamedTuple):
    """The recorded replication; ``interventions`` may be empty."""

    verdicts: pd.DataFrame
    adapters: pd.DataFrame
    interventions: pd.DataFrame


def load(folder: Path = FOLDER) -> Recorded:
    """Read the recorded replication; FileNotFoundError where there is none, ValueError where a column is missing."""
    if not (folder / VERDICTS).exists():
        raise FileNotFoundError(f"no replication is recorded in {folder}: `python -m tracekd replication --record`")
    verdicts, trained, rows = (_read(folder / name) for name in FILES)
    for name, made, wanted in ((VERDICTS, verdicts, COLUMNS), (ADAPTERS, trained, COST)):
        if missing := sorted({*wanted} - {*made}):
            raise ValueError(f"{folder / name} has no column {missing[0]!r}: record it anew, `replication --record`")
    if len(rows):
        flags = rows[["answer_correct", "trace_correct"]].fillna(0).astype(bool)
        rows = rows.assign(**flags, n_context=rows.id.map(dict(zip(verdicts.id, verdicts.n_context, strict=True))))
    return Recorded(verdicts.astype(dict.fromkeys(FLAGS, bool)), trained, rows)


def _read(path: Path) -> pd.DataFrame:
    """A recorded table, empty where there is none yet."""
    table = pd.read_csv(path, dtype={"teacher": str, "profile": str}) if path.exists() else pd.DataFrame()
    return table.assign(teacher=table.teacher.fillna("")) if "teacher" in table else table


def largest(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of each data set's largest training size among those with the most seeds in every one of ``CORE``.

    ``frame`` has a column ``seed``, or ``seeds``, their number. Students without training stay.
    """
    groups = frame[(frame[SIZE] > 0) & frame.condition.isin(CORE)].groupby(["dataset", SIZE, "condition"])
    seeds = (groups.seed.nunique() if "seed" in frame else groups.seeds.max()).unstack(fill_value=0)
    seeds = seeds.where(seeds.groupby(level=0).transform("max") > 0)  # conditions that the set has at no size
    fewest = seeds.min(axis=1).rename("fewest").reset_index().sort_values(["fewest", SIZE])
    size = frame.dataset.map(dict(zip(fewest.dataset, fewest[SIZE], strict=True)))  # the last one of a set counts
    return frame[(frame[SIZE] == 0) | (frame[SIZE] == size)]


def teachers(frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Who wrote the traces of each (data set, condition) of ``verdicts``, one size: two would be named together."""
    named = frame.groupby(["dataset", "condition"]).teacher
    return {key: " and ".join(sorted(set(part) - {""})) for key, part in named}


def sources(frame: pd.DataFrame) -> str:
    """Where the problems of a frame come from, in words: ``recorded: babi, cotempqa: real problems``."""
    found = frame[["dataset", "source"]].drop_duplicates().sort_values("dataset").groupby("source", sort=False)
    return "recorded: " + "; ".join(f"{names}: {source}" for source, names in found.dataset.agg(", ".join).items())


def finished(run: Run) -> tuple[list[tuple], list[tuple]]:
    """The jobs (dataset, condition, seed) of a run answered in full by adapters of its present sets, and the others."""
    asked, jobs = records.evaluation_problems(run), records.output_jobs(run)
    made = {job: found["key"] for job in jobs if (found := records.read_record(records.adapter_path(run, *job)))}
    sets = sft.training_sets(run) if made else {}
    now = {j: records.adapter_key(run.student, sft.of_seed(sets[j[:2]], j[2]), run.profile.recipe, j[2]) for j in made}
    done = [job for job in jobs if made.get(job) == now.get(job) and records.answered(run, asked[job[0]], *job)]
    return done, [job for job in jobs if job not in done]


def verdicts(run: Run, jobs: Sequence[tuple]) -> pd.DataFrame:
    """The verdicts of the outputs of ``jobs``, columns ``COLUMNS`` and those of ``SOME`` that there are."""
    if not jobs:
        return pd.DataFrame()
    known = [p for part in kept(run).values() for p in part]
    frame, _ = verdict_tables.verdict_frame(known, [records.outputs_path(run, *job) for job in jobs], seed=run.seed)
    paths = {job: records.adapter_path(run, *job) for job in jobs if job[1] not in UNTRAINED}
    wrote = {job: records.read_record(path)["teacher"] for job, path in paths.items()}
    frame["source"] = frame.dataset.map({d: label_of(d, run.source) for d in frame.dataset.unique()})
    frame["teacher"] = [wrote.get(job, "") for job in zip(*(frame[name] for name in JOB), strict=True)]
    frame = _sized(run, frame)
    return frame[[name for name in (*COLUMNS, *SOME) if name in frame]]


def _sized(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """``frame``, which has ``dataset`` and ``condition``, with ``training_problems`` and ``profile``."""
    drawn = {dataset: len(training_problems(run, dataset, part)) for dataset, part in kept(run).items()}
    size = frame.dataset.map(drawn).where(~frame.condition.isin(UNTRAINED), 0)
    return frame.assign(**{SIZE: size, "profile": run.profile.name})


def trainings(run: Run, jobs: Sequence[tuple]) -> pd.DataFrame:
    """What the ``finished`` trainings among ``jobs`` cost, columns ``COST``; ``target_repetition``: of taught texts."""
    trained = [job for job in jobs if job[1] not in UNTRAINED]
    costs, sets = [], sft.training_sets(run) if trained else {}
    for job in trained:
        record, taught = records.read_record(records.adapter_path(run, *job)), sft.of_seed(sets[job[:2]], job[2])
        repeated = float(np.mean([repetition(example.target) for example in taught]))
        about = dict(zip(JOB, job, strict=True)) | {"teacher": record["teacher"]}
        costs.append({**record, **about, "source": label_of(job[0], run.source), "target_repetition": repeated})
    return _sized(run, pd.DataFrame(costs, columns=list(COST))) if costs else pd.DataFrame()


def forced_traces(run: Run, jobs: Sequence[tuple]) -> pd.DataFrame:
    """The answers after forced traces of those ``jobs`` that were asked in full, without text."""
    chosen = intervention_grid.chosen(run)
    whole = [j for j in jobs if j[1] not in UNTRAINED and intervention_grid.answered(run, chosen[j[0]], *j)]
    rows = intervention_grid.read(intervention_grid.rows_path(run, *job) for job in whole)
    return _sized(run, intervention_grid.without_text(tables.frame(rows))) if rows else pd.DataFrame()


def record(runs: Sequence[Run], folder: Path = FOLDER) -> Recorded:
    """Score what is finished in ``runs`` and merge it into what ``folder`` holds (see ``merged``).

    ValueError: nothing is finished, or what ``merged`` refuses.
    """
    made, untrained = [], set()
    for run in runs:
        # A student without training answers alike in every profile: the first one's outputs count.
        jobs = [job for job in finished(run)[0] if job not in untrained]
        untrained |= {job for job in jobs if job[1] in UNTRAINED}
        made.append((verdicts(run, jobs), trainings(run, jobs), forced_traces(run, jobs)))
    fresh = [_joined(parts) for parts in zip(*made, strict=True)]
    if fresh[0].empty:
        raise ValueError("no job is finished: run `python -m tracekd train` and `generate` with these profiles first")
    old = [_read(folder / name) for name in FILES]
    for name, table in zip(FILES, merged(old, fresh), strict=True):
        if name.endswith(".gz"):
            write_table(folder / name, table)
        else:
            with replacing(folder / name) as temporary:
                table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
    return load(folder)


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables one below the other, flags as 0 and 1 as the files hold them; without any row, the columns ``KEY``."""
    flags = [part.select_dtypes(["bool", "boolean"]).columns for part in parts]
    parts = [part.astype(dict.fromkeys(names, "Int8")) for part, names in zip(parts, flags, strict=True) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*KEY, "profile"])


def merged(old: Sequence[pd.DataFrame], fresh: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Recorded verdicts, adapters and interventions with this machine's rows in place of the same jobs' earlier ones.

    Forced answers stay as long as their adapter does. The order of rows does not depend on which machine is first.

    ValueError: two students, or two profiles that have the same job at the same size.
    """
    needed = [*KEY, "profile"]
    old, fresh = ([t.reindex(columns=[*dict.fromkeys([*t, *needed])]) for t in side] for side in (old, fresh))
    jobs = pd.concat([table[needed] for table in (old[0], fresh[0]) if len(table)]).dropna().drop_duplicates()
    if len(names := jobs.student.unique()) > 1:
        raise ValueError(f"{' and '.join(names)}: notebook 08 takes one student: move figures/data/replication_* away")
    if len(twice := jobs[(jobs[SIZE] > 0) & jobs.duplicated(list(KEY))]):
        raise ValueError(
            f"{' '.join(map(str, twice.iloc[0]))}: another profile has answered the same job, trained on as many "
            "problems: give one of them other conditions or sizes"
        )
    before, now = (dict(zip(_keys(t), t.weights, strict=True)) if len(t) else {} for t in (old[1], fresh[1]))
    retrained, made = {key for key, weights in now.items() if before.get(key, weights) != weights}, []
    for had, found in zip(old, fresh, strict=True):
        again = {*_keys(found), *retrained}
        table = _joined([had[[key not in again for key in _keys(had)]], found])
        # By student, data set, falling size, condition (the paper's first) and seed; problems as they come.
        table["rank"] = table.condition.map({name: place for place, name in enumerate(ORDER)}).fillna(99)
        by = {"student": True, "dataset": True, SIZE: False, "rank": True, "condition": True, "seed": True}
        made.append(table.sort_values([*by], ascending=[*by.values()], kind="stable", ignore_index=True))
    return [table.drop(columns="rank") for table in made]


def _keys(table: pd.DataFrame) -> list[tuple]:
    return list(table[list(KEY)].itertuples(index=False, name=None))


def main(argv: list[str]) -> int:
    """Say which jobs of the replication are finished; with --record, score them and merge them into the recording."""
    parser = Parser("replication", main.__doc__, "python -m tracekd replication --profiles grid")
    known = [name for name in config.names() if name.startswith("grid")]
    parser.add_argument("--profiles", type=each_of(config.names()), default=",".join(known), help="comma-separated")
    parser.add_argument("--data", default="", help="generated, hub or a folder (default: the profile's)")
    parser.add_argument("--texts", default="", help="a teacher's traces that were trained on (default: TRACEKD_TEXTS)")
    parser.add_argument("--record", action="store_true", help="merge into figures/data/replication_*")
    options = parser.parse_args(argv)
    runs = [open_run("replication", p, data=options.data, texts=options.texts) for p in options.profiles.split(",")]
    for run in runs:
        for word, jobs in zip(("finished", "open"), finished(run), strict=True):
            print(f"{run.profile.name}, {word}: {len(jobs)} jobs" + "".join(f"\n  {d} {c} {s}" for d, c, s in jobs))
    if options.record:
        made = record(runs)
        print(f"recorded: {len(made.verdicts)} verdicts of {len(made.adapters)} adapters in {FOLDER}")
    return 0
