"""About how many FLOPs tokenizers take, for estimates only: measured history corrects these hints.

A published recogniser sees images at its own size whatever the pilot's. What kind of ViT it is its
name tells; others are counted, which takes the library that builds them.
"""

import re
from collections.abc import Mapping

from digpt.flops import encoder_flops
from digpt.recipe import Student
from digpt.tokenizers.names import TokenizerName, tuned_samples

TOKEN_FLOPS: Mapping[str, float] = {"pixels": 10, "hog": 200, "filters": 7e4}  # per pixel
FIT_FLOPS: Mapping[str, float] = {"pixels": 1, "hog": 1, "filters": 2e4, "domain-clip": 4e5}
TOWER_FLOPS = 3e4  # per pixel, of the small in-domain tower, and of fitting what is not named above
PUBLISHED_FLOPS = 1e10  # per image, where the library has no such model: it is refused later
# Of a sample, in units of its tokens: both towers forwards, their last blocks or all backwards, and
# the looks at what is held out.
TUNING, TUNING_ALL = 2.5, 5.5

# What open_clip's and timm's names say: ViT-L-14-336, vit_small_patch14_dinov2.lvd142m
_KIND = re.compile(
    r"(?:^|[-_])(tiny|s|small|b|base|l|large|so400m|h|huge|g|giant|bigg)[-_](?:patch)?(\d\d)(?!\d)",
    re.IGNORECASE,
)
_SIDE = re.compile(r"(?<!\d)\d{3}(?!\d)")
_SIZES: Mapping[str, tuple[int, int]] = {  # width, depth
    "tiny": (192, 12),
    **dict.fromkeys(("s", "small"), (384, 12)),
    **dict.fromkeys(("b", "base"), (768, 12)),
    **dict.fromkeys(("l", "large"), (1024, 24)),
    "so400m": (1152, 27),
    **dict.fromkeys(("h", "huge"), (1280, 32)),
    **dict.fromkeys(("g", "giant"), (1408, 40)),
    "bigg": (1664, 48),
}


def token_flops(name: TokenizerName, image_size: int) -> float:
    """For the tokens of one image."""
    if name.facts.needs_weights:
        return _published(name.family, name.argument or "", dict(name.options).get("size"))
    if name.base is not None:  # codes, a tuned recogniser or an untrained one: as what it is of
        return token_flops(name.base, image_size)
    return TOKEN_FLOPS.get(name.family, TOWER_FLOPS) * image_size**2


def fit_flops(name: TokenizerName, image_size: int, images: int) -> float:
    """For fitting, per image of the `images` that it learns from."""
    if name.tunes:
        sample = TUNING_ALL if name.option("blocks") == "all" else TUNING
        return sample * tuned_samples(images) * token_flops(name, image_size) / max(images, 1)
    return FIT_FLOPS.get(name.family, TOWER_FLOPS) * image_size**2


def _published(family: str, argument: str, size: str | None) -> float:
    """Of a model that is not ours, by its name and the size that was asked for."""
    whole = argument.partition("@")[0].strip()
    model = whole.partition(".")[0]
    kind = _KIND.search(model)
    if kind is None:
        from digpt.tokenizers.work import counted_flops  # noqa: PLC0415 - torch, timm: seconds

        known = model if family == "timm" else whole
        return counted_flops(family, known, int(size) if size else None) or PUBLISHED_FLOPS
    dim, depth = _SIZES[kind[1].lower()]
    said = _SIDE.findall(model)
    side = int(size or (said[-1] if said else 518 if "dinov2" in model else 224))
    return encoder_flops(Student(image_size=side, patch_size=int(kind[2]), dim=dim, depth=depth))
