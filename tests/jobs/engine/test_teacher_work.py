"""How much work a tokenizer's name promises."""

import pytest

from digpt.tokenizers.names import parse
from jobs.engine.teacher_work import PUBLISHED_FLOPS, fit_flops, token_flops


def test_a_model_that_sees_less_takes_less():
    dinov2 = "timm:vit_small_patch14_dinov2.lvd142m"
    whole, small = (token_flops(parse(n), 32) for n in (dinov2, f"{dinov2}?size=224"))
    assert 6 < whole / small < 9


def test_tuning_takes_what_it_sees_of_few_images_or_of_many():
    def whole(name: str, images: int) -> float:
        return images * fit_flops(parse(name), 64, images)

    tuned = "domain-clip(clip:ViT-B-32@openai)"
    assert whole(tuned, 600) == pytest.approx(2 * whole(tuned, 300))
    assert whole(tuned, 8_000) == pytest.approx(whole(tuned, 800))
    assert whole(tuned.replace("(", "?blocks=all("), 300) > 2 * whole(tuned, 300)


@pytest.mark.slow  # timm's and open_clip's import
@pytest.mark.parametrize(
    ("name", "published"),  # multiply-adds that the papers or timm's tables give, twice
    [
        ("timm:resnet50.a1_in1k", 2 * 4.1e9),
        ("timm:resnet50?size=448", 4 * 2 * 4.1e9),
        ("timm:convnext_base.fb_in22k", 2 * 15.4e9),
        ("clip:RN50@openai", 2 * 6.1e9),
        ("random(clip:xlm-roberta-base-ViT-B-32)", 2 * 4.4e9),
    ],
)
def test_a_model_whose_name_tells_no_size_is_counted(name: str, published: float):
    assert token_flops(parse(name), 64) == pytest.approx(published, rel=0.03)


@pytest.mark.slow  # timm's import
def test_what_cannot_be_counted_has_one_figure_and_is_refused_elsewhere():
    for name in ("timm:no_such_net", "clip:no_such_net@a.pt", "timm:swin_tiny?size=50"):
        assert token_flops(parse(name), 64) == PUBLISHED_FLOPS
