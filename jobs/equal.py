"""How many images each arm is pretrained on, so that all arms spend the same. Pure.

The first pretraining arm of a spec is the measure: it sees `images_seen`, and every other one as
many as the same FLOPs or device-seconds of training steps pay for. The teacher's work is not part
of it, since its tokens are made once and shared, nor is the time in which a stage starts and reads.
"""

from collections.abc import Callable

from digpt.flops import training_flops
from digpt.recipe import Recipe, Student
from digpt.tokenizers.names import TokenizerName, parse
from jobs.spec import PRETRAINING, Arm, PilotSpec

Seconds = Callable[[Arm, Recipe], float]  # device-seconds of one image in a training step

# Width of a family's tokens, where its name does not say: only the last layer's work depends on it.
TOKEN_WIDTHS = {"filters": 32, "random": 128, "domain-clip": 128, "hog": 144}
OTHER_WIDTH = 768


def images_seen(spec: PilotSpec, seconds: Seconds | None = None) -> dict[str, int]:
    """Images that each pretraining arm sees, by its name.

    seconds: how fast each arm trains on this device; needed where a spec equalises these.
    """
    recipe = spec.resolved.pretrain
    arms = [a for a in spec.arms if a.method in PRETRAINING]
    if spec.equalise == "images" or not arms:
        return {a.name: recipe.images_seen for a in arms}
    cost = flops_per_image
    if spec.equalise == "device_seconds":
        assert seconds is not None, "the service measures this device"
        cost = seconds
    costs = {a.name: cost(a, recipe) for a in arms}
    measure = next(iter(costs.values()))
    return {
        name: _in_batches(recipe.images_seen * _steady(measure / cost, spec), recipe.batch_size)
        for name, cost in costs.items()
    }


def flops_per_image(arm: Arm, recipe: Recipe) -> float:
    """FLOPs of one training step of a pretraining arm, per image."""
    return training_flops(arm.method, recipe, token_dim=token_shape(arm, recipe)[0])


def token_shape(arm: Arm, recipe: Recipe) -> tuple[int, int | None]:
    """Width of an arm's tokens, or number of codes; and again the number of codes, if any."""
    name = parse(arm.tokenizer or "")
    width = token_width(name, recipe.student)
    return width, width if name.family == "codebook" else None


def token_width(name: TokenizerName, student: Student) -> int:
    """Width of the tokens, or number of codes; a usual one where only the weights would tell."""
    if name.family == "pixels":
        return 3 * student.patch_size**2
    if name.family == "codebook":
        return int(name.argument or 0)
    return OTHER_WIDTH if name.tunes else TOKEN_WIDTHS.get(name.family, OTHER_WIDTH)


def _steady(share: float, spec: PilotSpec) -> float:
    """A share of measured seconds in two digits: they are known no better."""
    return float(f"{share:.2g}") if spec.equalise == "device_seconds" else share


def _in_batches(images: float, batch: int) -> int:
    return max(1, round(images / batch)) * batch
