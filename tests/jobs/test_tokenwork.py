"""Token checks by the service: what is kept, and what makes it stale."""

from pathlib import Path

import pytest
from safetensors.torch import save_file

from digpt.errors import Cancelled, UserError
from digpt.reporter import Quiet
from jobs.service import PilotService
from jobs.spec import load_spec
from tests.handmade import SPEC
from tests.jobs.test_catalogue import photos

pytestmark = pytest.mark.slow  # tokenizers are fitted


def weights(path: Path, seed: int) -> Path:
    """A tiny timm network of that seed."""
    import timm  # noqa: PLC0415 - seconds
    import torch  # noqa: PLC0415

    torch.manual_seed(seed)
    save_file(timm.create_model("test_vit").state_dict(), path)
    return path


@pytest.fixture
def parts(service: PilotService, tmp_path: Path) -> PilotService:
    service.import_dataset(photos(tmp_path / "photos"), name="parts")
    return service


def test_a_check_is_priced_kept_and_goes_on_where_it_was_stopped(parts: PilotService):
    class StopAtSecond(Quiet):
        def progress(self, done: int, total: int) -> None:
            self.is_late = 2 * done >= total  # the second is begun

        def check(self) -> None:
            if getattr(self, "is_late", False):
                raise Cancelled

    with pytest.raises(Cancelled):
        parts.check_tokens("parts", ["pixels", "filters"], StopAtSecond())
    assert [q["tokenizer"] for q in parts.known_tokens("parts", ["pixels", "filters"])] == [
        "pixels"
    ]

    told = _Told()
    both = parts.check_tokens("parts", ["filters", "pixels", "pixels"], told)
    assert told.at == sorted(told.at)
    assert len(set(told.at)) > 4  # of one tokenizer: the other was known
    assert [q["tokenizer"] for q in both] == ["filters", "pixels"]
    assert all(q["cost_per_1000"] > 0 and q["images"] > 0 and q["tuned"] is None for q in both)
    assert both == parts.check_tokens("parts", ["filters", "pixels"], _Never())


class _Told(Quiet):
    def __init__(self) -> None:
        self.at: list[float] = []

    def progress(self, done: int, total: int) -> None:
        self.at.append(done / total)


class _Never(Quiet):
    def check(self) -> None:
        raise AssertionError("what is known is not measured again")


def test_weights_that_cannot_be_had_are_told_before_the_others_are_measured(
    service: PilotService, monkeypatch: pytest.MonkeyPatch
):
    from huggingface_hub import constants  # noqa: PLC0415 - comes with timm

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    missing = "timm:vit_small_patch14_dinov2.lvd142m"
    with pytest.raises(UserError, match="could not be downloaded"):
        service.check_tokens("digits", ["pixels", missing])
    assert service.known_tokens("digits", ["pixels"]) == []
    with pytest.raises(UserError, match="could not be downloaded"):
        service.code_curve("digits", missing, [4])


def test_other_weights_under_the_same_path_are_checked_anew(parts: PilotService, tmp_path: Path):
    file = weights(tmp_path / "net.safetensors", seed=0)
    name = f"timm:test_vit@{file}"
    first = parts.check_tokens("parts", [name])
    assert parts.known_tokens("parts", [name]) == first
    weights(file, seed=1)
    assert parts.known_tokens("parts", [name]) == []
    file.unlink()
    with pytest.raises(UserError, match=r"net\.safetensors cannot be read"):
        parts.known_tokens("parts", [name])


def test_a_curve_over_codes_is_kept(service: PilotService):
    first = service.code_curve("digits", "pixels", [4, 16])
    assert first == service.code_curve("digits", "pixels", [16, 4], _Never())
    assert service.known_curve("digits", "pixels", [4, 16, 64]) is None


def test_a_caption_that_is_not_there_is_refused_when_planning(service: PilotService):
    wrong = SPEC.replace("{method: digpt, tokenizer: filters}",
                         "{method: digpt, tokenizer: 'domain-clip:a {colour} thing'}")  # fmt: skip
    with pytest.raises(UserError, match="asks for colour; the dataset has: class"):
        service.submit(load_spec(wrong), start=False)
