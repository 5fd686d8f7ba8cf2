"""What tokens are like, labels aside: steady, more than pixels, foretold by their surroundings.

n images, h × w grid, D width, N = n h w tokens. Codes count as one-hot tokens.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from digpt.reporter import Part, Reporter
from digpt.tokenizers.base import Tokenizer
from digpt.tokenizers.portions import patches_of
from digpt.tokenizers.quality.bootstrap import Measure, ratio

MOST_NUMBERS = 20_000_000  # of the tokens looked at
COMPONENTS = 64  # of neighbours that foretell a token
PATCH = 8  # pixels on a side that a patch is described by
RIDGE = 1e-3  # of the mean variance
CROPPED = 0.75  # of the side, kept in the middle
BRIGHTER = 1.25


def most_images(tokenizer: Tokenizer) -> int:
    """As many images as keep their tokens within memory."""
    h, w = tokenizer.grid_size
    return max(MOST_NUMBERS // (h * w * tokenizer.dim), 20)


def as_vectors(patches: Tensor, codes: int | None) -> Tensor:
    """(n, h, w, D) float: continuous tokens standardised per channel, codes as one-hot."""
    if codes is not None:
        return F.one_hot(patches, codes).float()
    flat = patches.float().flatten(0, 2)
    return (patches.float() - flat.mean(0)) / flat.std(0, correction=0).clamp_min(1e-6)


def explained_by_pixels(vectors: Tensor, images: Tensor, groups: np.ndarray) -> Measure:
    """Share of the tokens' variance that a linear map of their own patch's pixels explains."""
    h, w = vectors.shape[1:3]
    small = F.interpolate(images, (h * PATCH, w * PATCH), mode="bilinear", antialias=True)
    cells = F.unfold(small, PATCH, stride=PATCH).transpose(1, 2)  # (n, h w, 3 PATCH²)
    return _explained(vectors.flatten(1, 2), cells, groups)


def explained_by_surroundings(vectors: Tensor, groups: np.ndarray) -> Measure:
    """Share of the tokens' variance that a linear map of the tokens beside them explains: what is
    none of it cannot be learned from context, what is all of it teaches nothing."""
    n, h, w, _ = vectors.shape
    small = _components(vectors.flatten(0, 2)).reshape(n, h, w, -1).permute(0, 3, 1, 2)
    padded = F.pad(small, (1, 1, 1, 1), mode="replicate")
    around = [padded[:, :, 1 + y : 1 + y + h, 1 + x : 1 + x + w]
              for y, x in ((0, 1), (0, -1), (1, 0), (-1, 0))]  # fmt: skip
    beside = torch.cat(around, dim=1).permute(0, 2, 3, 1).flatten(1, 2)  # (n, h w, 4 C)
    return _explained(vectors.flatten(1, 2), beside, groups)


def stability(
    tokenizer: Tokenizer, images: Tensor, before: Tensor, groups: np.ndarray, reporter: Reporter
) -> Measure:
    """How alike the tokens of one place stay under crop, mirror and brightness, mean of the three:
    cosine of standardised tokens, or the share of equal codes. before: the images' own tokens."""
    side = round(images.shape[-1] * CROPPED)
    at = (images.shape[-1] - side) // 2
    crop = images[:, :, at : at + side, at : at + side]
    crop = F.interpolate(crop, images.shape[-2:], mode="bilinear", antialias=True)
    pairs = [
        (before.flip(2), images.flip(3)),
        (before, (images * BRIGHTER).clamp(0, 1)),
        (_middle(before), crop),
    ]
    after = [
        patches_of(tokenizer, changed, Part(reporter, i / len(pairs), (i + 1) / len(pairs)))
        for i, (_, changed) in enumerate(pairs)
    ]
    alike = [
        _alike(expected, found, tokenizer.is_discrete, before)
        for (expected, _), found in zip(pairs, after, strict=True)
    ]
    each = torch.stack(alike).mean(dim=0).numpy()  # (n,)
    return ratio(each, np.ones(len(each)), groups)


def _middle(patches: Tensor) -> Tensor:
    """What stands in the middle of the grid, sampled on the grid of a crop."""
    h, w = patches.shape[1:3]
    ys, xs = ((torch.arange(m) + 0.5) / m * 2 - 1 for m in (h, w))
    grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij")[::-1], dim=-1) * CROPPED
    is_code = patches.dim() == 3
    field = patches[:, None].float() if is_code else patches.permute(0, 3, 1, 2).float()
    mode = "nearest" if is_code else "bilinear"
    found = F.grid_sample(
        field, grid.expand(len(patches), -1, -1, -1), mode, "border", align_corners=False
    )
    return found[:, 0].round().long() if is_code else found.permute(0, 2, 3, 1)


def _alike(expected: Tensor, found: Tensor, is_discrete: bool, before: Tensor) -> Tensor:
    """Mean over the grid for each image, (n,)."""
    if is_discrete:
        return (expected == found).float().mean(dim=(1, 2))
    flat = before.float().flatten(0, 2)
    mean, std = flat.mean(0), flat.std(0, correction=0).clamp_min(1e-6)
    a, b = ((t.float() - mean) / std for t in (expected, found))
    return F.cosine_similarity(a, b, dim=-1).mean(dim=(1, 2))


def _components(tokens: Tensor) -> Tensor:
    """Tokens (N, D) on their first principal components, (N, at most 64)."""
    centred = tokens - tokens.mean(dim=0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    return centred @ vectors.flip(1)[:, :COMPONENTS]


def _explained(targets: Tensor, inputs: Tensor, groups: np.ndarray) -> Measure:
    """Cross-fitted R² of a linear map, inputs (n, T, A) to targets (n, T, D): halves of the groups
    foretell each other."""
    _, which = np.unique(groups, return_inverse=True)
    half = np.random.default_rng(0).permutation(int(which.max()) + 1)[which] % 2
    left, all_of_it = np.zeros(len(targets)), np.zeros(len(targets))
    for fold in (0, 1):
        seen, unseen = torch.from_numpy(half != fold), torch.from_numpy(half == fold)
        if not (seen.any() and unseen.any()):
            return Measure(math.nan, math.nan, math.nan)
        x, y = inputs[seen].flatten(0, 1), targets[seen].flatten(0, 1)
        x_mean, y_mean = x.mean(0), y.mean(0)
        x = (x - x_mean).double()
        gram = x.T @ x
        penalty = RIDGE * gram.diagonal().mean() + 1e-9
        eye = torch.eye(len(gram), dtype=gram.dtype)
        weights = torch.linalg.solve(gram + penalty * eye, x.T @ (y - y_mean).double()).float()
        rest = targets[unseen] - y_mean
        miss = rest - (inputs[unseen] - x_mean) @ weights
        left[half == fold] = miss.square().sum(dim=(1, 2)).numpy()
        all_of_it[half == fold] = rest.square().sum(dim=(1, 2)).numpy()
    return ratio(all_of_it - left, all_of_it, groups)
