"""How much work a tokenizer's name promises."""

from digpt.tokenizers.names import parse
from jobs.engine.teacher_work import token_flops


def test_a_model_that_sees_less_takes_less():
    dinov2 = "timm:vit_small_patch14_dinov2.lvd142m"
    whole, small = (token_flops(parse(n), 32) for n in (dinov2, f"{dinov2}?size=224"))
    assert 6 < whole / small < 9
