"""NF4 weights on a CPU: the same numbers, dequantised once instead of in every pass; adapters added to them."""

from __future__ import annotations

import copy
from pathlib import Path

import psutil
import torch

PART = 1 / 8  # of the machine's memory that dequantised weights may take


def unpack(model):
    """On a CPU, hold the NF4 weights dequantised in fp32, if they take at most an eighth of the memory.

    The weights keep the 16 values a block that NF4 has left them, to the last bit; what is saved is unpacking them in
    every forward and backward pass, which for a small student is a twentieth of the time. For evaluation it is also
    the exact way: bitsandbytes' own CPU path rounds to bf16 where the processor can, which training never does, so
    that logits differ in the third digit from those that the adapter was trained on. A GPU's model is returned as it
    is, since there the 4-bit kernels work on the packed weights directly.
    """
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    packed = [(m, name, layer) for m in model.modules() for name, layer in m.named_children()]
    packed = [entry for entry in packed if isinstance(entry[2], Linear4bit)]
    size = sum(4 * layer.in_features * layer.out_features for _, _, layer in packed)
    if torch.cuda.is_available() or size > PART * psutil.virtual_memory().total:
        return model
    for module, name, layer in packed:
        weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(torch.float32)
        plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=False, device="meta")
        plain.weight = torch.nn.Parameter(weight, requires_grad=False)
        setattr(module, name, plain)
    return model


def adapted(model, adapter: Path):
    """A model in evaluation mode that answers as ``model`` with ``adapter`` on it; ``model`` must not be used beside.

    Where every weight is in fp32 (``unpack``), the adapter's products are added to a copy of the weights, which is the
    same function up to fp32's rounding and spares two small products a layer. Weights in fewer bits would be rounded
    anew by that, and change the student: there the adapter stays beside them, to be taken off by ``unload``.
    """
    from peft import PeftModel

    from tracekd.students import quiet

    exact = all(weight.dtype == torch.float32 for weight in model.parameters())
    with quiet():
        wrapped = PeftModel.from_pretrained(copy.deepcopy(model) if exact else model, str(adapter))
    return (wrapped.merge_and_unload() if exact else wrapped).eval()
