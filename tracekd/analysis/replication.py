"""The replication: score what ``tracekd train``, ``generate`` and ``intervene`` have finished, and record it.

``record`` merges it into three files without any text of problems or outputs: ``replication_verdicts.csv.gz`` (one row
per output), ``replication_adapters.csv`` (one row per training: cost, hardware, commit) and
``replication_interventions.csv.gz`` (one row per problem and forced trace). ``recorded.load`` reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tracekd import config
from tracekd.analysis import recorded
from tracekd.analysis.recorded import FILES, SIZE
from tracekd.command_line import Parser
from tracekd.data.problems import kept, label_of
from tracekd.grid import forced_traces as intervention_grid
from tracekd.interventions import tables
from tracekd.io.records import read_jsonl, replacing
from tracekd.run import Run, open_run
from tracekd.scoring import score_runs
from tracekd.scoring.released_verdicts import write_table
from tracekd.students import records, sft
from tracekd.students.records import UNTRAINED
from tracekd.teacher.run_texts import training_problems
from tracekd.text import repetition

PROFILES = ("grid", "grid-r1", "grid-r1-as-released", "grid-corruption", "grid-mechanism", "grid-natural")


def finished(run: Run) -> tuple[list[tuple], list[tuple]]:
    """The jobs (dataset, condition, seed) of a run that its adapters have answered in full, and the others."""
    asked, done, rest = records.evaluation_problems(run), [], []
    for job in records.output_jobs(run):
        (done if records.answered(run, asked[job[0]], *job) else rest).append(job)
    return done, rest


def verdicts(run: Run, jobs: Sequence[tuple]) -> pd.DataFrame:
    """The verdicts of the outputs of ``jobs``, columns ``COLUMNS`` and those of ``LATER`` that there are."""
    if not jobs:
        return pd.DataFrame()
    known = [p for part in kept(run).values() for p in part]
    frame, _ = score_runs.verdict_frame(known, [records.outputs_path(run, *job) for job in jobs], seed=run.seed)
    frame["source"] = frame.dataset.map({d: label_of(d, run.source) for d in frame.dataset.unique()})
    wrote = {job: _teacher(run, job) for job in jobs}
    frame["teacher"] = [wrote[job] for job in zip(*(frame[name] for name in recorded.JOB), strict=True)]
    frame = _sized(run, frame)
    return frame[[name for name in dict.fromkeys([*recorded.COLUMNS, *recorded.LATER]) if name in frame]]


def _teacher(run: Run, job: tuple) -> str:
    if job[1] in UNTRAINED:
        return ""
    return records.teacher_of(records.read_record(records.adapter_path(run, *job)), job[1])


def _sized(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """``frame``, which has ``dataset`` and ``condition``, with ``training_problems`` and ``profile``."""
    drawn = {dataset: len(training_problems(run, dataset, part)) for dataset, part in kept(run).items()}
    size = frame.dataset.map(drawn).where(~frame.condition.isin(UNTRAINED), 0)
    return frame.assign(**{SIZE: size, "profile": run.profile.name})


def trainings(run: Run, jobs: Sequence[tuple]) -> pd.DataFrame:
    """What the trainings of ``jobs`` cost, columns ``COST``.

    ``target_repetition`` is the mean over the taught texts; NaN where the run holds other texts by now.
    """
    costs = []
    for job in (job for job in jobs if job[1] not in UNTRAINED):
        record, path = records.read_record(records.adapter_path(run, *job)), sft.set_path(run, *job[:2])
        taught = [sft.Example(**row) for row in read_jsonl(path)] if path.exists() else []
        same = records.adapter_key(run.student, taught, run.profile.recipe, job[2]) == record["key"]
        repeated = pd.Series([repetition(e.target) for e in taught if same], dtype=float).mean()
        about = dict(zip(recorded.JOB, job, strict=True)) | {"teacher": _teacher(run, job)}
        costs.append({**record, **about, "source": label_of(job[0], run.source), "target_repetition": repeated})
    return _sized(run, pd.DataFrame(costs, columns=list(recorded.COST))) if costs else pd.DataFrame()


def forced_traces(run: Run, jobs: Sequence[tuple]) -> pd.DataFrame:
    """The answers after forced traces of those ``jobs`` that were asked in full, without text."""
    chosen = intervention_grid.chosen(run)
    whole = [j for j in jobs if j[1] not in UNTRAINED and intervention_grid.answered(run, chosen[j[0]], *j)]
    rows = intervention_grid.read(intervention_grid.rows_path(run, *job) for job in whole)
    return _sized(run, intervention_grid.without_text(tables.frame(rows))) if rows else pd.DataFrame()


def record(runs: Sequence[Run], folder: Path = recorded.FOLDER) -> recorded.Recorded:
    """Score what is finished in ``runs`` and merge it into what ``folder`` holds (see ``merged``).

    Raises:
        ValueError: nothing is finished, or two profiles answered the same job after training on as many problems.
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
    old = [recorded.read(folder / name) if (folder / name).exists() else pd.DataFrame() for name in FILES]
    for name, table in zip(FILES, merged(old, fresh), strict=True):
        if name.endswith(".gz"):
            write_table(folder / name, table)
        else:
            with replacing(folder / name) as temporary:
                table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
    return recorded.load(folder)


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables one below the other, flags as 0 and 1 as the files hold them; without any row, the columns ``KEY``."""
    flags = [part.select_dtypes(["bool", "boolean"]).columns for part in parts]
    parts = [part.astype(dict.fromkeys(names, "Int8")) for part, names in zip(parts, flags, strict=True) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*recorded.KEY, "profile"])


def merged(old: Sequence[pd.DataFrame], fresh: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Recorded verdicts, adapters and interventions with this machine's rows in place of the same jobs' earlier ones.

    Forced answers stay as long as their adapter does. What the first edition recorded, without a profile, leaves when
    its data set is recorded anew. The order of the rows is the same whichever machine records first.

    Raises:
        ValueError: two profiles have the same job at the same size.
    """
    needed = pd.Index([*recorded.KEY, "profile"])
    old, fresh = (
        [t.reindex(columns=t.columns.append(needed.difference(t.columns))) for t in side] for side in (old, fresh)
    )
    jobs = pd.concat([table[needed] for table in (old[0], fresh[0]) if len(table)]).dropna().drop_duplicates()
    if len(twice := jobs[(jobs[SIZE] > 0) & jobs.duplicated(list(recorded.KEY))]):
        raise ValueError(
            f"{' '.join(map(str, twice.iloc[0]))}: another profile has answered the same job, trained on as many "
            "problems: give one of them other conditions or sizes"
        )
    weights = [
        dict(zip(_keys(table), table.weights, strict=True)) if len(table) else {} for table in (old[1], fresh[1])
    ]
    anew, retrained = set(fresh[0].dataset), {key for key, w in weights[1].items() if weights[0].get(key, w) != w}
    made = []
    for before, after in zip(old, fresh, strict=True):
        again = {*_keys(after), *retrained}
        leaves = before.profile.isna() & before.dataset.isin(anew)
        leaves |= pd.Series([key in again for key in _keys(before)], before.index, dtype=bool)
        made.append(_in_order(_joined([before[~leaves], after])))
    return made


