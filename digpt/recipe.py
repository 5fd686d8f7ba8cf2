"""Recipes: every number that shapes a pretraining or a transfer, and the presets; student sizes.

Imports nothing heavy, so that a plan or a command line can read recipes without torch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PLAIN_VIEWS = ("identity", "flip")  # others are random crops: crop1, crop2 ...
CROPS = ("cached", "rois", "online")
# Fine-tuning: with 5 labels a class, 25 epochs are 27 steps: 8 points of macro-F1 too few
LEAST_STEPS = 100
TRIAL_SHARE = 0.25  # of the steps, to choose among learning rates
CHECKPOINTS = (0.5, 0.75, 1.0)  # shares of the schedule after which validation is asked


@dataclass(frozen=True, kw_only=True, slots=True)
class Student:
    """The ViT that is pretrained and its decoders. Sizes are in pixels of the student's input."""

    image_size: int = 32
    patch_size: int = 8
    dim: int = 128
    depth: int = 4
    heads: int = 4
    mlp_ratio: float = 4.0
    clusters: tuple[int, int] = (2, 2)  # rows, columns; must divide the patch grid
    taps: tuple[int, ...] | None = (
        None  # encoder blocks read by the decoders, 1-based; None: METHOD
    )
    decoder_dim: int = 128
    decoder_depth: int = 1
    decoder_heads: int = 4


def default_taps(depth: int) -> tuple[int, ...]:
    """The blocks read by the decoders: 6, 8, 10, 12 of 12, and in proportion at other depths."""
    return tuple(sorted({math.ceil(depth * (3 + i) / 6) for i in range(4)}))


def _published(
    dim: int,
    depth: int,
    heads: int,
    *,
    patch_size: int = 16,
    decoder_dim: int = 1024,
    decoder_heads: int = 32,
) -> Student:
    """A student with what all sizes share: 224 px, 2 × 2 clusters, decoders two blocks deep."""
    return Student(
        image_size=224,
        patch_size=patch_size,
        dim=dim,
        depth=depth,
        heads=heads,
        decoder_dim=decoder_dim,
        decoder_depth=2,
        decoder_heads=decoder_heads,
    )


