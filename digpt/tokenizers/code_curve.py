"""How many codes a codebook should have: what each number keeps of the tokens, on unseen images.

n images, N tokens, D width, k codes.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.errors import UserError
from digpt.reporter import Reporter
from digpt.tokenizers.base import Tokenizer
from digpt.tokenizers.codebook import TOKENS_PER_CODE, Codebook
from digpt.tokenizers.quality.check import batches, side_of

CODES = (16, 64, 256, 1024)  # where the user names none
FEWEST_TOKENS = 2  # per code, to fit at all
SHUFFLES = 5  # of the labels, to see what chance scores
ENOUGH = 0.95  # of the best score above chance
WELL_USED = 0.8  # of the codes, on unseen images


@dataclass(frozen=True, kw_only=True, slots=True)
class CodePoint:
    """A codebook of `codes` codes, fitted to one half of the images and measured on the other."""

    codes: int
    nmi: float | None  # of a token's code and its image's label; None without labels
    nmi_by_chance: float | None  # the same with labels dealt out anew among the images
    perplexity: float  # how many codes are used, effectively
    coverage: float  # share of the codes that unseen images use
    explained: float  # share of the unseen tokens' variance that their centres explain
    seconds: float  # fitting took


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeCurve:
    """Points by number of codes, and the number to take: None where no number is well used, or none
    tells labels better than chance."""

    base: str
    images: int  # that were measured on
    points: tuple[CodePoint, ...]
    suggested: int | None
    left_out: tuple[int, ...] = ()  # numbers that the fitted tokens are too few for
    fitted: int = 0  # tokens that codebooks were fitted to, at most


def code_curve(
    base: Tokenizer, dataset: ImageDataset, codes: Sequence[int], *, seed: int, reporter: Reporter
) -> CodeCurve:
    """The curve over `codes`, for a tokenizer with continuous tokens.

    Test images are left out; labels of training and validation images are read. A number of codes
    that the images give fewer than two tokens each for is left out; UserError where all are.
    """
    if base.is_discrete:
        raise UserError(
            f"{base.name} makes codes already; name the tokenizer that they are made of.",
            code="bad-tokenizer",
            field="tokenizer",
            name=base.name,
            why="codes-of-codes",
        )
    rows = np.random.default_rng(seed).permutation(dataset.indices("pool", "train", "val"))
    seen, unseen = _halves(dataset, rows)
    fitted, measured = (_tokens(base, dataset, half, reporter) for half in (seen, unseen))
    count = fitted.shape[0] * fitted.shape[1]
    kept = _possible(base, codes, count)
    labels = dataset.labels[unseen]
    points = []
    for done, k in enumerate(kept):
        points.append(_point(base, k, fitted, measured, labels, seed, reporter))
        reporter.progress(done + 1, len(kept))
    return CodeCurve(
        base=base.name,
        images=len(unseen),
        points=tuple(points),
        suggested=suggest(points),
        left_out=tuple(sorted(set(codes) - set(kept))),
        fitted=count,
    )


def suggest(points: Sequence[CodePoint]) -> int | None:
    """The fewest codes that tell labels nearly as well as the best do, among the well used; without
    labels the most that are well used."""
    used = [p for p in points if p.coverage >= WELL_USED]
    gains = [p.nmi - p.nmi_by_chance for p in used if p.nmi is not None and p.nmi_by_chance]
    if not used or len(gains) < len(used):
        return max((p.codes for p in used), default=None)
    best = max(gains)
    if best <= 0:
        return None
    return min(p.codes for p, gain in zip(used, gains, strict=True) if gain >= ENOUGH * best)


def _halves(dataset: ImageDataset, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two halves that share no group, labelled images in both."""
    groups = rows if dataset.groups is None else dataset.groups[rows]
    is_labelled = dataset.labels[rows] != UNLABELLED
    order = np.argsort(~is_labelled, kind="stable")  # so that every other one is in each half
    _, first = np.unique(groups[order], return_index=True)
    rank = {groups[order][at]: n for n, at in enumerate(np.sort(first))}
    side = np.array([rank[group] % 2 for group in groups])
    return rows[side == 0], rows[side == 1]


def _tokens(base: Tokenizer, dataset: ImageDataset, rows: np.ndarray, reporter: Reporter) -> Tensor:
    """Tokens (n, h w, D) of these images."""
    found = []
    for images in batches(base, dataset, rows, side_of(dataset)):
        reporter.check()
        found.append(base.encode(images).patches.flatten(1, 2).cpu())
    return torch.cat(found)


def _possible(base: Tokenizer, codes: Sequence[int], count: int) -> list[int]:
    """The numbers of codes that `count` tokens are enough for, in order."""
    most = count // FEWEST_TOKENS
    kept = sorted({k for k in codes if k <= most})
    if not kept or kept[0] < 2:
        raise UserError(
            f"Numbers of codes must be from 2 to {most:,} here: half of the images give {count:,} "
            f"tokens of {base.name}.",
            code="too-many-codes",
            field="codes",
            name=base.name,
            count=count,
            most=most,
        )
    return kept


def _point(
    base: Tokenizer,
    k: int,
    fitted: Tensor,
    measured: Tensor,
    labels: np.ndarray,
    seed: int,
    reporter: Reporter,
) -> CodePoint:
    book = Codebook(name=f"codebook:{k}({base.name})", base=base, codes=k)
    flat = fitted.flatten(0, 1)
    generator = torch.Generator().manual_seed(seed)
    sample = flat[torch.randperm(len(flat), generator=generator)[: k * TOKENS_PER_CODE]]
    started = time.perf_counter()
    book.fit(sample, seed=seed, reporter=reporter)
    seconds = time.perf_counter() - started
    codes = book.nearest(measured)  # (n, h w)
    counts = torch.bincount(codes.flatten(), minlength=k).double()
    shares = counts[counts > 0] / counts.sum()
    nmi, by_chance = _nmi(codes.numpy(), labels, seed)
    return CodePoint(
        codes=k,
        nmi=nmi,
        nmi_by_chance=by_chance,
        perplexity=math.exp(-(shares * shares.log()).sum().item()),
        coverage=len(shares) / k,
        explained=_explained(book, measured.flatten(0, 1), codes.flatten()),
        seconds=seconds,
    )


def _nmi(codes: np.ndarray, labels: np.ndarray, seed: int) -> tuple[float | None, float | None]:
    """Normalised mutual information of codes (n, h w) and their images' labels (n,), and what it
    is when labels are dealt out anew: many codes tell any labels of few images."""
    from sklearn.metrics import normalized_mutual_info_score  # noqa: PLC0415 - optional, seconds

    known = labels != UNLABELLED
    if len(np.unique(labels[known])) < 2:
        return None, None
    flat, each = codes[known].ravel(), codes.shape[1]
    rng = np.random.default_rng(seed)
    dealt = [labels[known], *(rng.permutation(labels[known]) for _ in range(SHUFFLES))]
    found = [float(normalized_mutual_info_score(np.repeat(d, each), flat)) for d in dealt]
    return found[0], float(np.mean(found[1:]))


def _explained(book: Codebook, tokens: Tensor, codes: Tensor) -> float:
    """1 less the mean squared distance to the centres, as a share of the variance."""
    standard = (tokens - book.mean) / book.std
    left = (standard - book.centres[codes]).square().sum()
    return 1 - (left / (standard - standard.mean(dim=0)).square().sum()).item()
