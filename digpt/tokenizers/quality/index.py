"""One figure from the measures."""

import math

from digpt.tokenizers.quality.bootstrap import Measure
from digpt.tokenizers.quality.check import Quality


def index(quality: Quality) -> Measure:
    """0 to 100: what linear readers get out of the tokens above guessing, of whole images and of
    single tokens alike; NaN without labels. How far it may be trusted: benchmarks/RESULTS.md."""
    parts = [
        _above(measure, quality.chance)
        for measure in (quality.decodability, quality.token_decodability)
    ]
    return Measure(*(100 * sum(ends) / len(parts) for ends in zip(*parts, strict=True)))


def _above(measure: Measure, chance: float) -> tuple[float, float, float]:
    """Share of the way from guessing to always right."""
    ends = (measure.value, measure.low, measure.high)
    if math.isnan(measure.value):
        return math.nan, math.nan, math.nan
    low, mid, high = sorted(max((x - chance) / (1 - chance), 0.0) for x in ends)
    return mid, low, high
