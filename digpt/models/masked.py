"""Masked prediction (MAE, He et al. 2022; with a recogniser's tokens as BEiT and EVA).

B images, N patches of which n are visible, D student width, E decoder width, C token width.
"""

import torch
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.models.batch import check_batch
from digpt.models.clusters import draw_order, resize_tokens
from digpt.models.layers import EPS, Block, initialise
from digpt.models.losses import (
    Losses,
    Prediction,
    Target,
    TokenLoss,
    prediction_loss,
)
from digpt.models.positions import sincos_2d
from digpt.models.vit import ViT, build_vit, layer_norm
from digpt.recipe import Recipe


class Masked(nn.Module):
    """The encoder reads the class token and the visible patches only; a light decoder predicts the
    tokens of the masked ones, and the teacher's global token from the class token."""

    def __init__(
        self,
        encoder: ViT,
        *,
        token_dim: int,
        token_loss: TokenLoss,
        has_global: bool,
        mask_share: float,
        decoder_dim: int,
        decoder_depth: int,
        decoder_heads: int,
    ) -> None:
        super().__init__()
        self.encoder, self.has_global = encoder, has_global
        self.token_dim, self.token_loss = token_dim, token_loss
        self.count = encoder.grid_size[0] * encoder.grid_size[1]  # N
        self.draws = self.count  # random numbers for each image
        self.visible = round(self.count * (1 - mask_share))  # n
        if not 0 < self.visible < self.count:
            raise UserError(
                f"A mask share of {mask_share} leaves {self.visible} of {self.count} patches"
                " visible: choose one that masks some and leaves some.",
                field="mask_share",
            )
        self.embed = nn.Linear(encoder.dim, decoder_dim)
        self.mask_token = nn.Parameter(torch.empty(decoder_dim))
        self.positions: Tensor  # (1 + N, E)
        self.register_buffer("positions", sincos_2d(decoder_dim, encoder.grid_size))
        self.blocks = nn.ModuleList(
            Block(decoder_dim, decoder_heads, encoder.mlp_ratio) for _ in range(decoder_depth)
        )
        self.norm = nn.LayerNorm(decoder_dim, eps=EPS)
        self.predict = nn.Linear(decoder_dim, token_dim)
        self.predict_global = nn.Linear(decoder_dim, token_dim) if has_global else None
        initialise(self, keep=encoder)

    def masks(self) -> dict[str, Tensor]:
        """None: masked patches are not read at all, and the others all see each other."""
        return {}

    def forward(
        self,
        images: Tensor,
        tokens: Tensor,
        global_token: Tensor | None = None,
        order: Tensor | None = None,
        generator: torch.Generator | None = None,
        predictions: bool = False,
    ) -> Losses:
        """Losses of one batch, arguments as for D-iGPT, but `order` (B, N) is a permutation of the
        patches: the first n are visible. Predictions are in the order of the masked patches."""
        check_batch(self, images, tokens, global_token, order, self.count)
        if order is None:
            order = draw_order(len(images), self.count, generator, images.device)
        shown, hidden = order[:, : self.visible], order[:, self.visible :]
        target = resize_tokens(tokens, self.encoder.grid_size).flatten(1, 2)  # (B, N, C)
        target = target[torch.arange(len(images), device=images.device)[:, None], hidden]

        x = self._decode(self.embed(layer_norm(self.encode(images, shown))), shown, hidden)
        said = Prediction(
            self.predict(x[:, 1 + self.visible :]),  # (B, N - n, C)
            self.predict_global(x[:, 0]) if self.predict_global is not None else None,
        )
        loss = prediction_loss(self.token_loss, said, target, global_token)
        return Losses(loss, masked_prediction=said if predictions else None)

    def encode(self, images: Tensor, shown: Tensor) -> Tensor:
        """Tokens (B, 1 + n, D) of the class token and the patches `shown` (B, n)."""
        pixels = self.encoder.patches(images).flatten(1, 2)
        pixels = pixels[torch.arange(len(images), device=images.device)[:, None], shown]
        x = self.encoder.patch_embed(pixels) + self.encoder.positions[1:][shown]  # (B, n, D)
        x = torch.cat([self.encoder.class_token(len(x)), x], dim=1)
        return self.encoder.taps(x, (self.encoder.depth,))[0]

    def _decode(self, x: Tensor, shown: Tensor, hidden: Tensor) -> Tensor:
        """(B, 1 + n, E) -> (B, 1 + N, E): class token, visible patches, masked patches."""
        queries = self.mask_token.expand(*hidden.shape, -1)
        order = torch.cat([torch.zeros_like(shown[:, :1]), shown + 1, hidden + 1], dim=1)
        x = torch.cat([x, queries], dim=1) + self.positions[order]
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def build_masked(recipe: Recipe, target: Target, loss: str | None = None) -> Masked:
    """Masked prediction of a recipe's sizes; squared error, or cross-entropy for codes."""
    student = recipe.student
    return Masked(
        build_vit(student),
        token_dim=target.outputs,
        token_loss=target.loss(loss or recipe.loss, "mse", recipe.label_smoothing),
        has_global=target.predicts_global,
        mask_share=recipe.mask_share,
        decoder_dim=student.decoder_dim,
        decoder_depth=student.decoder_depth,
        decoder_heads=student.decoder_heads,
    )
