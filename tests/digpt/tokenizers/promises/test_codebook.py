"""k-means codes."""

import pytest

from digpt.errors import UserError
from digpt.tokenizers.codebook import Codebook


@pytest.mark.parametrize("name", ["codebook:8(filters)", "codebook:5(random)"])
def test_a_code_is_the_nearest_centre_by_brute_force(name, fitted, images):
    tokenizer = fitted(name)
    assert isinstance(tokenizer, Codebook)
    tokens = (tokenizer.base.encode(images).patches - tokenizer.mean) / tokenizer.std
    codes = tokenizer.encode(images).patches
    for token, code in zip(tokens.flatten(0, 2), codes.flatten(), strict=True):
        distances = (tokenizer.centres - token).norm(dim=1)
        assert distances[code] <= distances.min() + 1e-4


def test_its_facts_count_the_codes_in_use(fitted):
    facts = fitted("codebook:8(filters)").facts
    assert 1 < facts["perplexity"] <= facts["used_codes"] <= 8


def test_more_codes_than_tokens_can_fill_are_refused(fit, dataset):
    with pytest.raises(UserError, match="too few for 65536 codes"):
        fit("codebook:65536(pixels)", dataset)
