"""scikit-learn's handwritten digits: 1,797 real scans, small and always at hand."""

from typing import Any

import numpy as np

from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.data.fingerprint import fingerprint, pixel_hash
from digpt.data.images import ArrayImages
from digpt.data.splits import assign
from digpt.errors import UserError
from digpt.reporter import Quiet, Reporter

COUNT = 1797
SIDE = 32
SPLITS = {"pool": 0.4, "train": 0.3, "val": 0.1, "test": 0.2}


def digits(n: int = COUNT, seed: int = 0, reporter: Reporter | None = None) -> ImageDataset:
    """Digits 0 to 9 as uint8 RGB (n, 32, 32, 3), split pool/train/val/test by class."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  # half a second to import

    if not 100 <= n <= COUNT:
        raise UserError(
            f"The digits have 100 to {COUNT} images to give, not {n}.",
            code="bad-count",
            field="n",
            name="digits",
            least=100,
            most=COUNT,
            value=n,
        )
    (reporter or Quiet()).check()
    scans: Any = load_digits()  # its type depends on its arguments
    rows = np.sort(np.random.default_rng(seed).permutation(COUNT)[:n])
    labels = np.asarray(scans.target, np.int64)[rows]
    split = assign(labels, None, SPLITS, seed)
    labels = np.where(split == "pool", UNLABELLED, labels)
    images = ArrayImages(_enlarge(np.asarray(scans.images)[rows]))
    ids = np.array([f"digit_{row:04d}" for row in rows])
    classes = tuple("0123456789")
    return ImageDataset(
        name="digits",
        classes=classes,
        images=images,
        labels=labels,
        split=split,
        ids=ids,
        fingerprint=fingerprint(
            [pixel_hash(image) for image in images.array],
            classes=classes,
            labels=labels,
            split=split,
            ids=ids,
            groups=None,
            columns={},
        ),
        image_size=(SIDE, SIDE),
        source="UCI optical recognition of handwritten digits, as shipped with scikit-learn",
        licence="CC-BY-4.0",
        notes=("The scans are 8 × 8 pixels with 17 grey levels, enlarged fourfold.",),
    )


def _enlarge(scans: np.ndarray) -> np.ndarray:
    """Grey 0 to 16 (n, 8, 8) -> uint8 RGB (n, 32, 32, 3), each pixel a 4 × 4 block."""
    grey = np.round(scans * (255 / 16)).astype(np.uint8)
    large = grey.repeat(SIDE // 8, axis=1).repeat(SIDE // 8, axis=2)  # (n, 32, 32)
    return np.repeat(large[..., None], 3, axis=3)
