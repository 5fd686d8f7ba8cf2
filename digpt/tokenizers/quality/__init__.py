"""Token quality before any pretraining: measures with intervals on a sample of one's own images."""

from digpt.tokenizers.quality.bootstrap import Measure
from digpt.tokenizers.quality.check import (
    Quality,
    check,
    code_usage,
    effective_rank,
    pool,
    rank_of_codes,
)
from digpt.tokenizers.quality.labels import Slice, decodability

__all__ = [
    "Measure",
    "Quality",
    "Slice",
    "check",
    "code_usage",
    "decodability",
    "effective_rank",
    "pool",
    "rank_of_codes",
]
