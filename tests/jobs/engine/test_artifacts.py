"""A result is there whole or not at all."""

import errno
from pathlib import Path

import pytest

from digpt.errors import UserError
from jobs.engine.artifacts import Artifacts, disk, open_artifacts
from jobs.settings import Settings

KEY = "ab" + "0" * 62


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts")


def make(artifacts: Artifacts, number: int = 1) -> Path:
    work = artifacts.open(KEY, number)
    (work / "deep").mkdir()
    (work / "deep" / "weights.bin").write_bytes(b"weights")
    return artifacts.commit(KEY, number, {"loss": 0.5})


def test_a_committed_result_is_complete_and_keeps_its_summary(artifacts: Artifacts) -> None:
    assert not artifacts.is_complete(KEY)
    folder = make(artifacts)
    assert (folder / "deep" / "weights.bin").read_bytes() == b"weights"
    assert artifacts.is_complete(KEY)
    assert artifacts.summary(KEY) == {"loss": 0.5}
    assert list(artifacts.keys()) == [KEY]


def test_work_that_was_not_committed_does_not_count(artifacts: Artifacts) -> None:
    (artifacts.open(KEY, 1) / "half.bin").write_bytes(b"half")
    assert not artifacts.is_complete(KEY)
    assert list(artifacts.keys()) == []


def test_the_next_attempt_takes_over_the_checkpoint_only(artifacts: Artifacts) -> None:
    first = artifacts.open(KEY, 1)
    (first / "checkpoints").mkdir()
    (first / "checkpoints" / "last").write_text("step 3")
    (first / "other").write_text("half")
    assert artifacts.open(KEY, 2) != first
    third = artifacts.open(KEY, 3)
    assert (third / "checkpoints" / "last").read_text() == "step 3"
    assert not (third / "other").exists()
    assert not first.exists()


def test_a_committed_result_has_no_checkpoint(artifacts: Artifacts) -> None:
    work = artifacts.open(KEY, 1)
    (work / "checkpoints").mkdir()
    assert not (artifacts.commit(KEY, 1, {}) / "checkpoints").exists()


def test_the_first_of_two_commits_stays(artifacts: Artifacts) -> None:
    late = artifacts.work(KEY, 1)
    late.mkdir(parents=True)
    artifacts.commit(KEY, 1, {"attempt": 1})
    artifacts.open(KEY, 2)
    artifacts.commit(KEY, 2, {"attempt": 2})
    assert artifacts.summary(KEY) == {"attempt": 1}


def test_verify_names_what_was_touched(artifacts: Artifacts) -> None:
    folder = make(artifacts)
    assert artifacts.verify(KEY) == []
    (folder / "deep" / "weights.bin").write_bytes(b"changed")
    (folder / "new").write_text("")
    assert artifacts.verify(KEY) == ["deep/weights.bin was changed", "new was added"]


def test_a_removed_result_can_be_made_again(artifacts: Artifacts) -> None:
    make(artifacts)
    artifacts.remove(KEY)
    assert not artifacts.is_complete(KEY)
    make(artifacts, 2)
    assert artifacts.is_complete(KEY)


def test_a_full_disk_says_how_much_is_free(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="GB free") as caught, disk(tmp_path / "not" / "there"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.code == "disk-full"


def test_other_errors_of_the_disk_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk(tmp_path):
        raise PermissionError(errno.EACCES, "no")


def test_a_url_is_refused_for_now(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="s3://bucket"):
        open_artifacts(Settings(home=tmp_path, artifacts_url="s3://bucket/x"))
