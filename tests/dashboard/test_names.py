"""What people call things."""

from dashboard.names import budget_name, short_tokenizer
from dashboard.text import Viewer


def test_a_codebook_is_called_by_its_codes_and_base():
    en, ja = Viewer("en"), Viewer("ja")
    name = "codebook:512(clip:ViT-B-32@laion2b_s34b_b79k)"
    assert short_tokenizer(name, en) == "512 codes of clip:ViT-B-32"
    assert short_tokenizer(name, ja) == "clip:ViT-B-32の512コード"


def test_a_label_budget_is_its_number_or_all():
    assert budget_name("20", Viewer("en")) == budget_name(20, Viewer("ja")) == "20"
    assert budget_name("all", Viewer("en")) == "all"
