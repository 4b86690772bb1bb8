"""Another backend: refused where it is missing or differs; vLLM itself needs a GPU and is not run here."""

import json
from importlib.util import find_spec

import pytest

from tracekd import generate, students, traces, vllm_backend
from tracekd.generated import generate as make
from tracekd.profiles import load

PROBLEMS = make("babi", 110, seed=3)[:50]


@pytest.fixture(scope="module")
def tokenizer():
    return students.load_tokenizer("tiny-random")


def outputs(tokenizer, wrong=0):
    """The gold target of each problem in tokens; of the first ``wrong`` ones an empty output."""
    found = {}
    for i, p in enumerate(PROBLEMS):
        text = "" if i < wrong else traces.target(p, traces.build(p, "correct"))
        found[p.id] = (tokenizer(text, add_special_tokens=False).input_ids, True)
    return found


def test_backends_that_agree_are_used_and_the_counts_kept(tokenizer, tmp_path):
    gold = outputs(tokenizer)
    found = vllm_backend.agreed(gold, outputs(tokenizer, wrong=1), PROBLEMS, tokenizer, tmp_path / "parity.json")
    assert found == {"n": 50, "text": 1, "verdict": 1} == json.loads((tmp_path / "parity.json").read_text())


def test_backends_that_differ_are_refused_after_the_counts_are_kept(tokenizer, tmp_path):
    with pytest.raises(ValueError, match="2 of 50 verdicts differ"):
        vllm_backend.agreed(
            outputs(tokenizer), outputs(tokenizer, wrong=2), PROBLEMS, tokenizer, tmp_path / "parity.json"
        )
    assert json.loads((tmp_path / "parity.json").read_text())["verdict"] == 2


def test_an_unknown_or_missing_backend_is_named():
    with pytest.raises(ValueError, match="did you mean 'vllm'"):
        generate.Asker("tiny-random", load("smoke").recipe, "vlm")
    if find_spec("vllm") is None:
        with pytest.raises(vllm_backend.VllmUnavailable, match="pip install vllm"):
            vllm_backend.Engine("tiny-random", load("smoke").recipe)
