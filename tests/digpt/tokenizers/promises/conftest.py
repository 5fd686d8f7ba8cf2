"""A small dataset of stripes, and tokenizers fitted to it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.data.images import ArrayImages
from digpt.reporter import Quiet
from digpt.tokenizers import domain_clip, fitting, tuned_clip
from digpt.tokenizers.base import Tokenizer
from digpt.tokenizers.names import parse

SIZE, PATCH = 16, 4
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
TOWERS = {
    "tiny-vit": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 32},
    "tiny-resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
    "tiny-convnext": {
        "timm_model_name": "test_convnext",
        "timm_model_pretrained": False,
        "timm_pool": "",
        "timm_proj": "linear",
        "image_size": 160,
    },
}
NETWORKS = ("test_vit", "test_convnext", "test_resnet")
SPLIT = np.repeat(["pool", "train", "val", "test"], [240, 80, 40, 40])
FEW = 3 * domain_clip.BATCH  # samples that a trained one sees here


def stripes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (count, S, S, 3) of noisy stripes, and 1 where they stand upright."""
    rng = np.random.default_rng(seed)
    upright = rng.integers(0, 2, count)
    wave = np.sin(np.arange(SIZE) * 2 * np.pi / 4 + rng.uniform(0, 6, (count, 1)))
    plain = np.repeat(wave[:, None, :], SIZE, axis=1)  # (count, S, S)
    plain = np.where(upright[:, None, None] == 1, plain, plain.transpose(0, 2, 1))
    colour = rng.uniform(0.3, 1, (count, 1, 1, 3))
    noise = rng.normal(0, 0.1, (count, SIZE, SIZE, 3))
    pixels = (0.5 + 0.3 * plain[..., None] * colour + noise).clip(0, 1)
    return (pixels * 255).astype(np.uint8), upright


@pytest.fixture(scope="session")
def dataset() -> ImageDataset:
    pixels, upright = stripes(len(SPLIT), seed=0)
    words = np.array([f"a surface with {n} specks" for n in ("no", "few", "many", "fine")])
    return ImageDataset(
        name="stripes",
        classes=("lying", "upright"),
        images=ArrayImages(pixels),
        labels=np.where(SPLIT == "pool", UNLABELLED, upright),
        split=SPLIT,
        ids=np.array([f"{n:04d}" for n in range(len(SPLIT))]),
        fingerprint="stripes",
        captions={"caption": words[np.arange(len(SPLIT)) % 4]},
        image_size=(SIZE, SIZE),
    )


@pytest.fixture(scope="session")
def elsewhere(dataset: ImageDataset) -> ImageDataset:
    """The same dataset with other pixels, labels and captions in validation and test."""
    rows = dataset.indices("val", "test")
    pixels = np.array(dataset.images.load(np.arange(len(dataset)), SIZE))
    pixels[rows] = 255 - stripes(len(rows), seed=9)[0]
    labels = dataset.labels.copy()
    labels[rows] = 1 - labels[rows]
    captions = dataset.captions["caption"].astype("<U80")
    captions[rows] = "something else altogether"
    other = ArrayImages(pixels)
    return replace(dataset, images=other, labels=labels, captions={"caption": captions})


@pytest.fixture(scope="session")
def fit() -> Iterator[Callable[..., Tokenizer]]:
    """Fits a tokenizer by name, its base too; those that are trained see little."""

    def make(name: str, data: ImageDataset, seed: int = 0) -> Tokenizer:
        parsed = parse(name)
        base = (
            make(parsed.base.canonical, data, seed) if parsed.needs_base and parsed.base else None
        )
        return fitting.fit(
            name,
            data,
            size=SIZE,
            patch_size=PATCH,
            seed=seed,
            base=base,
            device=torch.device("cpu"),
            reporter=Quiet(),
        )

    with pytest.MonkeyPatch.context() as patch:
        for trained in (domain_clip.train, tuned_clip.tune):
            assert trained.__kwdefaults__
            patch.setitem(trained.__kwdefaults__, "samples_seen", FEW)
        yield make


@pytest.fixture(scope="session")
def fitted(dataset: ImageDataset, fit: Callable[..., Tokenizer]) -> Callable[[str], Tokenizer]:
    """The tokenizer of that name with seed 0, fitted once."""
    made: dict[str, Tokenizer] = {}

    def get(name: str) -> Tokenizer:
        if name not in made:
            made[name] = fit(name, dataset)
        return made[name]

    return get


@pytest.fixture(scope="session")
def images(dataset: ImageDataset) -> torch.Tensor:
    """The first 12 images, (12, 3, S, S) in [0, 1]."""
    pixels = np.array(dataset.images.load(np.arange(12), SIZE))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny weights files: NAME.pt and NAME.safetensors."""
    import open_clip  # noqa: PLC0415 - seconds
    import timm  # noqa: PLC0415
    from safetensors.torch import save_file  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("weights")
    for name, vision in TOWERS.items():
        about = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": TEXT}
        (folder / f"{name}.json").write_text(json.dumps(about))
    open_clip.add_model_config(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        models = {n: open_clip.create_model(n) for n in TOWERS}
        models |= {n: timm.create_model(n, num_classes=0) for n in NETWORKS}
    for name, model in models.items():
        torch.save(model.state_dict(), folder / f"{name}.pt")
        save_file(model.state_dict(), folder / f"{name}.safetensors")
    return folder
