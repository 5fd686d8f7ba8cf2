"""domain-clip: what it learns from, what it says of itself, and when it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from digpt.data.dataset import UNLABELLED
from digpt.errors import UserError
from digpt.reporter import Quiet
from digpt.tokenizers import domain_clip


def train(dataset, column=None, samples_seen=192):
    return domain_clip.train(
        "domain-clip",
        dataset,
        column,
        image_size=16,
        patch_size=4,
        seed=0,
        device=torch.device("cpu"),
        reporter=Quiet(),
        samples_seen=samples_seen,
    )


def captioned_by_class(dataset, words=("lying stripes", "upright stripes")):
    """The dataset with captions that tell what is seen; pool labels are known here only."""
    images = dataset.images.load(np.arange(len(dataset)), 16).astype(float)
    upright = images.std(axis=2).mean((1, 2)) > images.std(axis=1).mean((1, 2))
    return replace(dataset, captions={"caption": np.array(words)[upright.astype(int)]})


@pytest.mark.slow
def test_training_finds_the_right_caption_more_often(dataset):
    facts = train(captioned_by_class(dataset), samples_seen=1280).facts
    assert facts["retrieval_after"] > max(facts["retrieval_before"], 0.8)


def test_a_caption_is_taken_apart_into_its_phrases():
    found = domain_clip._phrases(["red paint; a dent", "a dent. blue paint", "青い塗装。へこみ"])
    assert len(found.pieces) == 5  # "a dent" is shared
    assert [len(owned) for owned in found.owned] == [2, 2, 2]
    assert len(set(found.owned[0].tolist()) & set(found.owned[1].tolist())) == 1
    assert found.shares.max() == pytest.approx(2 / 3)


def test_phrases_without_a_full_stop_are_one(dataset):
    assert len(domain_clip._phrases(["a dent on red paint"] * 3).pieces) == 1


def test_images_are_mirrored_only_where_no_caption_names_a_side(dataset):
    assert train(dataset).facts["mirrored"]
    words = ("lying stripes", "upright stripes, lit from the left")
    assert not train(captioned_by_class(dataset, words)).facts["mirrored"]
    assert not train(captioned_by_class(dataset, ("右の傷", "傷"))).facts["mirrored"]


def test_class_names_stand_in_for_captions_and_are_confessed(dataset):
    everyone = np.where(dataset.split == "pool", "train", dataset.split)
    labels = np.where(dataset.labels == UNLABELLED, 0, dataset.labels)
    facts = train(replace(dataset, captions={}, split=everyone, labels=labels)).facts
    assert (facts["captions"], facts["names_class_share"]) == ("a photo of {class}", 1.0)


def test_captions_that_name_the_class_are_counted_where_nobody_said(dataset):
    facts = train(captioned_by_class(dataset)).facts
    assert facts["names_class_share"] == 1.0
    assert train(dataset).facts["names_class_share"] == 0.0


def test_too_few_captions_are_refused_with_a_way_out(dataset):
    with pytest.raises(UserError, match="needs at least 256 captioned"):
        train(replace(dataset, captions={}, labels=np.full(len(dataset), UNLABELLED)))


def test_an_unknown_caption_column_names_those_there_are(dataset):
    with pytest.raises(UserError, match=r"no caption column 'notes'.*caption"):
        train(dataset, "notes")
