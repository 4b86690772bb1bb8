"""The numbers that the notebooks' authors wrote into sentences are those of the committed tables."""

import json

import pandas as pd
import pytest
from conftest import ROOT

from tracekd.pipeline.artefacts import table_path

percent = "{:.0%}".format


def prose(number: str) -> str:
    """All words of a notebook, on one line."""
    (path,) = ROOT.glob(f"notebooks/{number}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return " ".join(" ".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown").split())


def rows(stem: str, **where: object) -> pd.DataFrame:
    """The rows of a committed table, or of the data of a figure, where each column has its value."""
    path = table_path(stem)
    frame = pd.read_csv(path if path.exists() else ROOT / "figures" / "data" / f"{stem}.csv")
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame), f"{stem} has no row {where}"
    return frame


def cell(stem: str, column: str, **where: object):
    frame = rows(stem, **where)
    assert len(frame) == 1, f"{stem} has {len(frame)} rows {where}"
    return frame.iloc[0][column]


def decompose():
    def agree(column, **where):
        """Of how many problems, and in what share of these, over all categories (cells: percent and interval)."""
        found = rows("01_agreement_real", **where)
        right = (found[column].str.split().str[0].astype(float) * found.n / 100).round().sum()
        return found.n.sum(), right / found.n.sum()

    n, answers = agree("answers_agree", dataset="babi", part="checked on")
    yield f"On the {n} bAbI test problems"
    yield f"they give the gold answer (the data set's own) in {100 * answers:.1f}% of cases"
    n, category = agree("category_agree", dataset="marco")
    yield f"query type in {percent(category)} of {n} problems"
    yield f"the evidence in only {percent(agree('evidence_agree', dataset='marco')[1])}"


def build_sft_sets():
    real = {"problems": "babi: real training problems", "kind": "matched"}
    n, excludes = (int(cell("02_leakage", name, **real)) for name in ("n", "excludes"))
    yield f"in {percent(excludes / n)} of the {n:,} bAbI training problems they state all facts except the right ones"
    yield f"So {excludes:,} of {n:,} matched traces state all facts but the gold ones."
    for dataset, words in (("babi", "In the release's own bAbI test set {0} of {1} traces"), ("cotempqa", "of {1}")):
        released = {"problems": f"{dataset}: real released test set"}
        yield words.format(*(int(cell("02_leakage", name, **released)) for name in ("excludes", "n")))
    form = [float(cell("02_leakage", "form_accuracy", **where).split()[0]) for where in (
        real, {"problems": "marco: real training problems", "kind": "as_published"})]  # fmt: skip
    yield f"the classifier is right in {percent(form[0])} of cases"
    yield f"and in {percent(form[1])} for MS MARCO"
    lengths = (cell("02_tokens", "trace", **{"data set": "marco", "condition": c}) for c in ("incorrect", "correct"))
    yield "{:.0f} tokens compared with {:.0f}".format(*lengths)


def qlora_train():
    babi = {"data set": "babi", "condition": "correct"}
    yield f"{cell('02_tokens', 'learned (%)', **babi):.0f}% of the tokens of a bAbI example with a correct trace"
    ours = {"what": "train", "dataset": "babi", "contender": "ours", "workers": 1}
    yield f"trained at {cell('03_bench', 'tokens_per_second', **ours):.0f} tokens per second"


def human_study():
    r1, correct = (cell("05_published_means", name, quantity="interpretability") for name in ("r1", "correct"))
    yield f"people rate them {correct - r1:.2f} points (on a scale of 1 to 5) lower"
    yield f"rated {correct} of 5 for interpretability, raw R1 traces {r1}"
    yield f"a high workload, {cell('05_published_means', 'r1', quantity='cognitive_load')}"
    llama = {"student": "Llama-3.2-1B-Instruct"}
    shares = [cell("05_published_means", name, **llama) for name in ("r1", "correct")]
    yield "reaches {:.0f}% with them and {:.0f}% with decomposed traces".format(*shares)
    power = rows("05_power_by_simulation", test="pair", participants=100)
    yield f"all {power.repeats.iloc[0]} simulated studies found a gap of {power[power.power == 1].effect.min():g}"
    sets = rows("r1_sets", file="all")
    yield f"{sets.another_problem.sum()} of {sets.rows.sum()} rows (the first 40 of each of four files) hold another"


