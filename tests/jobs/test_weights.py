"""Weights files named in a spec are read when it is planned."""

import hashlib
from pathlib import Path

import pytest
import torch

from digpt.errors import UserError
from jobs.service import PilotService
from jobs.settings import Settings
from jobs.spec import PilotSpec, load_spec
from jobs.weights import digests


def spec_with(weights: Path) -> PilotSpec:
    arms = [{"method": "frozen", "tokenizer": f"clip:ViT-B-32@{weights}"}]
    return load_spec({"name": "p", "dataset": {"name": "digits"}, "arms": arms})


def test_the_content_of_a_weights_file_is_what_counts(tmp_path: Path):
    file = tmp_path / "weights.pt"
    file.write_bytes(b"one")
    assert digests(spec_with(file)) == {str(file): hashlib.sha256(b"one").hexdigest()}


def test_a_missing_weights_file_is_refused_when_it_is_planned(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        digests(spec_with(tmp_path / "absent.pt"))


@pytest.mark.slow  # imports open_clip and timm
def test_weights_that_cannot_be_had_are_refused_before_anything_is_stored(tmp_path: Path):
    arms = [{"method": "frozen", "tokenizer": "clip:ViT-B-32@laion2b_s34b_b79k"}]
    spec = load_spec({"name": "p", "dataset": {"name": "digits"}, "arms": arms})
    service = PilotService(Settings(home=tmp_path / "home"))
    with pytest.raises(UserError, match="could not be downloaded"):
        service.submit(spec, start=False)
    assert service.pilots().total == 0


@pytest.mark.slow  # imports open_clip and timm
@pytest.mark.parametrize(
    ("method", "tokenizer"),
    [("direct", "clip:ViT-B-32@{}"), ("digpt", "codebook:8(timm:vit_tiny_patch16_224@{})")],
)
@pytest.mark.parametrize("address", ["", "there:6379"])  # the file is read here in any case
def test_a_file_of_other_weights_is_refused_before_anything_is_stored(
    tmp_path: Path, method: str, tokenizer: str, address: str
):
    torch.save({"other.weight": torch.zeros(2)}, tmp_path / "other.pt")
    arms = [{"method": method, "tokenizer": tokenizer.format(tmp_path / "other.pt")}]
    spec = load_spec({"name": "p", "dataset": {"name": "digits"}, "arms": arms})
    service = PilotService(Settings(home=tmp_path / "home", ray_address=address))
    with pytest.raises(UserError, match=r"1 \(other.weight\) in the file are not of this model"):
        service.submit(spec, start=False)
    assert service.pilots().total == 0


def test_a_cluster_may_have_weights_that_this_machine_has_not(tmp_path: Path):
    arms = [{"method": "frozen", "tokenizer": "clip:ViT-B-32@laion2b_s34b_b79k"}]
    spec = load_spec({"name": "p", "dataset": {"name": "digits"}, "arms": arms})
    service = PilotService(Settings(home=tmp_path / "home", ray_address="there:6379"))
    assert service.pilot(service.submit(spec, start=False)).card.name == "p"
