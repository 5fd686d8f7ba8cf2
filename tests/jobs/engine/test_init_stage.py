"""A student that starts from a file, through plan and stages, as a worker runs them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from digpt.errors import UserError
from digpt.models import build_vit, load_encoder, save_encoder
from digpt.models.digpt import DiGPT
from digpt.models.losses import token_loss
from digpt.models.official import to_official
from digpt.models.vit import ViT
from digpt.pretrain.state import identity_of
from digpt.recipe import Recipe, Student
from digpt.reporter import Quiet
from jobs.engine.plan import DatasetFacts, Plan, make_plan
from jobs.engine.stages import run_stage
from jobs.spec import load_spec
from jobs.weights import check_inits, digests

STUDENT = {"image_size": 16, "patch_size": 4, "dim": 16, "depth": 12, "heads": 2}
STUDENT |= {"decoder_dim": 16, "decoder_heads": 2}
DATA = DatasetFacts(
    identity="abc", source="builtin:digits?n=200", images=200, pool=100, train=50, val=25, test=25,
    classes=10,
)  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A published-looking checkpoint of the tiny student at another image size."""
    torch.manual_seed(0)
    encoder = ViT(image_size=24, patch_size=4, dim=16, depth=12, heads=2)
    loss = token_loss("cosine", None)
    model = DiGPT(encoder, token_dim=8, token_loss=loss, has_global=True, taps=(6, 8, 10, 12))
    path = tmp_path / "published.pth"
    torch.save({"model": to_official(model)}, path)
    save_encoder(encoder, tmp_path / "published")
    return path


def spec_of(init: str, **pretrain: Any):
    return load_spec(
        {
            "name": "p",
            "dataset": {"name": "digits"},
            "arms": [{"method": "digpt", "tokenizer": "pixels", "init": init}],
            "preset": "smoke",
            "pretrain": {"student": STUDENT, "images_seen": 32, "batch_size": 16, **pretrain},
            "transfer": {"protocols": ["knn"]},
        }
    )


def run(plan: Plan, folder: Path, kinds: tuple[str, ...]) -> dict[str, Path]:
    """Run the plan's stages of these kinds; kind -> folder."""
    made: dict[str, Path] = {}
    for stage in plan.stages:
        if stage.kind in kinds:
            out = folder / stage.key[:12]
            out.mkdir(parents=True)
            inputs = {role: folder / key[:12] for role, key in stage.inputs.items()}
            run_stage(stage.kind, stage.params, inputs, out, source=stage.source,
                      device=torch.device("cpu"), reporter=Quiet())  # fmt: skip
            made[stage.kind] = out
    return made


def test_pretraining_goes_on_from_the_files_weights(checkpoint: Path, tmp_path: Path) -> None:
    spec = spec_of(f"official:{checkpoint}", lr=1e-8)
    check_inits(spec)
    plan = make_plan(spec, DATA, digests(spec))
    made = run(plan, tmp_path / "run", ("prepare", "fit", "tokenize", "init", "pretrain"))
    published = load_encoder(tmp_path / "published")
    started = load_encoder(made["init"] / "encoder")
    assert started.grid_size == (4, 4)
    assert torch.equal(started.blocks[11].attn.qkv.weight, published.blocks[11].attn.qkv.weight)
    trained = load_encoder(made["pretrain"] / "encoder")
    assert torch.equal(trained.positions, started.positions)
    for name, value in trained.named_parameters():  # two steps at next to no learning rate
        torch.testing.assert_close(value, started.get_parameter(name), rtol=0, atol=1e-6)
    assert not torch.equal(trained.blocks[0].mlp.fc1.weight, started.blocks[0].mlp.fc1.weight)


def test_a_file_that_changes_after_it_was_planned_is_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    spec = spec_of(f"official:{checkpoint}")
    plan = make_plan(spec, DATA, digests(spec))
    checkpoint.write_bytes(checkpoint.read_bytes() + b"more")
    with pytest.raises(UserError, match="has changed since the pilot was submitted"):
        run(plan, tmp_path / "run", ("init",))


def test_a_file_of_other_sizes_is_refused_before_anything_runs(checkpoint: Path) -> None:
    spec = spec_of(f"official:{checkpoint}", student={**STUDENT, "dim": 32})
    with pytest.raises(UserError, match=r"student: \{dim: 16\}"):
        check_inits(spec)


def test_a_resumed_run_must_have_the_same_start(tmp_path: Path) -> None:
    student = Student(image_size=16, patch_size=4, dim=16, depth=2, heads=2)
    tokens: Any = type("T", (), {"dim": 3, "codes": None, "grid_size": (4, 4), "has_global": True})
    inits = [build_vit(student, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    found = [identity_of(Recipe(), "digpt", 0, 9, tokens, None, vit)["init"] for vit in inits]
    assert found[0] == found[1] != found[2]
