"""clip: any open_clip model's image tower, from a published tag or a file of your own.

B images, h × w grid, W width inside the tower, D width of its embedding. Patch tokens are brought
into the embedding's space one by one, as D-iGPT's targets are (METHOD section 1.5).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.tokenizers.base import Tokens
from digpt.tokenizers.names import is_file
from digpt.tokenizers.published import Pretrained, seeded_build, trunk_tokens, whole_image
from digpt.tokenizers.weights import (
    UNREADABLE,
    can_be_had,
    existing,
    file_of_shapes,
    misfit,
    split_argument,
    unknown,
    unreachable,
)

DEPTHS = {"projected": 1, "last": 1, "penultimate": 2}  # which grid from the end tokens come from
# Rebuilding a tower needs no text: open_clip insists on a text tower, so it gets the smallest.
NO_TEXT = {"context_length": 1, "vocab_size": 2, "width": 8, "heads": 1, "layers": 1}


class Clip(Pretrained):
    """Tokens (B, h, w, D) and the image's embedding.

    layer: `projected`, the tower's last block normed and projected; `last`, normed only
    (B, h, w, W); `penultimate`, the block before it, normed.
    """

    def __init__(
        self,
        *,
        name: str,
        model: str,
        quick_gelu: bool = False,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        layer: str = "projected",
        facts: dict[str, object] | None = None,
        visual: nn.Module | None = None,
    ) -> None:
        self.model, self.quick_gelu, self.layer = model, quick_gelu, layer
        self.facts = dict(facts or {})  # how it was tuned, for cards and comparisons
        network: nn.Module = visual or _untrained(model, quick_gelu)
        super().__init__(name=name, network=network, size=_size(network), mean=mean, std=std)

    def config(self) -> dict[str, object]:
        return {
            "name": self.name,
            "model": self.model,
            "quick_gelu": self.quick_gelu,
            "mean": self.mean.flatten().tolist(),
            "std": self.std.flatten().tolist(),
            "layer": self.layer,
            "facts": self.facts,
        }

    def tokens(self, images: Tensor) -> Tokens:
        depth = DEPTHS[self.layer]
        if hasattr(self.network, "trunk"):
            head = self.network.head if self.layer == "projected" else None
            return trunk_tokens(self.network.trunk, images, self.name, head, depth=depth)
        found = self.network.forward_intermediates(images, indices=depth)
        grid = found["image_intermediates"][0].permute(0, 2, 3, 1)  # (B, h, w, W)
        bring = _projected if self.layer == "projected" else _normed
        patches = bring(self.network, grid)  # (B, h, w, D)
        return Tokens(patches, whole_image(patches, found["image_features"]))

    def pooled(self, images: Tensor) -> Tensor:
        return self.network(images)  # (B, D)


def load_clip(name: str, argument: str, layer: str = "projected") -> Clip:
    """The tokenizer of `model@tag` or `model@file`."""
    model, loaded, facts = _loaded(name, argument)
    return Clip(name=name, model=model, layer=layer, visual=loaded.visual, **facts)


def load_pair(name: str, argument: str, layer: str = "projected") -> tuple[Any, Clip, Any]:
    """A whole open_clip model, the tokenizer that its image tower is, and its text tokenizer."""
    import open_clip  # noqa: PLC0415 - optional, seconds

    check_clip(name, argument, reads_texts=True)
    model, loaded, facts = _loaded(name, argument)
    made = Clip(name=name, model=model, layer=layer, visual=loaded.visual, **facts)
    return loaded, made, open_clip.get_tokenizer(model)


def _loaded(name: str, argument: str) -> tuple[str, Any, dict[str, Any]]:
    """Model name, the model with its weights, and its preprocessing."""
    model, weights = _checked(name, argument)
    if is_file(weights):
        loaded = _from_file(name, model, str(existing(weights, name)))
    else:
        loaded = _from_tag(name, model, weights)
    return model, loaded, _preprocessing(model, weights)


def check_clip(name: str, argument: str, *, reads_texts: bool = False) -> None:
    """Raise a UserError where `load_clip`, or `load_pair` if it reads texts, could only fail.
    Nothing is downloaded, and of a file only names and shapes are read."""
    import open_clip  # noqa: PLC0415 - optional, seconds

    model, weights = _checked(name, argument)
    if reads_texts:
        _check_texts(name, model, "hf_tokenizer_name")
    if is_file(weights):
        _check_file(name, model, existing(weights, name))
        return
    repository = open_clip.get_pretrained_cfg(model, weights).get("hf_hub", "").rpartition("/")[0]
    if repository and not can_be_had(repository):
        raise _unreachable(name, model, weights)


def _checked(name: str, argument: str) -> tuple[str, str]:
    """Model, and tag or file, as far as names can be checked."""
    model, weights = split_argument(argument)
    tags = _tags(model)
    if not weights:
        raise UserError(
            f"Tokenizer {name!r} does not say which weights. Write clip:{model}@TAG or "
            f"clip:{model}@FILE; tags: {', '.join(tags) or 'none, so a file'}. For untrained "
            f"weights there is random(clip:{model}).",
            code="no-weights",
            field="tokenizer",
            why="tag",
            name=name,
            model=model,
            tags=tags,
        )
    if not is_file(weights):
        _check_tag(model, weights)
    _check_texts(name, model, "hf_model_name")
    return model, weights


def _check_texts(name: str, model: str, part: str) -> None:
    """Raise a UserError where a part of the text side is of a package that is not here."""
    import open_clip  # noqa: PLC0415 - optional, seconds

    config = open_clip.get_model_config(model) or {}
    if part in config.get("text_cfg", {}) and find_spec("transformers") is None:
        raise UserError(
            f"{name!r}: open_clip reads the texts of {model} with the package transformers, which "
            "is not installed. Install it (pip install transformers), or choose a model with a "
            "tokenizer of open_clip's own, such as ViT-B-32.",
            code="needs-transformers",
            field="tokenizer",
            name=name,
            model=model,
        )


def tower(name: str, model: str, weights: str) -> tuple[Any, dict[str, Any]]:
    """An image tower for a student to start from, with its mean, deviation and `quick_gelu`.

    It has the weights of a tag; those of a file are still to be read.
    """
    facts = _preprocessing(_known_model(model), weights)
    if is_file(weights):
        return _untrained(model, facts["quick_gelu"]), facts
    return _from_tag(name, model, weights).visual, facts


def untrained_clip(name: str, argument: str, seed: int, layer: str = "projected") -> Clip:
    """The same tower before any training, its weights drawn from `seed`."""
    model, weights = split_argument(argument)
    facts = _preprocessing(_known_model(model), weights)
    visual = seeded_build(lambda: _untrained(model, facts["quick_gelu"]), seed)
    return Clip(name=name, model=model, layer=layer, visual=visual, **facts)


def _projected(visual: Any, grid: Tensor) -> Tensor:
    """Patches (B, h, w, W) where the tower compares images with texts: (B, h, w, D).

    A ViT's last norm and projection act on each token alike. A ResNet pools by attention; a token
    that attends to itself alone keeps the value and output maps (Zhou et al. 2022, MaskCLIP).
    """
    if hasattr(visual, "attnpool"):
        pool = visual.attnpool
        return pool.c_proj(pool.v_proj(grid))
    normed = _normed(visual, grid)
    if visual.attn_pool is not None or visual.proj is None:
        return normed
    return normed @ visual.proj


def _normed(visual: Any, grid: Tensor) -> Tensor:
    """Patches (B, h, w, W) after the tower's last norm, where it has one that is theirs."""
    if hasattr(visual, "attnpool"):  # a ResNet
        return grid
    if visual.attn_pool is not None:  # CoCa: the last norm belongs to its pooling queries
        return F.layer_norm(grid, grid.shape[-1:])
    return visual.ln_post(grid)


