"""The README keeps its promises, and nothing that is committed holds a sentence of the real data sets."""

import gzip
import json
import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

from tracekd import __main__, config
from tracekd.pipeline import artefacts
from tracekd.stats import intervals

README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """What stands under a second-level heading."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)[1]


@pytest.mark.parametrize("path", [ROOT / "README.md", *ROOT.glob("notebooks/*.md")], ids=lambda path: path.name)
def test_every_relative_link_and_image_exists(path):
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    assert links
    local = [link.partition("#")[0] for link in links if not re.match(r"https?://|mailto:|#", link)]
    assert [link for link in local if not (path.parent / link).exists()] == []


def test_every_profile_stands_in_the_table():
    first_cells = [line.split("|")[1] for line in section("Profiles").splitlines() if line[:1] == "|"]
    named = re.findall(r"`([\w-]+)`", " ".join(first_cells))
    assert sorted(named) == sorted(config.names())


def test_every_command_stands_in_the_list():
    listed = re.findall(r"^- .*$", section("Commands"), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(listed))) == sorted(__main__.COMMANDS)


# The form.


def paragraphs() -> list[str]:
    """What is read in one go, as plain text: paragraphs, bullets, and the cells of tables; not code."""
    text = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)  # of a link its words, of a picture its description
    blocks = [block for part in text.split("\n\n") for block in re.split(r"\n(?=[-|])|(?<=^)(#+ .*)\n", part) if block]
    return [cell.strip() for block in blocks for cell in (block.split("|") if block[0] == "|" else [block])]


def test_the_readme_is_short_enough_to_be_read():
    assert len(README.splitlines()) <= 150
    assert [text for text in paragraphs() if len(text.split()) > 60] == []


def test_no_sentence_has_more_than_one_interval():
    sentences = [sentence for text in paragraphs() for sentence in re.split(r"(?<=[.?!;:])\s", text)]
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
    """README, citation and notebooks: badges, clones and the folder that a clone makes."""
    url = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    owner, name = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+)", url).groups()
    forms = {
        r"colab\.research\.google\.com/github/([\w.-]+/[\w.-]+)/": f"{owner}/{name}",
        r"git\W+clone\W+(?:-q\W+)?(https?://[\w./-]+)": url,
        r'repository-code: "([^"]*)': url,
        r"chdir\(\W+([\w.-]+)/notebooks": name,
    }
    paths = [ROOT / "README.md", ROOT / "CITATION.cff", *ROOT.glob("notebooks/*.ipynb")]
    found = [(form, spelt) for path in paths for form in forms for spelt in re.findall(form, path.read_text())]
    assert len(found) >= 3 * (len(paths) - 2)
    assert [(form, spelt) for form, spelt in found if spelt != forms[form]] == []


# Sentences of the real sets.

SHORTEST = 40  # characters: shorter sentences may well be anybody's


def plain(text: str) -> str:
    """Letters and digits alone, lower case: what escaping in JSON, CSV, HTML or LaTeX does not change."""
    return re.sub(r"[\W_]+", "", text).lower()


def shown(path: Path) -> str:
    """The text of a committed file without its pictures."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text(encoding="utf-8")
    return re.sub(r'"image/png": "[^"]*"', "", text)


def held(text: str, sentences: dict[str, str]) -> list[str]:
    """The sentences that stand in a text; ``sentences`` has them by their ``plain`` form."""
    heads: dict[str, list[str]] = {}
    length = min(map(len, sentences))
    for sentence in sentences:
        heads.setdefault(sentence[:length], []).append(sentence)
    text = plain(text)
    hits = set()
    for start in range(len(text) - length + 1):
        for sentence in heads.get(text[start : start + length], ()):
            if text.startswith(sentence, start):
                hits.add(sentences[sentence])
    return sorted(hits)


