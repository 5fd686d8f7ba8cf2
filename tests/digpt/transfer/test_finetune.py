"""Fine-tuning: it learns, repeats itself, and leaves alone what is not its own."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from digpt.errors import Cancelled, UserError
from digpt.evaluate.metrics import score
from digpt.models.vit import ViT
from digpt.recipe import LEAST_STEPS, Transfer
from digpt.reporter import Quiet
from digpt.transfer import encoders
from digpt.transfer.augment import augment
from digpt.transfer.finetune import Network, Task, _warmup_cosine, finetune
from digpt.transfer.layers import layer_depths, layer_groups, learn_positions
from digpt.transfer.memory import images_at_once

SHORT = Transfer(finetune_epochs=3, finetune_lrs=(2e-3,))


def _task(dataset, **changes):
    rows = {split: dataset.indices(split) for split in ("train", "val", "test")}
    facts = {"images": dataset.images.array, "labels": dataset.labels, "classes": 4, **rows}
    return Task(**{**facts, **changes})


def _tune(encoder, task, recipe=SHORT, seed=0, reporter=None):
    reporter = reporter or Quiet()
    return finetune(encoder, task, transfer=recipe, seed=seed, device="cpu", reporter=reporter)


@pytest.fixture
def few_steps(monkeypatch):
    """For what can be seen before anything is learnt."""
    monkeypatch.setattr("digpt.recipe.LEAST_STEPS", 12)


@pytest.mark.slow
def test_toy_task_is_learnt(dataset, conv):
    recipe = Transfer(finetune_epochs=20, finetune_lrs=(1e-5, 5e-3), finetune_layer_decay=1.0)
    found = _tune(conv, _task(dataset), recipe)
    assert found.chosen["lr"] == 5e-3
    assert score("top1", found.test, dataset.labels[dataset.indices("test")]) > 0.8
    np.testing.assert_allclose(found.test.sum(axis=1), 1, atol=1e-5)


def test_vit_of_ours_is_tuned(dataset, few_steps):
    vit = ViT(image_size=16, patch_size=4, dim=32, depth=2, heads=2)
    found = _tune(encoders.student(vit), _task(dataset))
    assert found.val.shape == (60, 4)
    assert np.isfinite(found.test).all()


def test_same_seed_same_predictions_whatever_the_global_generator(
    dataset, conv_with_dropout, few_steps
):
    encoder = conv_with_dropout
    torch.manual_seed(1)
    first = _tune(encoder, _task(dataset))
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    again = _tune(encoder, _task(dataset))
    np.testing.assert_array_equal(first.test, again.test)
    assert torch.equal(state, torch.random.get_rng_state())
    assert not np.array_equal(first.test, _tune(encoder, _task(dataset), seed=1).test)


def test_encoder_is_left_as_it_was(dataset, conv, few_steps):
    before = {name: value.clone() for name, value in conv.state_dict().items()}
    _tune(conv, _task(dataset))
    assert all(torch.equal(before[n], v) for n, v in conv.state_dict().items())


def test_test_labels_and_images_do_not_change_the_choice(dataset, conv, few_steps):
    images, labels = dataset.images.array.copy(), dataset.labels.copy()
    test = dataset.indices("test")
    images[test], labels[test] = 0, 0
    recipe = Transfer(finetune_epochs=4, finetune_lrs=(1e-3, 5e-3))
    found = _tune(conv, _task(dataset), recipe)
    poisoned = _tune(conv, _task(dataset, images=images, labels=labels), recipe)
    assert found.chosen == poisoned.chosen
    np.testing.assert_array_equal(found.val, poisoned.val)


def test_few_labels_still_get_enough_steps(dataset, conv):
    class Count(Quiet):
        calls = 0

        def check(self):
            self.calls += 1

    reporter = Count()
    _tune(conv, _task(dataset, train=np.arange(4)), replace(SHORT, finetune_epochs=1), 0, reporter)
    assert reporter.calls >= LEAST_STEPS


def test_fewer_images_than_a_batch_are_enough(dataset, conv):
    found = _tune(conv, _task(dataset, train=np.arange(4)))
    assert np.isfinite(found.test).all()


def test_frozen_features_cannot_be_tuned(dataset, conv):
    conv.is_tunable = False
    with pytest.raises(UserError, match="'frozen'"):
        _tune(conv, _task(dataset))


def test_cancelling_stops_at_the_next_step(dataset, conv):
    class Stop(Quiet):
        calls = 0

        def check(self):
            self.calls += 1
            if self.calls == 3:
                raise Cancelled

    with pytest.raises(Cancelled):
        _tune(conv, _task(dataset), reporter=Stop())


def test_head_starts_without_a_preference(conv):
    logits = Network(conv, 256, 4)(torch.rand(2, 3, 16, 16))
    assert torch.equal(logits, torch.zeros(2, 4))


def test_deeper_layers_move_less():
    vit = ViT(image_size=16, patch_size=4, dim=32, depth=3, heads=2)
    depths = layer_depths(vit)
    assert depths["cls_token"] == 0
    assert {depths[n] for n in depths if n.startswith("patch_embed")} == {0}
    for i in range(3):
        assert {depths[n] for n in depths if n.startswith(f"blocks.{i}.")} == {i + 1}
    head = nn.Linear(32, 4)
    groups = layer_groups(vit, head, lr=1.0, decay=0.5, head_rate=3.0, weight_decay=0.1)
    rate = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert rate[id(head.weight)] == (3.0, 0.1)
    assert rate[id(head.bias)] == (3.0, 0.0)
    assert rate[id(vit.cls_token)] == (0.5**4, 0.0)
    assert len(rate) == len(list(vit.parameters())) + 2


def test_layers_after_the_blocks_are_nearest_to_the_head():
    class Tower(nn.Module):
        def __init__(self):
            super().__init__()
            self.proj = nn.Parameter(torch.ones(2, 2))
            self.stem = nn.Linear(2, 2)
            self.resblocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
            self.ln_post = nn.LayerNorm(2)

    depths = layer_depths(Tower())
    assert depths["stem.weight"] == 0
    assert depths["resblocks.2.bias"] == 3
    assert depths["ln_post.weight"] == depths["proj"] == 4


def test_network_without_a_sequence_is_one_layer():
    assert set(layer_depths(nn.Linear(2, 2)).values()) == {0}


def test_views_differ_but_keep_range_and_shape():
    images = torch.rand(1, 3, 16, 16).repeat(8, 1, 1, 1)
    views = augment(images, torch.Generator().manual_seed(0))
    again = augment(images, torch.Generator().manual_seed(0))
    assert views.shape == images.shape
    assert torch.equal(views, again)
    assert 0 <= views.min() <= views.max() <= 1 + 1e-6
    assert not torch.equal(views[0], views[1])


def test_random_crops_show_a_share_of_the_image_and_nothing_beyond_it():
    ramp = (torch.arange(64) + 0.5) / 64
    places = torch.stack([ramp.expand(64, 64), ramp[:, None].expand(64, 64), torch.zeros(64, 64)])
    seen = augment(places.repeat(500, 1, 1, 1), torch.Generator().manual_seed(0), (0.2, 0.8))
    across, down = seen[:, 0, 32], seen[:, 1, :, 32]  # (B, 64): where each pixel is from
    width, height = ((side[:, -1] - side[:, 0]) * 64 / 63 for side in (across, down))
    area, ratio = (width * height).abs(), (width / height).abs()
    assert 0.19 < area.min() < 0.25 < 0.7 < area.max() < 0.81
    assert 0.74 < ratio.min() < 0.8 < 1.25 < ratio.max() < 1.35
    assert 0.4 < (width < 0).float().mean() < 0.6  # mirrored
    assert (height > 0).all()
    steps = seen[:, 0, 32].diff(dim=1).sign()
    assert (steps == steps[:, :1]).all()  # mirrored at no border


def test_learned_positions_belong_to_the_first_layer_and_do_not_decay(dataset, few_steps):
    vit = ViT(image_size=16, patch_size=4, dim=32, depth=2, heads=2)
    tuned = encoders.student(deepcopy(vit))
    learn_positions(tuned)
    groups = layer_groups(
        tuned, nn.Linear(32, 4), lr=1.0, decay=0.5, head_rate=1.0, weight_decay=0.1
    )
    (own,) = (g for g in groups if any(p is tuned.vit.positions for p in g["params"]))
    assert (own["lr"], own["weight_decay"]) == (0.5**3, 0.0)
    fixed, learned = (
        _tune(encoders.student(vit), _task(dataset), replace(SHORT, finetune_positions=on))
        for on in (False, True)
    )
    assert not np.array_equal(fixed.test, learned.test)


def test_the_last_steps_keep_the_least_learning_rate():
    rate = _warmup_cosine(100, 0.05, 1e-3)
    assert rate(99) == pytest.approx(1e-3 + (1 - 1e-3) * _warmup_cosine(100, 0.05, 0.0)(99))
    assert (rate(4), rate(100)) == (1.0, pytest.approx(1e-3))


@pytest.mark.gpu
def test_tuning_on_a_device_repeats_itself(dataset, conv_with_dropout):
    run = {"transfer": SHORT, "seed": 0, "device": "cuda", "reporter": Quiet()}
    first = finetune(conv_with_dropout, _task(dataset), **run)
    again = finetune(conv_with_dropout, _task(dataset), **run)
    np.testing.assert_allclose(first.test, again.test, atol=1e-2)


def test_a_batch_too_large_for_memory_is_tuned_in_parts_to_the_same_end(
    dataset, few_steps, monkeypatch
):
    vit = ViT(image_size=16, patch_size=4, dim=16, depth=1, heads=2)
    sizes: list[int] = []

    def forward(self, images):
        if self.training:
            sizes.append(len(images))
        return self.features(images).pooled

    monkeypatch.setattr(ViT, "forward", forward)
    whole = _tune(encoders.student(vit), _task(dataset))
    of_whole = set(sizes)
    sizes.clear()
    monkeypatch.setattr("digpt.transfer.memory.KEPT_BYTES", 100_000)
    parts = _tune(encoders.student(vit), _task(dataset))
    assert of_whole == {SHORT.finetune_batch}
    assert max(sizes) < SHORT.finetune_batch / 2
    np.testing.assert_allclose(parts.test, whole.test, atol=1e-3)  # Adam enlarges rounding


def test_so_many_images_are_tuned_at_once_as_what_they_keep_allows(monkeypatch):
    vit = ViT(image_size=16, patch_size=4, dim=32, depth=2, heads=2)
    network, image = Network(encoders.student(vit), 32, 3).train(), torch.rand(1, 3, 16, 16)
    assert images_at_once(network, image, 64) == 64
    block = 17 * 32 * 4 * 12  # bytes: in a block of 17 tokens about 12 times the width are kept
    monkeypatch.setattr("digpt.transfer.memory.KEPT_BYTES", 10 * 2 * block)
    assert 5 <= images_at_once(network, image, 64) <= 12
    monkeypatch.setattr("digpt.transfer.memory.KEPT_BYTES", 1)
    assert images_at_once(network, image, 64) == 1
    assert network.training


def test_a_network_with_batch_norm_is_tuned_on_whole_batches(monkeypatch):
    monkeypatch.setattr("digpt.transfer.memory.KEPT_BYTES", 1)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    assert images_at_once(network, torch.rand(1, 3, 16, 16), 32) == 32
