"""The grammar of tokenizer names."""

import subprocess
import sys

import pytest

from digpt.errors import UserError
from digpt.tokenizers import FAMILIES, parse
from digpt.tokenizers.names import split_names


@pytest.mark.parametrize(
    "name",
    [
        "pixels",
        "filters",
        "hog",
        "random",
        "random(clip:ViT-B-32)",
        "clip:ViT-B-32@laion2b_s34b_b79k",
        "clip:ViT-B-32@weights/file.safetensors",
        "timm:vit_small_patch14_dinov2.lvd142m",
        "domain-clip",
        "domain-clip:caption_with_state",
        "domain-clip:a photo of {class} on {part id}",
        "domain-clip:{class}の写真(clip:ViT-B-32@openai)",
        "domain-clip(clip:ViT-B-32@openai)",
        "domain-clip?blocks=all(clip:ViT-B-32@openai?layer=last)",
        "clip:ViT-B-32@openai?layer=penultimate",
        "codebook:512(domain-clip)",
        "codebook:64(timm:resnet18)",
        "codebook:64(domain-clip(clip:RN50@a/b.pt))",
    ],
)
def test_a_canonical_name_parses_to_itself(name):
    assert parse(name).canonical == name


def test_spaces_do_not_matter():
    assert parse(" codebook : 512 ( domain-clip ) ").canonical == "codebook:512(domain-clip)"


def test_an_option_at_its_default_is_the_same_as_none():
    assert parse("clip:RN50@openai?layer=projected") == parse("clip:RN50@openai")
    assert parse("domain-clip?blocks=2(clip:RN50@openai)").option("blocks") == "2"
    assert parse("domain-clip?blocks=2(clip:RN50@openai)").options == ()


def test_a_template_names_its_fields():
    assert parse("domain-clip:{class}の{part id}, {class}").caption_fields == ("class", "part id")
    assert parse("domain-clip:caption").caption_fields == ()


def test_random_of_domain_clip_is_random():
    assert parse("random(domain-clip)") == parse("random")
    tuned = parse("random(domain-clip(clip:RN50@openai))")
    assert tuned == parse("random(clip:RN50@openai)")


def test_an_unknown_family_suggests_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'filters'"):
        parse("filter")
    with pytest.raises(UserError, match="Did you mean 'domain-clip'"):
        parse("codebook:8(domainclip)")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("pixels:8", "takes nothing after a colon"),
        ("clip", "needs a model name"),
        ("clip:", "must follow the colon"),
        ("codebook:512", "needs a base"),
        ("codebook(filters)", "needs a number of codes"),
        ("codebook:1(filters)", "from 2 to 65536"),
        ("codebook:many(filters)", "from 2 to 65536"),
        ("codebook:8(codebook:4(filters))", "cannot be made of codes"),
        ("filters(pixels)", "takes no base"),
        ("random(filters)", "no network"),
        ("codebook:8(filters", "not closed"),
        ("domain-clip(timm:resnet18)", "only a clip: has a text tower"),
        ("domain-clip?blocks=4", "blocks belong to a clip: in brackets"),
        ("domain-clip?blocks=0(clip:RN50@openai)", "blocks must be 1–99 / all"),
        ("clip:RN50@openai?layer=first", "layer must be projected / last / penultimate"),
        ("clip:RN50@openai?depth=2", "no option 'depth'; its options: layer"),
        ("filters?layer=last", "its options: none"),
        ("domain-clip:a {class", "brace without its partner"),
        ("domain-clip:a {} dent", "names in its braces"),
    ],
)
def test_a_malformed_name_says_what_is_wrong(name, why):
    with pytest.raises(UserError, match=why):
        parse(name)


def test_a_codebook_of_random_tokens_depends_on_the_seed():
    assert parse("codebook:8(random)").depends_on_seed
    assert not parse("codebook:8(filters)").depends_on_seed


def test_the_weights_file_of_a_name_is_known_to_plans():
    assert parse("clip:RN50@a/b.pt").weights_file == "a/b.pt"
    assert parse("codebook:8(timm:resnet18@b.safetensors)").weights_file == "b.safetensors"
    assert parse("clip:RN50@openai").weights_file is None
    assert parse("random(clip:RN50@a/b.pt)").weights_file is None
    assert parse("domain-clip(clip:RN50@a/b.pt)").weights_file == "a/b.pt"
    assert parse("codebook:8(domain-clip(clip:RN50@a/b.pt))").weights_file == "a/b.pt"


def test_every_family_says_its_licence():
    assert all(family.licence and family.description for family in FAMILIES.values())


def test_names_are_read_without_torch():
    code = "import sys, digpt.tokenizers.names; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (" pixels,filters ,, hog", ["pixels", "filters", "hog"]),
        ("domain-clip:a {class}, {light}, hog", ["domain-clip:a {class}, {light}", "hog"]),
        ("codebook:8(domain-clip:a {class}, {light}), hog?x=1",
         ["codebook:8(domain-clip:a {class}, {light})", "hog?x=1"]),
        ("filters, fliters", ["filters", "fliters"]),
    ],
)  # fmt: skip
def test_commas_part_names_but_not_a_caption_template(text, names):
    assert split_names(text) == names
