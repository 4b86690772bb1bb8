"""What notebooks 02 and 03 show of SFT sets: what wrong traces reveal, verdicts, tokens, and what training costs.

``python -m tracekd leakage`` counts over whole sets how much wrong traces reveal of the right ones.
"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tracekd import config
from tracekd.command_line import Parser
from tracekd.data import problems
from tracekd.data.load_cotempqa import SIZES
from tracekd.data.problem import DATASETS, Problem, select
from tracekd.io.records import numbered_jsonl, write_csv
from tracekd.scoring.outputs import test_problems
from tracekd.stats.intervals import wilson
from tracekd.students import registry, sft
from tracekd.students.records import adapter_path
from tracekd.teacher import run_texts
from tracekd.traces import corruption, freeform, templates

RELEASED = "released"
RECORDED = config.ROOT / "figures" / "data" / "leakage_real.csv"  # for readers without the real files: see ``record``
RELEASED_FILE = Path("released", "incorrect_traces_test.jsonl")
TEST_SET, TRAINING = "released test set", "training problems"
MEASURES = ("excludes", "names", "derives")
# The columns of the leakage table, in reading order.
LEAKAGE = ("problems", "kind", "n", "label_share", *MEASURES, "form_accuracy")
COST = [
    "dataset", "condition", "seed", "n", "supervised_tokens", "total_tokens", "steps", "seconds", "tokens_per_second",
    "mean_loss", "peak_gib", "hardware",
]  # fmt: skip


class Wrong(NamedTuple):
    """A wrong trace: what it is stated for, its label, its facts (a bare string where it states no list)."""

    problem: Problem
    label: str
    facts: Sequence[str] | str


def drawn(found: Sequence[Problem], kind: str, seed: int) -> list[Wrong]:
    """The wrong traces of one kind (``corruption.STYLES``), as ``templates.build`` draws them."""
    return [Wrong(p, corruption.wrong_label(p, seed, kind), corruption.wrong_facts(p, seed, kind)) for p in found]


def leaked(wrong: Sequence[Wrong]) -> dict[str, float]:
    """What wrong traces reveal: ``n`` (problems), ``label_share``, ``MEASURES`` and those of ``form_accuracy``.

    ``label_share`` is the mutual information of gold and wrong label as a share of the gold label's entropy (0..1);
    ``excludes``, ``names``, ``derives`` count problems (see ``corruption.LEVELS``).
    """
    gold = [w.problem.category for w in wrong]
    entropy = information(gold, gold)
    stated = [(w.problem, (w.facts,) if isinstance(w.facts, str) else tuple(w.facts)) for w in wrong]
    return {
        "n": len(wrong),
        "label_share": information(gold, [w.label for w in wrong]) / entropy if entropy else math.nan,
        **{name: sum(getattr(corruption, name)(*given) for given in stated) for name in MEASURES},
        **form_accuracy(wrong),
    }


def information(first: Sequence[str], second: Sequence[str]) -> float:
    """Mutual information of two label sequences in bits; of a sequence with itself: its entropy. At least 0.

    Counted shares overstate it; the correction is Miller and Madow's (Miller 1955), of those cells that occur.
    """
    from sklearn.metrics import mutual_info_score

    cells = len(set(zip(first, second, strict=True)))
    excess = (cells - len(set(first)) - len(set(second)) + 1) / (2 * len(first))
    return max(float(mutual_info_score(first, second) - excess) / math.log(2), 0.0)


def form(facts: Sequence[str] | str) -> list[float]:
    """The form of stated facts, no word of it: characters, words, capitals, digits, marks, list form, items, case."""
    text = facts if isinstance(facts, str) else repr(list(facts))
    characters, words, digits, marks, capitals = corruption.shape(text)
    items = (facts,) if isinstance(facts, str) else tuple(facts)
    listed = not isinstance(facts, str), len(items), bool(items) and items[0][:1].isupper()
    return [characters, words, capitals, digits, marks, *listed]


def form_accuracy(wrong: Sequence[Wrong]) -> dict[str, float]:
    """How well a logistic regression tells wrong facts from gold facts by their form alone; 0.5 is chance.

    Each problem with gold facts gives both of its lists, held out together in one of 5 folds. Returns ``form_accuracy``
    (0..1) with ``form_low`` and ``form_high``, Wilson's 95% interval over problems; NaN under 20 problems.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pairs = [(w.problem.facts, w.facts) for w in wrong if w.problem.evidence]
    names = ("form_accuracy", "form_low", "form_high")
    if len(pairs) < 20:
        return dict.fromkeys(names, math.nan)
    rows = np.array([form(facts) for pair in pairs for facts in pair], dtype=float)
    labels, groups = np.tile([0, 1], len(pairs)), np.repeat(np.arange(len(pairs)), 2)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    said = cross_val_predict(model, rows, labels, groups=groups, cv=GroupKFold(5))
    share = float((said == labels).mean())
    return dict(zip(names, (share, *wilson(round(share * len(pairs)), len(pairs))), strict=True))


