"""The Hub's own clients against a small Hub on loopback: found, refused, busy, cut, silent, gone. Nothing hangs."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections import Counter

import pandas as pd
import pytest
from conftest import ROOT
from loopback_hub import Hub

from tracekd import config
from tracekd.data import hub, problem
from tracekd.run import open_run
from tracekd.students import registry

STORY = "1 Ann moved to the attic.\n2 Where is Ann? \tattic\t1\n"
CARD = "---\nconfigs:\n- config_name: v2.1\n  data_files:\n" + "".join(
    f"  - split: {name}\n    path: v2.1/{name}-*\n" for name in ("train", "validation", "test")
)
# Run in a process of its own, since the clients read HF_ENDPOINT when they are imported.
CLIENT = """
import json, sys
from tracekd.data import hub
hub.ANSWER, hub.FILE = map(int, sys.argv[1].split(","))  # seconds
found = {"probe": hub.probe()}
for name in sys.argv[2:]:
    try:
        made = getattr(hub, f"hub_{name}")()
        found[name] = [[p.id, p.split, p.answers, p.evidence] for p in made]
    except hub.DataUnavailable as error:
        found[name] = str(error)
print(json.dumps(found))
"""


def marco(number, answers=("a lake",), flags=(0, 1)):
    passages = {"is_selected": list(flags), "passage_text": ["a river", "a lake"], "url": ["u", "v"]}
    label = problem.CATEGORIES["marco"][number % 5]
    row = {"answers": list(answers), "passages": passages, "query": f"q {number}", "query_id": number}
    return row | {"query_type": label, "wellFormedAnswers": []}


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    """The three data sets in the layout that their repositories have on the Hub, with few rows."""
    root = tmp_path_factory.mktemp("hub") / "datasets"
    for folder in ("Warrieryes/CotempQA", "microsoft/ms_marco/v2.1", "facebook/babi_qa/data"):
        (root / folder).mkdir(parents=True)
    for category in ("during", "equal", "mix", "overlap"):
        rows = [{
            "facts": [f"Ada works for Mill {i} from 2001 to 2005.", "Ada holds the position of clerk in 2001."],
            "question": f"While Ada was working for Mill {i}, which position did Ada hold?",
            "answer": ["clerk"], "triple_element": "S1_R1_O2",
        } for i in range(10)]  # fmt: skip
        (root / "Warrieryes/CotempQA" / f"{category}.json").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (root / "microsoft/ms_marco/README.md").write_text(CARD + "---\n")
    folder = root / "microsoft/ms_marco/v2.1"
    hidden = [marco(900 + i, (), (-1, -1)) for i in range(20)]
    pd.DataFrame(hidden).to_parquet(folder / "test-00000-of-00001.parquet")
    pd.DataFrame([marco(700 + i) for i in range(20)]).to_parquet(folder / "validation-00000-of-00001.parquet")
    for part in range(2):
        rows = [marco(100 * part + i) for i in range(50)]
        pd.DataFrame(rows).to_parquet(folder / f"train-0000{part}-of-00002.parquet")
    with tarfile.open(root / "facebook/babi_qa" / hub.BABI_ARCHIVE, "w:gz") as tar:
        for name in ("en/qa8_lists-sets_train.txt", "en/qa8_lists-sets_test.txt", "en-10k/qa8_lists-sets_test.txt"):
            member = tarfile.TarInfo(f"tasks_1-20_v1-2/{name}")
            member.size = len(STORY)
            tar.addfile(member, io.BytesIO(STORY.encode()))
    return root.parent


def client(address, cache, *names, waits="3,6", code=CLIENT, **extra):
    """What a fresh process finds at ``address``, and what it wrote to stderr; nothing may hang."""
    about = {"HF_ENDPOINT": address, "HF_HOME": str(cache), "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    cleared = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    command = [sys.executable, "-c", code, waits, *names]
    done = subprocess.run(command, env=cleared | about | extra, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_all_three_sets_are_found_in_their_real_layout_and_cached(repositories, tmp_path):
    with Hub(repositories) as served:
        found, said = client(served.address, tmp_path, "cotempqa", "babi", "marco", waits="60,60")
        asked = list(served.requests)
    assert found["probe"][0] == "hub"
    categories = Counter(id.split("/")[1] for id, *_ in found["cotempqa"])
    assert categories == dict.fromkeys(problem.CATEGORIES["cotempqa"], 10)
    assert Counter(split for _, split, *_ in found["cotempqa"]) == {"train": 32, "test": 8}
    assert sorted(found["babi"]) == [[f"babi/lists-sets/{s}-0000", s, ["attic"], [0]] for s in ("test", "train")]
    assert "3,773 train" in said  # which stories the authors took is not known
    # Of MS MARCO the 100 training rows: 20 of each type, 4 of them for the test; ids are query ids.
    assert Counter((id.split("/")[1], split) for id, split, *_ in found["marco"]) == {
        (label, split): n for label in problem.CATEGORIES["marco"] for split, n in (("train", 16), ("test", 4))
    }
    assert {int(id.split("/")[2]) for id, *_ in found["marco"]} == {*range(50), *range(100, 150)}
    assert not [path for path in asked if "test-00000" in path or "validation-0" in path]
    # The cache has all of it: with no network at all the same comes again, drawn and kept by query_id.
    again, _ = client("http://127.0.0.1:9", tmp_path, "cotempqa", "babi", "marco")
    assert again.pop("probe")[0] == "generated" and found.pop("probe") and again == found


@pytest.mark.parametrize(
    ("fault", "says"),
    [(404, "404"), ("gated", "403|gated"), (429, "429|no answer within"), ("silent", "no answer within|imeout")],
)
def test_a_hub_that_refuses_is_noticed_with_advice(repositories, tmp_path, fault, says):
    with Hub(repositories, lambda path: fault) as served:
        found, _ = client(served.address, tmp_path, "cotempqa", "babi", "marco")
    assert found["probe"][0] == "generated"
    for name, repository in hub.REPOSITORIES.items():
        message = found[name]
        assert message.startswith(repository) and any(part in message for part in says.split("|")), message
        assert "hf auth login" in message and "--data PATH" in message and "--data generated" in message


@pytest.mark.parametrize(("fault", "part"), [("cut", "/resolve/"), ("silent", "/resolve/"), ("cut", "train-00001")])
def test_files_that_fail_where_the_hub_itself_answers(repositories, tmp_path, fault, part):
    """A stream that is cut is no shorter set, and no half draw is stored."""
    names = ("marco",) if part == "train-00001" else ("cotempqa", "babi")
    with Hub(repositories, lambda path: fault if part in path else None) as served:
        found, _ = client(served.address, tmp_path, *names)
    assert all("could not be loaded" in found[name] for name in names), found
    assert not list(tmp_path.rglob("marco_v2.1*"))


def test_no_network_at_all(tmp_path):
    found, _ = client("http://127.0.0.1:9", tmp_path, "cotempqa", "marco")
    assert found["probe"][0] == "generated"
    assert all("check the connection" in found[name] for name in ("cotempqa", "marco"))
    offline, _ = client("https://huggingface.co", tmp_path, "cotempqa", HF_HUB_OFFLINE="1")
    assert offline["probe"][0] == "generated" and "HF_HUB_OFFLINE" in offline["cotempqa"]


def test_a_student_is_fetched_with_its_weights_and_its_size_is_known_without_them(tmp_path):
    code = "from tracekd.students import registry as r; print(r.weights_bytes('lab/tiny') + r.main(['lab/tiny']))"
    shutil.copytree(registry.resolve("tiny-random"), tmp_path / "models/lab/tiny")
    with Hub(tmp_path) as served:
        found, _ = client(served.address, tmp_path / "cache", code=code)
    assert found == pytest.approx(registry.weights_bytes("tiny-random"), rel=0.01)  # the file has a header, too
    assert any("GET" in path and path.endswith("/model.safetensors") for path in served.requests)


def test_auto_is_decided_once_for_a_run_and_can_be_decided_anew(elsewhere, tmp_path, monkeypatch, capsys):
    answers = iter([("generated", "no network"), ("hub", "the Hub answers")])
    monkeypatch.setattr(hub, "probe", lambda: next(answers))
    assert config.load("cpu").data == config.load("gpu").data == "auto"
    assert [open_run(name, "cpu").source for name in ("01_decompose", "04_evaluate")] == ["generated"] * 2
    assert "no network" in capsys.readouterr().out
    folder = elsewhere / "cpu"
    assert hub.settle("auto", folder, anew=True) == "hub" == hub.settle("auto", folder)
    assert hub.settle("generated", folder) == "generated"
    (tmp_path / "data" / "marco").mkdir(parents=True)
    monkeypatch.setenv("TRACEKD_DATA", str(tmp_path / "data"))
    assert open_run("x", "cpu").source == str(tmp_path / "data")  # local files go before
