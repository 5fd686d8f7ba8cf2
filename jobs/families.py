"""Tokenizer families as cards to choose from: no torch, so that a page can list them at once."""

import importlib.util
from collections import Counter

from digpt.tokenizers.names import COLUMN, FAMILIES, FEWEST_CAPTIONED, Family, most_captioned
from jobs import governance
from jobs.views import DatasetView, TokenizerView

EXAMPLES = {  # how a family that needs an argument may be written
    "codebook": "codebook:512(domain-clip)",
    "clip": "clip:ViT-B-32@laion2b_s34b_b79k",
    "timm": "timm:vit_small_patch14_dinov2.lvd142m",
}
OWN = "codebook:{k}(filters)"  # where images are too few for a domain-clip to make codes of
TOO_FEW = "few-images"  # the remark on what a dataset cannot carry
MOST_CODES = (128, 64, 32, 16)  # of filters


def codes_for(data: DatasetView) -> int | None:
    """The codes of filters that surely fit this many images; None where none do.

    A check fits on about half of the pool and training images, groups may make it a quarter, and
    images of 32 px have 16 tokens each, of which a code needs two.
    """
    images = sum(_learned_from(data).values())
    return next((k for k in MOST_CODES if images // 4 * 16 >= 2 * k), None)


def is_too_small(data: DatasetView) -> bool:
    """Whether the images that can have a caption are fewer than a domain-clip needs."""
    train = data.counts.get("train", {})
    labelled = sum(n for label, n in train.items() if label)  # the pool's classes stay unread
    most = most_captioned(None, data.captioned, {}, labelled=labelled)
    return most < FEWEST_CAPTIONED


def _learned_from(data: DatasetView) -> Counter[str]:
    """Pool and training images by class, "" for those without one."""
    return Counter(data.counts.get("train", {})) + Counter(data.counts.get("pool", {}))


def tokenizers(data: DatasetView | None) -> list[TokenizerView]:
    """One card for each family, with an example name where the family needs an argument."""
    return [_card(family, facts, data) for family, facts in FAMILIES.items()]


def _card(family: str, facts: Family, data: DatasetView | None) -> TokenizerView:
    ready, remark = True, ""
    if facts.needs_weights:
        ready, remark = False, "needs-weights"
    elif facts.needs_captions and data is not None and is_too_small(data):
        ready, remark = False, TOO_FEW
    elif facts.needs_captions and data is not None and COLUMN not in data.captioned:
        remark = "captions-from-labels"
    if family in ("clip", "domain-clip") and importlib.util.find_spec("open_clip") is None:
        ready, remark = False, "needs-open-clip"
    name = EXAMPLES.get(family, family)
    if family == "codebook" and data is not None and is_too_small(data):
        codes = codes_for(data)
        name = OWN.format(k=codes or MOST_CODES[-1])
        ready, remark = (True, "") if codes else (False, TOO_FEW)
    known = governance.facts(name)
    return TokenizerView(
        name=name,
        family=family,
        description=facts.description,
        licence=known.licence,
        needs_weights=facts.needs_weights,
        needs_captions=facts.needs_captions,
        is_discrete=facts.is_discrete,
        ready=ready,
        remark=remark,
        training_data=known.training_data,
        commercial=known.commercial,
        concerns=known.concerns,
        source=known.source,
    )
