"""Plans: equal questions have equal keys, and nothing is planned twice."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from digpt import data as datasets
from digpt.recipe import OFF, Transfer
from digpt.reporter import Quiet
from digpt.transfer import transfer
from digpt.transfer.encoders import Encoder
from jobs.engine.plan import EARLIER, DatasetFacts, Plan, Stage, make_plan, tuned_images
from jobs.spec import load_spec

DATA = DatasetFacts(
    identity="abc", source="builtin:digits", images=1000, pool=600, train=200, val=100, test=100,
    classes=10,
)  # fmt: skip
ARMS = [
    {"method": "frozen", "tokenizer": "domain-clip"},
    {"method": "digpt", "tokenizer": "domain-clip"},
    {"method": "digpt", "tokenizer": "codebook:16(domain-clip)"},
    {"method": "scratch"},
    {"method": "direct", "tokenizer": "domain-clip"},
    {"method": "digpt", "tokenizer": "random"},
]


def plan_of(data: DatasetFacts = DATA, **changes: object) -> Plan:
    values = {"name": "p", "dataset": {"name": "digits"}, "arms": ARMS, "preset": "smoke"}
    return make_plan(load_spec(values | changes), data)


def kinds(plan: Plan, arm: str) -> list[str]:
    return [s.kind for s in plan.of_arm(arm)]


def test_every_stage_follows_its_inputs():
    seen: set[str] = set()
    for stage in plan_of().stages:
        assert set(stage.inputs.values()) <= seen
        seen.add(stage.key)


def test_the_recogniser_is_fitted_once_for_all_its_arms():
    fits = [s for s in plan_of().stages if s.params.get("tokenizer") == "domain-clip"]
    assert len(fits) == 1
    assert len(fits[0].arms) == 4


def test_frozen_features_are_only_probed_and_the_recogniser_only_tuned():
    plan = plan_of()
    frozen = ["prepare", "fit", "features", "probe", "knn", "evaluate"]
    assert kinds(plan, "frozen × domain-clip") == frozen
    assert kinds(plan, "direct × domain-clip") == ["prepare", "fit", "finetune", "evaluate"]
    assert "pretrain" not in kinds(plan, "scratch")


def test_an_encoder_looks_once_for_all_that_is_read_out_of_its_features():
    own = plan_of().of_arm("frozen × domain-clip")
    made, probe, knn = (next(s for s in own if s.kind == k) for k in ("features", "probe", "knn"))
    assert probe.inputs["features"] == knn.inputs["features"] == made.key
    assert "encoder" not in {*probe.inputs, *knn.inputs}


def test_the_name_of_the_pilot_and_the_place_of_the_data_change_no_key():
    moved = replace(DATA, source="elsewhere")
    assert [s.key for s in plan_of(moved, name="other").stages] == [s.key for s in plan_of().stages]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"pretrain": {"images_seen": 640}}, {"prepare", "fit", "tokenize"}),
        ({"transfer": {"finetune_epochs": 9}}, {"prepare", "fit", "tokenize", "pretrain", "probe"}),
        ({"transfer": {"label_budgets": [7]}}, {"prepare", "pretrain", "features", "finetune"}),
    ],
)
def test_a_change_runs_again_only_what_it_touches(change: dict[str, object], same: set[str]):
    def by_kind(plan: Plan) -> dict[str, set[str]]:
        return {k: {s.key for s in plan.stages if s.kind == k} for k in same | {"evaluate"}}

    before, after = by_kind(plan_of()), by_kind(plan_of(**change))
    assert {k for k in same if before[k] == after[k]} == same
    assert before["evaluate"] != after["evaluate"]


@pytest.mark.parametrize("option", sorted(OFF))
def test_an_option_that_is_off_is_not_in_a_key_and_one_that_is_on_is(option: str):
    part = "transfer" if option.startswith("finetune_") else "pretrain"
    usual = {bool: True, int: 2, float: 0.5, str: "cosine", tuple: [0.2, 1.0]}[type(OFF[option])]
    on = {"finetune_randaugment": "rand-m9-mstd0.5", "attention": "flex"}.get(option, usual)
    before, off = plan_of(), plan_of(**{part: {option: OFF[option]}})
    assert [s.key for s in before.stages] == [s.key for s in off.stages]
    assert not any(f"'{option}'" in str(s.params) for s in before.stages)
    assert {s.key for s in before.stages} != {s.key for s in plan_of(**{part: {option: on}}).stages}


def test_other_data_share_no_stage():
    keys = {s.key for s in plan_of().stages}
    assert keys.isdisjoint(s.key for s in plan_of(replace(DATA, identity="other")).stages)


def test_a_random_recogniser_takes_the_seed_of_its_arm():
    plan = plan_of(pretrain={"seeds": 2})
    fits = [s for s in plan.of_arm("digpt × random") if s.kind == "fit"]
    assert [f.params["seed"] for f in fits] == [0, 1]
    clip = [s for s in plan.of_arm("digpt × domain-clip") if s.kind == "fit"]
    assert [f.params["seed"] for f in clip] == [0]


def test_other_weights_in_the_same_file_are_another_stage():
    arms = [{"method": "frozen", "tokenizer": "clip:ViT-B-32@weights.pt"}]
    spec = load_spec({"name": "p", "dataset": {"name": "digits"}, "arms": arms, "preset": "smoke"})
    one, other = (make_plan(spec, DATA, {"weights.pt": d}).stages[1].key for d in ("a", "b"))
    assert one != other


def test_tuning_for_fewer_or_more_epochs_is_another_stage(monkeypatch):
    arms = [{"method": "frozen", "tokenizer": t}
            for t in ("domain-clip(clip:ViT-B-32@openai)", "domain-clip")]  # fmt: skip
    spec = load_spec({"name": "p", "dataset": {"name": "digits"}, "arms": arms, "preset": "smoke"})
    before = [s.key for s in make_plan(spec, DATA).stages if s.kind == "fit"]
    monkeypatch.setattr("jobs.engine.plan.TUNED_EPOCHS", 10)
    after = [s.key for s in make_plan(spec, DATA).stages if s.kind == "fit"]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True]


def arms_plan(*arms: dict[str, str], **values: object) -> Plan:
    earlier = values.pop("earlier", None)
    weights = values.pop("weights", {"own.pt": "abc"})
    base = {"name": "p", "dataset": {"name": "digits"}, "preset": "smoke"}
    return make_plan(
        load_spec(base | {"arms": list(arms)} | values), DATA, weights, earlier=earlier
    )


def one(plan: Plan, kind: str) -> Stage:
    (found,) = (s for s in plan.stages if s.kind == kind)
    return found


def test_an_init_is_a_stage_of_its_own_that_pretraining_waits_for():
    digpt = {"method": "digpt", "tokenizer": "filters"}
    plan = arms_plan({**digpt, "init": "official:own.pt"})
    init = one(plan, "init")
    assert one(plan, "pretrain").inputs["init"] == init.key
    assert init.params["init"] == {"family": "official", "model": "", "weights": "abc"}
    assert one(arms_plan(digpt), "pretrain").key != one(plan, "pretrain").key
    assert "init" not in kinds(arms_plan(digpt), "digpt × filters")


def test_the_content_of_an_inits_file_counts_and_its_place_does_not():
    def key(file: str, digest: str) -> str:
        arm = {"method": "scratch", "init": f"timm:vit_tiny_patch16_224@{file}"}
        return one(arms_plan(arm, weights={file: digest}), "init").key

    assert key("here/own.pt", "abc") == key("there/own.pt", "abc")
    assert key("here/own.pt", "abc") != key("here/own.pt", "xyz")


def test_scratch_with_an_init_is_tuned_from_it():
    plan = arms_plan({"method": "scratch", "init": "official:own.pt"}, pretrain={"seeds": 3})
    (name,) = {a for s in plan.stages for a in s.arms}
    tried = ["features", "probe", "knn", "finetune", "evaluate"]
    assert kinds(plan, name) == ["prepare", "init", *tried]
    tuned = one(plan, "finetune")
    assert tuned.params["role"] == "student"
    assert tuned.inputs["encoder"] == one(plan, "init").key


def test_an_earlier_arm_brings_the_stages_that_made_its_student():
    before = arms_plan({"method": "masked", "tokenizer": "pixels"})
    run = tuple(s for s in before.stages if s.kind in ("prepare", "fit", "tokenize", "pretrain"))
    text = "arm:0f3k2q/masked × pixels"
    digpt = {"method": "digpt", "tokenizer": "filters", "init": text}
    plan = arms_plan(digpt, earlier={text: (run,)})
    assert {s.key for s in run} <= {s.key for s in plan.stages}
    init = one(plan, "init")
    assert init.inputs == {"encoder": run[-1].key}
    order = [s.key for s in plan.stages]
    assert order.index(run[-1].key) < order.index(init.key)
    labels = {s.key: s.label for s in plan.stages}
    assert labels[run[-1].key] == EARLIER


def test_equal_flops_become_a_number_of_images_that_is_in_the_key():
    arms = [{"method": m, "tokenizer": "filters"} for m in ("digpt", "digpt-ar", "masked")]

    def images(**values: object) -> list[float]:
        return [s.units for s in arms_plan(*arms, **values).stages if s.kind == "pretrain"]

    equal = images(equalise="flops")
    assert images() == [2000, 2000, 2000]
    assert equal[0] == pytest.approx(2000, abs=64)
    assert equal[0] < equal[1]
    work = [s.units * s.cost_hint for s in arms_plan(*arms, equalise="flops").stages
            if s.kind == "pretrain"]  # fmt: skip
    assert max(work) / min(work) < 1.05
    assert all(n % 64 == 0 for n in equal)


def test_rois_cache_the_whole_image_only_and_online_crops_cache_nothing():
    def tokens(**recipe: object) -> list[dict[str, object]]:
        plan = plan_of(pretrain=recipe)
        return [dict(s.params) for s in plan.of_arm("digpt × random") if s.kind == "tokenize"]

    crops = {"crop_scale": [0.2, 1.0]}
    assert tokens() == [{"views": ["identity", "flip"]}]
    assert tokens(crops="rois", **crops) == [{"views": ["identity"]}]
    assert tokens(views=["identity", "crop1"], **crops) == [
        {"views": ["identity", "crop1"], "crop_scale": [0.2, 1.0]}
    ]
    assert tokens(crops="online", **crops) == []
    online = plan_of(pretrain={"crops": "online", **crops}).of_arm("digpt × random")
    pretrain = next(s for s in online if s.kind == "pretrain")
    assert set(pretrain.inputs) == {"dataset", "tokenizer"}


def test_images_kept_larger_than_the_student_are_prepared_apart():
    plan = plan_of(pretrain={"crops": "rois", "crop_scale": [0.2, 1.0], "stored_size": 48})
    sizes = {s.params["size"]: s.key for s in plan.stages if s.kind == "prepare"}
    assert set(sizes) == {32, 48}
    for stage in plan.stages:
        if stage.kind in ("tokenize", "pretrain"):
            assert stage.inputs["dataset"] == sizes[48]
        elif "dataset" in stage.inputs:
            assert stage.inputs["dataset"] == sizes[32]


class Counting(Encoder):
    """A linear encoder that counts the images it is shown, those it learns from three times; its
    copies count with it."""

    seen: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(len(images) * (3 if self.training else 1))
        return self.layers(images[..., :8, :8])


def test_a_plan_counts_the_images_that_fine_tuning_reads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("digpt.recipe.LEAST_STEPS", 12)
    data = datasets.builtin("digits", n=400, reporter=Quiet())
    facts = replace(DATA, **{s: len(data.indices(s)) for s in ("train", "val", "test")})
    recipe = Transfer(finetune_budgets=(2, "all"), label_seeds=2, finetune_epochs=3)
    transfer(
        Counting(),
        data,
        protocol="finetune",
        transfer=recipe,
        label_seeds=range(2),
        device=torch.device("cpu"),
        reporter=Quiet(),
    )
    assert sum(Counting.seen) == pytest.approx(tuned_images(recipe, facts), rel=0.01)


def test_a_published_recogniser_that_is_tuned_costs_its_own_flops_at_its_own_size():
    def reads(method: str, tokenizer: str, kind: str) -> float:
        return one(arms_plan({"method": method, "tokenizer": tokenizer}), kind).cost_hint

    tuned = reads("direct", "timm:vit_small_patch32_224", "finetune")
    assert tuned == pytest.approx(2.2e9, rel=0.05)  # 1.1 billion multiply-adds, as published
    assert tuned == reads("frozen", "timm:vit_small_patch32_224", "features")
    assert reads("frozen", "clip:ViT-H-14@laion2b_s32b_b79k", "features") == pytest.approx(
        334e9, rel=0.01
    )
    assert reads("direct", "domain-clip", "finetune") < 1e8
