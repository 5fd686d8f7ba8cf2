"""Datasets of torchvision that are on disk: `torchvision:CIFAR10@/folder`.

Nothing is downloaded unless it is asked for: `torchvision:CIFAR10@/folder?download`.
"""

import io
from collections.abc import Iterator, Sequence
from typing import Any

from digpt.data.images import EncodedImages
from digpt.data.layouts import Item, Layout
from digpt.data.problems import Problem, refusal
from digpt.data.reasons import reason
from digpt.data.remarks import remark
from digpt.data.sources.base import SourceImages

PREFIX = "torchvision:"
_TRAIN = ({"train": True}, {"train": False})
_TWO = ({"split": "train"}, {"split": "test"})
_THREE = ({"split": "train"}, {"split": "val"}, {"split": "test"})
SETS: dict[str, tuple[dict[str, Any], ...]] = {  # the arguments that choose each split
    "MNIST": _TRAIN,
    "FashionMNIST": _TRAIN,
    "KMNIST": _TRAIN,
    "USPS": _TRAIN,
    "CIFAR10": _TRAIN,
    "CIFAR100": _TRAIN,
    "SVHN": _TWO,
    "GTSRB": _TWO,
    "Food101": _TWO,
    "StanfordCars": _TWO,
    "STL10": ({"split": "unlabeled"}, *_TWO),
    "DTD": _THREE,
    "FGVCAircraft": _THREE,
    "Flowers102": _THREE,
    "PCAM": _THREE,
    "RenderedSST2": _THREE,
    "Country211": ({"split": "train"}, {"split": "valid"}, {"split": "test"}),
    "OxfordIIITPet": ({"split": "trainval"}, {"split": "test"}),
    "Imagenette": ({"split": "train"}, {"split": "val"}),
    "EuroSAT": ({},),
    "SEMEION": ({},),
    "SUN397": ({},),
}
_SPLITS = {"unlabeled": "pool", "valid": "val", "trainval": "train"}


class TorchvisionSource:
    """The pictures of all splits, each as a PNG of what torchvision gives."""

    folders: tuple[str, ...] = ()

    def __init__(self, name: str, sets: Sequence[tuple[str | None, Any]]) -> None:
        self.kind = f"torchvision {name}"
        self.problems: list[Problem] = []
        self._places = {
            f"{split or 'all'}/{i:07d}.png": (one, i)
            for split, one in sets
            for i in range(len(one))
        }
        self.files = tuple(self._places)

    def read(self, path: str) -> bytes:
        one, index = self._places[path]
        out = io.BytesIO()
        one[index][0].convert("RGB").save(out, "PNG")
        return out.getvalue()

    def images(self, paths: Sequence[str]) -> EncodedImages:
        return SourceImages(self, paths)


def torchvision_set(address: str) -> tuple[TorchvisionSource, Layout]:
    """The source and layout of `torchvision:NAME@FOLDER`, with `?download` to fetch it first."""
    named, at, folder = address.removeprefix(PREFIX).partition("@")
    folder, _, option = folder.partition("?")
    if not at or not folder or option not in ("", "download"):
        raise refusal("torchvision-address", address, address=address)
    if named not in SETS:
        raise refusal("torchvision-unknown", address, name=named, available=tuple(sorted(SETS)))
    kinds = SETS[named]
    sets = [(_split_of(kind), _opened(named, folder, kind, bool(option))) for kind in kinds]
    source = TorchvisionSource(named, sets)
    items = [item for split, one in sets for item in _items(split, one)]
    return source, Layout([remark("as-torchvision", name=named)], items, [])


def _split_of(kind: dict[str, Any]) -> str | None:
    if "train" in kind:
        return "train" if kind["train"] else "test"
    return _SPLITS.get(kind["split"], kind["split"]) if kind else None


def _opened(name: str, folder: str, kind: dict[str, Any], download: bool) -> Any:
    from torchvision import datasets  # noqa: PLC0415 - torch takes seconds

    options = {"download": True} if download else {}
    try:
        return getattr(datasets, name)(folder, **kind, **options)
    except (RuntimeError, OSError, ValueError) as error:
        words = str(error).splitlines()[0]
        facts = {"name": name, "folder": folder, "reason": reason("told", words=words)}
        raise refusal("torchvision-missing", folder, **facts) from error


def _items(split: str | None, one: Any) -> Iterator[Item]:
    names = [str(name) for name in getattr(one, "classes", [])]
    for index, label in enumerate(_labels(one)):
        number = int(label)
        name = names[number] if 0 <= number < len(names) else str(number)
        place = split if split == "pool" or number >= 0 else "pool"
        yield Item(f"{split or 'all'}/{index:07d}.png", name if number >= 0 else None, place)


def _labels(one: Any) -> Any:
    """All labels at once where torchvision has them, else one picture after the other."""
    for name in ("targets", "labels", "_labels"):
        found = getattr(one, name, None)
        if found is not None and len(found) == len(one):
            return found
    return (one[index][1] for index in range(len(one)))
