"""The numbers that the notebooks' authors wrote into sentences are those of the committed tables."""

import json

import numpy as np
import pytest
from committed import AFTER, CORRECT, NONE, R1_AND, cell, claim_of, forced, row, rows
from conftest import ROOT

from tracekd.analysis import paper_check, recorded, replication, tables

percent = "{:.0%}".format
CLAIMS = (CORRECT, AFTER, "Answers are as often right after wrong labels as after right ones")
GAIN = "Correct traces do not raise accuracy, compared with no traces"


def prose(number: str) -> str:
    (path,) = ROOT.glob(f"notebooks/{number}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return " ".join(" ".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown").split())


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
    kinds = rows("02_leakage", problems="babi: real training problems").set_index("kind").label_share
    yield "is {:.2f} compared with {:.2f}. On the other sets".format(*kinds[["matched", "as_published"]])
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
    assert round(rows("03_training_cost", dataset="babi").seconds.mean() / 60) == 3  # "about three minutes each"
    ours = {"what": "train", "dataset": "babi", "contender": "ours", "workers": 1}
    yield f"trained at {cell('03_bench', 'tokens_per_second', **ours):.0f} tokens per second"


def human_study():
    r1, correct = (cell("05_published_means", name, quantity="interpretability") for name in ("r1", "correct"))
    yield f"people rate them {correct - r1:.2f} points (on a scale of 1 to 5) lower"
    yield f"rated {correct} of 5 for interpretability, raw R1 traces {r1}"
    yield f"a high cognitive load, {cell('05_published_means', 'r1', quantity='cognitive_load')}"
    llama = {"student": "Llama-3.2-1B-Instruct"}
    shares = [cell("05_published_means", name, **llama) for name in ("r1", "correct")]
    yield "reaches {:.0f}% with them and {:.0f}% with decomposed traces".format(*shares)
    power = rows("05_power_by_simulation", test="pair", participants=100)
    yield f"all {power.repeats.iloc[0]} simulated studies detected a true gap of {power[power.power == 1].effect.min()}"
    sets = rows("r1_sets", file="all")
    yield f"{sets.another_problem.sum()} of {sets.rows.sum()} rows (the first 40 of each of four files) hold another"


def released_outputs():
    def of(rules, step, column, dataset="cotempqa", student="Qwen3-1.7B", condition="correct"):
        where = {"rules": rules, "step": step, "dataset": dataset, "student": student, "condition": condition}
        return cell("06_associations", column, **where)

    label = [of("id-aligned", "classification", name) for name in ("phi", "phi_low", "phi_high", "n")]
    yield "a right label and a right answer correlate weakly, at {:.2f} [{:.2f}, {:.2f}] (n = {})".format(*label)
    yield "27.5% in one printed matrix" if round(of("as printed", "trace", "joint"), 3) == 0.275 else "?"
    yield f"In the printed matrix {percent(of('as printed', 'trace', 'p_answer_given_trace'))} of the answers"
    yield f"{percent(of('id-aligned', 'trace', 'p_answer_given_trace'))} of the answers after a right trace are right"
    names = ("p_answer_given_trace", "p_answer_given_not_trace")
    shares = [percent(of(rules, "trace", name)) for rules in ("id-aligned", "as published") for name in names]
    yield "trace and {} after a wrong one. Under the published rules the shares are {} and {}.".format(*shares[1:])
    steps = paper_check.three_steps(paper_check.load(recorded.FOLDER))
    own = f"({steps.n[2]} outputs, not a random part), the shares are {{}} and {{}}."
    for at, words in ((2, own), (5, "Within *during*, the largest category, the shares are {} and {},")):
        yield words.format(*map(percent, steps.loc[at, [*names]]))
    yield "{} of answers are right after a right label, {} after a wrong one".format(
        *(percent(of("id-aligned", "classification", name)) for name in names))  # fmt: skip
    yield "agrees: {} and {}".format(*(percent(of("as printed", "classification", name)) for name in names))
    taught = rows("06_associations", step="trace", condition="correct")
    ours, theirs = taught[taught.rules == "id-aligned"].phi, taught[taught.rules != "id-aligned"]
    theirs = theirs[theirs.dataset != "marco"].phi
    yield f"(at most {theirs.max():.2f}), and at {ours.min():.2f} to {ours.max():.2f} id-aligned"
    wrong = rows("06_associations", rules="id-aligned", step="trace", condition="incorrect")
    yield f"at most {(wrong.both + wrong.trace_only).max()} right traces each"
    facts = rows("06_associations", rules="id-aligned", step="retrieval", condition="incorrect")
    yield "the right facts in {} to {} outputs.".format(*(facts.both + facts.trace_only).agg(["min", "max"]))
    yield f"phi is {facts.phi.min():.2f} to {facts.phi.max():.2f}, and four of the six reject independence"
    assert ((facts.p_holm < 0.05).sum(), len(facts)) == (4, 6)
    right = row("08_ledger", dataset="cotempqa", student="Llama-3.2-1B-Instruct", condition="incorrect",
                measure="answer correct")[["printed", "as_published"]]  # fmt: skip
    yield "with incorrect traces {:.0f} are right, in the released ones {:.0f})".format(*right.astype(float))
    pair = {"rules": "id-aligned", "dataset": "babi", "first": "vanilla", "second": "incorrect"}
    pairs = rows("06_contrasts", rules="id-aligned", second="incorrect").query("p_value < 0.05 and difference > 0")
    assert pairs["first"].value_counts().to_dict() == {"vanilla": 5, "correct": 2}  # "Without the correction"
    gap = cell("06_contrasts", "difference", student="Llama-3.2-1B-Instruct", **pair)
    yield f"{100 * gap:.1f} points compared with no traces"


