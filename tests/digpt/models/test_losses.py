"""Each token loss against a loop written from its definition."""

import math

import pytest
import torch

from digpt.errors import UserError
from digpt.models.losses import (
    cosine,
    cross_entropy,
    mean_loss,
    mse,
    smooth_l1,
    token_loss,
)


def test_cosine_loss_is_two_minus_twice_the_cosine() -> None:
    prediction, target = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
    loss = cosine(prediction, target)
    for image in range(3):
        for token in range(4):
            p, t = prediction[image, token].tolist(), target[image, token].tolist()
            dot = sum(a * b for a, b in zip(p, t, strict=True))
            lengths = math.sqrt(sum(a * a for a in p)) * math.sqrt(sum(b * b for b in t))
            assert float(loss[image, token]) == pytest.approx(2 - 2 * dot / lengths, abs=1e-5)


def test_squared_and_huber_losses_are_means_over_channels() -> None:
    prediction, target = torch.randn(2, 3, 4) * 2, torch.randn(2, 3, 4)
    for image in range(2):
        for token in range(3):
            gaps = (prediction - target)[image, token].tolist()
            squared = sum(g * g for g in gaps) / 4
            huber = sum(0.5 * g * g if abs(g) < 1 else abs(g) - 0.5 for g in gaps) / 4
            assert float(mse(prediction, target)[image, token]) == pytest.approx(squared, rel=1e-5)
            found = float(smooth_l1(prediction, target)[image, token])
            assert found == pytest.approx(huber, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_the_smoothed_code(smoothing: float) -> None:
    logits, codes = torch.randn(2, 3, 6), torch.randint(6, (2, 3))
    loss = cross_entropy(logits, codes, label_smoothing=smoothing)
    for image in range(2):
        for token in range(3):
            total = math.log(sum(math.exp(v) for v in logits[image, token].tolist()))
            expected = 0.0
            for code in range(6):
                wanted = smoothing / 6 + (1 - smoothing) * (code == int(codes[image, token]))
                expected += wanted * (total - float(logits[image, token, code]))
            assert float(loss[image, token]) == pytest.approx(expected, rel=1e-5)


def test_the_global_token_counts_as_one_more_token() -> None:
    per_token, per_global = torch.rand(4, 3, 2), torch.rand(4)
    expected = (per_token.sum() + per_global.sum()) / (4 * 7)
    assert torch.allclose(mean_loss(per_token, per_global), expected)
    assert torch.allclose(mean_loss(per_token), per_token.mean())


def test_a_loss_that_does_not_suit_the_tokens_is_refused() -> None:
    with pytest.raises(UserError, match="does not suit codes"):
        token_loss("cosine", 512)
    with pytest.raises(UserError, match="does not suit continuous tokens"):
        token_loss("cross-entropy", None)
    with pytest.raises(UserError, match="Did you mean 'cosine'"):
        token_loss("cosin", None)


def test_a_model_in_double_precision_is_compared_in_it() -> None:
    prediction, target = torch.randn(4, 5).double(), torch.randn(4, 5).double()
    for loss in (cosine, mse, smooth_l1):
        assert loss(prediction, target).dtype == torch.float64
        assert loss(prediction.bfloat16(), target.half()).dtype == torch.float32
