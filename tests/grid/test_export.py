"""What goes out is in the field's form: sets that TRL trains on unchanged."""

from importlib.util import find_spec

import pytest
from datasets import load_dataset

from tracekd import __main__
from tracekd.io.records import read_jsonl
from tracekd.students import registry, sft
from tracekd.students.train import IGNORED


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The smoke run's bAbI sets: what the run trains on, and the rows that go out."""
    folder = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACEKD_RUNS", str(folder / "runs"))
        patch.delenv("TRACEKD_DATA", raising=False)
        one = ["--profile", "smoke", "--dataset", "babi", "--condition", "correct"]
        assert __main__.main(["export", *one, "--output", str(folder / "out")]) == 0
    assert [path.name for path in (folder / "out").rglob("*.jsonl")] == ["correct.jsonl"]
    path = str(folder / "out/babi/correct.jsonl")
    rows = load_dataset("json", data_files=path, split="train", cache_dir=str(folder / "cache"))
    return [sft.Example(**e) for e in read_jsonl(folder / "runs/smoke/sft/babi/correct/train.jsonl")], rows


def test_rows_hold_the_chat_of_the_training_examples(exported):
    own, rows = exported
    assert len(rows) == len(own) == 40 and rows["id"] == [e.id for e in own]
    for row, example in zip(rows, own, strict=True):
        assert row["prompt"] == [{"role": "user", "content": example.prompt}]
        assert row["completion"] == [{"role": "assistant", "content": example.target}]


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL, which the dev extra has, is not installed")
def test_trl_takes_a_step_on_a_set_unchanged(exported, tmp_path):
    """It sees our tokens, and puts the loss where we do."""
    from trl import SFTConfig, SFTTrainer

    own, rows = exported
    rows, tokenizer = rows.select(range(8)), registry.load_tokenizer("tiny-random")
    config = SFTConfig(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=8, use_cpu=True, bf16=False,
        report_to="none", gradient_checkpointing=False, save_strategy="no", disable_tqdm=True, max_length=None,
    )  # fmt: skip
    model = registry.load_model("tiny-random", quantise=False)
    trainer = SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
    assert trainer.train().training_loss > 0 and trainer.state.global_step == 1
    for theirs, ours in zip(trainer.train_dataset, [sft.encode(e, tokenizer) for e in own[:8]], strict=True):
        ids = [*ours.prompt_ids, *ours.target_ids]
        assert theirs["input_ids"][: len(ids)] == ids
        batch = trainer.data_collator([theirs])
        learned = [t for t in batch["labels"][0].tolist() if t != IGNORED]
        assert learned[: len(ours.target_ids)] == list(ours.target_ids)
