"""FlexAttention in place of masks: the same losses and gradients."""

import pytest
import torch

from digpt.errors import UserError
from digpt.models import METHODS, Method, Target
from digpt.models.layers import initialise
from digpt.pretrain.acceleration import check_attention, use_flex
from digpt.recipe import Recipe, Student

# heads of 16 channels: the kernel of a GPU takes no fewer
STUDENT = Student(
    image_size=24, patch_size=4, dim=32, depth=2, heads=2, clusters=(3, 2), decoder_dim=32,
    decoder_heads=2,
)  # fmt: skip
RECIPE = Recipe(student=STUDENT, target_share=0.5, window=2)  # fewer queries than memory, runs


def loss_and_gradients(model: Method, device: str) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(2)
    images, tokens = (torch.randn(2, *s, generator=draw) for s in ((3, 24, 24), (6, 6, 5)))
    whole = torch.randn(2, 5, generator=draw)
    inputs = (part.to(device) for part in (images, tokens, whole))
    loss = model(*inputs, generator=torch.Generator().manual_seed(3)).loss
    return [loss, *torch.autograd.grad(loss, list(model.parameters()))]


def with_and_without(method: str, device: str) -> None:
    model = METHODS[method](RECIPE, Target(5, has_global=True))
    initialise(model, torch.Generator().manual_seed(1))
    model.to(device)
    expected = loss_and_gradients(model, device)
    names = model.state_dict().keys()
    use_flex(model, torch.device(device))
    assert model.state_dict().keys() == names
    for one, two in zip(expected, loss_and_gradients(model, device), strict=True):
        assert torch.allclose(one, two, atol=1e-5, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("method", ["digpt", "igpt"])
def test_flex_gives_the_losses_and_gradients_of_the_mask(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the kernel of a GPU: torch's plain form of it, whose backward pass it keeps for tests."""
    flex = pytest.importorskip("torch.nn.attention.flex_attention")
    monkeypatch.setattr(flex, "_validate_device", lambda *_: None)
    with_and_without(method, "cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["digpt", "igpt"])
def test_the_kernel_of_a_gpu_gives_them_too(method: str) -> None:
    with_and_without(method, "cuda")


def test_flex_is_refused_where_there_is_no_kernel() -> None:
    check_attention("sdpa", torch.device("cpu"))
    check_attention("flex", torch.device("cuda"))
    with pytest.raises(UserError, match="needs a CUDA device, and this one is cpu"):
        check_attention("flex", torch.device("cpu"))
