"""The student: patches, positions, features, and its folder on disk."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from digpt.errors import UserError
from digpt.models import ViT, build_vit, load_encoder, normalise, save_encoder
from digpt.models.layers import patchify
from digpt.models.positions import resize_positions, sincos_2d
from digpt.recipe import Student


def small() -> ViT:
    return ViT(image_size=16, patch_size=4, dim=16, depth=2, heads=2)


def test_embedding_patches_equals_the_convolution_of_the_image() -> None:
    vit, images = small(), torch.randn(2, 3, 16, 16)
    proj = vit.patch_embed.proj
    expected = F.conv2d(images, proj.weight, proj.bias, stride=4).permute(0, 2, 3, 1)
    assert torch.allclose(vit.patch_embed(patchify(images, 4)), expected, atol=1e-5)


def test_positions_are_sines_and_cosines_of_column_and_row() -> None:
    table = sincos_2d(8, (2, 3))
    assert torch.equal(table[0], torch.zeros(8))
    for row in range(2):
        for column in range(3):
            expected = []
            for place in (column, row):
                angles = torch.tensor([place * 1.0, place * 0.01])
                expected += [angles.sin(), angles.cos()]
            assert torch.allclose(table[1 + row * 3 + column], torch.cat(expected), atol=1e-6)


def test_resized_positions_keep_the_class_row_and_the_new_number() -> None:
    table = sincos_2d(16, (4, 4))
    assert torch.equal(resize_positions(table, (4, 4), (4, 4)), table)
    larger = resize_positions(table, (4, 4), (8, 8))
    assert larger.shape == (65, 16)
    assert torch.equal(larger[0], table[0])


def test_pooled_features_are_the_normed_mean_of_the_patch_tokens() -> None:
    vit, images = small(), torch.randn(2, 3, 16, 16)
    x = vit.patch_embed(vit.patches(images).flatten(1, 2)) + vit.positions[1:]
    x = torch.cat([vit.class_token(2), x], dim=1)
    for block in vit.blocks:
        x = block(x)
    features = vit.features(images)
    assert torch.allclose(features.pooled, F.layer_norm(x[:, 1:].mean(1), (16,), eps=1e-6))
    assert torch.equal(vit(images), features.pooled)
    assert features.patches.shape == (2, 4, 4, 16)
    assert features.cls.shape == (2, 16)


def test_normalise_takes_imagenets_mean_to_zero() -> None:
    grey = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert torch.allclose(normalise(grey), torch.zeros(1, 3, 4, 4), atol=1e-6)
    assert torch.allclose(normalise(grey + 0.229)[:, 0], torch.ones(1, 4, 4), atol=1e-5)


def test_a_saved_encoder_comes_back_the_same(tmp_path: Path) -> None:
    vit, images = small(), torch.randn(2, 3, 16, 16)
    save_encoder(vit, tmp_path / "encoder")
    loaded = load_encoder(tmp_path / "encoder")
    assert loaded.config() == vit.config()
    assert torch.equal(loaded(images), vit(images))
    assert sorted(p.name for p in (tmp_path / "encoder").iterdir()) == [
        "encoder.json",
        "encoder.safetensors",
    ]


def test_a_missing_or_broken_encoder_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No encoder in"):
        load_encoder(tmp_path)
    save_encoder(small(), tmp_path)
    (tmp_path / "encoder.safetensors").write_bytes(b"broken")
    with pytest.raises(UserError, match="cannot be read"):
        load_encoder(tmp_path)


def test_equal_generators_build_equal_students() -> None:
    student = Student(image_size=16, patch_size=4, dim=16, depth=2, heads=2)
    first, second, other = (
        build_vit(student, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    for name, value in first.named_parameters():
        assert torch.equal(value, second.get_parameter(name))
    assert not torch.equal(first.cls_token, other.cls_token)


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(UserError, match="reads images"):
        small()(torch.randn(1, 3, 32, 32))