# By name, as `timm` has ViTs of these names; "base" has all shapes of the published model.
STUDENTS: Mapping[str, Student] = {
    "tiny": _published(192, 12, 3, decoder_dim=256, decoder_heads=8),
    "small": _published(384, 12, 6, decoder_dim=512, decoder_heads=16),
    "base": _published(768, 12, 12),
    "large": _published(1024, 24, 16),
    "huge": _published(1280, 32, 16, patch_size=14),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Pretraining: what one arm and one seed do. The same for every tokenizer of a comparison."""

    student: Student = field(default_factory=Student)
    images_seen: int = 40_000
    batch_size: int = 64
    lr: float = 1.5e-3  # at this batch size, not per 256
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05  # not on biases, norms and positions
    decay_tokens: bool = False  # on class and query tokens too, as the official pretraining does
    # the class token starts at zero, as in the official pretraining, not at random
    zero_class_token: bool = False
    warmup_share: float = 0.1  # of all steps; then cosine to zero
    clip_norm: float = 1.0
    views: tuple[str, ...] = ("identity", "flip")  # one is drawn per image; crop1, crop2 .. as well
    # cached: fixed views | rois: random, tokens by RoI-align, which cost 8 points of accuracy on
    # surfaces (benchmarks/RESULTS.md) | online: random, the tokenizer in each step
    crops: str = "cached"
    crop_scale: tuple[float, float] = (1.0, 1.0)  # share of the image in a random crop; 1: whole
    stored_size: int = 0  # side at which images are kept for crops to cut from; 0: the student's
    target_norm: str = "standardise"  # none (published) | standardise (then LayerNorm) | whiten
    loss: str = "own"  # of continuous tokens: own (each method's) | cosine | mse | smooth-l1
    mask_share: float = 0.7  # masked only
    label_smoothing: float = 0.0  # codes only
    target_share: float = 1.0  # digpt only: of each cluster's tokens, how many a decoder predicts
    window: int = 0  # digpt only: how many earlier clusters a cluster sees beside its own; 0: all
    ema: float = 0.0  # decay per step of a moving average of the weights, then kept instead; 0: off
    micro_batch: int = 0  # images computed at once, the batch staying what it is; 0: all of it
    activation_checkpointing: bool = False  # a block is computed twice, and needs less memory
    compile: bool = False  # blocks by torch.compile
    # what has a mask: sdpa | flex (FlexAttention, CUDA only; benchmarks/attention_mask.py says
    # whether it is faster on yours)
    attention: str = "sdpa"
    precision: str = "fp32"  # fp32 | bf16 | fp16 | auto (what the hardware does well)


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """Transfer: how a frozen or pretrained encoder is tried on the labels."""

    protocols: tuple[str, ...] = ("probe", "knn", "finetune")
    label_budgets: tuple[int | str, ...] = (5, 10, 20, 50, "all")  # per class; probe and knn
    finetune_budgets: tuple[int | str, ...] = (20,)
    label_seeds: int = 3
    finetune_epochs: int = 40
    finetune_batch: int = 32
    finetune_lrs: tuple[float, ...] = (5e-4, 1.5e-3)  # chosen on validation
    finetune_layer_decay: float = 0.75
    finetune_weight_decay: float = 0.05  # not on biases, norms, positions and the class token
    finetune_warmup_share: float = 0.1  # of all steps; then cosine to finetune_min_lr
    finetune_min_lr: float = 0.0
    finetune_positions: bool = False  # a student's positions are learned too
    # share of the image in a random crop, which is then the whole; 1: shifted and zoomed a little
    finetune_crop_scale: tuple[float, float] = (1.0, 1.0)
    finetune_clip_norm: float = 1.0  # 0: gradients as they are
    # the head's learning rate, in units of finetune_lrs. A head that starts at zero needs larger
    # steps than weights that know something: at 20 labels for each of 7 kinds of board crop, two
    # label seeds, 3 to 7 points of macro-F1 for a student pretrained to tell rotations, none for
    # one from scratch
    finetune_head_rate: float = 10.0
    # strengths of timm's, for long tuning on many labels: off, since a few hundred steps on 20
    # labels a class end before they could help
    finetune_mixup: float = 0.0  # alpha of its Beta distribution; 0: off, as the others
    finetune_cutmix: float = 0.0
    finetune_erasing: float = 0.0  # share of images with a part erased
    finetune_randaugment: str = ""  # as timm writes it, e.g. rand-m9-mstd0.5-inc1
    finetune_drop_path: float = 0.0  # of the last block; students only
    bootstrap: int = 1000

    def finetune_images(self, labelled: int) -> int:
        """Images of one step of a fine-tuning on so many labelled images."""
        return min(self.finetune_batch, labelled)

    def finetune_steps(self, labelled: int) -> int:
        """Steps of that fine-tuning."""
        images = self.finetune_images(labelled)
        return max(LEAST_STEPS, math.ceil(self.finetune_epochs * labelled / images))

    @property
    def finetune_trials(self) -> int:
        """Short schedules that are run before the full one, one for each learning rate."""
        return len(self.finetune_lrs) if len(self.finetune_lrs) > 1 else 0

    def finetune_all_steps(self, labelled: int) -> int:
        """Those of the trials and of the full schedule."""
        steps = self.finetune_steps(labelled)
        return steps + self.finetune_trials * trial_steps(steps)


def trial_steps(steps: int) -> int:
    """Steps of a short schedule that tells learning rates apart."""
    return max(1, round(TRIAL_SHARE * steps))


# Options that change nothing at these values: they are off, or what was once the only choice. They
# are left out of what names a result, so that a new option does not run again what exists.
OFF: Mapping[str, float | bool | str | tuple[float, ...]] = {
    "decay_tokens": False,
    "zero_class_token": False,
    "loss": "own",
    "target_share": 1.0,
    "window": 0,
    "ema": 0.0,
    "micro_batch": 0,
    "activation_checkpointing": False,
    "compile": False,
    "attention": "sdpa",
    "finetune_warmup_share": 0.1,
    "finetune_min_lr": 0.0,
    "finetune_positions": False,
    "finetune_crop_scale": (1.0, 1.0),
    "finetune_clip_norm": 1.0,
    "finetune_head_rate": 10.0,
    "finetune_mixup": 0.0,
    "finetune_cutmix": 0.0,
    "finetune_erasing": 0.0,
    "finetune_randaugment": "",
    "finetune_drop_path": 0.0,
}


def without_off(values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's numbers by name, but those options that change nothing."""
    return {name: value for name, value in values.items() if name not in OFF or value != OFF[name]}


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """A named pair of recipes and the number of pretraining seeds."""

    pretrain: Recipe = field(default_factory=Recipe)
    transfer: Transfer = field(default_factory=Transfer)
    seeds: int = 1


PRESETS: Mapping[str, Preset] = {
    # for tests: proves that everything runs, too small to tell arms apart
    "smoke": Preset(
        pretrain=Recipe(
            student=Student(dim=64, depth=2, heads=2, taps=(1, 2), decoder_dim=64, decoder_heads=2),
            images_seen=2_000,
        ),
        transfer=Transfer(
            label_budgets=(5, 10),
            finetune_budgets=(10,),
            label_seeds=2,
            finetune_epochs=4,
            finetune_lrs=(1e-3,),
            bootstrap=200,
        ),
    ),
    "quick": Preset(
        pretrain=Recipe(student=Student(taps=(2, 4))),
        transfer=Transfer(finetune_epochs=25),
    ),
    "standard": Preset(
        pretrain=Recipe(
            student=STUDENTS["small"],
            images_seen=2_000_000,
            batch_size=512,
            lr=6e-4,
            precision="auto",
        ),
        transfer=Transfer(
            finetune_budgets=(5, 10, 20, 50, "all"),
            finetune_epochs=50,
            finetune_lrs=(1e-4, 3e-4, 1e-3),
            bootstrap=2000,
        ),
        seeds=3,
    ),
    # METHOD section 1.7: ViT-B/16, IN-1K figures, 300 epochs of 1,281,167 images
    "paper": Preset(
        pretrain=Recipe(
            student=STUDENTS["base"],
            images_seen=384_350_100,
            batch_size=4096,
            lr=2.4e-3,  # 1.5e-4 x 4096/256
            decay_tokens=True,
            zero_class_token=True,
            warmup_share=40 / 300,
            clip_norm=0.0,
            crops="online",
            crop_scale=(0.2, 1.0),
            # the official code crops from each file's own pixels; these are decoded once, and keep
            # 1,281,167 images in 252 GB of disk (at 512, near ImageNet's own sizes, in 1 TB)
            stored_size=256,
            target_norm="none",
            precision="auto",
        ),
        transfer=Transfer(
            finetune_budgets=("all",),
            finetune_epochs=100,
            finetune_batch=1024,
            finetune_lrs=(4e-4,),  # 1e-4 x 1024/256
            finetune_layer_decay=0.65,
            finetune_warmup_share=5 / 100,
            finetune_min_lr=1e-6,
            finetune_positions=True,
            # of the images at the student's size, where the official code crops each file's own
            # pixels; and the middle 77% is all that it evaluates, where here images are seen whole
            finetune_crop_scale=(0.08, 1.0),
            finetune_clip_norm=0.0,
            finetune_head_rate=1.0,
            finetune_mixup=0.8,
            finetune_cutmix=1.0,
            finetune_erasing=0.25,
            finetune_randaugment="rand-m9-mstd0.5-inc1",
            finetune_drop_path=0.1,
            bootstrap=2000,
        ),
        seeds=1,
    ),
}
