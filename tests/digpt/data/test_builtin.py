"""Built-in sets by name, and what importing the package costs."""

import subprocess
import sys

import numpy as np
import pytest

from digpt.data import BUILTIN, builtin, describe
from digpt.errors import UserError


def test_importing_needs_neither_torch_nor_scikit_learn():
    code = (
        "import sys, digpt.data, digpt.data.importers; "
        "print([m for m in ('torch', 'sklearn', 'pandas', 'scipy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", BUILTIN)
def test_every_built_in_set_loads_and_describes_itself(name: str):
    data = builtin(name, n=400)
    pixels = data.images.load([0, 399], 32)
    assert pixels.shape == (2, 32, 32, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 5
    assert len(data) == 400 == len(np.unique(data.ids))
    card = describe(name, n=400)
    assert card["fingerprint"] == data.fingerprint
    assert set(card["counts"]) == {"pool", "train", "val", "test"}
    assert data.licence
    assert data.source


def test_digits_are_the_scans_enlarged():
    from sklearn.datasets import load_digits  # noqa: PLC0415  # slow to import

    data, scans = builtin("digits"), load_digits()
    small = data.images.load(np.arange(len(data)), 8)[..., 0]
    assert np.array_equal(small, np.round(np.asarray(scans.images) * 255 / 16).astype(np.uint8))
    known = data.labels >= 0
    assert np.array_equal(data.labels[known], np.asarray(scans.target)[known])


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'surfaces'"):
        builtin("surface")


def test_an_unknown_option_is_named():
    with pytest.raises(UserError, match="no option 'images'"):
        builtin("digits", images=10)
