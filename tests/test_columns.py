"""Products made column by column are the products of a plain layer; glibc's heap can be told to keep memory."""

import platform

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekd import columns, heap


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 100), st.integers(1, 40), st.integers(1, 40))
def test_columns_give_what_a_plain_layer_gives(rows, length, wide, out):
    """At any shape, few rows or many: rows x length passes ``FEW`` within these ranges."""
    layer = torch.nn.Linear(wide, out, bias=False)
    x = torch.randn(rows, length, wide)
    with torch.inference_mode():
        plain = layer(x)
        (changed,) = columns.columns(torch.nn.Sequential(layer))
        assert torch.allclose(changed(x), plain, atol=1e-5)


def test_only_plain_fp32_layers_change_and_gradients_flow_as_ever():
    half, biased = torch.nn.Linear(4, 4, bias=False, dtype=torch.bfloat16), torch.nn.Linear(4, 3)
    model = columns.columns(torch.nn.Sequential(biased, half))
    assert type(model[1]) is torch.nn.Linear
    x = torch.randn(2, 4)
    model[0](x).sum().backward()
    assert torch.allclose(biased.weight.grad, x.sum(0).expand(3, 4))  # d/dW of sum(W x + b) is the sum of the rows


def test_the_heap_keeps_memory_on_glibc_only(monkeypatch):
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("not glibc")
    assert heap.keep_freed_memory()
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not heap.keep_freed_memory()
