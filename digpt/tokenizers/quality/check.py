"""Token quality before any pretraining: seconds on a sample of the user's own images.

n images, N tokens, D width, F pooled features.
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
from digpt.reporter import Part, Reporter
from digpt.tokenizers.base import Tokenizer, Tokens
from digpt.tokenizers.portions import at_once
from digpt.tokenizers.quality import traits
from digpt.tokenizers.quality.bootstrap import UNKNOWN, Measure, by_class, jackknife
from digpt.tokenizers.quality.labels import Slice, agreement, decoded, weakest

MOST_IMAGES = 1_000
TRAIT_IMAGES = 150  # for what is measured on every token: more do not move it
MOST_TOKENS = 20_000  # for the effective rank: more do not move it
SINGLE = 4  # tokens of each image, decoded one by one


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """What a sample says about a tokenizer's tokens; NaN where labels are too few."""

    decodability: Measure  # balanced accuracy of a linear classifier on pooled tokens
    token_decodability: Measure  # the same on single tokens
    agreement: Measure  # of the 5 nearest images' labels
    stability: Measure  # of a place's token under crop, mirror, brightness
    pixels: Measure  # share that the patch's own pixels explain linearly
    surroundings: Measure  # share that the tokens beside explain linearly
    effective_rank: Measure  # RankMe of the centred tokens; at most D
    perplexity: Measure | None  # of the codes; None for continuous tokens
    label_information: Measure | None  # of the codes: NMI with the image's label
    dead_codes: int | None  # never used in the sample
    chance: float  # what guessing scores
    images: int
    labelled_images: int
    images_per_second: float
    weakest: tuple[Slice, ...]  # slices whose labels are decoded worse than the others'


@dataclass(frozen=True, slots=True)
class Encoded:
    """A sample as a tokenizer sees it."""

    pooled: np.ndarray  # (n, F)
    tokens: np.ndarray  # (n, t, D), or codes (n, t): some of each image
    whole: Tensor  # (m, h, w, D) or (m, h, w): all of some images
    images_per_second: float


def check(tokenizer: Tokenizer, dataset: ImageDataset, *, reporter: Reporter) -> Quality:
    """Quality of the tokens of at most 1,000 images, on the device the tokenizer is on.

    Test images are left out. Labels of training and validation images are read.
    """
    return examine(tokenizer, dataset, reporter=reporter)[0]


def examine(
    tokenizer: Tokenizer, dataset: ImageDataset, *, reporter: Reporter
) -> tuple[Quality, np.ndarray]:
    """The same, and the pooled tokens (n, F) of the images of `sample`."""
    rows = sample(dataset)
    size = side_of(dataset)
    few = slice(0, min(TRAIT_IMAGES, traits.most_images(tokenizer)))
    spread = np.sort(np.random.default_rng(0).permutation(len(rows))[few])
    share = len(rows) / (len(rows) + 3 * len(spread))  # stability reads each of these three times
    seen = encode(tokenizer, dataset, rows, size, Part(reporter, 0, share), whole=spread)
    labels = dataset.labels[rows]
    known = np.flatnonzero(labels != UNLABELLED)
    groups = rows if dataset.groups is None else dataset.groups[rows]
    codes = tokenizer.dim if tokenizer.is_discrete else None
    reporter.check()
    found = decoded(seen.pooled[known], labels[known], groups[known])
    attributes = {name: column[rows][known] for name, column in dataset.attributes.items()}
    images = next(batches(tokenizer, dataset, rows[spread], size, len(spread)))
    vectors = traits.as_vectors(seen.whole, codes)
    still = Part(reporter, share, 1)
    quality = Quality(
        decodability=UNKNOWN
        if found is None
        else by_class(found.is_right, found.labels, found.groups),
        token_decodability=_single(seen.tokens[known], labels[known], groups[known], codes),
        agreement=agreement(seen.pooled[known], labels[known], groups[known]),
        stability=traits.stability(tokenizer, images, seen.whole, groups[spread], still),
        pixels=traits.explained_by_pixels(vectors, images.cpu(), groups[spread]),
        surroundings=traits.explained_by_surroundings(vectors, groups[spread]),
        effective_rank=_rank(seen.tokens, codes),
        perplexity=None if codes is None else _perplexity(seen.tokens, codes),
        label_information=None
        if codes is None
        else _information(seen.tokens[known], labels[known]),
        dead_codes=None if codes is None else code_usage(seen.tokens.ravel(), codes)[1],
        chance=1 / max(len(dataset.classes), 1),
        images=len(rows),
        labelled_images=len(known),
        images_per_second=seen.images_per_second,
        weakest=() if found is None else weakest(found, dataset.classes, attributes),
    )
    return quality, seen.pooled


def pool(tokens: Tokens, codes: int | None) -> Tensor:
    """One vector per image: mean and standard deviation of its tokens (n, 2 D), or the square roots
    of its codes' shares (n, codes), whose distances do not hang on a few frequent codes."""
    patches = tokens.patches.flatten(1, 2)
    if codes is not None:
        return torch.nn.functional.one_hot(patches, codes).float().mean(dim=1).sqrt()
    return torch.cat([patches.mean(dim=1), patches.std(dim=1, correction=0)], dim=1)


def effective_rank(tokens: np.ndarray) -> float:
    """exp of the entropy of the singular values' shares (RankMe, Garrido et al. 2023, equation 3)
    of tokens (N, D); centred first, since pretraining predicts standardised tokens."""
    centred = tokens.astype(np.float64) - tokens.mean(axis=0, dtype=np.float64)
    return _rank_of(centred.T @ centred)