def cotempqa_sentences(folder: Path) -> dict[str, str]:
    """All facts and questions of CoTempQA's files longer than ``SHORTEST``, by their plain form."""
    found = {}
    for path in sorted((folder / "cotempqa").glob("*.json*")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            for sentence in [*row["facts"], row["question"]]:
                if len(sentence) > SHORTEST:
                    found[plain(sentence)] = sentence
    return found


def test_the_search_finds_a_sentence_however_it_is_escaped():
    sentence = 'Ann "the Elder" Müller worked for R&D_Ltd from May, 1990 to June, 1991.'
    sentences = {plain(s): s for s in (sentence, sentence.replace("Ann", "Bea"))}
    for text in (json.dumps("a " + sentence + " b", ensure_ascii=False), sentence.replace("&", r"\&")):
        assert held(text, sentences) == [sentence]
    assert held(sentence[:60], sentences) == []


def test_nothing_committed_holds_a_sentence_of_the_real_sets(shared_data):
    sentences = cotempqa_sentences(shared_data)
    assert len(sentences) > 5000
    paths = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("*.md"), *ROOT.glob("notebooks/*.md")]
    paths += [p for suffix in ("csv", "csv.gz", "md", "tex") for p in ROOT.glob(f"figures/**/*.{suffix}")]
    assert len(paths) > 10
    found = {str(path.relative_to(ROOT)): hits[:3] for path in paths if (hits := held(shown(path), sentences))}
    # The worked example of the release's R1 sets quotes the questions of one row and of its message.
    quoted = found.pop("notebooks/06_released_outputs.ipynb", [])
    assert len(quoted) <= 2 and all(sentence.endswith("?") for sentence in quoted)
    assert found == {}


# Numbers of the findings and of the claims, from the committed tables.

NAMES = r"(?:Qwen3|Llama-3\.\d|SmolLM2)-[\d.]+[BM]|DeepSeek-R1"
NUMBER = r"(?<![\w.])[-+]?\d+(?:,\d{3})*(?:\.\d+)?%?"


def numbers(text: str) -> list[str]:
    """All numbers of a text in their order, but for those of names and links."""
    return re.findall(NUMBER, re.sub(rf"!?\[[^\]]*\]\([^)]*\)|{NAMES}", " ", text))


def table(stem: str) -> pd.DataFrame:
    """A committed table, or the data behind a figure."""
    path = artefacts.table_path(stem)
    return pd.read_csv(path if path.exists() else artefacts.data_path(f"{stem}.csv"))


def rows(stem: str, **where: object) -> pd.DataFrame:
    frame = table(stem)
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame), f"{stem} has no row {where}"
    return frame


def row(stem: str, **where: object) -> pd.Series:
    found = rows(stem, **where)
    assert len(found) == 1, f"{stem} has {len(found)} rows {where}"
    return found.iloc[0]


def percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def share(value: float, low: float, high: float) -> list[str]:
    """As in 93.6% [90.0, 96.8]."""
    return [percent(value), percent(low)[:-1], percent(high)[:-1]]


def points(value: float, low: float, high: float) -> list[str]:
    """As in -2.2 [-7.3, +2.8]."""
    return [f"{100 * number:+.1f}" for number in (value, low, high)]


def minus(first: str, second: str, **where: object) -> list[str]:
    """Accuracy of one training minus another in the authors' outputs; 06_contrasts subtracts the other way round."""
    found = row("06_contrasts", first=second, second=first, **where)
    return points(-found.difference, -found.high, -found.low)


def forced(condition: str) -> pd.Series:
    """Accuracy after the right trace minus after the wrong one, on all problems asked."""
    return row("08_effects", dataset="babi", training_problems=1000, condition=condition, effect="total_all")


def claim_of(claim: str) -> pd.Series:
    return row("08_claims", dataset="babi", training_problems=1000, claim=claim)


def rejecting(rules: str) -> list[str]:
    """Associations of trace and answer that have a test; those that reject independence; those that still do by Holm.

    The test is chi-squared against its critical value, or Fisher's where an expected count is below 5.
    """
    found = rows("06_associations", rules=rules, step="trace")
    found = found[found.p_value.notna()]
    return [f"{(found.p_value < 0.05).sum()}", f"{len(found)}", f"{(found.p_holm < 0.05).sum()}"]


def lower(rules: str, other: str) -> list[str]:
    """Students and sets where incorrect is lower than another training; all of them; where both are equivalent."""
    found = rows("06_contrasts", rules=rules, first=other, second="incorrect")
    fewer = (found.p_holm < 0.05) & (found.difference > 0)
    return [f"{fewer.sum()}", f"{len(found)}", f"{found.equivalent.sum()}"]


def label_alone() -> list[str]:
    """Accuracy after a right label of the trace, with Wilson's interval from the row's counts."""
    found = row("06_associations", rules="id-aligned", step="classification", **QWEN)
    interval = intervals.wilson(found.both, found.both + found.trace_only)
    text = share(found.p_answer_given_trace, *interval)
    assert "{} [{}, {}]".format(*text) in " ".join(table("06_claims").evidence)
    return text


