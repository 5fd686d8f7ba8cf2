"""What a step reads: images and their cached tokens, in an order that the seed fixes."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np

from digpt.errors import UserError
from digpt.pretrain.randomness import ROWS, VIEWS
from digpt.recipe import Recipe

KNOWN_VIEWS = ("identity", "flip")


class TokenSource(Protocol):
    """Cached tokens of N images in one or more views; `digpt.tokenizers.cache` writes them."""

    @property
    def dim(self) -> int: ...  # D, or the number of codes
    @property
    def codes(self) -> int | None: ...  # None for continuous tokens
    @property
    def grid_size(self) -> tuple[int, int]: ...
    @property
    def has_global(self) -> bool: ...
    @property
    def views(self) -> tuple[str, ...]: ...
    @property
    def mean(self) -> np.ndarray: ...  # (D,) over the training pool; for codes not used
    @property
    def std(self) -> np.ndarray: ...
    @property
    def global_mean(self) -> np.ndarray | None: ...
    @property
    def global_std(self) -> np.ndarray | None: ...

    def read(self, rows: np.ndarray, views: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Tokens (B, h, w, D), or codes (B, h, w), and global tokens (B, D) of images `rows` (B,)
        in `views` (B,), each an index into `self.views`."""
        ...


class Batch(NamedTuple):
    """One step's worth of data, on the host."""

    images: np.ndarray  # (B, S, S, 3) uint8
    tokens: np.ndarray
    global_token: np.ndarray | None


class Feed:
    """Batches by number: every epoch is a permutation, and a batch may span two of them."""

    def __init__(
        self, images: np.ndarray, rows: np.ndarray, tokens: TokenSource, recipe: Recipe, seed: int
    ) -> None:
        self.images, self.rows, self.tokens = images, rows, tokens
        self.batch_size, self.seed = recipe.batch_size, seed
        self.views = np.array([tokens.views.index(view) for view in recipe.views])
        self.flipped = np.array([view == "flip" for view in recipe.views])
        self._permutations: dict[int, np.ndarray] = {}

    def batch(self, step: int) -> Batch:
        """The batch of a step, the same whenever it is asked for."""
        chosen = self._chosen(step)  # (B,)
        rng = np.random.default_rng([self.seed, VIEWS, step])
        views = rng.integers(len(self.views), size=self.batch_size)
        images = self.images[self.rows[chosen]]  # (B, S, S, 3)
        flipped = self.flipped[views]
        images[flipped] = images[flipped, :, ::-1]
        return Batch(images, *self.tokens.read(chosen, self.views[views]))

    def batches(self, start: int, stop: int) -> Generator[Batch, None, None]:
        """Batches `start` to `stop` - 1, each read while the one before is in use."""
        with ThreadPoolExecutor(max_workers=1) as reader:
            following = reader.submit(self.batch, start)
            for step in range(start, stop):
                current = following.result()
                if step + 1 < stop:
                    following = reader.submit(self.batch, step + 1)
                yield current

    def _chosen(self, step: int) -> np.ndarray:
        count = len(self.rows)
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs = range(places[0] // count, places[-1] // count + 1)
        return np.concatenate(
            [self._permutation(epoch)[places[places // count == epoch] % count] for epoch in epochs]
        )

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch not in self._permutations:
            self._permutations = {e: p for e, p in self._permutations.items() if e == epoch - 1}
            rng = np.random.default_rng([self.seed, ROWS, epoch])
            self._permutations[epoch] = rng.permutation(len(self.rows))
        return self._permutations[epoch]


def check_inputs(images: np.ndarray, rows: np.ndarray, tokens: TokenSource, recipe: Recipe) -> None:
    size = recipe.student.image_size
    if images.ndim != 4 or images.shape[1:] != (size, size, 3) or images.dtype != np.uint8:
        raise UserError(
            f"Images are {images.dtype} {images.shape}, but the student reads uint8"
            f" (N, {size}, {size}, 3). Prepare the dataset at size {size}, or set image_size.",
            field="image_size",
        )
    if not len(rows):
        raise UserError("There are no images to pretrain on.", code="no-images")
    for view in recipe.views:
        if view not in KNOWN_VIEWS or view not in tokens.views:
            raise UserError(
                f"View {view!r} is not in the token cache. Available:"
                f" {', '.join(v for v in tokens.views if v in KNOWN_VIEWS)}.",
                field="views",
            )
