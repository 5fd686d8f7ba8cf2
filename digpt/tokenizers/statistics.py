"""Mean and deviation of every channel of tokens, gathered batch by batch. D token width."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from digpt.tokenizers.base import Tokens


class Sums:
    """Counts, sums and sums of squares over tokens, in float64; codes have none."""

    def __init__(self) -> None:
        self.values: dict[str, np.ndarray] = {}

    def count(self, tokens: Tokens) -> None:
        """Add the tokens of a batch; the global token has statistics of its own."""
        if tokens.patches.is_floating_point():
            self._add("", tokens.patches.flatten(0, 2))
            if tokens.global_token is not None:
                self._add("global_", tokens.global_token)

    def merge(self, values: Mapping[str, np.ndarray]) -> None:
        """Add sums that were gathered apart."""
        for name, value in values.items():
            self.values[name] = self.values.get(name, 0.0) + value

    def statistics(self) -> dict[str, np.ndarray]:
        """mean and std (D,) in float32, and global_mean and global_std where there are any."""
        if "count" not in self.values:  # codes: nothing to shift or scale
            return {"mean": np.zeros(1, np.float32), "std": np.ones(1, np.float32)}
        found = {}
        for prefix in ("", "global_"):
            if prefix + "count" not in self.values:
                continue
            count = self.values[prefix + "count"]
            mean = self.values[prefix + "sum"] / count
            variance = np.maximum(self.values[prefix + "squares"] / count - mean**2, 0)
            found[prefix + "mean"] = mean.astype(np.float32)
            found[prefix + "std"] = np.sqrt(variance).astype(np.float32)
        return found

    def _add(self, prefix: str, values: Tensor) -> None:
        """Values (n, D)."""
        plain = values.double().cpu().numpy()
        self.merge(
            {
                prefix + "count": np.array(float(len(plain))),
                prefix + "sum": plain.sum(0),
                prefix + "squares": (plain**2).sum(0),
            }
        )