def followed(kind: str, verdict: str = "follows to the digit") -> int:
    """Printed numbers of a kind with a verdict, of all sets."""
    return len(rows("08_ledger", kind=kind, verdict=verdict))


AS = ("as printed", "as published")
QWEN = {"dataset": "cotempqa", "student": "Qwen3-1.7B", "condition": "correct"}
LLAMA = {"dataset": "babi", "student": "Llama-3.2-1B-Instruct"}
CORRECT = "Incorrect traces do not lower accuracy, compared with correct ones"
NONE = "Incorrect traces do not lower accuracy, compared with no traces"
AFTER = "Answers are as often right after wrong traces as after right ones"


def finding_of_the_label() -> list[str]:
    found = row("06_associations", rules="id-aligned", step="classification", **QWEN)
    return [f"{number:.2f}" for number in (found.phi, found.phi_low, found.phi_high)] + [f"{found.n}"]


def finding_of_following() -> list[str]:
    found = forced("correct")
    return [f"{100 * number:.0f}" for number in (found.value, found.low, found.high)] + [f"{found.n}"]


def finding_of_reading_backwards() -> list[str]:
    found = forced("incorrect")  # negative: "falls by"
    return [f"{-100 * number:.0f}" for number in (found.value, found.high, found.low)] + [f"{found.n}"]


def caption() -> list[str]:
    shown = table("08_hero")
    sizes = [shown.n[shown[column].notna()] for column in ("phi", "value")]  # outputs, then problems
    return ["0", *(f"{n:,.0f}" for part in sizes for n in (part.min(), part.max())), f"{intervals.LEVEL:.0%}"]


def first_edition() -> list[str]:
    assert forced("correct").seeds == forced("incorrect").seeds == 1  # "Forced traces have one seed."
    return [f"{claim_of(CORRECT).training_problems:,}"]


def given_away() -> list[str]:
    asked = forced("correct")
    babi, cotempqa = (row("02_leakage", problems=f"{name}: real released test set") for name in ("babi", "cotempqa"))
    of_release = [babi.excludes, babi.n, cotempqa.excludes, cotempqa.n]
    return [f"{number:.0f}" for number in (asked.gold_names, asked.asked, *of_release)]


FINDINGS = {
    "- **In the authors": finding_of_the_label,
    "- **A student trained on correct": finding_of_following,
    "- **A student trained on incorrect": finding_of_reading_backwards,
    "*(a) Phi": caption,
    "**What limits": first_edition,
    "In 49": given_away,
}


@pytest.mark.parametrize("start", FINDINGS)
def test_each_number_of_the_findings_is_the_tables(start):
    line = next(line for line in section("What we find").splitlines() if line.startswith(start))
    assert numbers(line) == FINDINGS[start]()


def test_the_findings_have_no_other_numbers():
    lines = section("What we find").splitlines()
    assert [line for line in lines if numbers(line) and not line.startswith(tuple(FINDINGS))] == []
    assert len([line for line in lines if line.startswith("- ")]) == 3


def claim_28() -> list[str]:
    printed, released = (row("06_associations", rules=rules, step="trace", **QWEN) for rules in AS)
    aligned = row("06_phi", rules="id-aligned", step="trace", **QWEN)
    student = row("08_by_trace", dataset="babi", condition="correct", trace_correct=True)
    after = "p_answer_given_trace"
    return [
        f"{row('08_ledger', kind='claim', dataset='cotempqa').printed:.0f}%",
        percent(printed.joint), f"{printed.n}", percent(printed[after]), percent(released[after]),
        *label_alone(),
        *share(*aligned[[after, f"{after}_low", f"{after}_high"]]),
        *share(*student[["value", "low", "high"]]),
    ]  # fmt: skip


def claim_independence() -> list[str]:
    student = claim_of(AFTER)
    after = points(student.estimate, student.low, student.high)
    return [*rejecting("as printed"), *rejecting("id-aligned"), *after]


def claim_incorrect(other: str, claim: str) -> list[str]:
    student = claim_of(claim)
    after = points(student.estimate, student.low, student.high)
    return [*lower("as published", other), *lower("id-aligned", other), *after]


def claim_compared_with_none(**where: object) -> list[str]:
    pairs = [minus("incorrect", "vanilla", rules=rules, **where) for rules in ("as published", "id-aligned")]
    return [*pairs[0], *pairs[1]]