def leakage_by_kind(dataset: str, found: Sequence[Problem], seed: int) -> pd.DataFrame:
    """The leakage of a set's wrong traces: one row a kind, columns ``dataset``, ``kind`` and those of ``leaked``."""
    return pd.DataFrame({"dataset": dataset, "kind": k, **leaked(drawn(found, k, seed))} for k in corruption.STYLES)


def trained_on(dataset: str, source: str, seed: int) -> list[Problem]:
    """The training problems of a set: those whose wrong traces a student sees, and whose labels are counted."""
    return [p for p in problems.load(dataset, source, seed=seed) if p.split == "train"]


def released_traces(folder: str | Path) -> dict[str, list[Wrong]]:
    """The release's own incorrect test traces by data set, read from its labels and positions of facts.

    Facts are written as the release does. ValueError with file and line: a row that fits no test problem in ``folder``.
    """
    path = Path(folder) / RELEASED_FILE
    known = {("babi", i): p for i, p in enumerate(test_problems("babi", folder))}
    for p in test_problems("cotempqa", folder):  # numbered through the four files in this order
        start = sum(size for name, size in SIZES.items() if name < p.category)
        known["cotempqa", start + int(p.id.rsplit("/", 1)[1])] = p
    found: dict[str, list[Wrong]] = {}
    for number, line in numbered_jsonl(path):
        try:
            problem = known[line["dataset"], line["row"]]
            facts = tuple(problem.context[i] for i in line["facts"])
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: {error!r}; expected dataset, row and places of facts") from error
        if problem.dataset == "babi":
            facts = tuple(fact.lower() for fact in facts)
        stated = facts if line["as_list"] else " ".join(facts)
        found.setdefault(problem.dataset, []).append(Wrong(problem, line["label"], stated))
    return found


def record(folder: str, seed: int, path: Path = RECORDED) -> None:
    """Write the leakage tables of the real sets of ``folder``: counts and shares, no text.

    The column ``problems`` is ``TRAINING``, or ``TEST_SET`` for the release's own traces and ours on the same problems.
    """
    real = [name for name in DATASETS if problems.source_of(name, folder) != "generated"]
    parts = [leakage_by_kind(n, trained_on(n, folder, seed), seed).assign(problems=TRAINING) for n in real]
    for name, wrong in released_traces(folder).items():
        theirs = pd.DataFrame([{"dataset": name, "kind": RELEASED, **leaked(wrong)}])
        ours = leakage_by_kind(name, problems.count_labels([w.problem for w in wrong]), seed)
        parts += [made.assign(problems=TEST_SET) for made in (theirs, ours)]
    write_csv(path, pd.concat(parts, ignore_index=True))


def main(argv: list[str]) -> int:
    """Count how much wrong traces reveal of the right ones; print it as JSON, one object per set and kind."""
    parser = Parser("leakage", main.__doc__, "python -m tracekd leakage --data ../shared/data")
    source, about = os.environ.get("TRACEKD_DATA") or "generated", "generated, hub, a folder, or your own file"
    parser.add_argument("--data", default=source, help=f"{about} (default: TRACEKD_DATA, else generated)")
    parser.add_argument("--seed", type=int, default=121, help="of the draws (default: 121)")
    parser.add_argument("--record", action="store_true", help=f"write figures/data/{RECORDED.name} of real sets")
    given = parser.parse_args(argv)
    names = problems.datasets_of(problems.check_source(given.data))
    if given.record:
        record(given.data, given.seed)
        return 0
    made = pd.concat(leakage_by_kind(n, trained_on(n, given.data, given.seed), given.seed) for n in names).round(4)
    made["source"] = [problems.label_of(name, given.data) for name in made.dataset]
    print(made.to_json(orient="records", indent=1))
    return 0


def generated(seed: int) -> dict[str, list[Problem]]:
    """Generated problems of each set, which may be shown whatever source a run uses."""
    return {name: problems.load(name, "generated", size=220, seed=seed) for name in DATASETS}


