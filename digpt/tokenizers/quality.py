"""Token quality before any pretraining: seconds on a sample of the user's own images.

n images, N tokens, D width, F pooled features, C classes.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.errors import UserError
from digpt.reporter import Reporter
from digpt.tokenizers.base import Tokenizer, Tokens

MOST_IMAGES = 1_000
MOST_TOKENS = 20_000  # for the effective rank: more do not move it
BATCH = 100
FOLDS = 5
PENALTIES = tuple(10.0**n for n in range(-1, 6))  # of ridge on standardised features
DRAWS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """What a sample says about a tokenizer's tokens."""

    decodability: float  # balanced accuracy of a linear classifier; NaN with too few labels
    decodability_low: float  # 95% bootstrap interval over images (or groups)
    decodability_high: float
    chance: float  # what guessing scores
    labelled_images: int
    effective_rank: float  # RankMe of the centred tokens; at most D
    perplexity: float | None  # of the codes; None for continuous tokens
    dead_codes: int | None  # never used in the sample
    images_per_second: float


def check(tokenizer: Tokenizer, dataset: ImageDataset, *, reporter: Reporter) -> Quality:
    """Quality of the tokens of at most 1,000 images, on the device the tokenizer is on.

    Test images are left out. Labels of training and validation images are read.
    """
    rows = _sample(dataset)
    size = _image_size(dataset)
    pooled, tokens, rate = _encode(tokenizer, dataset, rows, size, reporter)
    labels = dataset.labels[rows]
    known = np.flatnonzero(labels != UNLABELLED)
    groups = None if dataset.groups is None else dataset.groups[rows][known]
    reporter.check()
    value, low, high = decodability(pooled[known], labels[known], groups)
    usage = code_usage(tokens, tokenizer.dim) if tokenizer.is_discrete else None
    return Quality(
        decodability=value,
        decodability_low=low,
        decodability_high=high,
        chance=1 / max(len(dataset.classes), 1),
        labelled_images=len(known),
        effective_rank=rank_of_codes(tokens) if usage else effective_rank(tokens),
        perplexity=usage[0] if usage else None,
        dead_codes=usage[1] if usage else None,
        images_per_second=rate,
    )


def pool(tokens: Tokens, codes: int | None) -> Tensor:
    """One vector per image: mean and standard deviation of its tokens (n, 2 D), or the square roots
    of its codes' shares (n, codes), whose distances do not hang on a few frequent codes."""
    patches = tokens.patches.flatten(1, 2)
    if codes is not None:
        return torch.nn.functional.one_hot(patches, codes).float().mean(dim=1).sqrt()
    return torch.cat([patches.mean(dim=1), patches.std(dim=1, correction=0)], dim=1)


def decodability(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None, seed: int = 0
) -> tuple[float, float, float]:
    """Cross-validated balanced accuracy of a ridge classifier, with its 95% interval.

    features (n, F), labels (n,), groups (n,) that never span two folds. Classes with fewer images
    than folds are left out; NaN where fewer than two classes remain.
    """
    counts = np.bincount(labels, minlength=1)
    kept = np.isin(labels, np.flatnonzero(counts >= FOLDS))
    features, labels = features[kept], labels[kept]
    groups = np.arange(len(labels)) if groups is None else groups[kept]
    if len(np.unique(labels)) < 2 or len(np.unique(groups)) < FOLDS:
        return math.nan, math.nan, math.nan
    is_right = _predicted(features, labels, groups, seed) == labels
    everyone = np.ones((1, len(labels)))
    weights = _resampled(groups, seed)  # (draws, n)
    value = _balanced(is_right, labels, everyone)[0]
    low, high = np.nanquantile(_balanced(is_right, labels, weights), [0.025, 0.975])
    return float(value), float(low), float(high)


def effective_rank(tokens: np.ndarray) -> float:
    """exp of the entropy of the singular values' shares (RankMe, Garrido et al. 2023, equation 3)
    of tokens (N, D); centred first, since pretraining predicts standardised tokens."""
    centred = tokens.astype(np.float64) - tokens.mean(axis=0, dtype=np.float64)
    variance = np.linalg.eigvalsh(centred.T @ centred).clip(min=0)
    return _exp_entropy(np.sqrt(variance))


