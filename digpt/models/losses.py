"""What a method's forward pass returns, and how far a predicted token is from its target."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from digpt.errors import UserError, pick

TokenLoss = Callable[[Tensor, Tensor], Tensor]  # (..., C) and (..., C) or codes (...) -> (...)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted tokens, as the loss compares them (before any unit-normalising)."""

    patches: Tensor  # (B, n, C), or (B, K - 1, S, C) for D-iGPT in the image's cluster order
    global_token: Tensor | None = None  # (B, C)


@dataclass(frozen=True, slots=True)
class Target:
    """What kind of tokens a method is to predict."""

    dim: int  # C
    codes: int | None = None  # size of the codebook; None: continuous tokens
    has_global: bool = False  # a codebook has no code for a whole image

    @property
    def outputs(self) -> int:
        """Numbers that a model says of each token."""
        return self.codes or self.dim

    @property
    def predicts_global(self) -> bool:
        return self.has_global and self.codes is None

    def loss(self, asked: str, own: str, label_smoothing: float) -> TokenLoss:
        """The loss that is asked for, or the method's own."""
        return token_loss(loss_name(asked, self.codes, own), self.codes, label_smoothing)


@dataclass(frozen=True, slots=True)
class Losses:
    """Losses of one batch; what a method does not have is None. `loss` is what is minimised."""

    loss: Tensor
    ar_loss: Tensor | None = None
    visible_loss: Tensor | None = None
    ar_prediction: Prediction | None = None  # the predictions only on request
    visible_prediction: Prediction | None = None
    masked_prediction: Prediction | None = None


def cosine(prediction: Tensor, target: Tensor) -> Tensor:
    """2 - 2 cos of each token: 0 for the same direction, 4 for the opposite one."""
    return 2 - 2 * F.cosine_similarity(_wide(prediction), _wide(target), dim=-1)


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared error of each token, mean over channels."""
    return (_wide(prediction) - _wide(target)).square().mean(dim=-1)


def smooth_l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Huber loss of each token, mean over channels; meant for whitened tokens."""
    return F.smooth_l1_loss(_wide(prediction), _wide(target), reduction="none").mean(dim=-1)


def cross_entropy(prediction: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of logits (..., codes) against codes (...), in nats."""
    loss = F.cross_entropy(
        _wide(prediction).flatten(0, -2),
        target.flatten().long(),
        reduction="none",
        label_smoothing=label_smoothing,
    )
    return loss.view(target.shape)


def _wide(x: Tensor) -> Tensor:
    """At least in float32: half precision is too coarse to compare in."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


CONTINUOUS: dict[str, TokenLoss] = {"cosine": cosine, "mse": mse, "smooth-l1": smooth_l1}


def loss_name(asked: str, codes: int | None, own: str) -> str:
    """The loss a recipe asks for: of codes the cross-entropy, and "own" is the method's."""
    if codes is not None and asked in ("own", *CONTINUOUS):
        return "cross-entropy"
    return own if asked == "own" else asked


def token_loss(name: str, codes: int | None, label_smoothing: float = 0.0) -> TokenLoss:
    """The loss of that name, if it suits the tokens: "cross-entropy" for codes, others not."""
    if (name == "cross-entropy") != (codes is not None):
        kind = "codes" if codes is not None else "continuous tokens"
        allowed = "cross-entropy" if codes is not None else ", ".join(sorted(CONTINUOUS))
        raise UserError(f"Loss {name!r} does not suit {kind}. Allowed: {allowed}.", field="loss")
    if codes is not None:
        return partial(cross_entropy, label_smoothing=label_smoothing)
    return pick(CONTINUOUS, name, "loss")


def is_of_codes(loss: TokenLoss) -> bool:
    """Whether a loss compares logits with codes, not tokens with tokens."""
    return getattr(loss, "func", loss) is cross_entropy


def mean_loss(per_token: Tensor, per_global: Tensor | None = None) -> Tensor:
    """Mean over the tokens of all images; the global token (B,) counts as one more token."""
    per_token = per_token.flatten(1)  # (B, n)
    if per_global is not None:
        per_token = torch.cat([per_token, per_global[:, None]], dim=1)
    return per_token.mean()


def prediction_loss(
    of: TokenLoss, said: Prediction, target: Tensor, global_token: Tensor | None
) -> Tensor:
    """Mean loss of predicted tokens (B, ..., C), the global one (B, C) counting as one more."""
    per_token = of(said.patches, target)
    if said.global_token is None or global_token is None:
        return mean_loss(per_token)
    return mean_loss(per_token, of(said.global_token, global_token))
