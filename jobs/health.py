"""The health of a dataset, with filter tokens as what the pictures are compared by."""

import numpy as np
import torch

from digpt.data.dataset import ImageDataset
from digpt.data.health import Health, examine
from digpt.data.measures import EMBEDDED, Embed
from digpt.reporter import Quiet, Reporter
from digpt.tokenizers import fitting
from digpt.tokenizers.quality import pool

FITTED_ON = 1_000  # pictures that the filters' components are taken from
BATCH = 128


def health(data: ImageDataset, reporter: Reporter) -> Health:
    """Findings on every picture, with pooled filter tokens as features."""
    return examine(data, embed=embedding(data), reporter=reporter)


def embedding(data: ImageDataset) -> Embed | None:
    """Mean and spread of filter tokens: texture and colour of a picture, no weights needed.

    None where there is no pool or training picture to take the filters' components from.
    """
    rows = data.indices("pool", "train")
    if not len(rows):
        return None
    if len(rows) > FITTED_ON:
        rows = rows[np.linspace(0, len(rows) - 1, FITTED_ON).round().astype(np.int64)]
    filters = fitting.fit(
        "filters",
        data.subset(rows),
        size=EMBEDDED,
        patch_size=EMBEDDED // 8,
        seed=0,
        device=torch.device("cpu"),
        reporter=Quiet(),
    )

    def embed(pictures: np.ndarray) -> np.ndarray:
        found = []
        for start in range(0, len(pictures), BATCH):
            images = torch.from_numpy(pictures[start : start + BATCH]).permute(0, 3, 1, 2)
            found.append(pool(filters.encode(images.float() / 255), None).numpy())
        return np.concatenate(found)

    return embed