def _keys(table: pd.DataFrame) -> list[tuple]:
    return list(table[list(recorded.KEY)].itertuples(index=False, name=None))


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """By student, data set, falling size, condition (the paper's first) and seed; problems as they come."""
    rank = table.condition.map({name: place for place, name in enumerate(recorded.ORDER)}).fillna(99)
    by = {"student": True, "dataset": True, SIZE: False, "rank": True, "condition": True, "seed": True}
    table = table.assign(rank=rank).sort_values(list(by), ascending=list(by.values()), kind="stable", ignore_index=True)
    return table.drop(columns="rank")


def main(argv: list[str]) -> int:
    """Say which jobs of the replication are finished; with --record, score them and merge them into the recording."""
    parser = Parser("replication", main.__doc__, "python -m tracekd replication --profiles grid")
    known = ",".join(name for name in PROFILES if name in config.names())
    parser.add_argument("--profiles", default=known, help="whose grids, comma-separated")
    parser.add_argument("--data", default="", help="generated, hub or a folder (default: the profile's)")
    parser.add_argument("--texts", default="", help="a teacher's traces that were trained on (default: TRACEKD_TEXTS)")
    parser.add_argument("--record", action="store_true", help="merge into figures/data/replication_*")
    options = parser.parse_args(argv)
    about = {"data": options.data, "texts": options.texts}
    runs = [open_run("replication", name, **about) for name in options.profiles.split(",")]
    for run in runs:
        for word, jobs in zip(("finished", "open"), finished(run), strict=True):
            print(f"{run.profile.name}, {word}: {len(jobs)} jobs" + "".join(f"\n  {d} {c} {s}" for d, c, s in jobs))
    if options.record:
        made = record(runs)
        print(f"recorded: {len(made.verdicts)} verdicts of {len(made.adapters)} adapters in {recorded.FOLDER}")
    return 0
