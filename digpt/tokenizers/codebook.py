"""codebook: k-means codes of another tokenizer's tokens (cf. Zhu et al. 2024, DiGIT).

N tokens, D width of the base, k codes.
"""

import math

import numpy as np
import torch
from torch import Tensor

from digpt.errors import UserError
from digpt.reporter import Reporter
from digpt.tokenizers.base import Tokenizer, Tokens

TOKENS_PER_CODE = 200  # in the sample that the centres are fitted to
MOST_TOKENS = 200_000
BATCH = 4096


class Codebook(Tokenizer):
    """Codes (B, h, w): the nearest centre of each standardised base token."""

    is_discrete = True
    mean: Tensor
    std: Tensor
    centres: Tensor

    def __init__(
        self, *, name: str, base: Tokenizer, codes: int, facts: dict[str, object] | None = None
    ) -> None:
        super().__init__()
        self.name, self.base, self.dim = name, base, codes
        self.grid_size = base.grid_size
        self.facts = dict(facts or {})
        self.register_buffer("mean", torch.zeros(base.dim))
        self.register_buffer("std", torch.ones(base.dim))
        self.register_buffer("centres", torch.zeros(codes, base.dim))

    def config(self) -> dict[str, object]:
        return {"name": self.name, "codes": self.dim, "facts": self.facts}

    def forward(self, images: Tensor) -> Tokens:
        return Tokens(self.nearest(self.base(images).patches), None)

    def nearest(self, tokens: Tensor) -> Tensor:
        """Tokens (..., D) -> codes (...); |c|² - 2 t·c orders centres as the distance does."""
        standard = (tokens - self.mean) / self.std
        distance = self.centres.square().sum(dim=1) - 2 * standard @ self.centres.T  # (..., k)
        return distance.argmin(dim=-1)

    def fit(self, tokens: Tensor, *, seed: int, reporter: Reporter) -> None:
        """Set the centres from a sample of base tokens (N, D); rarely used ones are drawn anew."""
        from sklearn.cluster import MiniBatchKMeans  # noqa: PLC0415 - optional, seconds

        if len(tokens) < 2 * self.dim:
            raise UserError(
                f"{self.name}: {len(tokens)} tokens are too few for {self.dim} codes. Choose at "
                f"most {len(tokens) // 2} codes, or more images.",
                code="too-many-codes",
                field="tokenizer",
                name=self.name,
                count=len(tokens),
                most=len(tokens) // 2,
            )
        self.mean.copy_(tokens.mean(dim=0))
        self.std.copy_(tokens.std(dim=0).clamp_min(1e-6))
        standard = ((tokens - self.mean) / self.std).numpy()
        means = MiniBatchKMeans(
            self.dim,
            batch_size=BATCH,
            n_init=1,  # pyright: ignore[reportArgumentType] (its stub knows only "auto")
            random_state=seed,
            reassignment_ratio=0.01,
        )
        epochs = 6
        rng = np.random.default_rng(seed)
        for epoch in range(epochs):
            order = rng.permutation(len(standard))
            for start in range(0, len(order), BATCH):
                reporter.check()
                batch = standard[order[start : start + BATCH]]
                if len(batch) >= self.dim or (epoch or start):
                    means.partial_fit(batch)
            reporter.progress(epoch + 1, epochs)
        self.centres.copy_(torch.from_numpy(means.cluster_centers_))
        self.facts |= _use(self.nearest(tokens), self.dim)


def sample_size(codes: int) -> int:
    """How many tokens the centres are fitted to."""
    return min(codes * TOKENS_PER_CODE, MOST_TOKENS)


def _use(codes: Tensor, k: int) -> dict[str, object]:
    """How many codes are used, and the perplexity of their shares."""
    shares = torch.bincount(codes.flatten(), minlength=k).double()
    shares = shares / shares.sum()
    entropy = -(shares * shares.clamp_min(1e-12).log()).sum().item()
    return {"used_codes": int((shares > 0).sum()), "perplexity": math.exp(entropy)}
