"""What a step reads: images and their tokens, in an order and in views that the seed fixes."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from digpt.data.views import PLAIN, Views, check_views, draw_boxes, pixel_boxes, see
from digpt.errors import UserError, pick
from digpt.pretrain.randomness import ROWS, VIEWS
from digpt.pretrain.rois import tokens_within
from digpt.recipe import CROPS, Recipe


class TokenSource(Protocol):
    """Tokens of N images in one or more views; `digpt.tokenizers.cache` writes them."""

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
    def crop_scale(self) -> tuple[float, float]: ...  # of the views that crop
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


@runtime_checkable
class Teacher(Protocol):
    """A token source that also reads images it has never seen; `digpt.tokenizers.online`."""

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Tokens and global tokens of uint8 images (B, s, s, 3)."""
        ...


class Batch(NamedTuple):
    """What a process computes of one step's batch, on the host."""

    images: np.ndarray  # (B, S, S, 3) uint8
    tokens: np.ndarray
    global_token: np.ndarray | None

    def first(self) -> "Batch":
        """Its first image alone."""
        whole = self.global_token
        return Batch(self.images[:1], self.tokens[:1], None if whole is None else whole[:1])


class Feed:
    """Batches by number: every epoch is a permutation, and a batch may span two of them.

    Views and crops are cut from uint8 images while the step before is in use. `part` is what this
    process computes of each batch, all of it when not given: no other image is cut, or seen by an
    online tokenizer.
    """

    def __init__(
        self,
        images: np.ndarray,
        rows: np.ndarray,
        tokens: TokenSource,
        recipe: Recipe,
        seed: int,
        part: range | None = None,
    ) -> None:
        self.images, self.rows, self.tokens, self.recipe = images, rows, tokens, recipe
        self.batch_size, self.seed, self.size = recipe.batch_size, seed, recipe.student.image_size
        self.part = range(self.batch_size) if part is None else part
        self._permutations: dict[int, np.ndarray] = {}
        self.teacher: Teacher | None = None
        if recipe.crops == "online" and isinstance(tokens, Teacher):
            self.teacher = tokens
        if recipe.crops == "cached":
            self.views = Views(recipe.views, len(rows), recipe.crop_scale, self.size)
            self.places = np.array([tokens.views.index(view) for view in recipe.views])

    def batch(self, step: int) -> Batch:
        """The part of a step's batch, the same whenever it is asked for."""
        part = slice(self.part.start, self.part.stop)
        chosen = self._chosen(step)[part]  # (B,)
        rng = np.random.default_rng([self.seed, VIEWS, step])
        views = rng.integers(len(self.recipe.views), size=self.batch_size)[part]
        images = self.images[self.rows[chosen]]  # (B, S, S, 3)
        if self.recipe.crops == "cached":
            seen = self.views.see(images, chosen, views)
            return Batch(seen, *self.tokens.read(chosen, self.places[views]))
        boxes = draw_boxes(self.batch_size, self.recipe.crop_scale, rng)[part]  # (B, 4)
        mirrored = np.array([view == "flip" for view in self.recipe.views])[views]
        seen = see(images, boxes, mirrored, self.size)
        if self.teacher is not None:
            return Batch(seen, *self.teacher.encode(seen))
        whole = np.full(len(chosen), self.tokens.views.index("identity"))
        tokens, shared = self.tokens.read(chosen, whole)  # the global token of the whole image
        side = images.shape[1]
        return Batch(seen, tokens_within(tokens, pixel_boxes(boxes, side) / side, mirrored), shared)

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
    side = recipe.stored_size or recipe.student.image_size
    if images.ndim != 4 or images.shape[1:] != (side, side, 3) or images.dtype != np.uint8:
        raise UserError(
            f"Images are {images.dtype} {images.shape}, but the student reads uint8"
            f" (N, {side}, {side}, 3). Prepare the dataset at size {side}, or set image_size.",
            field="image_size",
        )
    if not len(rows):
        raise UserError("There are no images to pretrain on.", code="no-images")
    pick(dict.fromkeys(CROPS), recipe.crops, "crops")
    check_views(recipe.views, recipe.crop_scale)
    _check_source(tokens, recipe)


def _check_source(tokens: TokenSource, recipe: Recipe) -> None:
    """Raise `UserError` unless the tokens suit how the recipe crops."""
    if recipe.crops == "online" and not isinstance(tokens, Teacher):
        raise UserError(
            "Crops are online, but the tokens come from a cache: give the tokenizer itself, or set"
            " crops to cached or rois.",
            field="crops",
        )
    if recipe.crops != "cached" and any(view not in PLAIN for view in recipe.views):
        raise UserError(
            f"Views that crop are for cached crops only; with crops {recipe.crops} every view is"
            " cropped anew. Let views be identity and flip, or set crops to cached.",
            field="views",
        )
    needed = {"cached": recipe.views, "rois": ("identity",)}.get(recipe.crops, ())
    for view in needed:
        if view not in tokens.views:
            raise UserError(
                f"View {view!r} is not in the token cache. Available: {', '.join(tokens.views)}.",
                field="views",
            )
    if any(view not in PLAIN for view in needed) and tokens.crop_scale != recipe.crop_scale:
        raise UserError(
            f"The token cache has crops of {tokens.crop_scale}, the recipe of {recipe.crop_scale}."
            " Make the tokens anew, or set crop_scale as it was.",
            field="crop_scale",
        )
