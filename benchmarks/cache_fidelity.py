"""What does the token cache cost in accuracy? `python -m benchmarks.cache_fidelity --out DIR`.

Pretrains D-iGPT on the built-in surfaces in four ways, over several seeds: whole images and their
mirrors from the cache; K fixed random crops from the cache; random crops whose tokens are taken
from the cached whole image (RoI-align); and random crops with the tokenizer in every step, which is
the published way and the reference. Exit 1 if the cached crops lose significantly anywhere, 3 if
cells are missing because the minutes were over: the same call goes on.
"""

import argparse
from dataclasses import replace

from benchmarks.ways import Ways, arguments_of, judge
from digpt.recipe import PRESETS

REFERENCE = "online crops"
CACHED = "cached crops"


def main(arguments: list[str] | None = None) -> int:
    parser = arguments_of(__doc__)
    parser.add_argument("--views", type=int, default=8, help="fixed crops that are cached")
    parser.add_argument("--smallest", type=float, default=0.2, help="share of a crop, at least")
    options = parser.parse_args(arguments)
    return judge(
        options, ways(options), reference=REFERENCE, is_judged=lambda name: name.startswith(CACHED)
    )


def ways(options: argparse.Namespace) -> Ways:
    """The four ways; crops are cut from images kept at twice the student's side."""
    whole = replace(PRESETS[options.preset].pretrain, images_seen=options.images_seen)
    side = 2 * whole.student.image_size
    crops = replace(whole, crop_scale=(options.smallest, 1.0), stored_size=side)
    fixed = tuple(f"crop{n + 1}" for n in range(options.views))
    return {
        "whole images": whole,
        f"{CACHED}, {options.views} each": replace(crops, views=fixed),
        "crops by RoI-align": replace(crops, crops="rois"),
        REFERENCE: replace(crops, crops="online"),
    }


if __name__ == "__main__":
    raise SystemExit(main())
