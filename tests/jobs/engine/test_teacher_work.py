"""How much work a tokenizer's name promises."""

import pytest

from digpt.tokenizers.names import parse
from jobs.engine.teacher_work import fit_flops, token_flops


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
