"""Tokenizer families as cards to choose from: no torch, so that a page can list them at once."""

import importlib.util

from digpt.tokenizers.names import FAMILIES, Family
from jobs import governance
from jobs.views import DatasetView, TokenizerView

EXAMPLES = {  # how a family that needs an argument may be written
    "codebook": "codebook:512(domain-clip)",
    "clip": "clip:ViT-B-32@laion2b_s34b_b79k",
    "timm": "timm:vit_small_patch14_dinov2.lvd142m",
}


def tokenizers(data: DatasetView | None) -> list[TokenizerView]:
    """One card for each family, with an example name where the family needs an argument."""
    return [_card(family, facts, data) for family, facts in FAMILIES.items()]


def _card(family: str, facts: Family, data: DatasetView | None) -> TokenizerView:
    ready, remark = True, ""
    if facts.needs_weights:
        ready, remark = False, "needs-weights"
    elif facts.needs_captions and data is not None and not data.caption_columns:
        remark = "captions-from-labels"
    if family in ("clip", "domain-clip") and importlib.util.find_spec("open_clip") is None:
        ready, remark = False, "needs-open-clip"
    name = EXAMPLES.get(family, family)
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
