"""What goes out is in the field's forms: sets that TRL trains on unchanged, adapters with a card, readable outputs."""

import json
from importlib.util import find_spec

import pytest
from datasets import load_dataset
from huggingface_hub import DatasetCard, ModelCard

from tracekd import __main__
from tracekd.grid import export, model_card
from tracekd.io.records import read_jsonl
from tracekd.students import adapters, registry, sft
from tracekd.students.trainer import IGNORED
from tracekd.traces import freeform


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The smoke run's bAbI sets, with one trained adapter that has answered, and one that has not been trained."""
    folder = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACEKD_RUNS", str(folder / "runs"))
        patch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
        patch.delenv("TRACEKD_DATA", raising=False)
        one = ["--profile", "smoke", "--dataset", "babi"]
        for command in ("train", "generate"):
            assert __main__.main([command, *one, "--condition", "correct"]) == 0
        assert __main__.main(["export", *one, "--output", str(folder / "out")]) == 0
    return folder


def loaded(exported, config):
    return load_dataset(str(exported / "out" / "sft"), config, split="train", cache_dir=str(exported / "cache"))


@pytest.mark.parametrize("form", export.FORMS)
def test_sets_load_by_the_names_of_the_card(exported, form):
    rows = loaded(exported, f"babi_correct_{form}")
    own = list(read_jsonl(exported / "runs/smoke/sft/babi/correct/train.jsonl"))
    assert len(rows) == len(own) == 96 and rows["id"] == [e["id"] for e in own]
    chat = rows[0]["messages"] if form == "messages" else rows[0]["prompt"] + rows[0]["completion"]
    assert [m["content"] for m in chat] == [own[0]["prompt"], own[0]["target"]]
    assert [m["role"] for m in chat] == ["user", "assistant"]
    card = DatasetCard.load(exported / "out/sft/README.md")
    assert "GENERATED" in card.text and {c["config_name"] for c in card.data.configs} >= {f"babi_incorrect_{form}"}


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL, which the dev extra has, is not installed")
@pytest.mark.parametrize("form", export.FORMS)
def test_trl_takes_a_step_on_a_set_unchanged(exported, tmp_path, form):
    """And with prompt and completion apart it sees our tokens, and puts the loss where we do."""
    from trl import SFTConfig, SFTTrainer

    rows, tokenizer = loaded(exported, f"babi_correct_{form}").select(range(8)), registry.load_tokenizer("tiny-random")
    config = SFTConfig(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=8, use_cpu=True, bf16=False,
        report_to="none", gradient_checkpointing=False, save_strategy="no", disable_tqdm=True, max_length=None,
    )  # fmt: skip
    model = registry.load_model("tiny-random", quantise=False)
    trainer = SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
    assert trainer.train().training_loss > 0 and trainer.state.global_step == 1
    own = [sft.Example(**e) for e in read_jsonl(exported / "runs/smoke/sft/babi/correct/train.jsonl")][:8]
    for theirs, ours in zip(trainer.train_dataset, map(lambda e: sft.encode(e, tokenizer), own), strict=True):
        ids = [*ours.prompt_ids, *ours.target_ids]
        assert theirs["input_ids"][: len(ids)] == ids
        if form == "prompt_completion":
            batch = trainer.data_collator([theirs])
            learned = [t for t in batch["labels"][0].tolist() if t != IGNORED]
            assert learned[: len(ours.target_ids)] == list(ours.target_ids)


def test_an_adapter_goes_out_with_a_filled_card(exported):
    folder = exported / "out/adapters/babi/correct/seed121"
    record = json.loads((exported / "runs/smoke/adapters/babi/correct/seed121/record.json").read_text())
    card = ModelCard.load(folder / "README.md")
    assert card.data.library_name == "peft" and card.data.license == "apache-2.0"
    assert "More Information Needed" not in card.text and str(exported) not in card.content
    for fact in ("GENERATED", "correct", "| seed | 121 |", record["commit"], record["weights"], "| lora_r | 16 |"):
        assert fact in card.text, fact
    (exact, _) = card.data.eval_results
    assert exact.metric_type == "exact_match" and "Test problems: 32." in card.text
    assert not (exported / "out/adapters/babi/vanilla").exists()  # not trained, and said so


def test_an_exported_adapter_is_the_trained_one_and_names_no_machine(exported):
    from peft import PeftConfig, PeftModel

    out = exported / "out/adapters/babi/correct/seed121"
    assert adapters.damaged(out, adapters.read_record(exported / "runs/smoke/adapters/babi/correct/seed121")) is None
    assert PeftConfig.from_pretrained(out).base_model_name_or_path is None  # made on the spot: no Hub id
    PeftModel.from_pretrained(registry.load_model("tiny-random", quantise=False), out)


def test_cards_name_templated_traces_real_data_and_their_terms():
    record = {
        "student": "smollm2-135m", "seed": 121, "teacher": freeform.templated.TEACHER, "n": 3, "supervised_tokens": 9,
        "steps": 1, "mean_loss": 1.0, "hardware": "x", "commit": "abc", "recipe": {"epochs": 1},
    }  # fmt: skip
    card = model_card.model_card(record, dataset="marco", condition="r1", source="real problems (Hub)")
    assert card.data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct" and card.data.datasets == [
        "microsoft/ms_marco"
    ]
    assert card.data.license == "other" and "non-commercial" in card.text and "TEMPLATED" in card.text
    assert "Not evaluated" in card.text


@pytest.mark.parametrize(
    ("student", "base"),
    [("llama-3.2-1b", "meta-llama/Llama-3.2-1B-Instruct"), ("tiny-random", None), ("owner/model", "owner/model")],
)
def test_the_base_is_a_hub_id_or_nothing(student, base):
    assert model_card.base_of(student) == base
