"""Which tokenizers are offered for a dataset."""

from types import SimpleNamespace

import pytest

from jobs.families import tokenizers


@pytest.mark.parametrize(
    ("train", "captions", "states"),
    [
        ({"ok": 300}, {}, ("captions-from-labels", "codebook:512(domain-clip)")),
        ({"ok": 100, "": 300}, {}, ("few-images", "codebook:128(filters)")),
        ({"ok": 100, "": 300}, {"caption": 400}, ("", "codebook:512(domain-clip)")),
        ({"ok": 300}, {"caption": 200}, ("few-images", "codebook:128(filters)")),
        ({"ok": 300}, {"state": 0}, ("captions-from-labels", "codebook:512(domain-clip)")),
        ({"ok": 20}, {"caption": 20}, ("few-images", "codebook:32(filters)")),
    ],
)
def test_what_the_images_cannot_carry_is_not_offered(
    train: dict[str, int], captions: dict[str, int], states: tuple[str, str]
):
    data = SimpleNamespace(counts={"train": train}, captioned=captions)
    cards = {card.family: card for card in tokenizers(data)}  # pyright: ignore[reportArgumentType]
    assert (cards["domain-clip"].remark, cards["codebook"].name) == states
    assert cards["domain-clip"].ready is (states[0] != "few-images")
