"""D-iGPT (Ren et al. 2024, arXiv 2312.02147).

B images, K clusters in all, S patches per cluster, s teacher tokens per cluster (or as many places
of each as a decoder is asked for), D student width, E decoder width, T taps, C token width (or
number of codes).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.flops import GROUPED_FROM, asked_places
from digpt.models.batch import check_batch
from digpt.models.clusters import (
    block_causal_mask,
    check_clusters,
    divides,
    draw_numbers,
    in_clusters,
    resize_clusters,
    resize_tokens,
    take_clusters,
    take_places,
)
from digpt.models.layers import EPS, DecoderBlock, Mask, Prefixes, initialise
from digpt.models.losses import (
    Losses,
    Prediction,
    Target,
    TokenLoss,
    prediction_loss,
)
from digpt.models.positions import sincos_2d
from digpt.models.vit import ViT, build_vit
from digpt.recipe import Recipe, default_taps


class Decoder(nn.Module):
    """Queries (one learned token + positions) read the encoder's taps and predict tokens."""

    def __init__(
        self, *, width: int, taps: int, dim: int, depth: int, heads: int, mlp_ratio: float, out: int
    ) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
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

    def forward(self, taps: Tensor, positions: Tensor, self_mask: Mask, cross_mask: Mask) -> Tensor:
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
        decoder_mlp_ratio: float | None = None,
        with_ar: bool = True,
        with_visible: bool = True,
        target_share: float = 1.0,
        window: int = 0,
    ) -> None:
        """decoder_mlp_ratio: the encoder's where not given.

        with_ar, with_visible: which of the two decoders there are; ablations leave one out.

        target_share: of each cluster's tokens, the part that a decoder is asked for, drawn anew
        for each image; below 1, targets are resampled to the student's grid.
        window: how many earlier clusters a cluster sees beside its own, in the encoder and in the
        decoders' memory; 0: all of them, as published. Images of high resolution have many."""
        super().__init__()
        check_clusters(clusters, encoder.grid_size)
        self.clusters, self.has_global = clusters, has_global
        self.taps = _check_taps(taps or default_taps(encoder.depth), encoder.depth)
        self.token_dim, self.token_loss, self.window = token_dim, token_loss, window
        self.encoder = encoder
        self.count = clusters[0] * clusters[1]  # K
        self.cluster_shape = _per_cluster(encoder.grid_size, clusters)
        self.positions: Tensor  # (1 + N, E), of the decoders' queries
        self.register_buffer("positions", sincos_2d(decoder_dim, encoder.grid_size))
        self.size = math.prod(self.cluster_shape)  # S
        if not 0 < target_share <= 1:
            raise UserError(
                f"A target share of {target_share} is not a part of a cluster: choose one above 0,"
                " and 1 to predict every token.",
                field="target_share",
            )
        self.asked = asked_places(target_share, self.size)  # of the S, by each decoder
        self._set_masks()

        def decoder() -> Decoder:
            return Decoder(
                width=encoder.dim,
                taps=len(self.taps),
                dim=decoder_dim,
                depth=decoder_depth,
                heads=decoder_heads,
                mlp_ratio=decoder_mlp_ratio or encoder.mlp_ratio,
                out=token_dim,
            )

        assert with_ar or with_visible, "an encoder without a decoder learns nothing"
        self.ar_decoder = decoder() if with_ar else None
        self.visible_decoder = decoder() if with_visible else None
        initialise(self, keep=encoder)

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
        check_batch(self, images, tokens, global_token, order, self.count)
        order, ar_places, visible_places = self._draw(images, order, generator)
        grid = self._target_grid(tokens)
        target = in_clusters(resize_tokens(tokens, grid), self.clusters)
        target = take_clusters(target, order)  # (B, K, s, C)
        taps = self.encode(images, order[:, :-1])  # (B, n, T, D): the last cluster is never seen

        ar = self._predict(self.ar_decoder, taps, order[:, 1:], ar_places, grid)
        visible = self._predict(self.visible_decoder, taps, order[:, :-1], visible_places, grid)
        ar_loss = self._loss(ar, take_places(target[:, 1:], ar_places), global_token)
        visible_loss = self._loss(
            visible, take_places(target[:, :-1], visible_places), global_token
        )
        parts = [part for part in (ar_loss, visible_loss) if part is not None]
        return Losses(
            sum(parts[1:], start=parts[0]),
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
        return torch.stack(self.encoder.taps(x, self.taps, self.encoder_mask), dim=2)

    @property
    def mask(self) -> Tensor:
        """Who sees whom among the n = (K - 1) * S + 1 tokens that are read, (n, n)."""
        return block_causal_mask(self.count - 1, self.size, window=self.window)

    @property
    def draws(self) -> int:
        """How many random numbers a forward pass draws for each image."""
        asks_all = self.asked == self.size
        return self.count + (0 if asks_all else 2 * (self.count - 1) * self.size)

    def _draw(
        self, images: Tensor, order: Tensor | None, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Of each image the order (B, K) of its clusters, unless given, and of each cluster the
        places (B, K - 1, s) that the two decoders are asked for; None where that is all of them."""
        asks_all, device = self.asked == self.size, images.device
        if order is not None and asks_all:
            return order, None, None
        numbers = draw_numbers(len(images), self.draws, generator, device)
        if order is None:
            order = numbers[:, : self.count].argsort(dim=1).to(device, non_blocking=True)
        if asks_all:
            return order, None, None
        keys = numbers[:, self.count :].unflatten(1, (2, self.count - 1, -1))  # (B, 2, K - 1, S)
        places = keys.argsort(dim=-1)[..., : self.asked].to(device, non_blocking=True)
        return order, places[:, 0], places[:, 1]

    def masks(self) -> dict[str, Tensor]:
        """By attribute, who sees whom in the encoder (n, n), and among and from the Q queries of a
        decoder (Q, Q) and (Q, n): these are as many per cluster as it is asked for places, and one
        for the global token, if there is one."""
        mask, clusters = self.mask, torch.arange(self.count - 1)[:, None]
        queries = (clusters * self.size + torch.arange(self.asked)).flatten()
        if self.has_global:
            queries = torch.cat([queries, queries.new_tensor([len(mask) - 1])])
        of_queries = mask[queries]
        return {
            "encoder_mask": mask,
            "self_mask": of_queries[:, queries],
            "cross_mask": of_queries,
        }

    def _set_masks(self) -> None:
        self.encoder_mask: Mask
        self.self_mask: Mask
        self.cross_mask: Mask
        for name, mask in self.masks().items():
            if self.size >= GROUPED_FROM:
                setattr(self, name, Prefixes.of(mask))
            else:
                self.register_buffer(name, mask, persistent=False)

    def _predict(
        self,
        decoder: Decoder | None,
        taps: Tensor,
        order: Tensor,
        places: Tensor | None,
        grid: tuple[int, int],
    ) -> Prediction | None:
        """What a decoder says about the clusters `order` (B, K - 1) of the teacher's `grid`, or
        about their `places` (B, K - 1, s) alone; None of a decoder that was left out."""
        if decoder is None:
            return None
        queries = self._cluster_positions(self.positions, order)  # (B, K - 1, S, E)
        queries = take_places(queries, places).flatten(1, 2)
        if self.has_global:
            cls = self.positions[:1].expand(len(queries), 1, -1)
            queries = torch.cat([queries, cls], dim=1)  # (B, n, E)
        x = decoder(taps, queries, self.self_mask, self.cross_mask)
        x, cls = (x[:, :-1], x[:, -1]) if self.has_global else (x, None)
        x = x.unflatten(1, (self.count - 1, -1))  # (B, K - 1, S, C)
        if places is None:
            x = resize_clusters(x, self.cluster_shape, _per_cluster(grid, self.clusters))
        return Prediction(x, cls)  # (B, K - 1, s, C)

    def _loss(
        self, said: Prediction | None, target: Tensor, global_token: Tensor | None
    ) -> Tensor | None:
        if said is None:
            return None
        return prediction_loss(self.token_loss, said, target, global_token)

    def _cluster_positions(self, positions: Tensor, order: Tensor) -> Tensor:
        """Rows of a position table (1 + N, ·) for the clusters `order` (B, k), (B, k, S, ·)."""
        grid = positions[1:].unflatten(0, self.encoder.grid_size)
        return in_clusters(grid[None], self.clusters)[0][order]

    def _target_grid(self, tokens: Tensor) -> tuple[int, int]:
        """The teacher's grid; the student's where the clusters do not divide the teacher's, or
        where single places are predicted, which cannot be resized."""
        grid = (tokens.shape[1], tokens.shape[2])
        fits = divides(self.clusters, grid) and self.asked == self.size
        return grid if fits else self.encoder.grid_size


def _per_cluster(grid_size: tuple[int, int], clusters: tuple[int, int]) -> tuple[int, int]:
    return grid_size[0] // clusters[0], grid_size[1] // clusters[1]


def _check_taps(taps: Sequence[int], depth: int) -> tuple[int, ...]:
    if sorted(set(taps)) != list(taps) or not 1 <= taps[0] <= taps[-1] <= depth:
        raise UserError(
            f"Taps {tuple(taps)} must be ascending block numbers from 1 to {depth}.", field="taps"
        )
    return tuple(taps)


def build_digpt(
    recipe: Recipe,
    target: Target,
    loss: str | None = None,
    *,
    with_ar: bool = True,
    with_visible: bool = True,
) -> DiGPT:
    """D-iGPT of a recipe's sizes for one tokenizer; cosine loss, or cross-entropy for codes.

    The ablations leave out the autoregressive decoder or the one of visible tokens.
    """
    student = recipe.student
    if student.taps and student.taps[-1] != student.depth:
        raise UserError(
            f"Taps {student.taps} end before block {student.depth}, so the blocks after would never"
            f" train. Let the last tap be {student.depth}.",
            field="taps",
        )
    return DiGPT(
        build_vit(student),
        token_dim=target.outputs,
        token_loss=target.loss(loss or recipe.loss, "cosine", recipe.label_smoothing),
        has_global=target.predicts_global,
        clusters=student.clusters,
        taps=student.taps,
        decoder_dim=student.decoder_dim,
        decoder_depth=student.decoder_depth,
        decoder_heads=student.decoder_heads,
        with_ar=with_ar,
        with_visible=with_visible,
        target_share=recipe.target_share,
        window=recipe.window,
    )
