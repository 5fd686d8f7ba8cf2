"""What fitted tokenizers are worth and what they see, for pages and the command line."""

import base64
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.data.prepared import load_prepared, pixels, prepare
from digpt.errors import UserError
from digpt.recipe import PRESETS
from digpt.reporter import Part, Quiet, Reporter
from digpt.tokenizers import fitting
from digpt.tokenizers.base import Tokenizer
from digpt.tokenizers.code_curve import CodeCurve
from digpt.tokenizers.code_curve import code_curve as curve_over
from digpt.tokenizers.codebook import Codebook
from digpt.tokenizers.looks import meanings
from digpt.tokenizers.maps import token_maps
from digpt.tokenizers.names import TokenizerName, parse
from digpt.tokenizers.quality.check import examine, sample
from digpt.tokenizers.quality.index import index
from digpt.tokenizers.quality.labels import nearest
from digpt.transfer.predictions import labelled
from jobs.engine.artifacts import Artifacts
from jobs.engine.plan import DatasetFacts
from jobs.engine.stages import open_source
from jobs.spec import PRETRAINING
from jobs.store.records import ArmRecord, PilotStage
from jobs.views import TokenMapRow, TokenMaps

SAMPLE = 1000  # images that a quality check looks at, and as many others to fit on
SHOWN_CELLS = 16  # a token map's cell is drawn this many pixels wide at least
PATCH = 8  # pixels: the quick student's; half of it shows nothing on the 8 × 8 digits
PHOTOS, QUERIES, NEAREST, CODES, SHOWN = 6, 3, 5, 6, 300  # what is shown of each tokenizer
LARGEST = 64  # pixels: side of the images that a check looks at, at most


@dataclass(frozen=True, slots=True)
class Sample:
    """Prepared images: some for fitting only, others for measuring only."""

    fitted: ImageDataset
    measured: ImageDataset
    size: int


