"""Where a function of one variable is 0."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq


def root_between(value: Callable[[float], float], low: float, high: float) -> float:
    """The root between two points where the function has opposite signs, to 14 digits."""
    found = brentq(value, low, high, xtol=1e-300, rtol=np.float64(1e-14), maxiter=2000)
    return float(found)  # pyright: ignore[reportArgumentType]  # a tuple only with full_output


def roots_in_unit(coefficients: np.ndarray) -> list[float]:
    """Distinct roots in (0, 1] of sum_k a_k x^k, ascending.

    Between two neighbouring extrema a polynomial is monotone, so the roots of the derivative cut
    the interval into pieces with at most one root each.
    """
    coefficients = np.trim_zeros(coefficients)  # roots at 0 do not count
    if len(coefficients) < 2:
        return []
    powers = np.arange(len(coefficients))
    turns = roots_in_unit(coefficients[1:] * powers[1:])

    def value(x: float) -> float:
        """The polynomial at x; 0 where it is only rounding."""
        terms = coefficients * x**powers
        total = float(terms.sum())
        return 0.0 if abs(total) <= 1e-14 * float(np.abs(terms).sum()) else total

    ends = [0.0, *turns, 1.0]
    roots = [x for x in ends[1:] if value(x) == 0]
    roots += [
        root_between(value, low, high)
        for low, high in pairwise(ends)
        if value(low) * value(high) < 0
    ]
    return sorted(set(roots))
