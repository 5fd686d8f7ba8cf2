"""Specs: what a person may write, and what they are told when it is wrong."""

from pathlib import Path

import pytest

from digpt.errors import UserError
from digpt.init import parse_init
from digpt.recipe import STUDENTS
from jobs.spec import arm_parts, json_schema, load_spec, to_yaml

GOOD = """\
name: boards
dataset: {name: digits}
arms:
  - {method: digpt, tokenizer: filters}
  - {method: scratch}
preset: smoke
"""


def refuse(text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        load_spec(text)
    return caught.value


def test_spec_survives_a_round_trip_through_yaml():
    spec = load_spec(GOOD + "limits: {cost: 20 USD, hours: 2}\npretrain: {seeds: 2}\n")
    assert load_spec(to_yaml(spec)) == spec


def test_overrides_change_single_fields_of_the_preset():
    spec = load_spec(GOOD + "pretrain: {seeds: 3, images_seen: 640, student: {depth: 3}}\n")
    assert spec.resolved.seeds == 3
    assert spec.resolved.pretrain.images_seen == 640
    assert spec.resolved.pretrain.student.depth == 3
    assert spec.resolved.pretrain.student.dim == 64  # as the preset has it


@pytest.mark.parametrize("written", ["base", "{preset: base}"])
def test_a_student_may_be_called_by_its_name(written: str):
    spec = load_spec(GOOD + f"pretrain: {{student: {written}}}\n")
    assert spec.resolved.pretrain.student == STUDENTS["base"]


def test_a_named_student_may_be_changed_and_its_taps_follow_its_depth():
    spec = load_spec(GOOD + "pretrain: {student: {preset: tiny, image_size: 32, patch_size: 8}}\n")
    student = spec.resolved.pretrain.student
    assert (student.dim, student.depth, student.image_size) == (192, 12, 32)
    quick = GOOD.replace("smoke", "quick")
    assert load_spec(quick).resolved.pretrain.student.taps == (2, 4)
    deeper = load_spec(quick + "pretrain: {student: {depth: 8}}\n").resolved.pretrain.student
    assert deeper.taps is None


def test_the_options_of_a_step_are_part_of_a_spec():
    options = (
        "target_share: 0.5, window: 2, ema: 0.99, micro_batch: 16, activation_checkpointing: true"
    )
    recipe = load_spec(GOOD + f"pretrain: {{{options}, compile: true}}\n").resolved.pretrain
    assert (recipe.target_share, recipe.ema, recipe.micro_batch) == (0.5, 0.99, 16)
    assert recipe.window == 2
    assert recipe.activation_checkpointing
    assert recipe.compile


def test_an_init_belongs_to_an_arm_or_to_all_that_are_pretrained():
    spec = load_spec(
        GOOD.replace("tokenizer: filters}", "tokenizer: filters, init: 'official: a.pth'}")
        + "pretrain: {init: timm:vit_tiny_patch16_224}\n"
    )
    digpt, scratch = spec.arms
    assert digpt.name == "digpt × filters ← official:a.pth"
    assert [i.text if (i := spec.init_of(a)) else None for a in spec.arms] == [
        "official:a.pth",
        None,
    ]
    assert load_spec({**spec.model_dump(), "arms": [{**digpt.model_dump(), "init": None}]}).init_of(
        digpt.model_copy(update={"init": None})
    ) == parse_init("timm:vit_tiny_patch16_224")
    assert scratch.name == "scratch"


def test_an_arm_can_be_told_from_its_name():
    text = "{method: scratch, init: 'arm:0f3k2q/digpt × hog'}"
    arm = load_spec(GOOD.replace("{method: scratch}", text)).arms[1]
    assert arm_parts(arm.name) == {"method": "scratch", "init": "arm:0f3k2q/digpt × hog"}


def test_unknown_key_names_line_and_nearest_field():
    error = refuse(GOOD + "presett: quick\n")
    assert "line 7" in error.message
    assert "Did you mean 'preset'?" in error.message


def test_unknown_key_inside_an_arm_names_its_line():
    error = refuse(GOOD.replace("tokenizer: filters}", "tokeniser: filters}"))
    assert "line 4" in error.message
    assert "Did you mean 'tokenizer'?" in error.message


def test_unknown_tokenizer_suggests_the_nearest():
    assert "Did you mean 'filters'?" in refuse(GOOD.replace("filters", "filtres")).message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("method: scratch", "method: digpt"), "digpt needs a tokenizer"),
        (("{method: scratch}", "{method: digpt, tokenizer: filters}"), "is listed twice"),
        (("preset: smoke", "preset: smok"), "Did you mean 'smoke'?"),
        (("preset: smoke", "pretrain: {seeds: 0}"), "whole number from 1 to 20"),
        (("preset: smoke", "pretrain: {images_seen: -5}"), "images_seen"),
        (("preset: smoke", "pretrain: {student: {image_size: 30}}"), "not a multiple of"),
        (("preset: smoke", "pretrain: {student: {clusters: [3, 3]}}"), "do not divide"),
        (
            ("preset: smoke", "pretrain: {student: {image_size: [64, 32]}}"),
            "the side of the square",
        ),
        (("preset: smoke", "pretrain: {student: {image_size: 64x32}}"), "the side of the square"),
        (("preset: smoke", "pretrain: {student: {clusters: [1, 1]}}"), "at least two, e.g. [1, 2]"),
        (("preset: smoke", "pretrain: {student: {dim: 66, heads: 2}}"), "66 cannot hold"),
        (("preset: smoke", "pretrain: {mask_share: 0.99}"), "leaves 0 of 16 patches visible"),
        (("method: scratch", "method: direct, tokenizer: hog"), "no weights to fine-tune"),
        (
            (
                "{method: scratch}",
                "{method: direct, tokenizer: random}\ntransfer: {protocols: [knn]}",
            ),
            "direct takes finetune, and transfer.protocols has knn only",
        ),
        (("preset: smoke", "pretrain: {student: bas}"), "Did you mean 'base'?"),
        (("preset: smoke", "pretrain: {student: 3}"), "one of tiny, small, base"),
        (("preset: smoke", "pretrain: {student: {taps: [1]}}"), "end at 4, the last"),
        (("preset: smoke", "pretrain: {loss: mae}"), "Available: cosine, mse, own, smooth-l1"),
        (("preset: smoke", "pretrain: {init: official}"), "needs a file"),
        (("preset: smoke", "pretrain: {init: 3}"), "must be text"),
        (("preset: smoke", "equalise: money"), "'images', 'flops' or 'device_seconds'"),
        (("method: scratch", "method: frozen, tokenizer: hog, init: 'official:a'"), "no student"),
        (("preset: smoke", "pretrain: {views: [identity, rotate]}"), "Unknown pretrain.views"),
        (("preset: smoke", "pretrain: {views: [crop1]}"), "must be below 1"),
        (("preset: smoke", "pretrain: {crop_scale: [0.2, 1]}"), "has no effect"),
        (("preset: smoke", "pretrain: {crops: rois, views: [crop1]}"), "cropped anew"),
        (("preset: smoke", "pretrain: {crops: onlin}"), "Did you mean 'online'?"),
        (("preset: smoke", "pretrain: {stored_size: 16}"), "smaller than the student's"),
        (("preset: smoke", "pretrain: {target_share: 0}"), "number from 0.01 to 1, not 0"),
        (("preset: smoke", "pretrain: {window: -1}"), "whole number from 0 to 4096, not -1"),
        (("preset: smoke", "pretrain: {ema: 1.0}"), "number from 0 to 0.99999"),
        (("preset: smoke", "pretrain: {micro_batch: -1}"), "whole number from 0"),
        (("preset: smoke", "pretrain: {compile: 3}"), "must be true or false, not 3"),
        (("preset: smoke", "transfer: {finetune_randaugment: strong}"), "written as timm has it"),
        (("preset: smoke", "transfer: {finetune_erasing: 2}"), "number from 0 to 1, not 2"),
        (("preset: smoke", "pretrain: {imges_seen: 5}"), "Did you mean 'images_seen'?"),
        (("preset: smoke", "pretrain: {lr: fast}"), "must be a number"),
        (("preset: smoke", "transfer: {label_budgets: [0]}"), "label budget"),
        (("preset: smoke", "transfer: {protocols: [probee]}"), "Did you mean 'probe'?"),
        (("preset: smoke", "limits: {cost: lots}"), "an amount and a currency"),
        (("{name: digits}", "{name: digits, images: 3}"), "must be at least 200, not 3"),
        (("name: boards", "name: ''"), "name"),
        (("name: boards", "name: [unclosed"), "not valid YAML"),
    ],
)
def test_a_mistake_is_one_sentence_about_that_field(change: tuple[str, str], says: str):
    assert says in refuse(GOOD.replace(*change, 1)).message


def test_text_that_is_no_map_points_to_the_template():
    assert "digpt pilot template" in refuse("- 1\n- 2\n").message


def test_schema_lists_every_method():
    assert "masked" in str(json_schema())


def test_a_spec_that_powershell_wrote_is_read(tmp_path: Path):
    path = tmp_path / "pilot.yaml"
    path.write_text(GOOD.replace("boards", "基板"), encoding="utf-16", newline="\r\n")
    assert load_spec(path).name == "基板"
