"""Random damage to bytes, and what must hold of any import whatever was damaged."""

import numpy as np
from hypothesis import strategies as st

from digpt.data.importers import Imported
from digpt.data.problems import problem

Edit = tuple[str, int, bytes]
edits = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "replace", "swap", "cut"]),
        st.integers(0, 100_000),
        st.binary(max_size=6),
    ),
    min_size=1,
    max_size=6,
)


def damaged(data: bytes, some: list[Edit]) -> bytes:
    for kind, at, what in some:
        at %= len(data) + 1
        if kind == "insert":
            data = data[:at] + what + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + len(what) :]
        elif kind == "replace":
            data = data[:at] + what + data[at + len(what) :]
        elif kind == "swap":
            data = data[at:] + data[:at]
        else:
            data = data[:at]
    return data


def check_whole(found: Imported, skip_bad: bool) -> None:
    """Either nothing with errors that say why, or a dataset whose every picture can be used."""
    wrong = [p for p in found.problems if p.severity == "error"]
    for one in found.problems:  # whatever a file holds, code and facts say all of the sentence
        again = problem(one.code, one.file, **one.facts)
        assert (one.what, one.fix) == (again.what, again.fix)
        assert one.what
    if found.dataset is None:
        assert wrong
        return
    assert skip_bad or not wrong
    assert len(found.dataset) == sum(sum(c.values()) for c in found.counts.values())
    assert len(np.unique(found.dataset.ids)) == len(found.dataset)
    found.dataset.images.load(np.arange(len(found.dataset)), 8)
    if found.dataset.boxes is not None:
        corners = found.dataset.boxes.corners
        assert np.isfinite(corners).all()
        assert (corners >= 0).all()
        assert (corners <= 1).all()
        assert (corners[:, :2] < corners[:, 2:]).all()
