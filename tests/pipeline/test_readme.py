"""The README keeps its promises, and nothing that is committed holds a sentence of the real data sets."""

import gzip
import json
import re
import tomllib

import pytest
from committed import AFTER, CORRECT, NONE, R1_AND, claim_of, forced, replicates, row, rows
from conftest import ROOT

from tracekd import __main__, config
from tracekd.analysis import paper_check, recorded, replication
from tracekd.analysis.tables import percent, points
from tracekd.interventions import tables
from tracekd.stats import intervals

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHORTEST = 40  # characters: shorter sentences may well be anybody's


def section(title: str) -> str:
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)[1]


@pytest.mark.parametrize("path", [ROOT / "README.md", *ROOT.glob("notebooks/*.md")], ids=lambda path: path.name)
def test_every_relative_link_and_image_exists(path):
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    local = [link.partition("#")[0] for link in links if not re.match(r"https?://|mailto:|#", link)]
    assert local and [link for link in local if not (path.parent / link).exists()] == []


def test_every_profile_and_command_is_listed():
    first_cells = [line.split("|")[1] for line in section("Profiles").splitlines() if line[:1] == "|"]
    assert sorted(re.findall(r"`([\w-]+)`", " ".join(first_cells))) == sorted(config.names())
    listed = re.findall(r"^- .*$", section("Commands"), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(listed))) == sorted(__main__.COMMANDS)


def test_the_form_is_easy_to_read():
    """At most 150 lines; no paragraph, bullet or cell over 60 words; no sentence with more than one interval."""
    text = re.sub(r"```.*?```|^#+ .*?$", "", README, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)  # of a link its words, of a picture its description
    parts = [part for part in re.split(r"\n\n|\n(?=[-|])|(?<= )\|(?= )", text) if part.strip("|- \n")]
    assert len(README.splitlines()) <= 150 and [part for part in parts if len(part.split()) > 60] == []
    sentences = [sentence for part in parts for sentence in re.split(r"(?<=[.?!;:])\s", part)]
    found = [len(re.findall(r"\[[-+]?[\d.]+%?, [-+]?[\d.]+%?\]", sentence)) for sentence in sentences]
    assert sum(found) > 10 and max(found) == 1


def test_the_tree_names_only_what_exists():
    block = re.search(r"```\n(.*?)```", section("The tree"), re.DOTALL)[1]
    names = [line.split()[0] for line in block.splitlines() if line and line[0] != " "]
    assert {"run_all.sh", "notebooks/", "tracekd/", "figures/", "tests/"} <= set(names)
    packages = [line.split()[0] for line in block.splitlines() if line[:2] == "  "]
    assert sorted(packages) == sorted(f"{p.parent.name}/" for p in ROOT.glob("tracekd/*/__init__.py"))
    assert [name for name in names if not (ROOT / name).exists() and name != "runs/"] == []  # git-ignored


