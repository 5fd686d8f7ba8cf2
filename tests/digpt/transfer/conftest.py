"""A toy world: tiny images whose class is a bright bar's direction and place."""

import numpy as np
import pytest
import torch
from torch import nn

from digpt.data.dataset import ImageDataset
from digpt.transfer.encoders import Encoder

SIDE = 16


class Conv(Encoder):
    """Two small convolutions: enough to tell the toy classes apart when tuned."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.1, generator=generator)

    def forward(self, images):
        return self.layers(images - 0.5)


class Memory:
    """Images in an array, as a prepared dataset has them."""

    def __init__(self, array):
        self.array = array

    def __len__(self):
        return len(self.array)

    def load(self, indices, size):
        assert size == self.array.shape[1]
        return self.array[indices]


@pytest.fixture(scope="session")
def dataset():
    """240 noisy images of 4 classes: a bar lying or standing, bright or dark."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 4
    images = rng.normal(128, 25, (240, SIDE, SIDE, 3))
    for image, label in zip(images, labels, strict=True):
        at = rng.integers(5, SIDE - 7)
        bar = (slice(at, at + 3), slice(None)) if label % 2 else (slice(None), slice(at, at + 3))
        image[bar] += 80 if label < 2 else -80
    array = images.clip(0, 255).astype(np.uint8)
    splits = np.array(["train"] * 120 + ["val"] * 60 + ["test"] * 60)
    return ImageDataset(
        name="bars",
        classes=("a", "b", "c", "d"),
        images=Memory(array),
        labels=labels,
        split=splits,
        ids=np.arange(240).astype(str),
        fingerprint="bars",
        image_size=(SIDE, SIDE),
    )


@pytest.fixture
def conv():
    return Conv()


@pytest.fixture
def conv_with_dropout():
    return Conv(dropout=0.3)