def on_dates(text, cells):
    """``text`` with CoTempQA's accuracies after forced traces; ``cells``: "condition trace, condition trace"."""
    return text.format(*(percent(forced(*one.split(), dataset="cotempqa").value) for one in cells.split(", ")))


def interventions():
    right, wrong = ([forced(c, trace) for c in ("correct", "incorrect")] for trace in ("gold", "both_wrong"))
    assert {(one.n, one.seeds) for one in (*right, *wrong)} == {(150, 3)}  # "n = 150, three seeds"
    shares = [percent(one.value) for one in (right[0], wrong[0], right[1], wrong[1])]
    words = "{} right after a right trace and {} after a wrong one (on CoTempQA".format(*shares)
    yield words + on_dates(" {} and {}).", "correct gold, correct both_wrong")
    words = "backwards on bAbI: {2} and {3}. On CoTempQA, where they are weak,".format(*shares)
    yield words + on_dates(" they reach {} and {}.", "incorrect gold, incorrect both_wrong")
    yield on_dates("answers {} right after gold, and {} after gold with", "correct gold, correct masked")
    yield on_dates("although gold states the answer, and {} after an empty trace.", "incorrect empty")
    yield on_dates("trace implies in {} of cases (`correct` in {},", "incorrect trace, correct trace")
    more = rows("08_effects", dataset="cotempqa", training_problems=1567, reveals="all")
    more = more.set_index(["condition", "effect"]).value.map(percent)
    yield "{both_wrong} right after a wrong trace and {gold} after gold (two seeds)".format(**more["incorrect"])
    yield "shows the same pattern: {both_wrong} and {gold} (one seed)".format(**more["vanilla"])
    shares = [percent(forced("incorrect", trace, "none").value) for trace in ("both_wrong", "gold", "empty")]
    yield "{} right after a wrong trace, {} after gold and {} after an empty one".format(*shares)
    parts = [forced("correct", f"natural_{kind}") for kind in ("direct", "indirect")]
    yield "they are {:+.0f} and {:+.0f} points (n = {})".format(*(100 * part.value for part in parts), parts[0].n)