def released_outputs():
    def of(rules, step, column, dataset="cotempqa", student="Qwen3-1.7B", condition="correct"):
        where = {"rules": rules, "step": step, "dataset": dataset, "student": student, "condition": condition}
        return cell("06_associations", column, **where)

    label = {name: of("id-aligned", "classification", name) for name in ("phi", "n", "p_answer_given_trace")}
    bounds = [of("id-aligned", "classification", f"phi_{end}") for end in ("low", "high")]
    phi = "{:.2f} [{:.2f}, {:.2f}]".format(label["phi"], *bounds)
    yield f"a right label and a right answer correlate weakly, at {phi} (n = {label['n']})"
    yield "27.5% in one printed matrix" if round(of("as printed", "trace", "joint"), 3) == 0.275 else "?"
    yield f"In the printed matrix {percent(of('as printed', 'trace', 'p_answer_given_trace'))} of the answers"
    yield f"{percent(of('id-aligned', 'trace', 'p_answer_given_trace'))} of the answers after a right trace are right"
    names = ("p_answer_given_trace", "p_answer_given_not_trace")
    yield "{} after a right label, {} after a wrong one".format(
        *(percent(of("id-aligned", "classification", name)) for name in names))  # fmt: skip
    yield "with {} and {}".format(*(percent(of("as printed", "classification", name)) for name in names))
    taught = rows("06_associations", step="trace", condition="correct")
    ours, theirs = taught[taught.rules == "id-aligned"].phi, taught[taught.rules != "id-aligned"]
    theirs = theirs[theirs.dataset != "marco"].phi
    yield f"(at most {theirs.max():.2f}), and at {ours.min():.2f} to {ours.max():.2f} id-aligned"
    wrong = rows("06_associations", rules="id-aligned", step="trace", condition="incorrect")
    yield f"at most {(wrong.both + wrong.trace_only).max()} right traces each"
    llama = {"rules": "id-aligned", "dataset": "babi", "student": "Llama-3.2-1B-Instruct"}
    gap = cell("06_contrasts", "difference", **llama, first="vanilla", second="incorrect")
    yield f"{100 * gap:.1f} points compared with no traces"


def mechanism():
    def own(kind, facts=5, steps=300, column="value"):
        return cell("09_levels", column, variant="own", kind=kind, facts=facts, steps=steps)

    taught = [own(kind) for kind in ("right", "one_wrong", "any", "all_wrong")]
    yield f"answer {percent(min(taught))} to {percent(max(taught))} right, and those without traces {own('none'):.0%}"
    none, filler = (own(kind, column="learned") for kind in ("none", "filler"))
    yield f"{none} seeds of `none` and {filler} of `filler` have learned"
    long = {kind: own(kind, steps=1200, column="learned") for kind in ("none", "foreign", "masked")}
    yield f"after 1,200 steps all {long['none']} seeds have learned it"
    yield f"after 1,200 steps {long['foreign']} and {long['masked']} of 20 seeds have learned"
    after = {(v, n): percent(cell("09_levels", "value", kind="all_wrong", variant=v, facts=n, steps=300))
             for v in ("wrong_facts", "gold") for n in (2, 3, 5, 8)}  # fmt: skip
    assert {after["wrong_facts", 5], after["wrong_facts", 8], after["gold", 5], after["gold", 8]} == {"0%"}
    yield f"with two or three facts ({after['wrong_facts', 2]} and {after['wrong_facts', 3]}) and never with five or"
    yield f"With two facts {after['gold', 2]} are right, with three {after['gold', 3]}"
    fooled = [percent(cell("09_levels", "value", kind=kind, variant="all_wrong", facts=5, steps=300))
              for kind in ("one_wrong", "any")]  # fmt: skip
    yield "their accuracy falls, to {} and {}".format(*fooled)
    yield f"With eight facts {own('all_wrong', facts=8, column='learned')} of 20 seeds learned"


@pytest.mark.parametrize(
    ("number", "sentences"),
    [("01", decompose), ("02", build_sft_sets), ("03", qlora_train), ("05", human_study), ("06", released_outputs),
     ("09", mechanism)],
)  # fmt: skip
def test_the_sentences_state_the_tables_numbers(number, sentences):
    words = prose(number)
    assert [sentence for sentence in sentences() if sentence not in words] == []
