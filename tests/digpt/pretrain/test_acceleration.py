"""Blocks are compiled, whether or not they are computed twice."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

from digpt.models.layers import Block
from digpt.pretrain.acceleration import checkpoint_blocks, compile_blocks


@pytest.mark.parametrize("is_checkpointed", [False, True])
def test_each_kind_of_block_is_compiled_once(
    monkeypatch: pytest.MonkeyPatch, is_checkpointed: bool
) -> None:
    counter, compiled = CompileCounter(), torch.compile

    def with_counter(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        return compiled(function, backend=counter)

    monkeypatch.setattr(torch, "compile", with_counter)
    monkeypatch.setattr("digpt.pretrain.acceleration.COMPILERS", ("python3", "", ""))
    torch.compiler.reset()
    model = nn.Sequential(*(Block(16, 2) for _ in range(3)))
    images = torch.randn(2, 5, 16, requires_grad=True)  # as a block finds it
    expected = model(images)
    if is_checkpointed:
        checkpoint_blocks(model)
    compile_blocks(model, torch.device("cpu"))
    found = model(images)
    found.sum().backward()
    assert counter.frame_count == 1
    assert torch.equal(found, expected)
