"""About how many FLOPs tokenizers take, for estimates only: measured history corrects these hints.

A published recogniser sees images at its own size whatever the pilot's, so it has one figure: about
that of a ViT-B/32 or a ResNet-50 at 224 px.
"""

from collections.abc import Mapping

from digpt.tokenizers.names import TokenizerName

TOKEN_FLOPS: Mapping[str, float] = {"pixels": 10, "hog": 200, "filters": 4e3}  # per pixel
FIT_FLOPS: Mapping[str, float] = {"pixels": 1, "hog": 1, "filters": 5e3, "domain-clip": 4e5}
TOWER_FLOPS = 3e4  # per pixel, of the small in-domain tower, and of fitting what is not named above
PUBLISHED_FLOPS = 1e10  # per image
TUNING_FLOPS = 2.5 * PUBLISHED_FLOPS  # per sample: both towers, and their last blocks backwards
TUNING_SAMPLES = 16_000


def token_flops(name: TokenizerName, image_size: int) -> float:
    """For the tokens of one image."""
    if name.facts.needs_weights:
        return PUBLISHED_FLOPS
    if name.base is not None:  # codes, a tuned recogniser or an untrained one: as what it is of
        return token_flops(name.base, image_size)
    return TOKEN_FLOPS.get(name.family, TOWER_FLOPS) * image_size**2


def fit_flops(name: TokenizerName, image_size: int, images: int) -> float:
    """For fitting, per image of the `images` that it learns from."""
    if name.tunes:
        return TUNING_SAMPLES * TUNING_FLOPS / max(images, 1)
    return FIT_FLOPS.get(name.family, TOWER_FLOPS) * image_size**2
