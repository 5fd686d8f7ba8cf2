"""domain-clip(clip:...): a published CLIP tuned on the domain's images and captions.

open_clip's own loss, tokenizer and way of locking towers (LiT, Zhai et al. 2022): the last blocks
of both towers learn, at a small rate. A batch holds each caption once, since equal captions would
be each other's wrong answers. Two parts are held out of tuning: one says when to stop, the other
what was bought, which the first, chosen by, would flatter. Only pool and training images are seen.
B batch, D width of the embedding.
"""

import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.errors import Cancelled, UserError
from digpt.reporter import Reporter
from digpt.threads import threads
from digpt.tokenizers.captions import Captioned, captioned
from digpt.tokenizers.clip import Clip, load_pair
from digpt.tokenizers.domain_clip import augmented, bought, draws, schedule
from digpt.tokenizers.names import FEWEST_TO_TUNE, TokenizerName, tuned_samples
from digpt.tokenizers.published import CHUNK
from digpt.tokenizers.tuning_run import TuningRun, checkpoint_of

BATCH = 64
LEARNING_RATE, WEIGHT_DECAY = 1e-5, 0.05
CHECKPOINT_SECONDS = 300  # of a ViT-L that learns as a whole, each has 7 GB
LOOKS = 10  # at the held-out images while tuning
PATIENCE = 3  # looks without a better one
HELD_OUT, MOST_HELD_OUT = 0.1, 500  # of the images, for each of the two parts
FEWEST_CAPTIONS = 2  # distinct ones; with one there is nothing to tell apart
MOST_CAPTIONS = 1_000  # that a held-out image is looked for among: each is read at every look


def tune(
    name: str,
    dataset: ImageDataset,
    wanted: str | None,
    base: TokenizerName,
    *,
    blocks: int | None,
    size: int,
    seed: int,
    device: torch.device,
    reporter: Reporter,
    samples_seen: int | None = None,
    checkpoints: Path | None = None,
) -> Clip:
    """The CLIP `base` after tuning; its facts say on what and what it bought.

    wanted: caption column or template. blocks: how many of each tower's blocks learn, None: all.
    size: of the images as they are read. samples_seen: at most, None: `tuned_samples`.
    checkpoints: folder to go on from where tuning was stopped before.
    """
    data = captioned(dataset, wanted, fewest=FEWEST_TO_TUNE)
    if len(set(data.captions)) < FEWEST_CAPTIONS:
        raise UserError(
            f"{name}: every image has the same caption ({data.captions[0]!r}), so there is nothing "
            "to learn. Choose another caption column, or the recogniser as it is.",
            code="one-caption",
            field="tokenizer",
            name=name,
            caption=data.captions[0],
        )
    model, recogniser, tokenize = load_pair(name, base.argument or "", base.option("layer"))
    pair = _Pair(model.to(device), recogniser.to(device), tokenize(data.captions).to(device))
    pair.unlock(blocks)
    images = torch.from_numpy(np.array(dataset.images.load(data.rows, size)))
    groups = None if dataset.groups is None else dataset.groups[data.rows]
    stopping, telling, learning = _parts(len(images), groups, seed)
    stop, tell = (
        _Look(dataset, data, images, rows, pair, tokenize, reporter) for rows in (stopping, telling)
    )
    before = tell()
    most = samples_seen or tuned_samples(len(learning))
    seen = _loop(pair, data, images, learning, stop, seed, most, reporter, checkpoints)
    after = tell() if seen else before
    recogniser.facts = {
        "captions": data.column,
        "names_class_share": data.names_class_share,
        "blocks": blocks or "all",
        "samples_seen": seen,
        "retrieval_images": len(telling),
        "retrieval_choices": len(tell.texts),
        "zero_shot_choices": len(tell.prompts),
        **bought("retrieval", before["retrieval"], after["retrieval"]),
    }
    if "zero_shot" in before:
        recogniser.facts |= bought("zero_shot", before["zero_shot"], after["zero_shot"])
    reporter.log(
        f"{name}: right caption first for {after['retrieval'].mean():.1%} of {len(telling)} "
        f"held-out images ({before['retrieval'].mean():.1%} before tuning)"
    )
    return recogniser.cpu().requires_grad_(False)