def of_r1(claim, verdict, ends=("estimate", "low", "high")):
    found = row("08_claims", training_problems=183, reveals="all", claim=claim)
    assert (found.verdict, found.seeds, found.n) == (verdict, 3, 240) and found.low < 0 <= found.high
    return tables.points(*found[[*ends]]).replace(" [", " points [")


def paper_check_of_ours():
    level = row("08_accuracy_table", dataset="babi", condition="correct")
    yield f"{tables.percent(level.value, level.low, level.high)} right ({level.problems} problems, three seeds)"
    claims = [claim_of(claim) for claim in CLAIMS]
    dates, none = claim_of(CORRECT, "cotempqa"), [claim_of(GAIN, dataset) for dataset in ("babi", "cotempqa")]
    shown = [tables.points(claim.estimate, claim.low, claim.high) for claim in (*claims, dates, *none)]
    yield f"same change is {shown[3]} points ({dates.n} problems, trained on {dates.training_problems:,}): lower;"
    yield f"changes accuracy by {shown[4]} points on bAbI. - On CoTempQA it changes accuracy by {shown[5]} points"
    assert round(row("08_replication", condition="natural_correct").n, -1) == 560  # "about 560", twice
    best = "R1 traces give the best accuracy, compared with "
    lost = best.replace("R1 traces give the best", "Swapped R1 traces destroy")
    gap, *_ = (of_r1(best + other, "not supported") for other in R1_AND)
    yield f"Its accuracy minus that without traces is {gap} (n = 240, three seeds)."
    yield f"traces minus none are {of_r1(best + 'no traces', 'not supported', ends=replication.PUBLISHED)}. This metric"
    yield f"change accuracy by {of_r1(lost + 'R1 traces in place', 'not supported')} (n = 240, three seeds). Compared"
    yield f"they change it by {of_r1(lost + 'no traces', 'not supported')}. In both cases a loss of five is ruled out."
    yield f"they change accuracy by {of_r1(CORRECT, 'supported')}, compared with none by {of_r1(NONE, 'supported')} (n"
    small = recorded.load().verdicts.query("training_problems == 183")
    found = small[small.pub_answer_correct == 1].groupby("condition").status
    found = found.agg(lambda part: f"{(part == 'truncated').sum()} of the {len(part)}")
    qwen = row("05_published_means", student="Qwen3-1.7B", quantity="accuracy")
    yield "gains {:.1f} points over no traces and {:.1f} over".format(*(qwen.r1 - qwen[["vanilla", "r1_summary"]]))
    yield f"{found.r1_explanation} right ones with explanations, {found.r1} with R1's traces."
    family = rows("08_r1").set_index("condition")[["published", "by_category", "value"]]
    gold = family[~family.index.str.contains("as_released|prompted")]
    r1 = "r1 (DeepSeek-R1)"
    assert gold.value.idxmin() == r1
    yield f"has the lowest share of exactly right ones ({gold.value[r1]:.1%})."
    yield "over categories, R1's traces have {:.1%} and no traces {:.1%}.".format(*gold.by_category[[r1, "vanilla"]])
    seeds = small[small.condition == "r1"].pivot_table("pub_answer_correct", "seed", "category").mean(axis=1)
    yield "it is {:.1%} in seed 121 (bf16), {:.1%} in 122 and {:.1%} in 123 (fp32).".format(*seeds)
    yield "has {published:.1%} by the published metric and {value:.1%} exactly right.".format(**family.loc["prompted"])
    messages = family.loc[[f"{c}_as_released (DeepSeek-R1)" for c in ("r1", "vanilla")]].diff().iloc[1]
    assert messages.published > 0 > messages.by_category  # "the averaging alone decides"
    theirs = paper_check.published().query("kind == 'r1 subset' and condition == 'swapped' and measure == 'acc'")
    theirs = theirs.groupby("student").value.mean().round()
    assert {*theirs[["Llama-3.2-1B-Instruct", "Qwen3-1.7B"]]} == {5}  # "have 5%"
    counts = small.groupby("category").id.nunique()
    yield "with {equal} problems, counts as much as *during* with {during}.".format(**counts)
    yield "are right by the published metric; the id-aligned rule accepts 88, because"  # counted in test_teacher
    shares = rows("08_accuracy_table", training_problems=1567).set_index("condition").published[[*recorded.CORE]]
    yield "the same order there: {}, {} and {}.".format(*map(percent, shares))
    asked = rows("08_marco", measure="right").set_index(["question", "condition"]).value
    f1 = rows("08_marco", measure="F1", question="has an answer").set_index("condition").value
    shares = [percent(part[c]) for part in (asked["has an answer"], f1) for c in recorded.CORE]
    yield "({0} and {1}; mean F1 {3} and {4}), the one trained on incorrect traces fewer ({2}; {5}).".format(*shares)
    yield f"it is right on {percent(asked['has none', 'correct'])} of the questions without"
    declined = rows("08_marco", measure="declined", question="has an answer").set_index("condition").value
    yield "they decline {}, {} and {} of those".format(*(percent(declined[c]) for c in recorded.CORE))
    yield f"instead changes that by {shown[0]} points: a loss of five points is excluded (by the 90% intervals)."
    yield "than after its own wrong ones, by {1} points.".format(*shown)
    yield on_dates("answers {} right and the one trained on incorrect traces {}.", "correct gold, incorrect gold")
    moved = rows("08_effects", dataset="cotempqa", effect="total_all", reveals="all")
    moved = moved.set_index(["condition", "training_problems"])
    moved = moved.loc[[("incorrect", 512), ("incorrect", 1567), ("vanilla", 1567)]]
    assert moved.seeds.tolist() == [3, 2, 1]
    short, long, none = map("{:.0f}".format, -100 * moved.value)
    yield f"{short} points better after a wrong trace, and after training on all 1,567 problems by {long} (two seeds)."
    yield f"traces is, too, by {none} (one seed), so"
    wrong = (forced(c, dataset="cotempqa") for c in ("incorrect", "incorrect_as_published", "incorrect_uniform"))
    words = "by {:+.1f} points with the default kind, {:+.1f} with the release's and {:+.1f} with the uniform one"
    yield words.format(*(100 * one.value for one in wrong))
    babi = recorded.load().verdicts.query("dataset == 'babi' and training_problems == 1000")
    gains = [replication.difference(part, "incorrect", "correct", np.random.default_rng(1))
             for _, part in babi.groupby("n_facts")]  # fmt: skip
    assert len(gains) == 3 and all(gain["low"] < 0 < gain["high"] for gain in gains)  # "no clear effect"
    most = max(gains, key=lambda gain: abs(gain["value"]))
    assert most == gains[1]  # "with two"
    ends = tables.points(most["value"], most["low"], most["high"]).replace(" [", " points [")
    yield f"the largest difference is {ends}, with two (n = {most['n']})."
    hidden = row("08_claims", claim=CORRECT, dataset="babi", reveals="none")
    yield f"{hidden.n} whose wrong trace reveals nothing it is inconclusive ({100 * hidden.estimate:+.1f} points ["
    yield f"only {claims[2].fewest} problems have a wrong label"
    yield "only {0.fewest} of the {0.n} questions with an answer are answered".format(claim_of(GAIN, "marco"))
    shares = [percent(forced("incorrect", trace).value) for trace in ("both_wrong", "empty", "gold")]
    yield "{} right after a wrong trace, {} after an empty one and {} after the right one".format(*shares)
    asked, wrong = (forced(c, "total_all") for c in ("correct", "incorrect"))
    ends = [f"{abs(100 * one[end]):.0f}" for one in (asked, wrong) for end in ("value", "low", "high")]
    yield f"trained on correct bAbI traces by {ends[0]} points [{ends[1]}, {ends[2]}] (n = {asked.n})."
    yield f"one trained on incorrect traces by {ends[3]} [{ends[5]}, {ends[4]}]."
    shown = rows("08_accuracy_table", dataset="babi").set_index("condition")
    shares = [shown.value[c] for c in ("few_shot", "few_shot_traces")]
    shown = shown[(shown.training_problems == 1000) & ~shown.index.str.contains("natural")]
    trained = 100 * (shown.value - shares[0])
    yield "answer {:.0%} exactly right, and {:.0%} if the examples have traces;".format(*shares)
    yield f"training adds {trained.min():.0f} to {trained.max():.0f} points"
    yield f"name the answer in {asked.gold_names:.0f} of the {asked.asked:.0f} bAbI problems"


