"""What people call things."""

from dashboard.names import budget_name, short_tokenizer
from dashboard.text import Viewer


def test_a_codebook_is_called_by_its_codes_and_base():
    en, ja = Viewer("en"), Viewer("ja")
    name = "codebook:512(clip:ViT-B-32@laion2b_s34b_b79k)"
    assert short_tokenizer(name, en) == "512 codes of clip:ViT-B-32@laion2b_s34b_b79k"
    assert short_tokenizer(name, ja) == "clip:ViT-B-32@laion2b_s34b_b79kの512コード"


def test_weights_stay_in_a_short_name_without_folder_and_ending():
    tuned = "domain-clip?blocks=4(clip:ViT-B-32@/models/a.pt)"
    assert short_tokenizer(tuned, Viewer("en")) == "domain-clip?blocks=4(clip:ViT-B-32@a)"
    for name in ("clip:ViT-B-32@openai?layer=last", "clip:ViT-B-32@laion2b_s34b_b79k"):
        assert short_tokenizer(name, Viewer("en")) == name
    mae = "timm:vit_base_patch16_224.mae"
    assert short_tokenizer(f"{mae}@w/m.safetensors", Viewer("en")) == mae


def test_a_label_budget_is_its_number_or_all():
    assert budget_name("20", Viewer("en")) == budget_name(20, Viewer("ja")) == "20"
    assert budget_name("all", Viewer("en")) == "all"