def _parts(count: int, groups: np.ndarray | None, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows that say when to stop, rows that tell what was bought, and the rest to learn from, drawn
    by lot; images of a group stay together, but where one is larger than a part."""
    held = min(max(int(count * HELD_OUT), 1), MOST_HELD_OUT)
    group = np.arange(count)
    if groups is not None:
        found = np.unique(groups, return_inverse=True)[1]
        group = found if np.bincount(found).max() <= held else group
    drawn = torch.randperm(int(group.max()) + 1, generator=torch.Generator().manual_seed(seed))
    place = drawn.numpy()[group]
    order = np.argsort(place, kind="stable")
    ends = np.flatnonzero(np.diff(place[order])) + 1  # of all groups but the last
    first = ends[np.searchsorted(ends, held)]
    second = ends[np.searchsorted(ends, first + held)]
    stopping, telling, learning = map(torch.from_numpy, np.split(order, [first, second]))
    return stopping, telling, learning


class _Pair:
    """Both towers of an open_clip model; images come as the tokenizer gets them."""

    def __init__(self, model: Any, recogniser: Clip, texts: Tensor) -> None:
        self.model, self.recogniser, self.texts = model, recogniser, texts

    def unlock(self, blocks: int | None) -> None:
        """Let the last blocks of both towers learn; None: everything."""
        self.model.requires_grad_(True)
        if blocks is None:
            return
        groups = blocks + 1  # the projection is a group of its own
        try:
            self.model.lock_image_tower(unlocked_groups=groups)
            self.model.lock_text_tower(unlocked_layers=groups)
        except (AssertionError, RuntimeError) as error:
            raise UserError(
                f"{self.recogniser.name}: open_clip cannot tune the last blocks of this model "
                f"alone ({error}). Write ?blocks=all.",
                code="blocks-not-lockable",
                field="tokenizer",
                name=self.recogniser.name,
            ) from error

    def images(self, photos: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] -> (B, D), of length 1."""
        return F.normalize(self.model.encode_image(self.recogniser.fitted(photos)), dim=-1)

    def text(self, texts: Tensor) -> Tensor:
        return F.normalize(self.model.encode_text(texts), dim=-1)


class _Look:
    """Scores on held-out images: the right caption first, and the class by its name alone."""

    def __init__(
        self,
        dataset: ImageDataset,
        data: Captioned,
        images: Tensor,
        rows: Tensor,
        pair: _Pair,
        tokenize: Any,
        reporter: Reporter,
    ) -> None:
        self.pair, self.images, self.rows, self.reporter = pair, images, rows, reporter
        own = [data.captions[row] for row in rows.tolist()]
        distinct = dict.fromkeys(chain(own, data.captions))  # their own first: none is left out
        known = {text: number for number, text in enumerate(islice(distinct, MOST_CAPTIONS))}
        self.own = torch.tensor([known[text] for text in own])
        self.texts = tokenize(list(known)).to(pair.texts.device)
        self.labels = torch.from_numpy(dataset.labels[data.rows[rows.numpy()]])
        prompts = [f"a photo of {name.replace('_', ' ')}" for name in dataset.classes]
        self.prompts = tokenize(prompts).to(pair.texts.device)

    @torch.no_grad()
    def __call__(self) -> dict[str, np.ndarray]:
        """Which images were told, 0 or 1: (rows,), and those of the class (rows with one,)."""
        self.pair.model.eval()
        parts = self.images[self.rows].split(CHUNK)
        embedded = torch.cat([self._images(part) for part in parts])
        texts = torch.cat([self._texts(part) for part in self.texts.split(CHUNK)])
        nearest = (embedded @ texts.T).argmax(dim=1).cpu()
        found = {"retrieval": (nearest == self.own).numpy().astype(float)}
        is_known = self.labels != UNLABELLED
        if is_known.any():
            guessed = (embedded @ self.pair.text(self.prompts).T).argmax(dim=1).cpu()
            found["zero_shot"] = (guessed == self.labels)[is_known].numpy().astype(float)
        return found

    def _images(self, photos: Tensor) -> Tensor:
        self.reporter.check()
        return self.pair.images(_pixels(photos).to(self.texts.device))

    def _texts(self, texts: Tensor) -> Tensor:
        self.reporter.check()
        return self.pair.text(texts)


def _loop(
    pair: _Pair,
    data: Captioned,
    images: Tensor,
    rows: Tensor,
    look: _Look,
    seed: int,
    samples_seen: int,
    reporter: Reporter,
    checkpoints: Path | None,
) -> int:
    """Tune until retrieval at `look` has not grown for a while; leaves the best state and says how
    many samples had been seen then (0: tuning bought nothing). On a CPU a run that was stopped ends
    bit for bit as one that was not; stopped by `Cancelled`, it writes a checkpoint first."""
    learning = [p for p in pair.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        learning, lr=LEARNING_RATE, betas=(0.9, 0.98), eps=1e-6, weight_decay=WEIGHT_DECAY
    )
    size = min(BATCH, len({data.captions[row] for row in rows.tolist()}))
    steps = max(samples_seen // size, 1)
    run = TuningRun(pair.model, optimizer, {})
    identity = {"seed": seed, "steps": steps, "batch": size, "images": len(rows)}
    found = checkpoint_of(checkpoints, identity, reporter)
    with threads(found.values["threads"] if found else torch.get_num_threads()):
        if found:
            run.resume(found, reporter)
        else:
            run.state, run.best = run.learned(), float(look()["retrieval"].mean())
        batches = _augmented(data, images, rows, size, seed, run.step)
        begun = run.step
        try:
            _steps(run, pair, batches, steps, look, reporter, checkpoints, identity)
        except Cancelled:
            if checkpoints and run.step > begun:
                run.write(checkpoints, identity)
            raise
    pair.model.load_state_dict(run.state, strict=False)
    pair.model.eval()
    return run.at * size


def _steps(
    run: TuningRun,
    pair: _Pair,
    batches: Iterator[tuple[Tensor, Tensor]],
    steps: int,
    look: _Look,
    reporter: Reporter,
    checkpoints: Path | None,
    identity: dict[str, int],
) -> None:
    """All remaining steps and looks, with checkpoints by time."""
    every, saved = max(steps // LOOKS, 1), time.monotonic()
    while True:
        is_due = run.step % every == 0 or run.step == steps
        if is_due and run.looked < run.step:
            _look_at(run, look, reporter)
        if run.waited >= PATIENCE or run.best == 1 or run.step == steps:
            return
        if checkpoints and time.monotonic() - saved >= CHECKPOINT_SECONDS:
            run.write(checkpoints, identity)
            saved = time.monotonic()
        _step(run, pair, next(batches), steps, reporter)
        reporter.progress(run.step, steps)


def _step(
    run: TuningRun, pair: _Pair, batch: tuple[Tensor, Tensor], steps: int, reporter: Reporter
) -> None:
    """One step. Stopped in its midst, the model is as before it."""
    from open_clip import ClipLoss  # noqa: PLC0415 - optional, seconds

    rows, photos = batch
    before = [buffer.clone() for buffer in pair.model.buffers()]  # a forward pass moves BatchNorm's
    pair.model.train()
    try:
        reporter.check()
        seen = pair.images(photos.to(pair.texts.device))
        reporter.check()  # a step of a large model takes seconds
        read = pair.text(pair.texts[rows])
        reporter.check()
    except Cancelled:
        for buffer, former in zip(pair.model.buffers(), before, strict=True):
            buffer.copy_(former)
        raise
    value = ClipLoss()(seen, read, pair.model.logit_scale.exp())
    for group in run.optimizer.param_groups:
        group["lr"] = LEARNING_RATE * schedule(run.step, steps)
    run.optimizer.zero_grad(set_to_none=True)
    value.backward()
    nn.utils.clip_grad_norm_(run.optimizer.param_groups[0]["params"], 1.0)
    run.optimizer.step()
    run.step, run.loss = run.step + 1, float(value.detach())


def _look_at(run: TuningRun, look: _Look, reporter: Reporter) -> None:
    """Keep the state if it tells more of the held-out images than any before."""
    now = {measure: float(hits.mean()) for measure, hits in look().items()}
    reporter.metric(run.step, loss=run.loss, **now)
    run.looked, run.waited = run.step, run.waited + 1
    if now["retrieval"] > run.best:
        run.best, run.state, run.at, run.waited = now["retrieval"], run.learned(), run.step, 0


def _augmented(
    data: Captioned, images: Tensor, rows: Tensor, size: int, seed: int, done: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and photos of each batch after the `done` first ones, whose numbers are drawn again."""
    generator = torch.Generator().manual_seed(seed + 1)
    for number, batch in enumerate(_batches(data.captions, rows, size, generator)):
        if number < done:
            draws(len(batch), generator)
        else:
            yield batch, augmented(images[batch], data.can_mirror, generator)


def _batches(
    captions: list[str], rows: Tensor, size: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Rows without end, in batches of `size` that hold every caption once at most."""
    kept: list[int] = []  # met while their caption was in the batch already
    while True:
        order = rows[torch.randperm(len(rows), generator=generator)].tolist()
        batch: dict[str, int] = {}
        waiting, kept = kept + order, []
        for row in waiting:
            if captions[row] in batch:
                kept.append(row)
                continue
            batch[captions[row]] = row
            if len(batch) == size:
                yield torch.tensor(list(batch.values()))
                batch = {}
        kept = kept[: len(rows)]  # frequent captions would pile up for ever


def _pixels(photos: Tensor) -> Tensor:
    return photos.permute(0, 3, 1, 2).float() / 255
