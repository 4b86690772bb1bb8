"""NF4 weights on a CPU: the same numbers, dequantised once and kept; adapters added to them."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from tracekd import machine
from tracekd.io.records import sha256
from tracekd.students import embedded, registry

PART = 1 / 8  # of the machine's memory that dequantised weights may take


def load(name: str):
    """A student in NF4: on a CPU with the weights dequantised, if they take at most an eighth of the memory.

    The weights keep the 16 values per block that NF4 has left them, in fp32 to the last bit, in bf16 rounded once;
    what is saved is unpacking them in every forward and backward pass. It also makes evaluation the same function as
    training: bitsandbytes' own CPU path rounds differently in the two. They are kept as a file, which all processes map
    into their memory and none copies. On a GPU the 4-bit kernels work on the packed weights directly.

    Raises:
        StudentUnavailable: see ``registry.load_model``.
    """
    if machine.has_gpu() or registry.weights_bytes(name) > PART * machine.memory():
        return registry.load_model(name)
    kind = "" if registry.compute_dtype(name) == torch.float32 else "bf16-"
    folder = embedded.cache_folder() / f"nf4-{kind}{sha256(registry.identity(name))[:12]}"
    return registry.load_model(str(embedded.whole(folder, lambda empty: _keep(name, empty))), quantise=False)


def _keep(name: str, folder: Path) -> None:
    """Write a student's dequantised weights, configuration and tokenizer."""
    model = unpack(registry.load_model(name, dtype=torch.float32))
    embedded.forget_quantiser(model)
    torch.nn.Module.to(model, registry.compute_dtype(name))  # the model's own ``to`` still thinks that it is packed
    with registry.quiet():
        model.save_pretrained(folder)
    registry.load_tokenizer(name).save_pretrained(folder)


def unpack(model):
    """Put plain fp32 layers with the same weights in the place of a model's NF4 layers."""
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    packed = [(m, name, layer) for m in model.modules() for name, layer in m.named_children()]
    for module, name, layer in [entry for entry in packed if isinstance(entry[2], Linear4bit)]:
        weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(torch.float32)
        plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=False, device="meta")
        plain.weight = torch.nn.Parameter(weight, requires_grad=False)
        setattr(module, name, plain)
    return model


def adapted(model, adapter: Path):
    """A model in evaluation mode that answers as ``model`` with ``adapter`` on it; ``model`` must not be used beside.

    Where every weight is in fp32 (``unpack``), the adapter's products are added to a copy of the weights, which is the
    same function up to fp32's rounding and spares two small products per layer. Weights in fewer bits would be rounded
    anew by that, and change the student: there the adapter stays beside them, to be taken off by ``unload``. Beside
    weights in bf16 it is used in bf16, as in training.
    """
    from peft import PeftModel

    exact = all(weight.dtype == torch.float32 for weight in model.parameters())
    plain_bf16 = all(weight.dtype == torch.bfloat16 for weight in model.parameters())
    with registry.quiet():
        wrapped = PeftModel.from_pretrained(
            copy.deepcopy(model) if exact else model, str(adapter), autocast_adapter_dtype=not plain_bf16
        )
    return (wrapped.merge_and_unload() if exact else wrapped).eval()
