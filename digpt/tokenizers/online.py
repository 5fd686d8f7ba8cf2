"""Tokens made when they are asked for: a tokenizer in every step, as D-iGPT was published.

The same contract as a token cache, for crops that no cache holds. B images, D token width.
"""

import numpy as np
import torch

from digpt.data.views import PLAIN, WHOLE, Views
from digpt.meter import count_flops
from digpt.reporter import Reporter
from digpt.tokenizers.base import Tokenizer
from digpt.tokenizers.cache import Sums, stored
from digpt.tokenizers.portions import Portions, encode

SAMPLE = 2048  # images whose tokens give the statistics
BATCH = 256


class Online:
    """A tokenizer over the images `images[rows]` (uint8, (M, S, S, 3)), read at `size`."""

    views = PLAIN
    crop_scale = WHOLE

    def __init__(
        self,
        tokenizer: Tokenizer,
        images: np.ndarray,
        rows: np.ndarray,
        *,
        size: int,
        device: torch.device,
        reporter: Reporter,
    ) -> None:
        self.tokenizer, self.images, self.rows = tokenizer.to(device), images, rows
        self.dim = tokenizer.dim
        self.codes = tokenizer.dim if tokenizer.is_discrete else None
        self._portions = Portions(self.tokenizer, device, reporter, BATCH)
        self._views = Views(PLAIN, len(rows), WHOLE, size)
        one = np.zeros(1, np.int64)  # one image, to know the shapes
        seen = self._views.see(images[rows[one]], one, one)
        tokens = encode(tokenizer, seen, device)
        # of the tokenizer alone
        self.flops_per_image = float(count_flops(lambda: encode(tokenizer, seen, device)))
        self.grid_size = (tokens.patches.shape[1], tokens.patches.shape[2])
        self.has_global = tokens.global_token is not None
        statistics = self._statistics(reporter)
        self.mean, self.std = statistics["mean"], statistics["std"]
        self.global_mean = statistics.get("global_mean")
        self.global_std = statistics.get("global_std")

    def read(self, rows: np.ndarray, views: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Tokens of whole images, as a cache would give them."""
        return self.encode(self._views.see(self.images[self.rows[rows]], rows, views))

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Tokens (B, h, w, D), or codes (B, h, w), and global tokens (B, D) of uint8 images
        (B, s, s, 3), in the numbers that a cache keeps; so many at once as a cache is made with."""
        patches, shared = [], []
        for tokens in self._portions.of(images):
            patches.append(stored(tokens.patches, self.codes))
            if tokens.global_token is not None:
                shared.append(stored(tokens.global_token, None))
        return np.concatenate(patches), np.concatenate(shared) if shared else None

    def _statistics(self, reporter: Reporter) -> dict[str, np.ndarray]:
        """Mean and deviation of each channel over a sample of images and their mirrors."""
        count = len(self.rows)
        sample = np.unique(np.linspace(0, count - 1, min(SAMPLE, count)).astype(np.int64))
        sums = Sums()
        for start in range(0, len(sample), BATCH):
            reporter.check()
            few = sample[start : start + BATCH]
            for view in range(len(PLAIN)):
                seen = self._views.see(self.images[self.rows[few]], few, np.full(len(few), view))
                for tokens in self._portions.of(seen):
                    sums.count(tokens)
        return sums.statistics()
