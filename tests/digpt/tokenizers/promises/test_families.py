"""What every tokenizer promises, over all families that need no weights."""

import pytest
import torch

from digpt.errors import UserError
from digpt.tokenizers import fitting

NAMES = ("pixels", "filters", "hog", "random", "domain-clip", "codebook:8(filters)")
every = pytest.mark.parametrize("name", NAMES)


def test_every_family_without_weights_is_tested_here():
    needs_a_file = {"clip", "timm"}  # in test_published_models.py beside this
    assert {n.partition(":")[0] for n in NAMES} == set(fitting.BUILDERS) - needs_a_file


def test_whatever_can_be_made_can_be_loaded():
    assert set(fitting.BUILDERS) == set(fitting.LOADERS)


@every
def test_tokens_have_the_promised_grid_width_and_type(name, fitted, images):
    tokenizer = fitted(name)
    patches, shared = tokenizer.encode(images)
    assert tokenizer.name == name
    assert patches.shape[:3] == (len(images), *tokenizer.grid_size)
    assert tokenizer.grid_size == (4, 4)
    if tokenizer.is_discrete:
        assert patches.dtype == torch.int64
        assert patches.min() >= 0
        assert patches.max() < tokenizer.dim
    else:
        assert patches.shape[3] == tokenizer.dim
        assert patches.isfinite().all()
    assert shared is None or shared.shape == (len(images), tokenizer.dim)


@every
def test_the_same_seed_gives_the_same_tokenizer(name, fitted, fit, dataset, images):
    again = fit(name, dataset, seed=0)
    assert torch.equal(fitted(name).encode(images).patches, again.encode(images).patches)


@pytest.mark.parametrize("name", ["random", "domain-clip", "codebook:8(random)"])
def test_another_seed_gives_another_tokenizer(name, fitted, fit, dataset, images):
    other = fit(name, dataset, seed=1)
    assert not torch.equal(fitted(name).encode(images).patches, other.encode(images).patches)


@every
def test_a_loaded_tokenizer_equals_the_saved_one(name, fitted, images, tmp_path):
    fitting.save(fitted(name), tmp_path)
    loaded = fitting.load(tmp_path)
    expected, found = fitted(name).encode(images), loaded.encode(images)
    assert (loaded.name, loaded.dim, loaded.grid_size) == (name, fitted(name).dim, (4, 4))
    assert torch.equal(expected.patches, found.patches)
    if expected.global_token is not None:
        assert torch.equal(expected.global_token, found.global_token)


@every
def test_validation_and_test_images_never_touch_the_fit(name, fitted, fit, elsewhere):
    """Other pixels, labels and captions there: not one weight differs."""
    expected, found = fitted(name).state_dict(), fit(name, elsewhere).state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[k], found[k]) for k in expected)


@every
def test_an_image_has_the_same_tokens_alone_and_in_a_batch(name, fitted, images):
    together, alone = fitted(name).encode(images).patches[3], fitted(name).encode(images[3:4])
    torch.testing.assert_close(alone.patches[0], together, rtol=1e-4, atol=1e-4)


@every
def test_what_can_be_tuned_gives_a_gradient_to_every_weight(name, fitted, images):
    tokenizer = fitted(name)
    module = tokenizer.trainable()
    if module is None:
        assert not list(tokenizer.parameters())
        return
    before = {k: v.clone() for k, v in tokenizer.state_dict().items()}
    module(images).square().sum().backward()
    with torch.no_grad():
        for weight in module.parameters():
            assert weight.grad is not None
            weight.add_(1.0)
    assert all(torch.equal(before[k], v) for k, v in tokenizer.state_dict().items())


def test_a_folder_without_a_tokenizer_is_refused_in_words(tmp_path):
    with pytest.raises(UserError, match="no complete tokenizer"):
        fitting.load(tmp_path)
