"""Tokens of a crop taken from the tokens of the whole image. B images, h × w grid, D token width.

An approximation: a recogniser sees more in a crop than in the same place of the whole image, and
its tokens there know what lies around. `benchmarks/cache_fidelity.py` measures what that costs.
"""

import numpy as np
import torch


def tokens_within(tokens: np.ndarray, boxes: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Tokens (B, h, w, D), or codes (B, h, w), of `boxes` (B, 4) on the same grid, some mirrored.

    boxes: left, top, right, bottom as shares of the side. Continuous tokens are interpolated
    (RoI-align, one sample per place: a crop is only ever magnified), codes are the nearest.
    """
    within = _aligned(tokens, boxes) if tokens.ndim == 4 else _nearest(tokens, boxes)
    within[mirrored] = within[mirrored][:, :, ::-1]
    return within


def _aligned(tokens: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    from torchvision.ops import roi_align  # noqa: PLC0415 - a second, and only for this

    h, w = tokens.shape[1:3]
    grid = torch.from_numpy(tokens.astype(np.float32)).permute(0, 3, 1, 2)  # (B, D, h, w)
    places = torch.from_numpy(boxes * (w, h, w, h)).float()
    numbered = torch.cat([torch.arange(len(places))[:, None].float(), places], dim=1)  # (B, 5)
    within = roi_align(grid, numbered, (h, w), sampling_ratio=1, aligned=True)
    return within.permute(0, 2, 3, 1).contiguous().numpy()


def _nearest(codes: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    h, w = codes.shape[1:3]
    columns = _places(boxes[:, 0], boxes[:, 2], w)  # (B, w)
    rows = _places(boxes[:, 1], boxes[:, 3], h)  # (B, h)
    return codes[np.arange(len(codes))[:, None, None], rows[:, :, None], columns[:, None, :]]


def _places(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """The place in which each of `count` equal parts of a span has its centre, (B, count)."""
    shares = (np.arange(count) + 0.5) / count
    centres = start[:, None] + shares * (end - start)[:, None]
    return np.clip(np.floor(centres * count), 0, count - 1).astype(np.int64)