def mechanism():
    def own(kind, facts=5, steps=300, column="value", variant="own"):
        return cell("09_levels", column, variant=variant, kind=kind, facts=facts, steps=steps)

    taught = [own(kind) for kind in ("correct", "one_wrong", "any", "all_wrong")]
    yield f"answer {min(taught):.0%} to {max(taught):.0%} right, and those without traces {own('vanilla'):.0%}"
    yield f"{own('vanilla', column='learned')} seeds of `vanilla` and {own('filler', column='learned')} of `filler`"
    long = {kind: own(kind, steps=1200, column="learned") for kind in ("vanilla", "foreign", "masked")}
    yield f"after 1,200 steps all {long['vanilla']} seeds have learned it"
    yield f"after 1,200 steps {long['foreign']} and {long['masked']} of 20 seeds have learned"
    after = {(v, n): percent(own("all_wrong", n, variant=v)) for v in ("wrong_facts", "gold") for n in (2, 3, 5, 8)}
    assert {after["wrong_facts", 5], after["wrong_facts", 8], after["gold", 5], after["gold", 8]} == {"0%"}
    yield f"with two or three facts ({after['wrong_facts', 2]} and {after['wrong_facts', 3]}) and never with five or"
    yield f"But with two facts {after['gold', 2]} are right, with three {after['gold', 3]}"
    yield "accuracy falls, to {} and {}".format(*(percent(own(k, variant="all_wrong")) for k in ("one_wrong", "any")))
    yield f"With eight facts only {own('all_wrong', facts=8, column='learned')} of 20 `all_wrong` seeds learned"

    def moved(found):
        return "{:+.0f} [{:+.0f}, {:+.0f}]".format(*(100 * found[["value", "low", "high"]]))

    real = rows("09_real_student", variant="total_all").set_index(["context", "condition"])
    effect = {condition: moved(found) for condition, found in real.loc["all"].iterrows()}
    said = {"any": "no clear effect", "foreign": "a little backwards", "natural": "teach the same more weakly"}
    yield from (f"{words}, {effect[condition]}" for condition, words in said.items())
    yield f"right ones: {effect['correct'].replace(' [', ' points [')}"
    for words in (" (right ones hurt), {}; of", ", {}. The"):
        yield "reads them backwards" + words.format(effect["incorrect"])
    longer, hidden = moved(real.loc["longer", "incorrect"]), forced("incorrect", "total_all", "none")
    yield f"still {longer}; over the {hidden.n} problems whose wrong trace reveals nothing it is {moved(hidden)}"
    yield f"after an empty trace it answers {percent(forced('incorrect', 'empty').value)} right"
    assert own("all_wrong", variant="empty") == 0  # "the small one never"
    foreign = [percent(own("foreign", variant=variant)) for variant in ("wrong_facts", "gold")]
    yield f"lifts `vanilla` to {percent(own('vanilla', variant='gold'))} right and lowers `foreign` to {foreign[1]}."
    yield "better after one wrong fact ({}) than after the right one ({})".format(*foreign)


@pytest.mark.parametrize(("number", "sentences"), [
    ("01", decompose), ("02", build_sft_sets), ("03", qlora_train), ("05", human_study), ("06", released_outputs),
    ("07", interventions), ("08", paper_check_of_ours), ("09", mechanism)])  # fmt: skip
def test_the_sentences_state_the_tables_numbers(number, sentences):
    words = prose(number)
    assert [sentence for sentence in sentences() if sentence not in words] == []
