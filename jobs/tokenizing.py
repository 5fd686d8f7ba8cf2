"""What fitted tokenizers are worth and what they see, for pages and the command line."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from digpt.data.dataset import UNLABELLED, ImageDataset
from digpt.data.prepared import load_prepared, pixels, prepare
from digpt.recipe import PRESETS
from digpt.reporter import Quiet, Reporter
from digpt.tokenizers import fitting
from digpt.tokenizers.base import Tokenizer
from digpt.tokenizers.code_curve import CodeCurve
from digpt.tokenizers.code_curve import code_curve as curve_over
from digpt.tokenizers.maps import token_maps
from digpt.tokenizers.names import TokenizerName, parse
from digpt.tokenizers.quality import check as check_quality
from digpt.transfer.predictions import labelled
from jobs.engine.artifacts import Artifacts
from jobs.engine.plan import DatasetFacts
from jobs.engine.stages import open_source
from jobs.spec import PRETRAINING
from jobs.store.records import ArmRecord, PilotStage
from jobs.views import TokenMapRow, TokenMaps

SAMPLE = 1000  # images that a quality check looks at
SHOWN_CELLS = 16  # a token map's cell is drawn this many pixels wide at least


def check(facts: DatasetFacts, names: Sequence[str], reporter: Reporter) -> list[dict[str, Any]]:
    """Quality of each tokenizer's tokens on a sample, at the size of the quick student."""
    student = PRESETS["quick"].pretrain.student
    with tempfile.TemporaryDirectory() as folder:
        sample = _sample(open_source(facts.source, reporter), Path(folder), student.image_size)
        found = []
        for done, name in enumerate(names):
            reporter.check()
            tokenizer = _fit(parse(name), sample, student.image_size, student.patch_size, reporter)
            found.append(
                {"tokenizer": name} | asdict(check_quality(tokenizer, sample, reporter=reporter))
            )
            reporter.progress(done + 1, len(names))
        return found


def code_curve(
    facts: DatasetFacts, base: TokenizerName, codes: Sequence[int], reporter: Reporter
) -> CodeCurve:
    """What each number of codes keeps of the tokens of a sample, as the quick student sees it."""
    student = PRESETS["quick"].pretrain.student
    with tempfile.TemporaryDirectory() as folder:
        sample = _sample(open_source(facts.source, reporter), Path(folder), student.image_size)
        tokenizer = _fit(base, sample, student.image_size, student.patch_size, reporter)
        return curve_over(tokenizer, sample, codes, seed=0, reporter=reporter)


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
    name: TokenizerName, sample: ImageDataset, size: int, patch_size: int, reporter: Reporter
) -> Tokenizer:
    base = None
    if name.base is not None and name.needs_base:
        base = _fit(name.base, sample, size, patch_size, reporter)
    return fitting.fit(
        name.canonical,
        sample,
        size=size,
        patch_size=patch_size,
        seed=0,
        base=base,
        device=torch.device("cpu"),
        reporter=reporter,
    )


def _sample(data: ImageDataset, folder: Path, size: int) -> ImageDataset:
    """At most SAMPLE images of every split but test, labelled ones first: they tell most."""
    rows = np.random.default_rng(0).permutation(data.indices("pool", "train", "val"))
    is_unlabelled = data.labels[rows] == UNLABELLED
    picked = np.sort(rows[np.argsort(is_unlabelled, kind="stable")][:SAMPLE])
    prepare(data.subset(picked), folder, size=size, reporter=Quiet())
    return load_prepared(folder)


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