def _size(visual: Any) -> tuple[int, int]:
    size = visual.image_size
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _known_model(model: str) -> str:
    import open_clip  # noqa: PLC0415 - optional, seconds

    if open_clip.get_model_config(model) is None:
        raise unknown("open_clip model", model, open_clip.list_models(), "open_clip.list_models()")
    return model


def _tags(model: str) -> list[str]:
    import open_clip  # noqa: PLC0415 - optional, seconds

    return open_clip.list_pretrained_tags_by_model(_known_model(model))


def _check_tag(model: str, tag: str) -> None:
    if tag not in (tags := _tags(model)):
        listing = f"open_clip.list_pretrained_tags_by_model({model!r})"
        raise unknown("pretrained tag", tag, tags, listing)


def _preprocessing(model: str, weights: str) -> dict[str, Any]:
    """Mean, deviation and activation that a tag's weights were trained with, else open_clip's own.

    OpenAI's weights want QuickGELU even under a plain model name; open_clip only warns of it.
    """
    import open_clip  # noqa: PLC0415 - optional, seconds

    tag = {} if is_file(weights) or not weights else open_clip.get_pretrained_cfg(model, weights)
    config = open_clip.get_model_config(model) or {}
    return {
        "quick_gelu": bool(tag.get("quick_gelu", config.get("quick_gelu", False))),
        "mean": tuple(tag.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        "std": tuple(tag.get("std") or open_clip.OPENAI_DATASET_STD),
    }


def _from_file(name: str, model: str, path: str) -> Any:
    import open_clip  # noqa: PLC0415 - optional, seconds

    try:
        return open_clip.create_model(model, pretrained=path, pretrained_text=False)
    except UNREADABLE as error:
        raise misfit(name, model, path, error, _shapes_of(model).state_dict()) from error


def _check_file(name: str, model: str, path: Path) -> None:
    """Raise a UserError where `_from_file` would: open_clip's own reading, of shapes alone."""
    from open_clip.factory import load_checkpoint  # noqa: PLC0415 - optional, seconds

    if path.suffix in (".npz", ".npy"):  # big_vision's, which open_clip knows to read whole only
        return
    made = _shapes_of(model)
    try:
        with file_of_shapes(path) as shapes:
            load_checkpoint(made, str(shapes), device="meta")
    except NotImplementedError:  # of a conversion that needs the numbers: loading will tell
        return
    except UNREADABLE as error:
        raise misfit(name, model, str(path), error, _shapes_of(model).state_dict()) from error


def _from_tag(name: str, model: str, tag: str) -> Any:
    import open_clip  # noqa: PLC0415 - optional, seconds

    _check_tag(model, tag)
    facts = open_clip.get_pretrained_cfg(model, tag)
    try:
        made = open_clip.create_model(
            model, pretrained=tag, force_quick_gelu=bool(facts.get("quick_gelu"))
        )
    except (RuntimeError, OSError) as error:
        raise _unreachable(name, model, tag) from error
    return made


def _unreachable(name: str, model: str, tag: str) -> UserError:
    import open_clip  # noqa: PLC0415 - optional, seconds
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME  # noqa: PLC0415

    facts = open_clip.get_pretrained_cfg(model, tag)
    repository, _, file = facts.get("hf_hub", "").rpartition("/")
    file = (
        f"{file or HF_SAFE_WEIGHTS_NAME} of {repository}" if repository else facts.get("url", tag)
    )
    return unreachable(name, file, f"clip:{model}@/path/to/weights.safetensors")


def shapes_of_tower(model: str) -> tuple[Any, tuple[int, int]] | None:
    """An image tower without any numbers in it, and what it sees; None where there is none."""
    import open_clip  # noqa: PLC0415 - optional, seconds

    if open_clip.get_model_config(model) is None:
        return None
    tower = _shapes_of(model, text_cfg=NO_TEXT).visual
    return tower, _size(tower)


def _shapes_of(model: str, **changed: Any) -> Any:
    """A whole open_clip model without any numbers in it."""
    import open_clip  # noqa: PLC0415 - optional, seconds

    with _silently(), torch.device("meta"):
        return open_clip.create_model(
            model, load_weights=False, pretrained_text=False, device="meta", **changed
        )


def _untrained(model: str, quick_gelu: bool) -> Any:
    import open_clip  # noqa: PLC0415 - optional, seconds

    with _silently(), torch.no_grad():
        return open_clip.create_model(
            model,
            load_weights=False,
            pretrained_text=False,
            device=torch.get_default_device(),
            force_quick_gelu=quick_gelu,
            text_cfg=NO_TEXT,
        ).visual


@contextmanager
def _silently() -> Iterator[None]:
    """open_clip warns on the root logger of what is meant here: no weights."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
