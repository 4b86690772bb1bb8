"""The README keeps its promises, and nothing that is committed holds a sentence of the real data sets."""

import gzip
import json
import re
import tomllib
from pathlib import Path

import pandas as pd
from conftest import ROOT

from tracekd import config
from tracekd.analysis import narrative, replication
from tracekd.pipeline import artefacts, notebooks

README = (ROOT / "README.md").read_text(encoding="utf-8")
GENERATED_BY_RUNS = {"runs/"}  # git-ignored, so not in a fresh clone


def section(title: str) -> str:
    """What stands under a second-level heading."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)[1]


def test_no_placeholder_is_left():
    assert re.findall(r"\{[A-Z][A-Z_]*\}", README) == []


def test_every_relative_link_and_image_exists():
    links = re.findall(r"\]\(([^)\s]+)\)", README)
    assert len(links) > 5
    local = [link.partition("#")[0] for link in links if not re.match(r"https?://|mailto:|#", link)]
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_every_profile_stands_in_the_table():
    first_cells = [line.split("|")[1] for line in section("Profiles: the one dial").splitlines() if line[:1] == "|"]
    named = re.findall(r"`([\w-]+)`", " ".join(first_cells))
    assert sorted(named) == sorted(config.names())


def tree_names(block: str) -> list[str]:
    """The files, folders and patterns of the tree, as paths from the root: what leads a line and looks like one."""
    found, folder = [], ""
    for line in filter(str.strip, block.splitlines()):
        indented = line[0] == " "
        for token in line.split():
            if not re.fullmatch(r"[\w*-]+/|[\w*-]+\.\w+|[\w-]+\*", token):
                break
            found.append((folder if indented else "") + token)
            if token.endswith("/") and not indented:
                folder = token
    return found


def test_the_tree_names_only_what_exists():
    names = tree_names(re.search(r"```\n(.*?)```", section("The tree"), re.DOTALL)[1])
    assert {"run_all.sh", "notebooks/", "tracekd/", "figures/", "tests/"} <= set(names)
    assert [name for name in names if name not in GENERATED_BY_RUNS and not list(ROOT.glob(name))] == []


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
    """The text of a committed file; of a notebook everything but its pictures."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode("utf-8")
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    parts = []
    for cell in notebooks.cells(path):
        parts.append(cell["source"])
        for output in cell.get("outputs", []):
            data = {kind: text for kind, text in output.get("data", {}).items() if not kind.startswith("image/png")}
            parts += [
                "".join(text) for text in [output.get("text", ""), *data.values()] if isinstance(text, str | list)
            ]
    return "\n".join(parts)


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
    for text in (json.dumps("a " + sentence + " b", ensure_ascii=False), sentence.replace('"', '""'),
                 sentence.replace("&", r"\&").replace("_", r"\_")):  # fmt: skip
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


# Numbers of the first screens, from the committed tables.


def table(stem: str) -> pd.DataFrame:
    return pd.read_csv(artefacts.table_path(stem))


def test_the_first_screen_has_the_finding_its_figure_and_the_way_to_each_claim():
    first = README.split("\n## ")[0]
    claimed, moved = (table(f"08_{name}") for name in ("claims", "effects"))
    verdicts = replication.load().verdicts
    sizes = replication.main_sizes(verdicts)
    shares, whole = table("08_accuracy_table"), pd.read_csv(artefacts.data_path("08_finding.csv"))
    said = " ".join(narrative.replication_sentences(replication.of_sizes(shares, sizes), whole, claimed, moved))
    paragraph = re.search(r"^\*\*What we find\.\*\*.*$", first, re.MULTILINE)[0]
    # Written by hand: each number with its interval must be one of the tables'.
    numbers = re.findall(r"[-+]?[\d.]+%? \[[^\]]+\]", paragraph)
    assert numbers and [number for number in numbers if number not in said] == []
    main = replication.of_sizes(verdicts, sizes)
    trained, sources = replication.trained_on(main, sizes), replication.sources(main)
    assert f"*SmolLM2-135M-Instruct; training problems per condition: {trained}; {sources}; 95%" in first
    assert "](figures/08_finding.png)" in first
    rows = [line for line in first.splitlines() if line.startswith("| ")]
    assert len(rows) > 5 and all("notebooks/" in line and "figures/" in line for line in rows[1:])


def test_the_tables_numbers_are_those_of_the_committed_run():
    shares = table("04_accuracy_table")
    rows = dict(re.findall(r"^\| (\w+) \| ([\d.]+% \[[^\]]+\]) \|$", section("What a run shows"), re.MULTILINE))
    shares = shares[shares.dataset == "babi"]
    babi = shares[shares.measure == "answer exactly right"]
    assert len(babi) == len(rows) == 4
    for row in babi.itertuples():
        assert rows[row.condition] == f"{row.value:.1%} [{row.low:.1%}, {row.high:.1%}]"
    milder = shares[shares.measure == "contains the answer"].set_index("condition")
    row = milder.loc["prompted"]
    said = f"it has {row.value:.1%} [{row.low:.1%}, {row.high:.1%}], which the trained ones"
    assert said in section("What a run shows")
    pairs = table("04_contrasts")
    pairs = pairs[(pairs.dataset == "babi") & (pairs.measure == "contains the answer")]
    pairs = pairs[(pairs[["first", "second"]] == "prompted").any(axis=1)]
    assert len(pairs) == 3 and (pairs.p_holm > 0.05).all()
    link = table("04_associations")
    link = link[(link.dataset == "babi") & (link.condition == "correct") & (link.step == "trace")].iloc[0]
    said = f"{link.both + link.trace_only} of {link.n} have a right trace, and {link.both} of these a right answer"
    assert said in section("What a run shows")
