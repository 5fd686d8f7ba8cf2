"""Recognisers whose tokens a student is pretrained on.

Importing this package needs no torch, so plans and command lines may: `names` holds the grammar and
the facts of each family. `fitting` makes, saves and loads tokenizers, `cache` computes their tokens
once, `quality` and `maps` look at them; these need torch.
"""

from digpt.tokenizers.names import FAMILIES, Family, TokenizerName, parse

__all__ = ["FAMILIES", "Family", "TokenizerName", "parse"]
