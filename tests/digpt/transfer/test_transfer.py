"""Protocols × budgets × label seeds, and the encoders they are given."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from digpt.errors import Cancelled, UserError
from digpt.models.vit import ViT, normalise
from digpt.recipe import Transfer
from digpt.reporter import Quiet
from digpt.tokenizers.base import Tokenizer, Tokens
from digpt.transfer import PROTOCOLS, encoders, extract, labelled, transfer

RECIPE = Transfer(
    label_budgets=(5, 10, "all"),
    finetune_budgets=(5,),
    finetune_epochs=2,
    finetune_lrs=(1e-3, 2e-3),
)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """What is seen here can be seen before anything is learnt."""
    monkeypatch.setattr("digpt.recipe.LEAST_STEPS", 8)


class Means(Tokenizer):
    """Mean colour of each quarter of the image; codes are whether it is bright."""

    def __init__(self, *, is_discrete=False, has_global=True):
        super().__init__()
        self.name, self.grid_size = "means", (2, 2)
        self.is_discrete, self.has_global = is_discrete, has_global
        self.dim = 2 if is_discrete else 3

    def forward(self, images):
        grid = nn.functional.adaptive_avg_pool2d(images, 2).permute(0, 2, 3, 1)
        if self.is_discrete:
            return Tokens((grid.mean(dim=-1) > 0.5).long(), None)
        return Tokens(grid, grid.mean(dim=(1, 2)) if self.has_global else None)

    def config(self):
        return {}


def _transfer(encoder, dataset, protocol, recipe=RECIPE, seeds=(0, 1)):
    return transfer(
        encoder,
        dataset,
        protocol=protocol,
        transfer=recipe,
        label_seeds=seeds,
        device="cpu",
        reporter=Quiet(),
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_budget_and_seed_has_its_run(protocol, dataset, conv):
    runs = _transfer(conv, dataset, protocol)
    found = [(r.label_budget, r.label_seed, r.labels_used) for r in runs]
    expected = [(5, 0, 20), (5, 1, 20)]
    if protocol != "finetune":
        expected += [(10, 0, 40), (10, 1, 40), ("all", 0, 120)]
    assert found == expected
    for run in runs:
        assert run.protocol == protocol
        assert run.predictions.val.shape == run.predictions.test.shape == (60, 4)
        assert run.predictions.test.dtype == np.float32


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_same_inputs_same_predictions(protocol, dataset, conv):
    for one, two in zip(
        _transfer(conv, dataset, protocol), _transfer(conv, dataset, protocol), strict=True
    ):
        np.testing.assert_array_equal(one.predictions.test, two.predictions.test)


def test_fine_tuning_tells_every_step_and_ends_at_the_last(dataset, conv):
    told = []

    class Told(Quiet):
        def progress(self, done, total):
            told.append((done, total))

    recipe = replace(RECIPE, finetune_budgets=(5, "all"))
    transfer(
        conv, dataset, protocol="finetune", transfer=recipe, label_seeds=(0, 1),
        device="cpu", reporter=Told(),
    )  # fmt: skip
    steps = [2 + 2 + 8, 8, 2 + 2 + 8]  # both rates are tried at the first draw of a budget
    assert told == [(done, sum(steps)) for done in range(1, 1 + sum(steps))]


def test_fine_tuning_that_was_stopped_goes_on_after_the_last_finished_run(dataset, conv, tmp_path):
    class Stopped(Quiet):
        """Is cancelled at some step, or never."""

        def __init__(self, after=None):
            self.after, self.steps, self.told = after, 0, ()

        def check(self):
            self.steps += 1
            if self.steps == self.after:
                raise Cancelled

        def progress(self, done, total):
            self.told = (done, total)

    def run(reporter, keep):
        return transfer(
            conv, dataset, protocol="finetune", transfer=RECIPE, label_seeds=(0, 1, 2),
            device="cpu", reporter=reporter, keep=keep,
        )  # fmt: skip

    whole, rest = Stopped(), Stopped()
    undisturbed = run(whole, None)
    with pytest.raises(Cancelled):
        run(Stopped(after=whole.steps - 5), tmp_path)  # in the last of three
    assert sorted(f.name for f in tmp_path.iterdir()) == ["finetune.5.0.npz", "finetune.5.1.npz"]
    (tmp_path / "finetune.5.1.npz").write_bytes(b"torn")
    resumed = run(rest, tmp_path)
    assert whole.steps / 3 < rest.steps < whole.steps * 2 / 3
    assert rest.told == whole.told
    for one, other in zip(undisturbed, resumed, strict=True):
        assert one.predictions.chosen == other.predictions.chosen
        np.testing.assert_array_equal(one.predictions.val, other.predictions.val)
        np.testing.assert_array_equal(one.predictions.test, other.predictions.test)


def test_learning_rate_is_chosen_once_per_budget(dataset, conv):
    runs = _transfer(conv, dataset, "finetune", seeds=(0, 1, 2))
    assert len({r.predictions.chosen["lr"] for r in runs}) == 1


def test_unlabelled_images_are_left_out(dataset, conv):
    labels = dataset.labels.copy()
    labels[dataset.indices("test")[:10]] = -1
    labels[dataset.indices("train")[:20]] = -1
    partly = replace(dataset, labels=labels)
    run = _transfer(conv, partly, "probe", replace(RECIPE, label_budgets=("all",)))[0]
    assert (run.labels_used, len(run.predictions.test)) == (100, 50)
    assert len(labelled(partly, "test")) == 50


def test_missing_validation_split_is_named(dataset, conv):
    split = np.where(dataset.split == "val", "test", dataset.split)
    with pytest.raises(UserError, match="'val'"):
        _transfer(conv, replace(dataset, split=split), "probe")


def test_unknown_protocol_names_the_nearest(dataset, conv):
    with pytest.raises(UserError, match="Did you mean 'finetune'"):
        _transfer(conv, dataset, "fine-tune")


def test_features_come_in_the_order_asked(dataset, conv):
    rows = np.array([7, 3, 200])
    found = extract(conv, dataset.images.array, rows, device="cpu", reporter=Quiet(), batch=2)
    images = torch.from_numpy(dataset.images.array[rows]).permute(0, 3, 1, 2) / 255
    np.testing.assert_allclose(found, conv(images).detach().numpy(), atol=1e-5)


def test_student_features_are_moments_and_class_token():
    vit = ViT(image_size=16, patch_size=4, dim=32, depth=1, heads=2).eval()
    images = torch.rand(2, 3, 16, 16)
    features = vit.features(normalise(images))
    found = encoders.student(vit).represent(images)
    patches = features.patches.flatten(1, 2)
    torch.testing.assert_close(found[:, :32], patches.mean(1))
    torch.testing.assert_close(found[:, 32:64], patches.std(1, correction=0))
    torch.testing.assert_close(found[:, 64:], features.cls)
    torch.testing.assert_close(encoders.student(vit)(images), features.pooled)


@pytest.mark.parametrize(("has_global", "width"), [(True, 9), (False, 6)])
def test_frozen_features_are_global_token_and_moments(has_global, width):
    encoder = encoders.frozen(Means(has_global=has_global))
    assert encoder.represent(torch.rand(2, 3, 16, 16)).shape == (2, width)
    assert not encoder.is_tunable


def test_frozen_features_of_codes_are_root_shares():
    images = torch.zeros(1, 3, 16, 16)
    images[:, :, :8, :8] = 1  # one bright quarter of four
    found = encoders.frozen(Means(is_discrete=True)).represent(images)
    torch.testing.assert_close(found, torch.tensor([[0.75, 0.25]]).sqrt())


def test_tokenizer_without_weights_is_no_recogniser():
    with pytest.raises(UserError, match="no weights to fine-tune"):
        encoders.recogniser(Means())
