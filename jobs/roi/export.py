"""A case's result as plain values: for JSON, the store and the pages."""

import math
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from jobs.roi.evaluate import CaseResult


def as_plain(result: CaseResult) -> dict[str, Any]:
    """Nested maps, lists and numbers; thresholds at the ends are "-inf" and "+inf", no NaN.

    The draws are left out: their spread is there, and `npv_histogram` draws them.
    """
    return _plain(result)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name != "npv_draws"
        }
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else f"{value:+}"
    return value


def npv_histogram(draws: np.ndarray, bins: int = 40) -> tuple[list[float], list[int]]:
    """Edges and counts of the NPV draws in about `bins` bins; one edge is 0 if they cross it."""
    edges = np.histogram_bin_edges(draws, bins)
    if edges[0] < 0 < edges[-1]:
        edges = edges - edges[np.abs(edges).argmin()]  # move the nearest edge to 0
        step = edges[1] - edges[0]
        edges = np.concatenate([[edges[0] - step], edges, [edges[-1] + step]])
    counts, edges = np.histogram(draws, edges)
    return edges.tolist(), counts.tolist()
