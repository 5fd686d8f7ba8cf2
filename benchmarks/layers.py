"""Which layer of a recogniser tells most? The default of `?layer=` rests on this.

`python -m benchmarks.layers DATASET --tokenizers NAME ... [--own] [--images N]` prints what linear
readers tell from the tokens of each layer of each `clip:`, `timm:` or `domain-clip(clip:...)`
tokenizer, on validation images, which no fitting saw. DATASET is a built-in set or a folder to
import. `--own` adds a small CLIP that is trained here, on the dataset's captions, from random
weights: for machines without published ones.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from digpt import data as datasets
from digpt.data.dataset import ImageDataset
from digpt.data.importers import read
from digpt.data.prepared import load_prepared, prepare
from digpt.errors import UserError
from digpt.reporter import Quiet
from digpt.tokenizers import fitting, tuned_clip
from digpt.tokenizers.clip import Clip
from digpt.tokenizers.names import FAMILIES
from digpt.tokenizers.quality import Measure, check
from digpt.tokenizers.timm import Timm

OWN = "pilot-tiny"
OWN_CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {
        "image_size": 32, "patch_size": 8, "width": 128, "layers": 6, "head_width": 32,
    },
    "text_cfg": {
        "context_length": 32, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 2,
    },
}  # fmt: skip
OWN_RATE = 1e-3  # from random weights; tuning takes far smaller steps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--tokenizers", nargs="*", default=[])
    parser.add_argument("--own", action="store_true")
    parser.add_argument("--images", type=int, default=4_000, help="of a built-in set")
    parser.add_argument("--size", type=int, default=32, help="pixels that images are kept at")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        dataset = _prepared(options.dataset, options.images, options.size, Path(scratch))
        names = [*options.tokenizers]
        if options.own:
            names.append(_own(Path(scratch)))
        unseen = dataset.subset(dataset.indices("val"))
        print("tokenizer | layer | width | images told (95%) | single tokens (95%) | chance")
        for name in names:
            _measure(name, dataset, unseen, options.size)
    return 0


def _measure(name: str, dataset: ImageDataset, unseen: ImageDataset, size: int) -> None:
    """One line for each layer; the tokenizer is fitted once."""
    tokenizer = fitting.fit(
        name,
        dataset,
        size=size,
        patch_size=size // 4,
        seed=0,
        device=torch.device("cpu"),
        reporter=Quiet(),
    )
    for layer in _layers(tokenizer):
        tokenizer.layer = layer
        found = check(tokenizer, unseen, reporter=Quiet())
        width = tokenizer.encode(torch.zeros(1, 3, size, size)).patches.shape[-1]
        shown = (_said(found.decodability), _said(found.token_decodability))
        print(name, layer, width, *shown, f"{found.chance:.1%}", sep=" | ", flush=True)
    if facts := getattr(tokenizer, "facts", {}):
        print(json.dumps(facts))


def _layers(tokenizer: object) -> Sequence[str]:
    if isinstance(tokenizer, Clip):
        return FAMILIES["clip"].options["layer"]
    if isinstance(tokenizer, Timm):
        return FAMILIES["timm"].options["layer"]
    raise UserError("Name clip:, timm: or domain-clip(clip:...) tokenizers: others have no layers.")


def _own(folder: Path) -> str:
    """The name of a small CLIP with random weights, all of which tuning will train."""
    import open_clip  # noqa: PLC0415 - optional, seconds

    (folder / f"{OWN}.json").write_text(json.dumps(OWN_CONFIG))
    open_clip.add_model_config(folder / f"{OWN}.json")
    torch.manual_seed(0)
    weights = folder / f"{OWN}.pt"
    torch.save(open_clip.create_model(OWN).state_dict(), weights)
    tuned_clip.LEARNING_RATE = OWN_RATE
    return f"domain-clip?blocks=all(clip:{OWN}@{weights})"


def _prepared(name: str, images: int, size: int, folder: Path) -> ImageDataset:
    if name in datasets.BUILTIN:
        found = datasets.builtin(name, n=images) if name == "surfaces" else datasets.builtin(name)
    else:
        imported = read(Path(name), name=Path(name).name, skip_bad=True).dataset
        assert imported is not None, f"{name} cannot be imported; digpt data check says why"
        found = imported
    prepare(found, folder / "data", size=size, reporter=Quiet())
    return load_prepared(folder / "data")


def _said(measure: Measure) -> str:
    return f"{measure.value:.1%} ({measure.low:.1%} to {measure.high:.1%})"


if __name__ == "__main__":
    raise SystemExit(main())
