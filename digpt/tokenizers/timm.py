"""timm: any timm model with a patch grid (DINOv2, supervised ViTs, ConvNeXt, ResNet ...).

B images, h × w grid, D width.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digpt.errors import UserError
from digpt.tokenizers.base import Tokens
from digpt.tokenizers.names import is_file
from digpt.tokenizers.published import Pretrained, seeded_build, trunk_tokens
from digpt.tokenizers.weights import (
    UNREADABLE,
    can_be_had,
    existing,
    misfit,
    read_weights,
    split_argument,
    unknown,
    unreachable,
)

OWN = "own"  # the size that the model was published for


class Timm(Pretrained):
    """Tokens (B, h, w, D) of the last block (layer `last`) or the one before it (`penultimate`),
    and the pooled vector (B, D).

    size: pixels on a side of what the model sees, OWN: as published. Of DINOv2's 518 px, 224 take a
    seventh of the work; positions are resampled.
    """

    def __init__(
        self,
        *,
        name: str,
        model: str,
        layer: str = "last",
        size: str = OWN,
        network: nn.Module | None = None,
    ) -> None:
        from timm.data.config import resolve_model_data_config  # noqa: PLC0415 - seconds

        self.model, self.layer, self.asked = model, layer, size
        network = network or create(model)
        data = resolve_model_data_config(network)
        seen = tuple(data["input_size"][1:]) if size == OWN else (int(size), int(size))
        try:
            if size != OWN and hasattr(network, "set_input_size"):
                network.set_input_size(seen)  # pyright: ignore[reportCallIssue] (timm's)
            super().__init__(
                name=name, network=network, size=seen, mean=data["mean"], std=data["std"]
            )
        except (AssertionError, RuntimeError, ValueError) as error:
            if size == OWN:
                raise
            raise _wrong_size(name, size, data["input_size"][-1], error) from error

    def config(self) -> dict[str, object]:
        return {"name": self.name, "model": self.model, "layer": self.layer, "size": self.asked}

    def tokens(self, images: Tensor) -> Tokens:
        depth = 2 if self.layer == "penultimate" else 1
        return trunk_tokens(self.network, images, self.name, depth=depth)

    def pooled(self, images: Tensor) -> Tensor:
        features = self.network.forward_features(images)
        return self.network.forward_head(features, pre_logits=True)  # (B, D)


def load_timm(name: str, argument: str, layer: str = "last", size: str = OWN) -> Timm:
    """The tokenizer of `model` (its published weights) or `model@file`."""
    model, path = _checked(name, argument)
    if path is None:
        network = published(name, model)
        return Timm(name=name, model=model, layer=layer, size=size, network=network)
    network = create(model)
    _load(name, model, network, path)
    return Timm(name=name, model=model, layer=layer, size=size, network=network)


def _load(name: str, model: str, network: nn.Module, path: Path) -> None:
    """Give a network the weights of a file; UserError where they are not its own."""
    try:
        network.load_state_dict(without_classifier(read_weights(path), network))
    except UNREADABLE as error:
        raise misfit(name, model, str(path), error, network.state_dict()) from error


def check_timm(name: str, argument: str) -> None:
    """Raise a UserError where `load_timm` could only fail. Nothing is downloaded, and of a file
    only names and shapes are read."""
    model, path = _checked(name, argument)
    if path is not None:
        with torch.device("meta"):
            _load(name, model, create(model), path)
        return
    repository = _repository(model)
    if repository and not can_be_had(repository):
        raise _unreachable(name, model)


def _checked(name: str, argument: str) -> tuple[str, Path | None]:
    """Model, and the file of its weights where one is named."""
    model, weights = split_argument(argument)
    check_model(model)
    if not weights:
        return model, None
    if not is_file(weights):
        raise UserError(
            f"{name!r}: after @ stands a file (.safetensors or .pt). A tag of timm's belongs to "
            f"the name: timm:{model}.TAG",
            code="no-weights",
            field="tokenizer",
            why="path",
            name=name,
            model=model,
        )
    return model, existing(weights, name)


def untrained_timm(
    name: str, argument: str, seed: int, layer: str = "last", size: str = OWN
) -> Timm:
    """The same model before any training, its weights drawn from `seed`."""
    model, _ = split_argument(argument)
    check_model(model)
    network = seeded_build(lambda: create(model), seed)
    return Timm(name=name, model=model, layer=layer, size=size, network=network)


def _wrong_size(name: str, size: str, own: int, error: Exception) -> UserError:
    return UserError(
        f"Tokenizer {name!r}: this model cannot see {size} px ({str(error).splitlines()[0]}). "
        f"Choose a multiple of its patch, or leave ?size out: its own is {own}.",
        code="wrong-size",
        field="tokenizer",
        name=name,
        size=size,
        own=own,
        reason=str(error).splitlines()[0],
    )


def create(model: str) -> nn.Module:
    """The model of that name, untrained and without a classifier."""
    import timm  # noqa: PLC0415 - optional, seconds

    return timm.create_model(model, pretrained=False, num_classes=0)


def shapes_of(model: str) -> tuple[nn.Module, tuple[int, int]] | None:
    """A model without any numbers in it, and what it sees; None where timm does not know it."""
    import timm  # noqa: PLC0415 - optional, seconds
    from timm.data.config import resolve_model_data_config  # noqa: PLC0415

    if not timm.is_model(model):
        return None
    with torch.device("meta"):
        network = create(model)
    height, width = resolve_model_data_config(network)["input_size"][1:]
    return network, (height, width)


def without_classifier(weights: dict[str, Tensor], network: Any) -> dict[str, Tensor]:
    """The weights less those of the classifier, which a tokenizer does not have."""
    classifier = network.pretrained_cfg.get("classifier") or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    parts = tuple(f"{name}." for name in names)
    kept = network.state_dict()
    return {n: w for n, w in weights.items() if n in kept or not n.startswith(parts)}


def published(name: str, model: str) -> nn.Module:
    """The model with its published weights; `name` is the tokenizer or init that asks."""
    import timm  # noqa: PLC0415 - optional, seconds
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    try:
        return timm.create_model(model, pretrained=True, num_classes=0)
    except (OSError, HfHubHTTPError) as error:  # LocalEntryNotFoundError is a FileNotFoundError
        raise _unreachable(name, model) from error


def _unreachable(name: str, model: str) -> UserError:
    file = f"model.safetensors of {_repository(model) or model}"
    return unreachable(name, file, f"timm:{model}@/path/to/model.safetensors")


def default_tag(model: str) -> str:
    """The tag of the weights that a model has where none is named; "" where timm has none."""
    import timm  # noqa: PLC0415 - optional, seconds

    found = timm.get_pretrained_cfg(model)
    return (found and found.tag) or ""


def _repository(model: str) -> str:
    """The hub repository of a model's published weights; "" where timm names none."""
    import timm  # noqa: PLC0415 - optional, seconds

    found = timm.get_pretrained_cfg(model)
    return (found and found.hf_hub_id) or ""


def check_model(model: str) -> None:
    """Raise `UserError`, with what is near, unless timm knows the model."""
    import timm  # noqa: PLC0415 - optional, seconds

    architecture, _, tag = model.partition(".")
    known = timm.list_models() + timm.list_pretrained()
    if tag and timm.is_model(architecture):
        known = timm.list_pretrained(f"{architecture}.*")  # only its own tags are of use
    if model not in known:
        raise unknown("timm model", model, known, "timm.list_models(pretrained=True)")
