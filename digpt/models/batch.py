"""What every method's forward pass takes, checked before anything is computed.

B images, h × w the teacher's grid, C token width, K things that an order permutes. Only shapes,
kinds and devices are looked at where looking at numbers would make the host wait for a device.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

from digpt.errors import UserError
from digpt.models.losses import TokenLoss, is_of_codes
from digpt.models.vit import ViT

_WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class Predictor(Protocol):
    """What a method's model says of itself."""

    encoder: ViT
    token_dim: int  # C, or the number of codes
    token_loss: TokenLoss
    has_global: bool


def check_batch(
    model: Predictor,
    images: Tensor,
    tokens: Tensor,
    global_token: Tensor | None,
    order: Tensor | None = None,
    count: int = 0,
) -> None:
    """Raise `UserError` unless the model can read the images and there are a target and, if given,
    an order (B, count) for each: torch would let one of them serve all, and a cluster that was
    read be predicted."""
    model.encoder.check(images)
    if not len(images):
        raise UserError("There are no images in this batch.", field="images")
    _check_tokens(model, images, tokens)
    _check_global(model, images, global_token)
    if order is not None:
        _check_order(images, order, count)


def _check_tokens(model: Predictor, images: Tensor, tokens: Tensor) -> None:
    _check_place("tokens", tokens, images)
    takes_codes, width = is_of_codes(model.token_loss), model.token_dim
    if not (tokens.dtype in _WHOLE if takes_codes else tokens.is_floating_point()):
        wanted = "codes" if takes_codes else "continuous tokens"
        raise UserError(
            f"This model predicts {wanted}, and the tokens are {tokens.dtype}: build it to suit the"
            " tokenizer.",
            field="tokens",
        )
    axes = (len(images), *tokens.shape[1:3]) + (() if takes_codes else (width,))
    if tokens.shape != axes or not tokens.numel():
        wanted = f"({len(images)}, h, w{'' if takes_codes else f', {width}'})"
        raise UserError(
            f"Tokens have the shape {tuple(tokens.shape)} and must have {wanted}, for these images"
            " and what this model predicts.",
            field="tokens",
        )
    if takes_codes and tokens.device.type == "cpu":
        least, most = (int(value) for value in tokens.aminmax())
        if least < 0 or most >= width:
            raise UserError(
                f"Tokens hold codes from {least} to {most}, and this model predicts 0 to"
                f" {width - 1}: build it to suit the tokenizer.",
                field="tokens",
            )


def _check_global(model: Predictor, images: Tensor, global_token: Tensor | None) -> None:
    if (global_token is not None) != model.has_global:
        says = "a global token and got none" if model.has_global else "no global token and got one"
        raise UserError(
            f"This model predicts {says}: build it to suit the tokenizer.", field="global_token"
        )
    if global_token is None:
        return
    _check_place("global_token", global_token, images)
    wanted = (len(images), model.token_dim)
    if global_token.shape != wanted or not global_token.is_floating_point():
        raise UserError(
            f"The global_token is {global_token.dtype} {tuple(global_token.shape)} and must be"
            f" floating-point {wanted}, for these images and what this model predicts.",
            field="global_token",
        )


def _check_order(images: Tensor, order: Tensor, count: int) -> None:
    _check_place("order", order, images)
    if order.shape != (len(images), count) or order.dtype not in (torch.int32, torch.int64):
        raise UserError(
            f"The order is {order.dtype} {tuple(order.shape)} and must be torch.int64"
            f" {(len(images), count)}.",
            field="order",
        )
    if (order.sort(dim=1).values != torch.arange(count).to(order)).any():
        raise UserError(
            f"Each row of the order must hold every number from 0 to {count - 1} once.",
            field="order",
        )


def _check_place(name: str, value: Any, images: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise UserError(
            f"{name} must be a torch tensor, not {type(value).__name__}: torch.as_tensor makes"
            " one.",
            field=name,
        )
    if value.device != images.device:
        raise UserError(
            f"{name} on {value.device} cannot be used with images on {images.device}: move them"
            " to one device.",
            field=name,
        )
