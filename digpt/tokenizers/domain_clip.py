"""domain-clip: the small recogniser trained contrastively on the domain's images and captions.

A caption is taken apart into its phrases, and each image says of each phrase whether it is its own
(the pairwise sigmoid loss of Zhai et al. 2023, SigLIP): a small mark named by one phrase of ten is
then not drowned by the nine that are easy. Phrases are short, so a bag of open_clip's BPE pieces
and two linear maps read them; in a trial with open_clip's text transformer training took a fifth
longer and the tokens were no better. Only pool and training images are seen.

B batch, N captions, T phrases, L pieces, D width.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digpt.data.dataset import ImageDataset
from digpt.evaluate.intervals import matched_difference
from digpt.reporter import Reporter
from digpt.tokenizers.captions import captioned
from digpt.tokenizers.names import FEWEST_CAPTIONED
from digpt.tokenizers.recogniser import WIDTH, Recogniser, initialise

SAMPLES_SEEN = 32_000  # about half a minute on one core at 32 px; more still helps, slowly
BATCH = 64
LEARNING_RATE, WEIGHT_DECAY, WARMUP_SHARE = 2e-3, 0.05, 0.1
TEXT_WIDTH, MOST_PIECES = 256, 77
FIRST_SCALE, LARGEST_SCALE = 10.0, 100.0
HELD_OUT, MOST_HELD_OUT = 0.05, 500  # for the retrieval score before and after
JITTER = 0.2  # brightness and contrast
PHRASE_END = re.compile(r"[.;。；\n]+")


def train(
    name: str,
    dataset: ImageDataset,
    column: str | None,
    *,
    image_size: int,
    patch_size: int,
    seed: int,
    device: torch.device,
    reporter: Reporter,
    samples_seen: int = SAMPLES_SEEN,
) -> Recogniser:
    """A recogniser tuned to the domain; its facts say on what and what it bought."""
    data = captioned(dataset, column, fewest=FEWEST_CAPTIONED)
    generator = torch.Generator().manual_seed(seed)
    images = torch.from_numpy(np.array(dataset.images.load(data.rows, image_size)))
    texts = _phrases(data.captions)
    order = torch.randperm(len(images), generator=generator)
    held = min(int(len(order) * HELD_OUT), MOST_HELD_OUT)
    made = Recogniser(name=name, image_size=image_size, patch_size=patch_size)
    model = _Pair(made, texts, generator).to(device)
    before = _retrieval(model, images, order[:held])
    steps = max(samples_seen // BATCH, 1)
    _loop(model, images, order[held:], steps, data.can_mirror, generator, reporter)
    after = _retrieval(model, images, order[:held])
    made.facts = {
        "captions": data.column,
        "names_class_share": data.names_class_share,
        "samples_seen": steps * BATCH,
        "mirrored": data.can_mirror,
        "phrases": len(texts.pieces),
        **bought("retrieval", before, after),
        "retrieval_images": held,
        "retrieval_choices": len({tuple(texts.owned[row].tolist()) for row in order[:held]}),
    }
    reporter.log(
        f"{name}: right caption first for {after.mean():.1%} of {held} held-out images "
        f"({before.mean():.1%} before training)"
    )
    return made.cpu()


@dataclass(frozen=True, slots=True)
class Phrases:
    """The distinct phrases of all captions, and which caption has which."""

    pieces: Tensor  # (T, L) BPE pieces, 0 where a phrase is shorter
    vocabulary: int  # pieces that occur, and the empty one
    owned: list[Tensor]  # per caption, the phrases it has
    shares: Tensor  # (T,) of all captions that have the phrase


class _Pair(nn.Module):
    """Image tower, phrase tower, scale and offset of their similarity."""

    prior: Tensor
    pieces: Tensor

    def __init__(
        self, recogniser: Recogniser, phrases: Phrases, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.recogniser = recogniser
        self.owned = phrases.owned
        self.words = nn.EmbeddingBag(phrases.vocabulary, TEXT_WIDTH, mode="sum", padding_idx=0)
        self.text = nn.Sequential(
            nn.LayerNorm(TEXT_WIDTH),
            nn.Linear(TEXT_WIDTH, TEXT_WIDTH),
            nn.GELU(),
            nn.Linear(TEXT_WIDTH, WIDTH),
        )
        self.scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))
        self.offset = nn.Parameter(torch.zeros(()))
        # what a blind guess would say of each phrase of a batch, so that training starts there
        share = phrases.shares.clamp(1 / BATCH, 1 - 1 / BATCH)
        self.register_buffer("prior", torch.logit(share))
        self.register_buffer("pieces", phrases.pieces)
        initialise(self.recogniser, generator)
        initialise(self.text, generator)
        with torch.no_grad():
            self.words.weight.normal_(0, 0.1, generator=generator)
            self.words.weight[0] = 0

    def embed_images(self, images: Tensor) -> Tensor:
        return F.normalize(self.recogniser.tower(images)[1], dim=-1)  # (B, D)

    def embed_phrases(self, which: Tensor) -> Tensor:
        return F.normalize(self.text(self.words(self.pieces[which])), dim=-1)  # (T, D)

    def loss(self, images: Tensor, rows: Tensor) -> Tensor:
        """Per image, over the phrases that any caption of the batch (rows (B,)) has."""
        owned = [self.owned[row] for row in rows.tolist()]
        which = torch.unique(torch.cat(owned))
        is_own = torch.stack([torch.isin(which, o) for o in owned]).to(images)  # (B, T)
        which = which.to(images.device)
        similarity = self.embed_images(images) @ self.embed_phrases(which).T  # (B, T)
        scale = self.scale.exp().clamp(max=LARGEST_SCALE)
        logits = similarity * scale + self.offset + self.prior[which]
        each = F.binary_cross_entropy_with_logits(logits, is_own, reduction="none")
        return each.sum(dim=1).mean()


def _loop(
    model: _Pair,
    images: Tensor,
    rows: Tensor,
    steps: int,
    can_mirror: bool,
    generator: torch.Generator,
    reporter: Reporter,
) -> None:
    device = model.prior.device
    optimizer = torch.optim.AdamW(_groups(model), lr=LEARNING_RATE, betas=(0.9, 0.98), eps=1e-6)
    model.train()
    for step, batch in enumerate(_batches(rows, steps, generator)):
        reporter.check()
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * schedule(step, steps)
        pixels = augmented(images[batch], can_mirror, generator).to(device)
        loss = model.loss(pixels, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 10 == 0 or step == steps - 1:
            reporter.metric(step, loss=float(loss.detach()))
            reporter.progress(step + 1, steps)
    model.eval()


def _batches(rows: Tensor, steps: int, generator: torch.Generator) -> list[Tensor]:
    """Batches without repeats inside an epoch."""
    found: list[Tensor] = []
    while len(found) < steps:
        order = rows[torch.randperm(len(rows), generator=generator)]
        size = min(BATCH, len(order))
        found += list(order[: len(order) // size * size].split(size))
    return found[:steps]


def augmented(images: Tensor, can_mirror: bool, generator: torch.Generator) -> Tensor:
    """uint8 (B, S, S, 3) -> (B, 3, S, S) in [0, 1] with other light, mirrored at random if it may
    be; else places stay where they are."""
    pixels = images.permute(0, 3, 1, 2).float() / 255
    gain, shift, side = draws(len(images), generator)
    if can_mirror:
        pixels = torch.where(side < 0.5, pixels.flip(-1), pixels)
    return (pixels * (1 + (2 * gain - 1) * JITTER) + (shift - 0.5) * JITTER).clamp(0, 1)


def draws(images: int, generator: torch.Generator) -> Tensor:
    """The random numbers of one batch (3, B, 1, 1, 1)."""
    return torch.rand(3, images, 1, 1, 1, generator=generator)


def schedule(step: int, steps: int) -> float:
    warmup = max(int(steps * WARMUP_SHARE), 1)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def _groups(model: nn.Module) -> list[dict[str, object]]:
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": weights, "weight_decay": WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]


def _phrases(captions: list[str]) -> Phrases:
    """Captions taken apart; pieces are renumbered to those that occur, the full vocabulary being
    far larger than the whole model."""
    from open_clip.tokenizer import SimpleTokenizer  # noqa: PLC0415 - optional, seconds

    parts = [[p.strip() for p in PHRASE_END.split(c) if p.strip()] or [c] for c in captions]
    distinct = sorted({p for phrases in parts for p in phrases})
    number = {phrase: n for n, phrase in enumerate(distinct)}
    owned = [torch.tensor(sorted({number[p] for p in phrases})) for phrases in parts]
    full = SimpleTokenizer(context_length=MOST_PIECES)(distinct).numpy()  # (T, 77), 0 where empty
    length = int((full != 0).sum(axis=1).max())
    known, renumbered = np.unique(np.append(full[:, :length].ravel(), 0), return_inverse=True)
    pieces = renumbered[:-1].reshape(len(distinct), length).astype(np.int64)
    counts = torch.bincount(torch.cat(owned), minlength=len(distinct))
    return Phrases(torch.from_numpy(pieces), len(known), owned, counts / len(captions))


@torch.no_grad()
def _retrieval(model: _Pair, images: Tensor, rows: Tensor) -> np.ndarray:
    """Whether the nearest caption among these, each the mean of its phrases, has exactly the
    phrases of an image's own: 0 or 1 for each, (rows,)."""
    model.eval()
    device = model.prior.device
    pixels = images[rows].permute(0, 3, 1, 2).float().to(device) / 255
    owned = [model.owned[row] for row in rows.tolist()]
    texts = torch.stack([model.embed_phrases(o.to(device)).mean(dim=0) for o in owned])  # (n, D)
    nearest = (model.embed_images(pixels) @ F.normalize(texts, dim=-1).T).argmax(dim=1).tolist()
    return np.array([torch.equal(owned[n], o) for n, o in zip(nearest, owned, strict=True)], float)


def bought(score: str, before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Share of held-out images told before and after, of 0 and 1 for each (n,), and the 95%
    interval of the difference."""
    low, high = matched_difference(before, after)
    return {
        f"{score}_before": float(before.mean()),
        f"{score}_after": float(after.mean()),
        f"{score}_low": low,
        f"{score}_high": high,
    }
