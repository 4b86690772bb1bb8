"""The from-scratch student's record: accuracies with seeds as the unit, and four accounts against what was measured."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.analysis.recorded import FOLDER, largest
from tracekd.analysis.replication import difference
from tracekd.analysis.tables import INCONCLUSIVE, NOT_TESTED
from tracekd.grid.mechanism import FILE
from tracekd.interventions import tables
from tracekd.interventions.from_scratch import VARIANTS
from tracekd.interventions.tables import ENDS, sign
from tracekd.stats.bootstrap import bootstrap

LEARNED = 0.9  # share of right answers from which a seed counts as one that learned
FEWEST = 5  # seeds: under these nothing is tested
MIDDLE = (1 + 1 / 5) / 2  # between chance with five facts and 1
HELD, FAILED = "held", "did not hold"
# The small student's order, by the real one's training: is it better than a student without traces?
ORDER = {"correct": "above zero", "incorrect": "above zero", "any": "above zero", "foreign": "not above zero"}


def recorded(folder: Path = FOLDER) -> pd.DataFrame:
    """The recorded trainings (``grid.mechanism.table``) in a folder such as ``figures/data``; empty where none are."""
    path = folder / FILE
    return pd.read_csv(path, dtype={"commit": str, "smeared": bool}) if path.exists() else pd.DataFrame()


def shares(looks: pd.DataFrame) -> pd.DataFrame:
    """One row per training, look and forced trace: ``variant`` and ``share`` (0..1) in place of the counts."""
    names = [name for name in looks if name not in (*VARIANTS, "n")]
    long = looks.melt([*names, "n"], [name for name in VARIANTS if name in looks], "variant", "right")
    return long.assign(share=long.right / long.n)


def last(looks: pd.DataFrame) -> pd.DataFrame:
    """``shares`` at the last step of each training."""
    return shares(looks[looks.step == looks.steps])


def shortest(final: pd.DataFrame) -> pd.DataFrame:
    """Of several lengths of training the shortest of each kind, which is the same number of steps for all kinds."""
    return final[final.steps == final.groupby("kind").steps.transform("min")]


def levels(final: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Mean accuracy over seeds of ``last`` with its 95% bootstrap interval over seeds (NaN with one).

    Columns: ``smeared``, ``facts``, ``kind``, ``steps``, ``variant``; ``value``, ``low``, ``high`` (0..1), ``seeds``,
    ``learned`` (seeds with at least 90% right answers), ``n`` (problems per seed).
    """
    rows, keys = [], ["smeared", "facts", "kind", "steps", "variant"]
    for name, part in final.groupby(keys, sort=False):
        found = bootstrap(np.mean, rng, part.share.to_numpy(), repeats=repeats)
        rows.append([*name, *found.values(), len(part), (part.share >= LEARNED).sum(), part.n.iloc[0]])
    return pd.DataFrame(rows, columns=[*keys, "value", "low", "high", "seeds", "learned", "n"])


def predictions() -> pd.DataFrame:
    """What each account predicts for K = 5, by the trace that is taught (``kind``) and forced (``variant``)."""
    return pd.read_csv(Path(__file__).with_name("predictions.csv"), keep_default_na=False)


def judged(measured: pd.DataFrame) -> pd.DataFrame:
    """``predictions`` with what was ``measured`` (of ``levels``) on students with smeared keys, and whether each held.

    A cell is right where its interval lies above ``MIDDLE``, chance below it, else inconclusive; see ``shortest``.
    """
    cells, found = shortest(measured[(measured.facts == 5) & measured.smeared]), predictions()
    rows = list(found[["kind", "variant"]].merge(cells, how="left").itertuples())
    for name in list(found)[2:]:
        found[name] = [said and f"{said}: {_held(row, said)}" for said, row in zip(found[name], rows, strict=True)]
    said = [f"{row.value:.2f}, {row.learned:.0f} of {row.seeds:.0f} seeds learned" for row in rows]
    return found.assign(measured=[NOT_TESTED if words.startswith("nan") else words for words in said])


def _held(row, said: str) -> str:
    if not row.seeds >= FEWEST:  # NaN where a cell was not measured
        return NOT_TESTED
    if row.low <= MIDDLE <= row.high:
        return INCONCLUSIVE
    return HELD if (row.low > MIDDLE) == (said == "right") else FAILED


def summary(judgements: pd.DataFrame) -> pd.DataFrame:
    """How many predictions of each account held, did not hold, were inconclusive, were not tested."""
    accounts = judgements.drop(columns=["kind", "variant", "measured"])
    found = accounts.apply(lambda said: said.str.partition(": ")[2].value_counts())
    found = found.reindex([HELD, FAILED, INCONCLUSIVE, NOT_TESTED]).fillna(0).astype(int)
    return found.T.rename_axis("account").reset_index()


def by_context(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All rows of a frame with ``n_context``, those on contexts of two facts, and those on longer ones."""
    return {"all": frame, "two facts": frame[frame.n_context == 2], "longer": frame[frame.n_context > 2]}


def forced_in_real_student(asked: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Right bAbI answers of the recorded pretrained students after forced traces, by ``context`` (``by_context``).

    Further columns: those of ``tables.levels``; ``variant`` ``total_all`` is after the gold minus after a wrong trace.
    """
    made = {}
    for name, part in by_context(largest(asked[asked.dataset == "babi"])).items():
        moved = tables.effects(part, rng, repeats).query("effect == 'total_all'").rename(columns={"effect": "variant"})
        made[name] = pd.concat([tables.levels(part, rng, repeats), moved], join="inner")
    found = pd.concat(made, names=["context"]).reset_index("context")
    return found[(found.outcome == "answer_correct") & (found.n > 0)].drop(columns="outcome")


def order_in_real_student(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Whether the small student's order (``ORDER``) holds for the recorded pretrained one on bAbI, at its largest size.

    Columns: ``context`` (``by_context``; ``longer, hidden``: whose wrong trace reveals nothing), ``condition``,
    ``small_student`` (sign of its accuracy minus that without traces); ``ENDS``, ``n``, ``seeds``; ``holds``.
    """
    parts, rows = by_context(largest(verdicts[verdicts.dataset == "babi"])), []
    parts["longer, hidden"] = parts["longer"].query("drawn_reveals == 'none'")
    for (context, part), (condition, wanted) in product(parts.items(), ORDER.items()):
        found = difference(part, condition, "vanilla", rng, repeats)
        holds = sign(found) if found else NOT_TESTED
        if holds not in (INCONCLUSIVE, NOT_TESTED):
            holds = "yes" if (holds == "above zero") == (wanted == "above zero") else "no"
        rows.append([context, condition, wanted, *(found.get(name, np.nan) for name in (*ENDS, "n", "seeds")), holds])
    columns = ["context", "condition", "small_student", *ENDS, "n", "seeds", "holds"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64", "seeds": "Int64"})
