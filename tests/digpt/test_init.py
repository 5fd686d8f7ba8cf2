"""How a student's start is written, and what is said of one that cannot be."""

import pytest

from digpt.errors import UserError
from digpt.init import Init, check_sizes, parse_init
from digpt.recipe import STUDENTS


@pytest.mark.parametrize(
    "text",
    [
        "official:weights/digpt_base.pth",
        "timm:vit_small_patch16_224",
        "timm:vit_small_patch16_224@/weights/own.safetensors",
        "clip:ViT-B-16@laion2b_s34b_b88k",
        "clip:ViT-B-16@weights.pt",
        "arm:0f3k2q/digpt × codebook:16(filters)",
    ],
)
def test_a_start_survives_a_round_trip(text: str) -> None:
    assert parse_init(f" {text} ").text == text


def test_only_a_path_is_a_file_whose_content_counts() -> None:
    files = {
        "official:base.pth": "base.pth",
        "timm:vit_small_patch16_224": None,
        "clip:ViT-B-16@laion2b_s34b_b88k": None,
        "clip:ViT-B-16@weights.pt": "weights.pt",
        "arm:0f3k2q/igpt × pixels": None,
    }
    assert {text: parse_init(text).file for text in files} == files


def test_an_arm_may_be_typed_with_a_plain_x() -> None:
    expected = Init(family="arm", pilot="0f3k2q", arm="digpt × filters")
    assert parse_init("arm:0f3k2q/digpt x filters") == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("oficial:a.pth", "Did you mean 'official'"),
        ("official", "needs a file"),
        ("timm:", "needs a model name"),
        ("timm:vit@augreg", "a tag belongs to the name"),
        ("clip:ViT-B-16", "clip:ViT-B-16@TAG"),
        ("arm:0f3k2q", "write arm:PILOT/ARM"),
    ],
)
def test_a_mistake_in_a_start_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse_init(text)


def test_other_sizes_are_refused_with_what_to_write() -> None:
    found = {"patch_size": 16, "dim": 384, "depth": 12, "heads": 6, "mlp_ratio": 4.0}
    init = parse_init("timm:vit_small_patch16_224")
    check_sizes(init, found, STUDENTS["small"])
    with pytest.raises(UserError, match=r"student: \{dim: 384, heads: 6\}") as error:
        check_sizes(init, found, STUDENTS["base"])
    assert "has dim 384, heads 6, but the student has 768, 12" in error.value.message