def test_every_place_spells_the_address_of_pyproject():
    """README and citation; for the notebooks see ``test_opening_and_closing_are_the_same_everywhere``."""
    url = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    form = r"(?:colab\.research\.google\.com/github/|https://github\.com/)(tracekd/[\w-]+)"
    found = re.findall(form, README + (ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert len(found) >= 4 and {f"https://github.com/{one}" for one in found} == {url}


def plain(text: str) -> str:
    """Letters and digits alone, lower case: what escaping in JSON, CSV, HTML or LaTeX does not change."""
    return re.sub(r"[\W_]+", "", text).lower()


def held(text: str, sentences: dict[str, str]) -> set[str]:
    """The sentences that stand in a text; ``sentences`` has them by their ``plain`` form."""
    heads: dict[str, list[str]] = {}
    length = min(map(len, sentences))
    for sentence in sentences:
        heads.setdefault(sentence[:length], []).append(sentence)
    text = plain(text)
    starts = range(len(text) - length + 1)
    near = ((start, sentence) for start in starts for sentence in heads.get(text[start : start + length], ()))
    return {sentences[sentence] for start, sentence in near if text.startswith(sentence, start)}


def test_nothing_committed_holds_a_sentence_of_the_real_sets(shared_data):
    files = (shared_data / "cotempqa").glob("*.json*")
    rows = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    sentences = {plain(s): s for row in rows for s in [*row["facts"], row["question"]] if len(s) > SHORTEST}
    one = next(iter(sentences.values()))
    assert len(sentences) > 5000 and held(json.dumps(f"a {one} b"), sentences) == {one}  # what is there is found
    paths = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("*.md"), *ROOT.glob("notebooks/*.md")]
    paths += [p for suffix in ("csv", "csv.gz", "md", "tex") for p in ROOT.glob(f"figures/**/*.{suffix}")]
    found = {}
    for path in paths:
        text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
        if hits := held(re.sub(r'"image/png": "[^"]*"', "", text), sentences):
            found[str(path.relative_to(ROOT))] = hits
    assert found == {}


NAMES = r"(?:Qwen3|Llama-3\.\d|SmolLM2)-[\d.]+[BM]|DeepSeek-R1"
NUMBER = r"(?<![\w.])[-+]?\d+(?:,\d{3})*(?:\.\d+)?%?"
AS = ("as printed", "as published", "id-aligned")
QWEN = {"dataset": "cotempqa", "student": "Qwen3-1.7B", "condition": "correct"}
NO_OUTPUTS = "cannot be checked: we have no outputs for it"


def numbers(text: str) -> list[str]:
    """All numbers of a text in their order, but for those of names and links."""
    return re.findall(NUMBER, re.sub(rf"!?\[[^\]]*\]\([^)]*\)|{NAMES}", " ", text))


def student(claim: str, dataset: str = "babi") -> list[str]:
    return numbers(points(*claim_of(claim, dataset)[["estimate", "low", "high"]]))


def followed(kind: str, verdict: str = "follows to the digit") -> int:
    return len(rows("08_ledger", kind=kind, verdict=verdict))


def finding_of_the_label():
    whole = rows("06_associations", rules="id-aligned", step="trace", condition="correct").phi
    dates = rows("06_associations", rules="id-aligned", step="classification", condition="correct", dataset="cotempqa")
    found = row("06_associations", rules="id-aligned", step="classification", **QWEN)
    assert whole.min() > 0.3 and dates.phi.max() < 0.3  # "go together", "weakly"
    return [*(f"{number:.2f}" for number in (found.phi, found.phi_low, found.phi_high)), f"{found.n}"]


def finding_of_following():
    found, dates = forced("correct"), forced("correct", dataset="cotempqa")
    none, blank = ([forced("correct", t, dataset=d).value for d in ("babi", "cotempqa")] for t in ("empty", "masked"))
    assert dates.low > 0.8 and blank[0] < none[0] and blank[1] < none[1]  # "too", "on neither does ... help"
    return [*(f"{100 * found[end]:.0f}" for end in ("value", "low", "high")), f"{found.n}"]


def finding_of_reading_backwards():
    found, errors, ours = (forced(name) for name in ("incorrect", "natural (smollm2-135m)", "natural_incorrect"))
    assert tables.sign(errors) == "below zero" and 0.4 < errors.value / ours.value < 0.6  # "half as much"
    falls = (f"{-100 * found[end]:.0f}" for end in ("value", "high", "low"))
    dates = forced("incorrect", dataset="cotempqa")
    where = {"dataset": "cotempqa", "training_problems": 1567, "effect": "total_all", "reveals": "all"}
    assert row("08_effects", condition="vanilla", **where).high < 0  # "without traces lose, too"
    return [*falls, f"{found.n}", *(f"{-100 * dates[end]:.1f}" for end in ("value", "high", "low"))]


def caption():
    shown = rows("08_hero")
    sizes = [shown.n[shown[column].notna()] for column in ("phi", "value")]  # outputs, then problems
    spread = [n for part in sizes for n in dict.fromkeys((part.min(), part.max()))]
    return [*(f"{n:,.0f}" for n in spread), f"{intervals.LEVEL:.0%}"]


def no_clear_need():
    babi, dates = (claim_of(CORRECT, dataset) for dataset in ("babi", "cotempqa"))
    assert dates.high < 0 and dates.t_high < 0 < babi.high
    level = rows("08_accuracy_table").set_index(["dataset", "training_problems", "condition"]).value.sort_index()
    for at in (("babi", 1000), ("cotempqa", 1567), ("marco", 391)):
        assert level[at].idxmax() == "vanilla"  # "scores highest"
    gains = rows("08_claims", claim="Correct traces do not raise accuracy, compared with no traces", reveals="all")
    gains = gains[gains.seeds == 3].sort_values("training_problems").groupby("dataset").high.last()
    assert (gains < 0).to_dict() == {"babi": False, "cotempqa": True, "marco": False}  # "only on CoTempQA"
    assert babi[["low90", "high90", "t_low90", "t_high90"]].abs().max() < babi.margin == 0.05  # "equivalent"
    right, wrong = (f"{level['babi', 1000, kind]:.1%}" for kind in ("correct", "incorrect"))
    falls = [f"{-100 * dates[end]:.1f}" for end in ("estimate", "high", "low")]
    ends = (f"{100 * babi[end]:+.1f}" for end in ("low90", "high90"))
    assert claim_of(CORRECT, "marco").reason == "fewer than 20 problems of a kind"  # "too few right"
    of = f"{100 * level['cotempqa', 1567, 'correct']:.1f}", f"{intervals.LEVEL:.0%}"
    return [right, wrong, "90%", *ends, f"{babi.n}", falls[0], *of, *falls[1:], f"{dates.n}"]


def limits():
    sizes = [claim_of(CORRECT), claim_of(CORRECT, "cotempqa"), forced("correct", dataset="cotempqa")]
    assert {one.seeds for one in (forced("correct"), forced("incorrect"), *sizes)} == {3}  # "three seeds"
    shares = rows("08_accuracy_table").groupby("dataset").value.max()
    hidden = row("08_claims", claim=CORRECT, dataset="babi", reveals="none")
    best = (shares.babi, shares.cotempqa, rows("08_marco", question="has an answer", measure="right").value.max())
    return [*(f"{one.training_problems:,}" for one in sizes), *(f"{share:.0%}" for share in best), "229", f"{hidden.n}"]


def given_away():
    none = forced("incorrect", reveals="none")
    babi = row("02_leakage", problems="babi: real released test set")
    falls = (f"{-100 * number:.0f}" for number in (none.value, none.high, none.low))
    return [f"{babi.excludes:.0f}", f"{babi.n:.0f}", *falls, f"{none.n}"]


def small_student():
    own = rows("09_levels", facts=5, variant="own").set_index(["kind", "steps"])
    short, long = sorted(own.loc["vanilla"].index)
    keys = ("one_wrong", short), ("vanilla", short), ("vanilla", long)
    wrong, none, later = (f"{100 * own.value[key]:.0f}%" for key in keys)
    return [f"{own.seeds.unique().item()}", wrong, f"{short}", none, later, f"{long:,}"]


def reported():
    found = (row("06_associations", rules=rules, step="trace", **QWEN) for rules in AS)
    after = [one[f"p_answer_given_{trace}"] for one in found for trace in ("trace", "not_trace")]
    return ["28%", *map("{:.0%}".format, after)]  # the first: see claim_28


FINDINGS = {
    "The 28%": reported, "**Do traces need": no_clear_need, "- **In outputs": finding_of_the_label,
    "- **A student trained on correct": finding_of_following, "- **On bAbI": finding_of_reading_backwards,
    "*(a) Phi": caption, "**What limits": limits, "Half of": given_away, "**Why might": small_student,
}  # fmt: skip


def test_each_number_of_the_findings_is_the_tables():
    lines = [line for line in README[README.index("The 28%") : README.index("## Quick")].splitlines() if numbers(line)]
    assert {line: numbers(line) for line in lines} == {
        line: found() for line in lines for start, found in FINDINGS.items() if line.startswith(start)
    }
    assert len(lines) == len(FINDINGS) and sum(line.startswith("- ") for line in lines) == 3


def claim_28():
    printed, released, _ = (row("06_associations", rules=rules, step="trace", **QWEN) for rules in AS)
    label = row("06_associations", rules="id-aligned", step="classification", **QWEN)
    aligned = row("06_phi", rules="id-aligned", step="trace", **QWEN)
    own = rows("08_by_trace", condition="correct", facts="all").set_index(["trace", "dataset"])
    written = own.outputs["right"] / own.outputs["all"]  # shares of outputs
    after = "p_answer_given_trace"
    said = [
        f"{row('08_ledger', kind='claim', dataset='cotempqa').printed:.0f}%",
        percent(printed.joint), f"{printed.n}", percent(printed[after]), percent(released[after]),
        percent(*aligned[[after, f"{after}_low", f"{after}_high"]]),
        percent(label[after], *intervals.wilson(label.both, label.both + label.trace_only)),
    ]  # fmt: skip
    for name in ("babi", "cotempqa"):
        said += [percent(*own.loc[("right", name), ["value", "low", "high"]]), f"{written[name]:.0%}"]
    return numbers(" ".join(said))


def claim_independence():
    """Of the associations that have a test: those that still reject independence after Holm's adjustment."""
    every = [rows("06_associations", rules=rules, step="trace").dropna(subset="p_value") for rules in AS]
    printed, _, ours = rejected = [table[table.p_holm < 0.05] for table in every]
    assert {*printed.dataset} == {"marco"} and (printed.phi < 0).all() and "marco" not in {*every[2].dataset}
    assert (len(printed), (every[0].dataset == "marco").sum()) == (3, 4)  # "three of MS MARCO's four"
    assert {*every[2].query("condition == 'correct'").index} <= {*ours.index}  # "all students taught correct traces"
    common, key = paper_check.dependent(paper_check.load(recorded.FOLDER).compared, common=True), "rejected_holm"
    counts = [n for t, left in zip(every, rejected, strict=True) for n in ((t.p_value < 0.05).sum(), len(t), len(left))]
    counts += [*common.loc[AS[2], ["tables", key]], common[key][AS[0]]]
    return [*map(str, counts), *(number for name in ("babi", "cotempqa") for number in student(AFTER, name))]


def claim_incorrect(other: str, claim: str):
    """Pairs where incorrect is lower than another training; all pairs; those where both are equivalent."""
    found = [rows("06_contrasts", rules=rules, first=other, second="incorrect") for rules in AS[1:]]
    lower = [[((t[p] < 0.05) & (t.difference > 0)).sum() for p in ("p_holm", "p_value")] for t in found]
    counts = [[less, len(t), before, t.equivalent.sum()] for (less, before), t in zip(lower, found, strict=True)]
    llama, qwen = (numbers(gap) for gap, _ in replicates(other))  # estimate and interval
    assert llama[2][0] == "-" and (qwen[1][0] == "+" if other == "correct" else qwen[1][0] != qwen[2][0])  # "both ways"
    assert claim_of(claim, "cotempqa").high < 0  # "lower"
    ours = [number for dataset in ("babi", "cotempqa") for number in student(claim, dataset)]
    return [*map(str, [*counts[0], *counts[1]]), *ours]


def claim_compared_with(*others: str, **where: object):
    """Accuracy of incorrect minus others in the authors' outputs; 06_contrasts subtracts the other way round."""
    pairs = [{"rules": rules, "first": first, "second": "incorrect"} for rules in AS[1:] for first in others]
    found = [row("06_contrasts", **pair, **where) for pair in pairs]
    said = numbers(" ".join(points(-t.difference, -t.high, -t.low) for t in found))
    return said[:3] if said == 2 * said[:3] else said  # "the same"


def claim_r1():
    best = rows("05_published_means", quantity="accuracy").drop(columns="quantity").set_index("student").astype(float)
    released = row("r1_sets", file="all")
    after = best[:2][["r1_summary", "r1_explanation", "correct"]].idxmax(axis=1)  # the next type
    assert after.to_dict() == {"Llama-3.2-1B-Instruct": "r1_explanation", "Qwen3-1.7B": "r1_summary"}
    # Means of four categories to three decimals; a half is rounded up.
    shares = [f"{x:.1f}%" for name, kind in after.items() for x in best.loc[name, ["r1", kind, "vanilla"]] + 1e-9]
    gains = [claim_of(f"{BEST}{other}", "cotempqa") for other in R1_AND]
    assert {(gain.verdict, gain.seeds) for gain in gains} == {("not supported", 3)}
    counts = [released.another_problem, n := released.rows, n // 4, gains[0].training_problems, gains[0].n]
    gaps = [number for other in R1_AND for number in student(f"{BEST}{other}", "cotempqa")]
    return [*shares, *map(str, counts), *gaps, *numbers(points(*gains[0][[*replication.PUBLISHED]]))]


def claim_people():
    rated = row("05_published_means", quantity="interpretability")
    return [f"{rated.r1:.2f}", "5", f"{rated.correct:.2f}"]  # of the five points of the scale


# Claim: numbers of its row; the statement of 06_claims, by its beginning, and of 08_claims, whose verdicts it gives.
INCORRECT = "Incorrect traces do not consistently lower accuracy, compared with"
BEST = "R1 traces give the best accuracy, compared with "
CLAIMS = {
    '"Correct traces led': (claim_28, "Correct traces led to correct solutions in only 28%", None),
    "Trace and answer are": (claim_independence, "Trace and answer are nearly", AFTER),
    "Incorrect traces do not": (lambda: claim_incorrect("correct", CORRECT), f"{INCORRECT} correct", CORRECT),
    "The same": (lambda: claim_incorrect("vanilla", NONE), f"{INCORRECT} no", NONE),
    "On CoTempQA": (lambda: claim_compared_with("vanilla", "correct", dataset="cotempqa", student="Qwen3-1.7B"),
        "On CoTempQA incorrect traces give", None),
    "On bAbI": (lambda: claim_compared_with("vanilla", dataset="babi", student="Llama-3.2-1B-Instruct"),
        "On bAbI incorrect traces hurt", None),
    "R1 traces": (claim_r1, "R1 traces give the best accuracy of the trace types", f"{BEST}no traces"),
    "People": (claim_people, "People rate R1 traces", None),
}  # fmt: skip


def claim_rows() -> list[list[str]]:
    lines = [line for line in section("The paper's claims").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@pytest.mark.parametrize("start", CLAIMS)
def test_each_number_and_verdict_of_a_claim_is_the_tables(start):
    cells = next(cells for cells in claim_rows() if cells[0].startswith(start))
    wanted, stated, tested = CLAIMS[start]
    assert numbers(" | ".join(cells)) == wanted()
    verdict, _, links = cells[-1].partition(":")
    first, _, of_student = verdict.partition("; student ")
    recorded = rows("06_claims")
    assert recorded[recorded.statement.str.startswith(stated)].verdict.iloc[0] == first.partition(" (")[0]
    where = "cotempqa" if start == "R1 traces" else "babi"
    assert tested is None or claim_of(tested, where).verdict == (of_student or first).partition(" (")[0]
    assert "](notebooks/" in links and "](figures/" in links


def test_the_claims_table_is_small_and_nothing_beside_it_is_unchecked():
    cells = claim_rows()
    assert len(cells) == len(CLAIMS) <= 8 and {len(row) for row in cells} == {5}
    above, below = (line for line in section("The paper's claims").splitlines() if line and line[0] != "|")
    found = claim_of(CORRECT)
    assert (found.margin, claim_of(AFTER).margin) == (0.05, 0.1)  # "five points", "ten"
    exact, missing = followed("answer metric"), followed("answer metric", NO_OUTPUTS)
    others = sum(followed(kind, NO_OUTPUTS) for kind in ("r1 subset", "seeds"))
    matrices = [followed("matrix", verdict) for verdict in (
        "follows to the digit", "does not follow from the released outputs", NO_OUTPUTS)]  # fmt: skip
    asked = [f"{n}" for n in (found.n, claim_of(CORRECT, "cotempqa").n, found.seeds)]
    assert numbers(above) == [*asked, f"{intervals.LEVEL:.0%}", "90%"]  # the verdicts' (``replication``)
    assert numbers(below) == [f"{n}" for n in (exact, exact + missing, missing, others, sum(matrices), *matrices)]


def test_what_the_quick_start_prints_is_what_a_run_prints():
    printed = re.search(r"\n\n```\n(.*?)```", section("Quick start"), re.DOTALL)[1]
    source = "".join((ROOT / "tracekd/pipeline" / f"{name}.py").read_text() for name in ("runner", "notebooks"))
    for line in printed.splitlines()[1:]:  # times and names aside, in the runner's words
        assert all(words in source for words in re.split(r"\d:\d\d:\d\d|\w*_\w*|runs/\S*", line))
    seen = row("04_accuracy_table", condition="correct", measure="answer exactly right")
    assert seen.seeds == 1 and f"One seed and {seen.problems} test problems do not settle" in section("Quick start")