def leakage(run) -> pd.DataFrame:
    """What wrong traces reveal (columns ``LEAKAGE``), with the interval of the form classifier's accuracy.

    First of this run's training problems (the default kind, at most 1,000 a set), then as recorded of the real ones.
    """
    live = []
    for name, found in problems.kept(run).items():
        some = select([p for p in found if p.split == "train"], 1000, run.rng(f"{name}/leakage"))
        about = {"dataset": name, "kind": "matched", "problems": run.label_of(name)}
        live.append(about | leaked(drawn(some, "matched", run.seed)))
    real = pd.read_csv(RECORDED)
    real = real[(real.problems == TRAINING) & (real.kind != "uniform") | (real.kind == RELEASED)]
    made = pd.concat([pd.DataFrame(live), real.assign(problems="real " + real.problems)], ignore_index=True)
    made["problems"] = made.dataset + ": " + made.problems
    intervals = zip(made.form_accuracy, made.form_low, made.form_high, strict=True)
    made["form_accuracy"] = [f"{share:.3f} [{low:.3f}, {high:.3f}]" for share, low, high in intervals]
    return made[list(LEAKAGE)]


def verified(run) -> pd.DataFrame:
    """Verdicts on the right traces and on each way to be wrong, over the training problems of a run.

    One row a data set and kind of trace: ``n``, traces right in classification and in retrieval.
    """
    kinds, rows = {f"incorrect {step}": {"corrupt": step} for step in ("classification", "retrieval", "both")}, []
    for name, found in problems.kept(run).items():
        chosen = run_texts.training_problems(run, name, found)
        for kind, options in {"correct": {}, **kinds}.items():
            seen = [templates.verify(templates.build(p, kind.split()[0], seed=run.seed, **options), p) for p in chosen]
            rows.append((name, kind, len(seen), *(sum(step) for step in zip(*seen, strict=True))))
    return pd.DataFrame(rows, columns=["data set", "trace", "n", "classification right", "retrieval right"])


def tokens(run, sets: Mapping[tuple[str, str], Sequence[sft.Example]]) -> pd.DataFrame:
    """Mean tokens per example of each SFT set: of its prompt, trace and answer (with the end token).

    Further columns: ``n`` (examples) and ``learned (%)``, the share that carries loss.
    """
    tokenizer, recipe = registry.load_tokenizer(run.student), run.profile.recipe
    rows, teachers = [], sft.teachers(sets)
    for (dataset, condition), made in sft.fitting(sets, run.student, recipe).items():
        parts = pd.DataFrame(
            {"prompt": len(e) - len(e.parts) + e.parts.count(sft.PROMPT)}
            | {"trace": e.parts.count(sft.TRACE), "answer": e.parts.count(sft.ANSWER), "learned": len(e.parts)}
            for e in sft.encode_all(made, tokenizer, recipe.max_tokens, recipe.habits)
        )
        means = parts.mean().round(1)
        name = freeform.longhand(condition, teachers[dataset, condition])
        learned = round(100 * means.pop("learned") / means.sum(), 1)
        rows.append({"data set": dataset, "condition": name, "n": len(parts), **means, "learned (%)": learned})
    return pd.DataFrame(rows)


def cost(adapters: pd.DataFrame, teachers: Mapping) -> pd.DataFrame:
    """One row per adapter of ``run_grid.train``, columns ``COST``; tokens_per_second counts prompts too."""
    rate = adapters.total_tokens * adapters.epochs / adapters.seconds
    return freeform.spelled(adapters.assign(tokens_per_second=rate)[COST], teachers)


def losses(run, adapters: pd.DataFrame, teachers: Mapping) -> pd.DataFrame:
    """One row per update of each adapter.

    Columns dataset, condition, seed, examples (seen so far), those of the log: losses in nats per token, or NaN.
    """
    update, logs = run.profile.recipe.batch * run.profile.recipe.accumulation, []
    for row in adapters.itertuples():
        log = pd.read_json(adapter_path(run, row.dataset, row.condition, row.seed) / "log.jsonl", lines=True)
        seen = (log.step * update).clip(upper=row.n * row.epochs)  # the last update may hold fewer
        logs.append(log.assign(dataset=row.dataset, condition=row.condition, seed=row.seed, examples=seen))
    made = pd.concat(logs, ignore_index=True).astype({"trace_loss": float, "answer_loss": float})
    return freeform.spelled(made, teachers)