def rank_of_codes(codes: np.ndarray) -> float:
    """RankMe of codes (N,) as one-hot tokens: their singular values are the roots of the counts."""
    return _exp_entropy(np.sqrt(np.bincount(codes)))


def code_usage(codes: np.ndarray, k: int) -> tuple[float, int]:
    """Perplexity of the shares of codes (N,), and how many of the k are never used."""
    counts = np.bincount(codes, minlength=k)
    return _exp_entropy(counts), int((counts == 0).sum())


def sample(dataset: ImageDataset) -> np.ndarray:
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


def side_of(dataset: ImageDataset) -> int:
    """The side of a prepared dataset's images."""
    array = getattr(dataset.images, "array", None)
    return int(array.shape[1]) if array is not None else max(dataset.image_size)


def encode(
    tokenizer: Tokenizer,
    dataset: ImageDataset,
    rows: np.ndarray,
    size: int,
    reporter: Reporter,
    *,
    whole: np.ndarray,
) -> Encoded:
    """Pooled features and some tokens of each image, all tokens of those at places `whole`."""
    pooled, tokens, kept, seconds, done = [], [], [], 0.0, 0
    keep = max(math.ceil(MOST_TOKENS / len(rows)), SINGLE)  # tokens of each image
    for images in batches(tokenizer, dataset, rows, size):
        reporter.check()
        started = time.perf_counter()
        found = tokenizer.encode(images)
        patches = found.patches.cpu()
        seconds += time.perf_counter() - started
        vectors = pool(found, tokenizer.dim if tokenizer.is_discrete else None)
        pooled.append(vectors.cpu().numpy())
        each = patches.flatten(1, 2)  # (B, h w, D) or (B, h w)
        step = max(each.shape[1] // keep, 1)
        tokens.append(each[:, ::step].numpy())
        kept.append(patches[whole[(whole >= done) & (whole < done + len(images))] - done])
        done += len(images)
        reporter.progress(done, len(rows))
    speed = done / max(seconds, 1e-9)
    return Encoded(np.concatenate(pooled), np.concatenate(tokens), torch.cat(kept), speed)


def batches(
    tokenizer: Tokenizer, dataset: ImageDataset, rows: np.ndarray, size: int, batch: int = 0
) -> Iterator[Tensor]:
    """Images (B, 3, S, S) in [0, 1] where the tokenizer is, `batch` or a fitting number of them."""
    batch = batch or at_once(tokenizer)
    state = next(iter(tokenizer.state_dict().values()), torch.zeros(()))
    for start in range(0, len(rows), batch):
        pixels = np.array(dataset.images.load(rows[start : start + batch], size))
        yield torch.from_numpy(pixels).to(state.device).permute(0, 3, 1, 2).float() / 255


def _single(
    tokens: np.ndarray, labels: np.ndarray, groups: np.ndarray, codes: int | None
) -> Measure:
    """Decodability of single tokens (n, t, D), a few of each image."""
    if not len(tokens):
        return UNKNOWN
    some = tokens[:, :: max(tokens.shape[1] // SINGLE, 1)][:, :SINGLE]
    count = some.shape[1]
    flat = some.reshape(len(some) * count, *some.shape[2:])
    features = flat if codes is None else np.eye(codes, dtype=np.float32)[flat]
    found = decoded(features, np.repeat(labels, count), np.repeat(groups, count))
    return UNKNOWN if found is None else by_class(found.is_right, found.labels, found.groups)


def _rank(tokens: np.ndarray, codes: int | None) -> Measure:
    """Effective rank with its interval; each block's sums are made once."""
    if codes is not None:
        return jackknife(len(tokens), lambda kept: rank_of_codes(tokens[kept].ravel()))
    centred = tokens.astype(np.float64) - tokens.mean(axis=(0, 1), dtype=np.float64)
    parts = np.array_split(centred, min(20, len(centred)))
    squares = [p.reshape(-1, p.shape[-1]).T @ p.reshape(-1, p.shape[-1]) for p in parts]
    total = np.sum(squares, axis=0)
    value = _rank_of(total)
    without = np.array([_rank_of(total - s) for s in squares])
    spread = (len(parts) - 1) / len(parts) * np.square(without - without.mean()).sum()
    reach = 1.96 * math.sqrt(spread)
    return Measure(value, max(value - reach, 0.0), value + reach)


def _perplexity(codes: np.ndarray, k: int) -> Measure:
    return jackknife(len(codes), lambda kept: code_usage(codes[kept].ravel(), k)[0])


def _information(codes: np.ndarray, labels: np.ndarray) -> Measure:
    """Normalised mutual information of codes (n, t) and the labels of their images (n,)."""
    if len(np.unique(labels)) < 2:
        return UNKNOWN
    return jackknife(len(codes), lambda kept: _nmi(codes[kept], labels[kept]))


def _nmi(codes: np.ndarray, labels: np.ndarray) -> float:
    _, c = np.unique(codes.ravel(), return_inverse=True)
    _, y = np.unique(np.repeat(labels, codes.shape[1]), return_inverse=True)
    table = np.zeros((c.max() + 1, y.max() + 1))
    np.add.at(table, (c, y), 1)
    of_codes, of_labels, both = (
        math.log(_exp_entropy(counts)) for counts in (table.sum(1), table.sum(0), table.ravel())
    )
    return (of_codes + of_labels - both) / max(math.sqrt(of_codes * of_labels), 1e-12)


def _rank_of(squares: np.ndarray) -> float:
    return _exp_entropy(np.sqrt(np.linalg.eigvalsh(squares).clip(min=0)))


def _exp_entropy(values: np.ndarray) -> float:
    shares = values / max(values.sum(), 1e-300)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
