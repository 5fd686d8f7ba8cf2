"""How many images a tokenizer reads at once: what there is memory and patience for. B images."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from digpt.errors import UserError, is_out_of_memory
from digpt.reporter import Reporter
from digpt.tokenizers.base import Tokenizer, Tokens

LARGE = 5_000_000  # numbers in a network with which a core reads a few images a second
FEW, MANY = 4, 100
MOST_PIXELS = 2**23  # read at once: 512 images of 128 px, 32 of 512 px


def at_once(tokenizer: Tokenizer) -> int:
    """As many images as are read between two looks at whether a person wants to stop."""
    values = tokenizer.state_dict().values()
    is_slow = all(v.device.type == "cpu" for v in values) and sum(map(Tensor.numel, values)) > LARGE
    return FEW if is_slow else MANY


def patches_of(tokenizer: Tokenizer, images: Tensor, reporter: Reporter) -> Tensor:
    """Tokens (n, h, w, D) or codes (n, h, w) of images (n, 3, S, S) in [0, 1], on the CPU."""
    found, done = [], 0
    for part in images.split(at_once(tokenizer)):
        reporter.check()
        found.append(tokenizer.encode(part).patches.cpu())
        done += len(part)
        reporter.progress(done, len(images))
    return torch.cat(found)


def fewer(count: int, side: int) -> int:
    """At most `count` images of `side` pixels, and no more than are read at once."""
    return max(min(count, MOST_PIXELS // side**2), 1)


def encode(tokenizer: Tokenizer, seen: np.ndarray, device: torch.device) -> Tokens:
    """Tokens of uint8 images (B, S, S, 3); the tokenizer is on that device already."""
    pixels = torch.from_numpy(np.ascontiguousarray(seen)).to(device)
    return tokenizer.encode(pixels.permute(0, 3, 1, 2).float() / 255)


class Portions:
    """Tokens of many images, at most `at_once` of them in one pass, and fewer large ones; where
    memory runs out half as many, from then on."""

    def __init__(
        self, tokenizer: Tokenizer, device: torch.device, reporter: Reporter, at_once: int
    ) -> None:
        self.tokenizer, self.device = tokenizer, device
        self.reporter, self.at_once = reporter, at_once

    def of(self, images: np.ndarray) -> Iterator[Tokens]:
        """Tokens of uint8 images (B, S, S, 3), portion by portion and in their order."""
        start = 0
        while start < len(images):
            portion = images[start : start + fewer(self.at_once, images.shape[1])]
            try:
                tokens = encode(self.tokenizer, portion, self.device)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(len(portion), error)
            else:
                start += len(portion)
                yield tokens
                continue
            if self.device.type == "cuda":  # here the error no longer holds what it had made
                torch.cuda.empty_cache()

    def _halve(self, count: int, error: Exception) -> None:
        """Let fewer than `count` images be read at once, or raise `UserError` where it was one."""
        if count == 1:
            raise UserError(
                f"Out of memory even with one image at a time in tokenizer {self.tokenizer.name!r}."
                " Use a smaller recogniser, a smaller image or a larger device.",
                code="out-of-memory",
                why="one-image-teacher",
                tokenizer=self.tokenizer.name,
            ) from error
        self.at_once = (count + 1) // 2
        self.reporter.log(
            f"Out of memory: tokenizer {self.tokenizer.name} goes on with {self.at_once} images at"
            " once; its tokens stay the same.",
            "warning",
        )
