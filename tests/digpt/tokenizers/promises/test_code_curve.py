"""The curve over numbers of codes: measured on unseen images, against chance, with a choice."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from digpt.data.dataset import UNLABELLED
from digpt.errors import UserError
from digpt.reporter import Quiet
from digpt.tokenizers import code_curve as module
from digpt.tokenizers.code_curve import CodePoint, code_curve, suggest


@pytest.fixture
def curve(fitted):
    def run(data, codes=(4, 16), base="filters"):
        return code_curve(fitted(base), data, codes, seed=0, reporter=Quiet())

    return run


def point(codes, nmi, chance=0.01, coverage=1.0):
    return CodePoint(
        codes=codes,
        nmi=nmi,
        nmi_by_chance=None if nmi is None else chance,
        perplexity=codes,
        coverage=coverage,
        explained=0.5,
        seconds=1.0,
    )


def test_more_codes_explain_more_of_unseen_tokens(curve, dataset):
    few, many = curve(dataset).points
    assert 0 < few.explained < many.explained < 1
    assert few.perplexity <= 4
    assert 0 < many.coverage <= 1


def test_codes_of_stripes_tell_how_they_stand_and_labels_by_lot_are_not_told(curve, dataset):
    told = curve(dataset).points[1]
    assert told.nmi > 3 * told.nmi_by_chance
    labels = dataset.labels.copy()
    known = labels != UNLABELLED
    labels[known] = np.random.default_rng(1).permutation(labels[known])
    by_lot = curve(replace(dataset, labels=labels)).points[1]
    assert by_lot.nmi < 2 * by_lot.nmi_by_chance


def test_without_labels_there_is_no_nmi(curve, dataset):
    found = curve(replace(dataset, labels=np.full(len(dataset), UNLABELLED)))
    assert {p.nmi for p in found.points} == {None}
    assert found.suggested == 16


def test_no_group_is_in_both_halves(dataset):
    groups = np.array([f"part {n % 7}" for n in range(len(dataset))])
    rows = dataset.indices("pool", "train", "val")
    halves = module._halves(replace(dataset, groups=groups), rows)
    assert not set(groups[halves[0]]) & set(groups[halves[1]])
    assert sorted(np.concatenate(halves)) == rows.tolist()


def test_test_images_never_matter(curve, dataset, fitted):
    rows = dataset.indices("test")
    pixels = np.array(dataset.images.load(np.arange(len(dataset)), 16))
    pixels[rows] = 0
    labels = dataset.labels.copy()
    labels[rows] = 1 - labels[rows]
    other = replace(dataset, images=type(dataset.images)(pixels), labels=labels)
    found = [[replace(p, seconds=0) for p in curve(data).points] for data in (dataset, other)]
    assert found[0] == found[1]


def test_the_fewest_codes_that_tell_nearly_as_much_are_suggested():
    assert suggest([point(16, 0.11), point(64, 0.20), point(256, 0.205)]) == 64
    assert suggest([point(16, 0.11), point(64, 0.20), point(256, 0.5, coverage=0.5)]) == 64
    assert suggest([point(16, None), point(64, None)]) == 64
    assert suggest([point(16, 0.1, coverage=0.1)]) is None
    assert suggest([point(16, 0.01), point(64, 0.005)]) is None


def test_too_many_codes_for_the_images_are_left_out_and_said(curve, dataset):
    found = curve(dataset, codes=(4, 100_000))
    assert [p.codes for p in found.points] == [4]
    assert (found.left_out, found.fitted) == ((100_000,), 2_880)
    with pytest.raises(UserError, match=r"from 2 to 1,440 here"):
        curve(dataset, codes=(100_000,))


def test_codes_of_codes_are_refused(curve, dataset):
    with pytest.raises(UserError, match="makes codes already"):
        curve(dataset, base="codebook:8(filters)")


def test_cancelling_stops_between_batches(fitted, dataset):
    class Stopped(Quiet):
        def check(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        code_curve(fitted("filters"), dataset, (4,), seed=0, reporter=Stopped())


def test_tokens_are_encoded_once(fitted, dataset, monkeypatch):
    seen = []
    base = fitted("filters")
    real = type(base).encode
    monkeypatch.setattr(type(base), "encode", lambda s, x: (seen.append(len(x)), real(s, x))[1])
    code_curve(base, dataset, (4, 8, 16), seed=0, reporter=Quiet())
    assert sum(seen) == len(dataset.indices("pool", "train", "val"))
    assert torch.is_grad_enabled()
