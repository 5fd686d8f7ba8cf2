"""D-iGPT (Ren et al. 2024, arXiv 2312.02147).

B images, K clusters in all, S patches per cluster, s teacher tokens per cluster, D student width,
E decoder width, T taps, C token width (or number of codes).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.models.clusters import (
    block_causal_mask,
    check_clusters,
    divides,
    draw_order,
    in_clusters,
    resize_clusters,
    resize_tokens,
    take_clusters,
)
from digpt.models.layers import EPS, DecoderBlock, initialise
from digpt.models.losses import (
    Losses,
    Prediction,
    TokenLoss,
    check_global,
    loss_name,
    mean_loss,
    token_loss,
)
from digpt.models.positions import sincos_2d
from digpt.models.vit import ViT, build_vit
from digpt.recipe import Recipe, Student, default_taps


class Decoder(nn.Module):
    """Queries (one learned token + positions) read the encoder's taps and predict tokens."""

    def __init__(
        self, *, width: int, taps: int, dim: int, depth: int, heads: int, mlp_ratio: float, out: int
    ) -> None:
        super().__init__()
        if dim % heads:
            raise UserError(
                f"Decoder width {dim} is not a multiple of {heads} heads.", field="decoder_heads"
            )
        # one norm for all taps, eps 1e-5: official checkpoints hold it once per tap, always equal
        self.tap_norm = nn.LayerNorm(width, eps=1e-5)
        self.memory = nn.Linear(taps * width, dim * depth)
        self.token = nn.Parameter(torch.empty(dim))
        self.blocks = nn.ModuleList(DecoderBlock(dim, heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.predict = nn.Linear(dim, out)

    def forward(
        self, taps: Tensor, positions: Tensor, self_mask: Tensor, cross_mask: Tensor
    ) -> Tensor:
        """Predictions (B, Q, C) at positions (B, Q, E) from taps (B, n, T, D)."""
        memory = self.memory(self.tap_norm(taps).flatten(2))  # (B, n, E * depth)
        memories = memory.unflatten(-1, (-1, len(self.blocks)))  # (B, n, E, depth): depth is last
        x = self.token + positions  # (B, Q, E)
        for block, own in zip(self.blocks, memories.unbind(-1), strict=True):
            x = block(x, own, self_mask, cross_mask)
        return self.predict(self.norm(x))  # (B, Q, C)


class DiGPT(nn.Module):
    """The encoder reads all clusters but the last, in a random order; one decoder predicts the
    tokens of each next cluster, the other those of each cluster seen."""

    def __init__(
        self,
        encoder: ViT,
        *,
        token_dim: int,
        token_loss: TokenLoss,
        has_global: bool,
        clusters: tuple[int, int] = (2, 2),
        taps: Sequence[int] | None = None,
        decoder_dim: int = 128,
        decoder_depth: int = 1,
        decoder_heads: int = 4,
        with_visible: bool = True,
    ) -> None:
        super().__init__()
        check_clusters(clusters, encoder.grid_size)
        self.clusters, self.has_global = clusters, has_global
        self.taps = _check_taps(taps or default_taps(encoder.depth), encoder.depth)
        self.token_loss = token_loss
        self.encoder = encoder
        self.count = clusters[0] * clusters[1]  # K
        self.cluster_shape = _per_cluster(encoder.grid_size, clusters)
        self.positions: Tensor  # (1 + N, E), of the decoders' queries
        self.register_buffer("positions", sincos_2d(decoder_dim, encoder.grid_size))
        self.mask: Tensor  # (n, n), n = (K - 1) * S + 1
        mask = block_causal_mask(self.count - 1, math.prod(self.cluster_shape))
        self.register_buffer("mask", mask, persistent=False)

        def decoder() -> Decoder:
            return Decoder(
                width=encoder.dim,
                taps=len(self.taps),
                dim=decoder_dim,
                depth=decoder_depth,
                heads=decoder_heads,
                mlp_ratio=encoder.mlp_ratio,
                out=token_dim,
            )

        self.ar_decoder = decoder()
        self.visible_decoder = decoder() if with_visible else None
        initialise(self)

    def forward(
        self,
        images: Tensor,
        tokens: Tensor,
        global_token: Tensor | None = None,
        order: Tensor | None = None,
        generator: torch.Generator | None = None,
        predictions: bool = False,
    ) -> Losses:
        """Losses of one batch.

        images (B, 3, H, W) normalised; tokens (B, h, w, C), or codes (B, h, w); global_token (B, C)
        where the teacher has one; order (B, K): the clusters as each image is read, drawn from
        `generator` when not given.
        """
        check_global(global_token, self.has_global)
        if order is None:
            order = draw_order(len(images), self.count, generator, images.device)
        grid = self._target_grid(tokens)
        target = in_clusters(resize_tokens(tokens, grid), self.clusters)
        target = take_clusters(target, order)  # (B, K, s, C)
        taps = self.encode(images, order[:, :-1])  # (B, n, T, D): the last cluster is never seen

        ar = self._predict(self.ar_decoder, taps, order[:, 1:], grid)
        ar_loss = self._loss(ar, target[:, 1:], global_token)
        if self.visible_decoder is None:
            return Losses(ar_loss, ar_loss, ar_prediction=ar if predictions else None)
        visible = self._predict(self.visible_decoder, taps, order[:, :-1], grid)
        visible_loss = self._loss(visible, target[:, :-1], global_token)
        return Losses(
            ar_loss + visible_loss,
            ar_loss,
            visible_loss,
            ar_prediction=ar if predictions else None,
            visible_prediction=visible if predictions else None,
        )

    def encode(self, images: Tensor, order: Tensor) -> Tensor:
        """Taps (B, n, T, D) of the clusters `order` (B, K - 1), then the class token."""
        pixels = in_clusters(self.encoder.patches(images), self.clusters)
        x = self.encoder.patch_embed(take_clusters(pixels, order))  # (B, K - 1, S, D)
        x = x + self._cluster_positions(self.encoder.positions, order)
        x = torch.cat([x.flatten(1, 2), self.encoder.class_token(len(x))], dim=1)  # (B, n, D)
        return torch.stack(self.encoder.taps(x, self.taps, self.mask), dim=2)

    def _predict(
        self, decoder: Decoder, taps: Tensor, order: Tensor, grid: tuple[int, int]
    ) -> Prediction:
        """What a decoder says about the clusters `order` (B, K - 1) of the teacher's `grid`."""
        queries = self._cluster_positions(self.positions, order).flatten(1, 2)
        if self.has_global:
            cls = self.positions[:1].expand(len(queries), 1, -1)
            queries = torch.cat([queries, cls], dim=1)  # (B, n, E)
        seen = self.mask[: queries.shape[1]]  # without a global token nothing asks for one
        x = decoder(taps, queries, seen[:, : queries.shape[1]], seen)
        x, cls = (x[:, :-1], x[:, -1]) if self.has_global else (x, None)
        x = x.unflatten(1, (self.count - 1, -1))  # (B, K - 1, S, C)
        x = resize_clusters(x, self.cluster_shape, _per_cluster(grid, self.clusters))
        return Prediction(x, cls)  # (B, K - 1, s, C)

    def _loss(self, said: Prediction, target: Tensor, global_token: Tensor | None) -> Tensor:
        per_token = self.token_loss(said.patches, target)  # (B, K - 1, s)
        if said.global_token is None or global_token is None:
            return mean_loss(per_token)
        return mean_loss(per_token, self.token_loss(said.global_token, global_token))

    def _cluster_positions(self, positions: Tensor, order: Tensor) -> Tensor:
        """Rows of a position table (1 + N, ·) for the clusters `order` (B, k), (B, k, S, ·)."""
        grid = positions[1:].unflatten(0, self.encoder.grid_size)
        return in_clusters(grid[None], self.clusters)[0][order]

    def _target_grid(self, tokens: Tensor) -> tuple[int, int]:
        """The teacher's grid; where the clusters do not divide it, the student's."""
        grid = (tokens.shape[1], tokens.shape[2])
        return grid if divides(self.clusters, grid) else self.encoder.grid_size


def _per_cluster(grid_size: tuple[int, int], clusters: tuple[int, int]) -> tuple[int, int]:
    return grid_size[0] // clusters[0], grid_size[1] // clusters[1]


def _check_taps(taps: Sequence[int], depth: int) -> tuple[int, ...]:
    if sorted(set(taps)) != list(taps) or not 1 <= taps[0] <= taps[-1] <= depth:
        raise UserError(
            f"Taps {tuple(taps)} must be ascending block numbers from 1 to {depth}.", field="taps"
        )
    return tuple(taps)


def build_digpt(
    student: Student,
    *,
    token_dim: int,
    codes: int | None,
    grid_size: tuple[int, int],
    has_global: bool,
    recipe: Recipe,
    loss: str | None = None,
) -> DiGPT:
    """D-iGPT of a recipe's sizes for one tokenizer; cosine loss, or cross-entropy for codes."""
    return _build(student, token_dim, codes, has_global, recipe, loss, with_visible=True)


def build_digpt_ar(
    student: Student,
    *,
    token_dim: int,
    codes: int | None,
    grid_size: tuple[int, int],
    has_global: bool,
    recipe: Recipe,
    loss: str | None = None,
) -> DiGPT:
    """The ablation without the decoder of visible tokens."""
    return _build(student, token_dim, codes, has_global, recipe, loss, with_visible=False)


def _build(
    student: Student,
    token_dim: int,
    codes: int | None,
    has_global: bool,
    recipe: Recipe,
    loss: str | None,
    *,
    with_visible: bool,
) -> DiGPT:
    if student.taps and student.taps[-1] != student.depth:
        raise UserError(
            f"Taps {student.taps} end before block {student.depth}, so the blocks after would never"
            f" train. Let the last tap be {student.depth}.",
            field="taps",
        )
    name = loss_name(loss or recipe.loss, codes, own="cosine")
    return DiGPT(
        build_vit(student),
        token_dim=codes or token_dim,
        token_loss=token_loss(name, codes, recipe.label_smoothing),
        has_global=has_global and codes is None,  # a codebook has no code for a whole image
        clusters=student.clusters,
        taps=student.taps,
        decoder_dim=student.decoder_dim,
        decoder_depth=student.decoder_depth,
        decoder_heads=student.decoder_heads,
        with_visible=with_visible,
    )
