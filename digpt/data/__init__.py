"""Images with what is known about them: built-in sets, import, storage, splits.

Importing this needs numpy and Pillow only.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from digpt.data import card, digits, surfaces
from digpt.data.dataset import SPLITS, UNLABELLED, ImageDataset, Images
from digpt.data.prepared import load_prepared, prepare
from digpt.data.stored import open_dataset, store_dataset
from digpt.errors import UserError, pick

BUILTIN: dict[str, Callable[..., ImageDataset]] = {
    "surfaces": surfaces.surfaces,
    "digits": digits.digits,
}


def builtin(name: str, **options: Any) -> ImageDataset:
    """A built-in dataset by name; options are its function's: n, seed, reporter."""
    make = pick(BUILTIN, name, "built-in dataset")
    unknown = sorted(set(options) - {"n", "seed", "reporter"})
    if unknown:
        raise UserError(
            f"Built-in dataset {name!r} has no option {unknown[0]!r}. It takes n and seed.",
            code="unknown-option",
            field=unknown[0],
        )
    return make(**options)


@lru_cache(maxsize=32)
def describe(name: str, **options: int) -> Mapping[str, Any]:
    """The card of a built-in dataset, remembered: treat it as read-only."""
    return card.card(builtin(name, **options))


@lru_cache(maxsize=8)
def sample_thumbnails(name: str, n: int = 24) -> list[tuple[str, bytes]]:
    """(class, PNG) of n images of a built-in dataset, remembered like `describe`."""
    return card.thumbnails(builtin(name), n)


__all__ = [
    "BUILTIN",
    "SPLITS",
    "UNLABELLED",
    "ImageDataset",
    "Images",
    "builtin",
    "describe",
    "load_prepared",
    "open_dataset",
    "prepare",
    "sample_thumbnails",
    "store_dataset",
]
