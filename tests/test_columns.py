"""Products made column by column are the products of a plain layer; glibc's heap can be told to keep memory."""

import platform
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekd import columns, heap, meter


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


def test_memory_is_measured_anew_in_every_turn():
    """Two turns that take the same 64 MiB measure the same: without ``give_back`` the second would find it at hand."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("not glibc")
    assert heap.keep_freed_memory()
    for _ in range(2):
        memory = meter.Memory()
        with memory.watched():
            taken = [torch.ones(2**18) for _ in range(64)]  # 1 MiB each, every page touched
            time.sleep(0.1)
        del taken
        assert 0.055 < memory.gib < 0.09  # 64 MiB = 0.0625 GiB