def rank_of_codes(codes: np.ndarray) -> float:
    """RankMe of codes (N,) as one-hot tokens: their singular values are the roots of the counts."""
    return _exp_entropy(np.sqrt(np.bincount(codes)))


def code_usage(codes: np.ndarray, k: int) -> tuple[float, int]:
    """Perplexity of the shares of codes (N,), and how many of the k are never used."""
    counts = np.bincount(codes, minlength=k)
    return _exp_entropy(counts), int((counts == 0).sum())


def _sample(dataset: ImageDataset) -> np.ndarray:
    """Labelled images first, then others, up to MOST_IMAGES; always the same ones."""
    rows = np.random.default_rng(0).permutation(dataset.indices("pool", "train", "val"))
    if not len(rows):
        raise UserError(
            f"Dataset {dataset.name!r} has no pool, training or validation image to check tokens "
            "on.",
            code="no-images",
        )
    is_unlabelled = dataset.labels[rows] == UNLABELLED
    return np.sort(rows[np.argsort(is_unlabelled, kind="stable")][:MOST_IMAGES])


def _image_size(dataset: ImageDataset) -> int:
    """The side of a prepared dataset's images."""
    array = getattr(dataset.images, "array", None)
    return int(array.shape[1]) if array is not None else max(dataset.image_size)


def _encode(
    tokenizer: Tokenizer, dataset: ImageDataset, rows: np.ndarray, size: int, reporter: Reporter
) -> tuple[np.ndarray, np.ndarray, float]:
    """Pooled features (n, F), a sample of tokens (N, D) or codes (N,), images per second."""
    pooled, tokens, seconds, done = [], [], 0.0, 0
    keep = max(math.ceil(MOST_TOKENS / len(rows)), 1)  # tokens of each image
    for images in _batches(tokenizer, dataset, rows, size):
        reporter.check()
        started = time.perf_counter()
        found = tokenizer.encode(images)
        patches = found.patches.cpu()
        seconds += time.perf_counter() - started
        vectors = pool(found, tokenizer.dim if tokenizer.is_discrete else None)
        pooled.append(vectors.cpu().numpy())
        each = patches.flatten(1, 2)  # (B, h w, D) or (B, h w)
        step = max(each.shape[1] // keep, 1)
        tokens.append(each[:, ::step].flatten(0, 1).numpy())
        done += len(images)
        reporter.progress(done, len(rows))
    return np.concatenate(pooled), np.concatenate(tokens), done / max(seconds, 1e-9)


def _batches(
    tokenizer: Tokenizer, dataset: ImageDataset, rows: np.ndarray, size: int
) -> Iterator[Tensor]:
    """Images (B, 3, S, S) in [0, 1] where the tokenizer is."""
    state = next(iter(tokenizer.state_dict().values()), torch.zeros(()))
    for start in range(0, len(rows), BATCH):
        pixels = np.array(dataset.images.load(rows[start : start + BATCH], size))
        yield torch.from_numpy(pixels).to(state.device).permute(0, 3, 1, 2).float() / 255


def _predicted(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int
) -> np.ndarray:
    """Each image's class (n,), said by a classifier that saw neither it nor its group."""
    from sklearn.linear_model import RidgeClassifierCV  # noqa: PLC0415 - optional, seconds
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    predicted = np.full(len(labels), -1)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for seen, unseen in folds.split(features, labels, groups):
        if not len(unseen):
            continue
        model = make_pipeline(
            StandardScaler(), RidgeClassifierCV(PENALTIES, class_weight="balanced")
        )
        predicted[unseen] = model.fit(features[seen], labels[seen]).predict(features[unseen])
    return predicted


def _resampled(groups: np.ndarray, seed: int) -> np.ndarray:
    """How often each image is drawn when groups are drawn with replacement, (draws, n)."""
    _, which = np.unique(groups, return_inverse=True)
    count = int(which.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS)
    return drawn[:, which]


def _balanced(is_right: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean recall over classes for each row of weights (draws, n) -> (draws,)."""
    recalls = []
    for label in np.unique(labels):
        mine = labels == label
        total = weights[:, mine].sum(axis=1)
        with np.errstate(invalid="ignore"):  # a class not drawn at all says nothing
            recalls.append((weights[:, mine] * is_right[mine]).sum(axis=1) / total)
    return np.nanmean(recalls, axis=0)


def _exp_entropy(values: np.ndarray) -> float:
    shares = values / max(values.sum(), 1e-300)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
