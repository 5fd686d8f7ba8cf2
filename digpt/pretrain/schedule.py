"""How many steps a recipe takes, and the learning rate of each."""

import math

from digpt.recipe import Recipe


def steps_of(recipe: Recipe) -> int:
    """The number of steps in which at least `images_seen` images are seen."""
    return max(1, math.ceil(recipe.images_seen / recipe.batch_size))


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then a cosine to zero; `step` counts from 0."""
    steps = steps_of(recipe)
    warmup = round(recipe.warmup_share * steps)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * progress))