def claim_r1() -> list[str]:
    accuracy = row("05_published_means", quantity="accuracy", student="Llama-3.2-1B-Instruct")
    released = row("r1_sets", file="all")
    # The table has means of four categories to three decimals; a half is rounded up.
    return [f"{accuracy.r1 + 1e-9:.1f}%", f"{accuracy.correct:.1f}%", f"{released.another_problem}", f"{released.rows}"]


def claim_people() -> list[str]:
    rated = row("05_published_means", quantity="interpretability")
    return [f"{rated.r1:.2f}", "5", f"{rated.correct:.2f}"]  # of the five points of the scale


# Claim: numbers of its row, and the verdicts of 06_claims and 08_claims that it gives, by the statement's beginning.
CLAIMS = {
    '"Correct traces led': (claim_28, {"06_claims": "Correct traces led to correct solutions in only 28%"}),
    "Trace and answer are": (claim_independence, {"06_claims": "Trace and answer are nearly", "08_claims": AFTER}),
    "Incorrect traces do not": (
        lambda: claim_incorrect("correct", CORRECT),
        {
            "06_claims": "Incorrect traces do not consistently lower accuracy, compared with correct",
            "08_claims": CORRECT,
        },
    ),
    "The same": (
        lambda: claim_incorrect("vanilla", NONE),
        {"06_claims": "Incorrect traces do not consistently lower accuracy, compared with no", "08_claims": NONE},
    ),
    "On CoTempQA": (
        lambda: claim_compared_with_none(dataset="cotempqa", student="Qwen3-1.7B"),
        {"06_claims": "On CoTempQA incorrect traces give"},
    ),
    "On bAbI": (lambda: claim_compared_with_none(**LLAMA), {"06_claims": "On bAbI incorrect traces hurt"}),
    "R1 traces": (claim_r1, {"06_claims": "R1 traces give the best accuracy of the trace types"}),
    "People": (claim_people, {"06_claims": "People rate R1 traces"}),
}


def claim_rows() -> list[list[str]]:
    lines = [line for line in section("The paper's claims").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@pytest.mark.parametrize("start", CLAIMS)
def test_each_number_and_verdict_of_a_claim_is_the_tables(start):
    cells = next(cells for cells in claim_rows() if cells[0].startswith(start))
    wanted, statements = CLAIMS[start]
    assert numbers(" | ".join(cells)) == wanted()
    verdict, _, links = cells[-1].partition(":")
    given = dict(zip(("06_claims", "08_claims"), verdict.split("; student "), strict=False))
    for stem, statement in statements.items():
        recorded = claim_of(statement) if stem == "08_claims" else None
        if recorded is None:
            found = table(stem)
            recorded = found[found.statement.str.startswith(statement)].iloc[0]
        assert recorded.verdict == given.get(stem, verdict), stem
    assert "](notebooks/" in links and "](figures/" in links


def test_the_claims_table_is_small_and_nothing_beside_it_is_unchecked():
    cells = claim_rows()
    assert len(cells) == len(CLAIMS) <= 8 and {len(row) for row in cells} == {5}
    lines = [line for line in section("The paper's claims").splitlines() if line and line[0] != "|"]
    student, level = claim_of(CORRECT), f"{intervals.LEVEL:.0%}"
    no_outputs = "cannot be checked: the release has no outputs for it"
    exact, missing = followed("answer metric"), followed("answer metric", no_outputs)
    assert numbers(lines[0]) == [f"{student.n}", f"{student.seeds}", level]
    assert numbers(lines[1]) == [f"{exact}", f"{exact + missing}", f"{missing}"]
    assert len(lines) == 2


def test_what_the_quick_start_prints_is_what_a_run_prints():
    printed = re.search(r"\n\n```\n(.*?)```", section("Quick start"), re.DOTALL)[1]
    no = followed("matrix", "does not follow from the released outputs")
    assert numbers(printed.replace("08_ledger", "")) == [
        f"{followed('answer metric')}",
        f"{followed('matrix')}",
        f"{no}",
    ]
    seen = rows("04_accuracy_table", dataset="babi", measure="answer exactly right")
    assert (set(seen.problems), set(seen.seeds)) == ({96}, {1})
    assert "One seed and 96 test problems do not settle" in section("Quick start")
    pairs = rows("04_contrasts", dataset="babi", measure="answer exactly right")
    pairs = pairs[~(pairs[["first", "second"]] == "prompted").any(axis=1)]
    assert len(pairs) == 3 and (pairs.p_holm > 0.05).all()
