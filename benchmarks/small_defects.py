"""Does a window lose small defects? `python -m benchmarks.small_defects --out DIR`.

Each picture is a tray of 4 × 4 built-in surfaces, so that a mark is one or two hundredths of it; a
linear probe tells the state of every surface from the patches that cover it. D-iGPT is pretrained
on trays at half and at full size, in 2 × 2 clusters and in 4 × 4 with and without a window. Test
surfaces count as independent, though a tray's sixteen see one another. The same call goes on when
it was stopped.
"""

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch

from benchmarks.cells import DEVICE, Cell, Lab, against, machine, table
from digpt.data.dataset import SPLITS, UNLABELLED, ImageDataset, Images
from digpt.data.images import resized
from digpt.data.prepared import pixels
from digpt.data.surfaces import surfaces
from digpt.models.vit import ViT, normalise
from digpt.recipe import Recipe, Student
from digpt.transfer.encoders import Encoder
from digpt.transfer.features import as_images
from digpt.transfer.probe import probe

SIDE = 4  # surfaces along a tray's side
FULL, PATCH = 256, 16
REFERENCE = f"{FULL} px, 2 × 2"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of what is measured")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="then stop cleanly")
    parser.add_argument("--surfaces", type=int, default=10_000, help="on trays of sixteen")
    parser.add_argument("--images-seen", type=int, default=3_000, help="trays, in pretraining")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    lab = Trays(options.out, trays(surfaces(options.surfaces)), budgets=["all"])
    cells = [
        Cell(name=name, method="digpt", tokenizer=tokenizer, recipe=recipe, seed=seed)
        for seed in range(options.seeds)
        for name, (recipe, tokenizer) in ways(options.images_seen).items()
    ]
    records = lab.run(cells, options.minutes)
    print(f"{machine()}\n{vars(options)}\n{len(records)} of {len(cells)} cells\n")
    print(table(records, ["all"], lab.labels()), end="\n\n")
    print(against(records, REFERENCE, ["all"], lab.labels())[0])
    return 0 if len(records) == len(cells) else 3


def ways(images_seen: int) -> dict[str, tuple[Recipe, str | None]]:
    """Recipe and tokenizer of each row."""

    def recipe(side: int, clusters: int, window: int = 0) -> Recipe:
        shape = Student(
            image_size=side, patch_size=PATCH, clusters=(clusters, clusters), taps=(2, 4)
        )
        return Recipe(student=shape, window=window, images_seen=images_seen, batch_size=8, lr=1e-3)

    return {
        f"{FULL // 2} px, 2 × 2": (recipe(FULL // 2, 2), "filters"),
        REFERENCE: (recipe(FULL, 2), "filters"),
        f"{FULL} px, 4 × 4": (recipe(FULL, 4), "filters"),
        f"{FULL} px, 4 × 4, window 3": (recipe(FULL, 4, 3), "filters"),
        f"{FULL} px, 4 × 4, window 1": (recipe(FULL, 4, 1), "filters"),
        f"{FULL} px, not pretrained": (recipe(FULL, 2), None),
    }


@dataclass(frozen=True, slots=True)
class TrayImages:
    """Pictures of SIDE × SIDE surfaces each; `rows` (N, SIDE * SIDE) says which."""

    surfaces: Images
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def load(self, indices: Sequence[int] | np.ndarray, size: int) -> np.ndarray:
        rows = self.rows[np.asarray(indices)]  # (n, SIDE * SIDE)
        parts = self.surfaces.load(rows.flatten(), FULL // SIDE)
        grid = parts.reshape(len(rows), SIDE, SIDE, *parts.shape[1:]).swapaxes(2, 3)
        return resized(grid.reshape(len(rows), FULL, FULL, 3), size)


def trays(dataset: ImageDataset) -> ImageDataset:
    """The surfaces of each split on trays, in an order that mixes their states."""
    drawn = np.random.default_rng(0)
    rows, split = [], []
    for name in SPLITS:
        own = drawn.permutation(dataset.indices(name))
        own = own[: len(own) // SIDE**2 * SIDE**2].reshape(-1, SIDE**2)
        rows.append(own)
        split += [name] * len(own)
    on = np.concatenate(rows)
    facts = dataset.fingerprint.encode() + on.tobytes()
    return ImageDataset(
        name="trays",
        classes=dataset.classes,
        images=TrayImages(dataset.images, on),
        labels=np.full(len(on), UNLABELLED),
        split=np.array(split),
        ids=np.array([f"tray_{i:05d}" for i in range(len(on))]),
        attributes={f"state_{i:02d}": dataset.labels[on[:, i]] for i in range(SIDE**2)},
        fingerprint=hashlib.sha256(facts).hexdigest(),
        image_size=(FULL, FULL),
    )


class Trays(Lab):
    """Judges a student by the state of each surface on the test trays."""

    def labels(self) -> np.ndarray:
        return self._states("test")

    def _states(self, split: str) -> np.ndarray:
        """Of the surfaces on the trays of a split, tray by tray, (n * SIDE * SIDE,)."""
        rows = self.dataset.indices(split)
        states = [self.dataset.attributes[f"state_{i:02d}"][rows] for i in range(SIDE**2)]
        return np.stack(states, axis=1).flatten()

    def _predictions(self, encoder: Encoder, size: int) -> dict[str, list[str]]:
        images = pixels(self._prepared(size))
        features = {
            split: _of_surfaces(encoder, images[self.dataset.indices(split)])
            for split in ("train", "val", "test")
        }
        labels = {split: self._states(split) for split in ("train", "val")}
        made = probe(features, labels, classes=len(self.dataset.classes)).test
        return {"all": [" ".join(map(str, made.argmax(axis=1)))]}


@torch.no_grad()
def _of_surfaces(encoder: Encoder, images: np.ndarray) -> np.ndarray:
    """Mean and deviation of the patch features of each surface on trays (n, S, S, 3), tray by
    tray, (n * SIDE * SIDE, 2 D)."""
    encoder.eval()
    vit = cast(ViT, encoder.vit)
    found = []
    for start in range(0, len(images), 64):
        seen = normalise(as_images(images[start : start + 64], DEVICE))
        grid = vit.features(seen).patches  # (b, h, w, D)
        own = grid.unflatten(2, (SIDE, -1)).unflatten(1, (SIDE, -1))
        parts = [own.mean(dim=(2, 4)), own.std(dim=(2, 4))]  # (b, SIDE, SIDE, D) each
        found.append(torch.cat(parts, dim=-1).flatten(0, 2).numpy())
    return np.concatenate(found)


if __name__ == "__main__":
    raise SystemExit(main())