def check(
    facts: DatasetFacts, names: Sequence[str], reporter: Reporter
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name, quality and pictures of each tokenizer as plain JSON, one after another.

    What is fitted to the dataset is fitted to other images than those it is measured on: a
    domain-clip has read their captions, and would otherwise be praised for what it was told.
    """
    with tempfile.TemporaryDirectory() as folder:
        sample = _drawn(open_source(facts.source, reporter), Path(folder))
        made: dict[str, Tokenizer] = {}
        for done, name in enumerate(names):
            reporter.check()
            part = Part(reporter, done / len(names), (done + 1) / len(names))
            part.progress(0, 1)
            yield name, measured(parse(name), sample, part, made)
            part.progress(1, 1)


def measured(
    name: TokenizerName, sample: Sample, reporter: Reporter, made: dict[str, Tokenizer]
) -> dict[str, Any]:
    """One tokenizer's quality, what it sees, and what fitting took; `made` keeps what is fitted,
    so that a codebook finds its base there."""
    started = time.perf_counter()
    fitted = 0.5 if name.facts.needs_fit else 0.0
    tokenizer = _fit(name, sample.fitted, sample.size, PATCH, Part(reporter, 0, fitted), made)
    fit_seconds = time.perf_counter() - started
    looked = Part(reporter, fitted, 0.9)
    quality, pooled = examine(tokenizer, sample.measured, reporter=looked)
    return {
        "tokenizer": name.canonical,
        "index": asdict(index(quality)),
        **asdict(quality),
        "fit_seconds": fit_seconds,
        "image_size": sample.size,
        "tuned": _tuned(tokenizer),
        "pictures": _pictures(tokenizer, sample.measured, pooled, Part(reporter, 0.9, 1)),
    }


def _tuned(tokenizer: Tokenizer) -> dict[str, Any] | None:
    """What tuning bought on held-out images; None where nothing was tuned."""
    network = tokenizer.base if isinstance(tokenizer, Codebook) else tokenizer
    facts = getattr(network, "facts", {})
    return dict(facts) if "retrieval_before" in facts else None


def _drawn(data: ImageDataset, folder: Path) -> Sample:
    """Images of every split but test, at the size they are checked at: halves of the groups are
    fitted to and measured, validation is measured only, labelled images first."""
    size = LARGEST if max(data.image_size) >= LARGEST else 32
    rng = np.random.default_rng(0)
    rows = rng.permutation(data.indices("pool", "train", "val"))
    if len(rows) < 2:
        raise UserError(
            f"Dataset {data.name!r} has too few pool, training and validation images to check "
            "tokens on.",
            code="no-images",
        )
    units = rows if data.groups is None else data.groups[rows]
    _, which = np.unique(units, return_inverse=True)
    half = rng.permutation(int(which.max()) + 1)[which] % 2
    for_fit = rows[(half == 0) & (data.split[rows] != "val")][:SAMPLE]
    for_check = rows[(half == 1) | (data.split[rows] == "val")]
    is_unlabelled = data.labels[for_check] == UNLABELLED
    for_check = for_check[np.argsort(is_unlabelled, kind="stable")][:SAMPLE]
    picked = np.sort(np.concatenate([for_fit, for_check]))
    prepare(data.subset(picked), folder, size=size, reporter=Quiet())
    both = load_prepared(folder)
    return Sample(
        both.subset(np.searchsorted(picked, np.sort(for_fit))),
        both.subset(np.searchsorted(picked, np.sort(for_check))),
        size,
    )


def _pictures(
    tokenizer: Tokenizer, data: ImageDataset, pooled: np.ndarray, reporter: Reporter
) -> dict[str, Any]:
    """Photos, their token maps, nearest images and typical patches of codes, as base64 PNG.

    pooled: tokens (n, F) of all images of `data`.
    """
    chosen = _of_each_class(data, SHOWN)
    data, pooled = data.subset(chosen), pooled[chosen]
    size = max(data.image_size)
    photos = np.asarray(data.images.load(np.arange(len(data)), size))
    images = torch.from_numpy(np.ascontiguousarray(photos)).permute(0, 3, 1, 2).float() / 255
    shown = np.arange(min(PHOTOS, len(data)))
    groups = np.arange(len(data)) if data.groups is None else data.groups
    queries = shown[:QUERIES]
    near = nearest(pooled, NEAREST, groups)[queries]
    codes = []
    if tokenizer.is_discrete:
        codes = meanings(tokenizer, images, data.labels, CODES, reporter)
    return {
        "photos": [_code(p, 96) for p in photos[shown]],
        "captions": [_label(data, row) for row in shown],
        "maps": [_code(m, 96) for m in token_maps(tokenizer, images[shown])],
        "neighbours": [
            {
                "photo": _code(photos[query], 64),
                "label": _label(data, query),
                "near": [_code(photos[i], 64) for i in rows],
                "labels": [_label(data, i) for i in rows],
            }
            for query, rows in zip(queries, near, strict=True)
        ],
        "codes": [
            {
                "number": c.number,
                "share": c.share,
                "label": data.classes[c.label] if c.label >= 0 else "",
                "lift": c.lift,
                "patches": [_code(p, 48) for p in c.patches],
            }
            for c in codes
        ],
    }


def _label(data: ImageDataset, row: int | np.integer) -> str:
    label = int(data.labels[int(row)])
    return data.classes[label] if label != UNLABELLED else ""


def _of_each_class(data: ImageDataset, n: int) -> np.ndarray:
    """Up to n images, of as many classes as can be, always the same."""
    first = [np.flatnonzero(data.labels == c)[:1] for c in range(len(data.classes))]
    rows = np.concatenate([*first, np.arange(len(data))]) if first else np.arange(len(data))
    return np.array(list(dict.fromkeys(rows.tolist()))[:n])


def _code(picture: np.ndarray, side: int) -> str:
    return base64.b64encode(_png(picture, side)).decode()


def code_curve(
    facts: DatasetFacts, base: TokenizerName, codes: Sequence[int], reporter: Reporter
) -> CodeCurve:
    """What each number of codes keeps of the tokens of a sample, as the quick student sees it."""
    student = PRESETS["quick"].pretrain.student
    with tempfile.TemporaryDirectory() as folder:
        data = open_source(facts.source, reporter)
        prepare(data.subset(sample(data)), Path(folder), size=student.image_size, reporter=Quiet())
        prepared = load_prepared(Path(folder))
        tokenizer = _fit(base, prepared, student.image_size, student.patch_size, reporter, {})
        return curve_over(tokenizer, prepared, codes, seed=0, reporter=reporter)


def maps(
    stages: Sequence[PilotStage], arms: Sequence[ArmRecord], artifacts: Artifacts, n: int
) -> TokenMaps | None:
    """The same test images through every fitted tokenizer of a pilot."""
    fits = {s.params["tokenizer"]: s for s in stages if s.kind == "fit"}
    pretrained_last = sorted(arms, key=lambda a: a.method in PRETRAINING)  # their look is shown
    wanted = {a.tokenizer: a.look for a in pretrained_last if a.tokenizer and a.tokenizer in fits}
    prepared = next((s for s in stages if s.kind == "prepare"), None)
    if prepared is None or not wanted:
        return None
    data = load_prepared(artifacts.folder(prepared.key))
    rows = _one_per_class(data, n)
    photos = pixels(data)[rows]  # (n, S, S, 3)
    images = torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255
    found = []
    for name, look in wanted.items():
        tokenizer = fitting.load(artifacts.folder(fits[name].key))
        drawn = token_maps(tokenizer, images)  # (n, h, w, 3)
        pictures = tuple(_png(m, SHOWN_CELLS * m.shape[0]) for m in drawn)
        found.append(TokenMapRow(tokenizer=name, look=look, images=pictures))
    return TokenMaps(
        photos=tuple(_png(p, 4 * p.shape[0]) for p in photos),
        captions=tuple(data.classes[data.labels[r]] for r in rows),
        rows=tuple(found),
    )


def _fit(
    name: TokenizerName,
    data: ImageDataset,
    size: int,
    patch_size: int,
    reporter: Reporter,
    made: dict[str, Tokenizer],
) -> Tokenizer:
    if name.canonical not in made:
        base = None
        if name.base is not None and name.needs_base:
            base = _fit(name.base, data, size, patch_size, Part(reporter, 0, 0.8), made)
            reporter = Part(reporter, 0.8, 1)
        made[name.canonical] = fitting.fit(
            name.canonical,
            data,
            size=size,
            patch_size=patch_size,
            seed=0,
            base=base,
            device=torch.device("cpu"),
            reporter=reporter,
        )
    return made[name.canonical]


def _one_per_class(data: ImageDataset, n: int) -> np.ndarray:
    """Up to n test images, of as many classes as can be; the first of each, so always the same."""
    rows = labelled(data, "test")
    first = [rows[data.labels[rows] == c][:1] for c in range(len(data.classes))]
    return np.concatenate(first)[:n]


def _png(pixels: np.ndarray, side: int) -> bytes:
    buffer = BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.resize((side, side), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()
