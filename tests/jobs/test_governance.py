"""Licence facts come from the list, unknown is an answer, and forbidden use is asked about."""

import getpass
import os
from importlib.resources import files

import pytest
import yaml

from digpt.errors import UserError
from jobs import governance
from jobs.service import PilotService
from jobs.spec import PilotSpec, load_spec

RULES = yaml.safe_load((files("jobs") / "governance.yaml").read_text("utf-8"))["rules"]
DFN = "clip:ViT-B-16@dfn2b"


def spec(*tokenizers: str, **more: object) -> PilotSpec:
    arms = [{"method": "frozen", "tokenizer": name} for name in tokenizers]
    dataset = {"name": "digits", "images": 400}
    return load_spec({"name": "x", "dataset": dataset, "preset": "smoke", "arms": arms, **more})


@pytest.mark.parametrize(
    ("name", "commercial"),
    [
        ("clip:ViT-B-32@laion2b_s34b_b79k", "yes"),
        ("clip:ViT-B-32@openai", "unknown"),
        ("clip:ViT-B-32@datacomp_xl_s13b_b90k", "yes"),
        (DFN, "no"),
        ("clip:ViT-B-32@metaclip_400m", "no"),
        ("clip:ViT-B-16-SigLIP@webli", "yes"),
        ("clip:MobileCLIP-S1@datacompdr", "no"),
        ("timm:vit_small_patch14_dinov2.lvd142m", "yes"),
        ("timm:vit_small_patch16_dinov3.lvd1689m", "unknown"),
        ("timm:vit_base_patch16_dinov3_qkvb.eupe_lvd1689m", "no"),  # built like it, other terms
        ("clip:nllb-clip-base-siglip@v1", "no"),  # not SigLIP's own weights
        ("timm:vit_large_patch14_clip_224.dfn2b", "no"),  # the same weights as open_clip's
        ("clip:ViT-L-14-CLIPA@datacomp1b", "yes"),
        ("clip:EVA02-B-16@merged2b_s8b_b131k", "yes"),
        ("timm:convnext_base.clip_laion2b", "yes"),
        ("timm:convnext_base.clip_laion2b_augreg_ft_in12k", "unknown"),
        ("timm:vit_small_patch16_224.dino", "unknown"),
        ("timm:beit_base_patch16_224.in22k_ft_in22k", "unknown"),
        ("timm:vit_base_patch16_224.mae", "no"),
        ("timm:convnextv2_base.fcmae_ft_in22k_in1k_384", "no"),
        ("timm:resnet18.a1_in1k", "unknown"),
        ("pixels", "yes"),
        ("domain-clip", "yes"),
        ("codebook:64(clip:ViT-B-32@metaclip_400m)", "no"),
        ("domain-clip(clip:ViT-B-32@metaclip_400m)", "no"),  # tuned, and still their weights
        ("random(clip:ViT-B-32@metaclip_400m)", "yes"),  # untrained: nobody's weights
    ],
)
def test_commercial_use_is_as_the_list_says(name: str, commercial: str):
    assert governance.facts(name).commercial == commercial


@pytest.mark.parametrize("name", ["clip:ViT-B-32@some_new_tag", "timm:vit_new.tag"])
def test_what_is_not_listed_is_unknown_and_says_so(name: str):
    assert governance.facts(name) == governance.UNKNOWN


@pytest.mark.parametrize(
    "name",
    [
        "clip:ViT-B-32@weights/a.pt",
        "clip:ViT-B-16-SigLIP@b.pt",
        "timm:vit_base_patch16_224@c.pt",
    ],
)
def test_a_file_of_ones_own_has_its_own_terms(name: str):
    assert governance.facts(name) == governance.OWN_FILE


@pytest.mark.parametrize(
    "name", ["timm:vit_base_patch16_224.mae@weights/mae.safetensors", "clip:MobileCLIP-S1@s1.pt"]
)
def test_a_file_that_is_named_as_published_weights_keeps_their_terms(name: str):
    assert governance.facts(name).needs_consent


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{r['family']} {r.get('weights', '')}")
def test_every_rule_is_complete(rule: dict):
    assert rule["commercial"] in (True, False, "unknown")
    assert rule["licence"]
    assert rule["training_data"]
    needs_source = rule["family"] in ("clip", "timm")
    assert bool(rule["source"]) == needs_source


