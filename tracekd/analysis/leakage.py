"""How much wrong traces reveal of the right ones, counted over whole sets: ``python -m tracekd leakage``."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tracekd import config
from tracekd.command_line import Parser
from tracekd.data import problems
from tracekd.data.load_cotempqa import SIZES
from tracekd.data.problem import Problem
from tracekd.io.records import numbered_jsonl, write_csv
from tracekd.scoring import author_outputs
from tracekd.stats.intervals import wilson
from tracekd.traces import corruption, leakage

RELEASED = "released"
RECORDED = config.ROOT / "figures" / "data" / "leakage_real.csv"  # for readers without the real files: see ``record``
RELEASED_FILE = Path("released", "incorrect_traces_test.jsonl")
TEST_SET, TRAINING = "released test set", "training problems"
MEASURES = ("excludes", "names", "derives")


class Wrong(NamedTuple):
    """A wrong trace: what it is stated for, its label, its facts (a bare string where it states no list)."""

    problem: Problem
    label: str
    facts: Sequence[str] | str

    @property
    def stated(self) -> tuple[str, ...]:
        """The stated facts as a tuple."""
        return (self.facts,) if isinstance(self.facts, str) else tuple(self.facts)


def drawn(found: Sequence[Problem], kind: str, seed: int) -> list[Wrong]:
    """The wrong traces of one kind (``corruption.STYLES``), as ``templates.build`` draws them."""
    return [Wrong(p, corruption.wrong_label(p, seed, kind), corruption.wrong_facts(p, seed, kind)) for p in found]


def row(wrong: Sequence[Wrong]) -> dict[str, float]:
    """One line of the leakage table.

    Returns:
        dict with ``n`` (problems); ``label_share`` (mutual information of gold and wrong label as a share of the gold
        label's entropy, 0..1); counts of problems ``excludes``, ``names``, ``derives`` (see ``traces.leakage``); and
        those of ``form_accuracy``.
    """
    gold = [w.problem.category for w in wrong]
    entropy = information(gold, gold)
    return {
        "n": len(wrong),
        "label_share": information(gold, [w.label for w in wrong]) / entropy if entropy else math.nan,
        **{name: sum(getattr(leakage, name)(w.problem, w.stated) for w in wrong) for name in MEASURES},
        **form_accuracy(wrong),
    }


def information(first: Sequence[str], second: Sequence[str]) -> float:
    """Mutual information of two label sequences in bits; of a sequence with itself: its entropy. At least 0.

    Counted shares overstate it, the more the fewer the problems; Miller and Madow's correction takes the excess off:
    (cells - rows - columns + 1) / (2 n) nats, of those that occur (Miller 1955).
    """
    from sklearn.metrics import mutual_info_score

    cells = len(set(zip(first, second, strict=True)))
    excess = (cells - len(set(first)) - len(set(second)) + 1) / (2 * len(first))
    return max(float(mutual_info_score(first, second) - excess) / math.log(2), 0.0)


def form(facts: Sequence[str] | str) -> list[float]:
    """The form of stated facts, no word of it: characters, words, capitals, digits, marks, list form, items, case."""
    text = facts if isinstance(facts, str) else repr(list(facts))
    marks = sum(not c.isalnum() and not c.isspace() for c in text)
    items = (facts,) if isinstance(facts, str) else tuple(facts)
    listed = not isinstance(facts, str), len(items), bool(items) and items[0][:1].isupper()
    return [len(text), len(text.split()), sum(map(str.isupper, text)), sum(map(str.isdigit, text)), marks, *listed]


def form_accuracy(wrong: Sequence[Wrong]) -> dict[str, float]:
    """How well a logistic regression tells wrong facts from gold facts by their form alone; 0.5 is chance.

    Each problem with gold facts gives both of its lists, held out together in one of 5 folds.

    Returns:
        ``form_accuracy`` (0..1) with ``form_low`` and ``form_high``: Wilson's 95% interval over problems, as if each
        were one trial. NaN under 20 problems.
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


def table(dataset: str, found: Sequence[Problem], seed: int) -> pd.DataFrame:
    """The leakage of a set's wrong traces: one row a kind, columns ``dataset``, ``kind`` and those of ``row``."""
    return pd.DataFrame({"dataset": dataset, "kind": k, **row(drawn(found, k, seed))} for k in corruption.STYLES)


def trained_on(dataset: str, source: str, seed: int) -> list[Problem]:
    """The training problems of a set: those whose wrong traces a student sees, and whose labels are counted."""
    return [p for p in problems.load(dataset, source, seed=seed) if p.split == "train"]


def released_traces(folder: str | Path) -> dict[str, list[Wrong]]:
    """The release's own incorrect test traces by data set, read from its labels and positions of facts.

    bAbI's facts are lower-cased and CoTempQA's are one bare sentence, as the release writes them.

    Raises:
        ValueError: a row that fits no test problem in ``folder``; names file and line.
    """
    path = Path(folder) / RELEASED_FILE
    known = {("babi", i): p for i, p in enumerate(author_outputs.test_problems("babi", folder))}
    for p in author_outputs.test_problems("cotempqa", folder):  # numbered through the four files in this order
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
    real = [name for name in problems.DATASETS if problems.source_of(name, folder) != "generated"]
    parts = [table(name, trained_on(name, folder, seed), seed).assign(problems=TRAINING) for name in real]
    for name, wrong in released_traces(folder).items():
        theirs = pd.DataFrame([{"dataset": name, "kind": RELEASED, **row(wrong)}])
        ours = table(name, problems.count_labels([w.problem for w in wrong]), seed)
        parts += [made.assign(problems=TEST_SET) for made in (theirs, ours)]
    write_csv(path, pd.concat(parts, ignore_index=True))


def main(argv: list[str]) -> int:
    """Print the leakage table as JSON: one object a set and kind."""
    parser = Parser("leakage", __doc__.split(":")[0] + ".", "python -m tracekd leakage --data ../shared/data")
    source, about = os.environ.get("TRACEKD_DATA") or "generated", "generated, hub, a folder, or your own file"
    parser.add_argument("--data", default=source, help=f"{about} (default: TRACEKD_DATA, else generated)")
    parser.add_argument("--seed", type=int, default=121, help="of the draws (default: 121)")
    parser.add_argument("--record", action="store_true", help=f"write figures/data/{RECORDED.name} of real sets")
    given = parser.parse_args(argv)
    names = problems.datasets_of(problems.check_source(given.data))
    if given.record:
        record(given.data, given.seed)
        return 0
    parts = [table(n, trained_on(n, given.data, given.seed), given.seed) for n in names]
    made = pd.concat(parts, ignore_index=True).round(4)
    made["source"] = [problems.label_of(name, given.data) for name in made.dataset]
    print(json.dumps(json.loads(made.to_json(orient="records")), indent=1))  # NaN as null
    return 0
