"""Fine-tunings that are finished, so that work that was stopped does not repeat them."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np

from digpt.transfer.predictions import Predictions


class Kept:
    """One file in a folder for each label budget and seed; without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def read(self, budget: int | str, seed: int) -> Predictions | None:
        """None where there is none, or none that is whole."""
        if self.folder is None:
            return None
        try:
            with np.load(self._path(budget, seed)) as found:
                chosen = json.loads(str(found["chosen"]))
                return Predictions(val=found["val"], test=found["test"], chosen=chosen)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def write(self, budget: int | str, seed: int, made: Predictions) -> None:
        """All or nothing."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(budget, seed)
        aside = path.with_suffix(".tmp")
        with aside.open("wb") as file:
            np.savez(file, val=made.val, test=made.test, chosen=json.dumps(made.chosen))
        os.replace(aside, path)

    def _path(self, budget: int | str, seed: int) -> Path:
        assert self.folder is not None, "asked only where there is one"
        return self.folder / f"finetune.{budget}.{seed}.npz"
