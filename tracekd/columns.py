"""Products of few rows with large weights on a CPU, laid out the way MKL is fast at."""

from __future__ import annotations

import torch

FEW = 320  # rows up to which columns were faster; from about there the plain layout was


class Columns(torch.nn.Linear):
    """A linear layer whose product of few rows is made column by column.

    A decoding step multiplies a few dozen rows by weights of thousands of rows. MKL, asked for the usual row-major
    product, shared it badly between two threads of the AMD EPYC that this was measured on: 130 to 140 GFLOPS at 64
    rows where large products reach 200. The same product transposed reached 175 to 190. The result is the same up to
    rounding, in another order in memory.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's output (..., out) for ``x`` (..., in)."""
        rows = x.reshape(-1, self.in_features)
        if len(rows) > FEW or self.bias is not None or torch.is_grad_enabled():
            return super().forward(x)
        return (self.weight @ rows.t()).t().view(*x.shape[:-1], self.out_features)


def columns(model):
    """Make every plain fp32 linear layer of a model on a CPU one of ``Columns``, where MKL does the products."""
    if not torch.backends.mkl.is_available():
        return model
    for layer in model.modules():
        if type(layer) is torch.nn.Linear and layer.weight.device.type == "cpu" and layer.weight.dtype == torch.float32:
            layer.__class__ = Columns
    return model