def test_tags_that_the_library_offers_are_mostly_known():
    """Every tag of the installed open_clip is fitted by a rule or known to have none."""
    open_clip = pytest.importorskip("open_clip.pretrained")
    unlisted = {
        tag
        for model, tag in open_clip.list_pretrained()
        if governance.facts(f"clip:{model}@{tag}") == governance.UNKNOWN
    }
    assert unlisted <= {"yfcc15m", "cc12m"}


@pytest.mark.slow  # timm's import
def test_without_a_tag_count_the_terms_of_the_weights_that_the_library_then_loads():
    bare = governance.facts("timm:convnextv2_tiny")
    assert bare == governance.facts("timm:convnextv2_tiny.fcmae_ft_in22k_in1k")
    assert bare.needs_consent
    assert governance.facts("timm:convnextv2_tiny@own.pt") == governance.OWN_FILE
    assert governance.facts("timm:no_such_model") == governance.UNKNOWN


@pytest.mark.slow  # timm's import
def test_no_published_model_is_said_to_be_freer_than_its_library_says():
    timm = pytest.importorskip("timm")
    wrong = []
    for name in timm.list_pretrained():
        licence = timm.get_pretrained_cfg(name).license or ""
        said = governance.facts(f"timm:{name}").commercial
        forbids = any(part in licence for part in ("-nc-", "noncommercial", "apple-amlr"))
        if forbids != (said == "no") and "dfn2b" not in name:  # whose licence was changed since
            wrong.append((name, licence, said))
        free = ("apache-2.0", "mit", "bsd-3-clause", "nvidia-open-model-license")
        if said == "yes" and licence not in free:
            wrong.append((name, licence, said))
    assert wrong == []


def test_forbidden_use_must_be_accepted_in_the_spec():
    with pytest.raises(UserError, match="forbids commercial use") as caught:
        governance.check_consent(spec(DFN, "pixels"))
    assert caught.value.field == "licence_accepted"
    assert governance.check_consent(spec(DFN, "pixels", licence_accepted=[DFN])) == [DFN]
    assert governance.check_consent(spec("pixels")) == []


def test_a_students_start_counts_as_well():
    arms = [{"method": "scratch", "init": "timm:vit_base_patch16_224.mae"}]
    start = spec("pixels").model_copy(
        update={"arms": load_spec({"name": "x", "dataset": {"name": "digits"}, "arms": arms}).arms}
    )
    with pytest.raises(UserError, match="mae"):
        governance.check_consent(start)


def test_what_was_accepted_is_in_the_audit_trail(
    service: PilotService, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        governance,
        "_content",
        lambda: {
            "checked": "2026-01-01",
            "rules": [
                {
                    "family": "hog",
                    "licence": "no sale",
                    "training_data": "x",
                    "commercial": False,
                    "concerns": [],
                    "source": "",
                }
            ],
        },
    )
    with pytest.raises(UserError, match="no sale"):
        service.submit(spec("hog"), start=False)
    pilot = service.submit(spec("hog", licence_accepted=["hog"]), start=False)
    trail = service._store.audits(subject=pilot).rows
    assert ("accept licence", {"tokenizer": "hog", "licence": "no sale"}) in [
        (line.action, line.detail) for line in trail
    ]
    (told,) = service.licences_accepted(pilot)
    assert (told.tokenizer, told.licence, told.who) == ("hog", "no sale", getpass.getuser())
    assert service.licences_accepted("another") == ()


def _nameless() -> str:
    raise KeyError("getpwuid(): uid not found: 12345")


def test_tokens_of_weights_that_forbid_commercial_use_are_checked_after_a_click(
    service: PilotService, monkeypatch: pytest.MonkeyPatch
):
    for ask in (
        lambda: service.check_tokens("digits", ["pixels", DFN]),
        lambda: service.code_curve("digits", DFN, [16]),
    ):
        with pytest.raises(UserError, match="forbids commercial use") as refused:
            ask()
        assert refused.value.code == "licence-not-accepted"
    assert service._store.audits("digits").rows == []
    monkeypatch.setattr("getpass.getuser", _nameless)
    service._accept("digits", ["pixels", DFN], [DFN])
    assert service.licences_accepted("digits")[0].who == str(os.getuid())
    (kept,) = service._store.audits("digits").rows
    assert kept.detail["tokenizer"] == DFN
