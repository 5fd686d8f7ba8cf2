"""Streams of random numbers: what step n draws follows from the seed and n alone."""

import numpy as np

ROWS, VIEWS, ORDER, WEIGHTS = range(4)


def mixed(*numbers: int) -> int:
    """One seed from several numbers, such that near ones do not give related streams."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
