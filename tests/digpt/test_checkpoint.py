"""Checkpoints: whole or absent, checked, the last two kept."""

from pathlib import Path

import pytest
import torch

from digpt.checkpoint import (
    Checkpoint,
    delete_checkpoints,
    read_checkpoint,
    write_checkpoint,
)
from digpt.reporter import Quiet


class Listening(Quiet):
    """Keeps what was logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, message: str, level: str = "info") -> None:
        self.lines.append(f"{level}: {message}")


def checkpoint(step: int) -> Checkpoint:
    tensors = {
        "weights": torch.full((3, 2), float(step)),
        "half": torch.ones(2, dtype=torch.float16),
        "step": torch.tensor(step),
    }
    return Checkpoint(step, tensors, {"curve": [{"loss": 0.1 + step}], "name": "é"})


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "new", checkpoint(7))
    found = read_checkpoint(tmp_path / "new", Quiet())
    assert found is not None
    assert found.step == 7
    assert found.values == {"curve": [{"loss": 7.1}], "name": "é"}
    for name, tensor in checkpoint(7).tensors.items():
        assert torch.equal(found.tensors[name], tensor)
        assert found.tensors[name].dtype == tensor.dtype


def test_the_last_two_are_kept_and_the_newest_is_read(tmp_path: Path) -> None:
    for step in (5, 90, 100, 1000):
        write_checkpoint(tmp_path, checkpoint(step))
    assert len(list(tmp_path.iterdir())) == 2
    found = read_checkpoint(tmp_path, Quiet())
    assert found is not None
    assert found.step == 1000


@pytest.mark.parametrize("damage", ["cut short", "one bit", "empty"])
def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, damage: str
) -> None:
    write_checkpoint(tmp_path, checkpoint(1))
    path = write_checkpoint(tmp_path, checkpoint(2))
    content = bytearray(path.read_bytes())
    if damage == "cut short":
        content = content[:-5]
    elif damage == "one bit":
        content[-3] ^= 1
    else:
        content = bytearray()
    path.write_bytes(content)
    reporter = Listening()
    found = read_checkpoint(tmp_path, reporter)
    assert found is not None
    assert found.step == 1
    assert reporter.lines[0].startswith(f"warning: Checkpoint {path.name} is damaged")


def test_a_half_written_checkpoint_is_never_seen_and_later_removed(tmp_path: Path) -> None:
    (tmp_path / "step-00000009-00000000.tmp").write_bytes(b"half")
    assert read_checkpoint(tmp_path, Quiet()) is None
    write_checkpoint(tmp_path, checkpoint(10))
    assert len(list(tmp_path.iterdir())) == 1


def test_deleting_removes_the_folder_but_nothing_foreign(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    delete_checkpoints(folder)
    write_checkpoint(folder, checkpoint(1))
    (folder / "notes.txt").write_text("mine")
    delete_checkpoints(folder)
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    delete_checkpoints(folder)
    assert not folder.exists()
