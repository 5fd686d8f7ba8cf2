"""iGPT (Chen et al. 2020; as AIM for continuous targets): patches in raster order, causal.

B images, N patches, D student width, C token width (or number of codes).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digpt.models.batch import check_batch
from digpt.models.clusters import block_causal_mask, resize_tokens
from digpt.models.layers import EPS, Mask, initialise
from digpt.models.losses import (
    Losses,
    Prediction,
    Target,
    TokenLoss,
    prediction_loss,
)
from digpt.models.vit import ViT, build_vit
from digpt.recipe import Recipe


class IGPT(nn.Module):
    """From the class token, which starts the sequence, and all patches before it, each next patch's
    token is predicted; from all patches but the last, also the teacher's global token."""

    def __init__(
        self, encoder: ViT, *, token_dim: int, token_loss: TokenLoss, has_global: bool, hidden: int
    ) -> None:
        super().__init__()
        self.encoder, self.has_global = encoder, has_global
        self.token_dim, self.token_loss = token_dim, token_loss
        self.draws = 0  # nothing is random
        self.norm = nn.LayerNorm(encoder.dim, eps=EPS)
        self.hidden = nn.Linear(encoder.dim, hidden)
        self.predict = nn.Linear(hidden, token_dim)
        self.predict_global = nn.Linear(hidden, token_dim) if has_global else None
        self.mask: Mask
        self.register_buffer("mask", self.masks()["mask"], persistent=False)
        initialise(self, keep=encoder)

    def masks(self) -> dict[str, Tensor]:
        """By attribute, who sees whom (N, N): a place itself and all before."""
        places = self.encoder.grid_size[0] * self.encoder.grid_size[1]
        return {"mask": block_causal_mask(places, 1, with_class=False)}

    def forward(
        self,
        images: Tensor,
        tokens: Tensor,
        global_token: Tensor | None = None,
        order: Tensor | None = None,
        generator: torch.Generator | None = None,
        predictions: bool = False,
    ) -> Losses:
        """Losses of one batch, arguments as for D-iGPT; nothing is random, and the order is always
        the raster's: `order` and `generator` are not used."""
        check_batch(self, images, tokens, global_token)
        target = resize_tokens(tokens, self.encoder.grid_size).flatten(1, 2)  # (B, N, C)
        x = F.gelu(self.hidden(self.norm(self.encode(images))))  # (B, N, hidden)
        said = Prediction(
            self.predict(x),  # (B, N, C): place i says what patch i is
            self.predict_global(x[:, -1]) if self.predict_global is not None else None,
        )
        loss = prediction_loss(self.token_loss, said, target, global_token)
        return Losses(loss, ar_loss=loss, ar_prediction=said if predictions else None)

    def encode(self, images: Tensor) -> Tensor:
        """Tokens (B, N, D) of the class token and all patches but the last."""
        pixels = self.encoder.patches(images).flatten(1, 2)[:, :-1]
        x = self.encoder.patch_embed(pixels) + self.encoder.positions[1:-1]  # (B, N - 1, D)
        x = torch.cat([self.encoder.class_token(len(x)), x], dim=1)
        return self.encoder.taps(x, (self.encoder.depth,), self.mask)[0]


def build_igpt(recipe: Recipe, target: Target, loss: str | None = None) -> IGPT:
    """iGPT of a recipe's sizes; squared error (as AIM), or cross-entropy for codes."""
    student = recipe.student
    return IGPT(
        build_vit(student),
        token_dim=target.outputs,
        token_loss=target.loss(loss or recipe.loss, "mse", recipe.label_smoothing),
        has_global=target.predicts_global,
        hidden=int(student.decoder_dim * student.mlp_ratio),
    )
