"""Datasets: built in and added, and what a plan is told of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digpt import data
from digpt.errors import UserError
from jobs.service import PilotService
from jobs.spec import DatasetRef, load_spec
from tests.handmade import service_in

SPEC = "name: x\ndataset: {name: parts}\npreset: smoke\narms: [{method: scratch}]\n"


def photos(folder: Path, classes: str = "ab", n: int = 20, splits: tuple[str, ...] = ()) -> Path:
    for split in splits or ("",):
        for name in classes:
            where = folder / split / name
            where.mkdir(parents=True)
            for i in range(n):
                draw = np.random.default_rng((ord(name), i, len(split)))
                pixels = draw.integers(0, 255, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(where / f"{name}{i}.png")
    return folder


def test_the_card_of_a_built_in_set_is_drawn_once_for_each_home(
    service: PilotService, monkeypatch: pytest.MonkeyPatch
):
    first = service.dataset("digits")
    monkeypatch.setattr(data, "describe", lambda *_, **__: pytest.fail("drawn again"))
    assert service_in(service.settings.home).dataset("digits") == first


def test_an_added_dataset_is_there_until_it_is_removed(service: PilotService, tmp_path: Path):
    found = service.import_dataset(photos(tmp_path / "photos"), name="parts")
    assert (found.dataset, found.version) == ("parts", 1)
    assert [d.name for d in service.datasets()] == ["surfaces", "digits", "parts"]
    service.remove_dataset("parts")
    with pytest.raises(UserError, match="parts"):
        service.dataset("parts")


def test_the_newest_version_counts_unless_another_is_named(service: PilotService, tmp_path: Path):
    service.import_dataset(photos(tmp_path / "one"), name="parts")
    service.import_dataset(photos(tmp_path / "two", classes="abc"), name="parts")
    assert len(service.dataset("parts").classes) == 3
    assert len(service.dataset("parts", 1).classes) == 2
    with pytest.raises(UserError, match="no version 7"):
        service.dataset("parts", 7)


def test_a_pilot_remembers_which_version_it_ran_on_even_after_removal(
    service: PilotService, tmp_path: Path
):
    service.import_dataset(photos(tmp_path / "one"), name="parts")
    pilot = service.submit(load_spec(SPEC), start=False)
    assert service._store.pilot(pilot).dataset_version == 1
    service.remove_dataset("parts")
    assert service.default_case(pilot).good_classes == ()
    assert service.clone(pilot).dataset.name == "parts"


def test_errors_and_dry_runs_store_nothing(service: PilotService, tmp_path: Path):
    folder = photos(tmp_path / "photos")
    assert service.import_dataset(folder, name="parts", dry_run=True).dataset is None
    (folder / "a" / "a0.png").write_bytes(b"no picture")
    refused = service.import_dataset(folder, name="parts")
    assert refused.dataset is None
    assert any(p.file == "a/a0.png" for p in refused.problems)
    assert [d.name for d in service.datasets()] == ["surfaces", "digits"]
    assert not service.settings.datasets.exists() or not list(service.settings.datasets.iterdir())


def test_bad_items_can_be_left_out(service: PilotService, tmp_path: Path):
    folder = photos(tmp_path / "photos")
    (folder / "a" / "a0.png").write_bytes(b"no picture")
    assert service.import_dataset(folder, name="parts", skip_bad=True).dataset == "parts"
    assert service.dataset("parts").images == 39


@pytest.mark.parametrize("name", ["digits", "", "a/b", ".hidden", "x" * 101])
def test_a_name_that_cannot_be_used_is_refused(service: PilotService, tmp_path: Path, name: str):
    with pytest.raises(UserError):
        service.import_dataset(tmp_path, name=name)


def test_built_in_sets_cannot_be_removed_and_have_no_versions(service: PilotService):
    with pytest.raises(UserError, match="built in"):
        service.remove_dataset("digits")
    with pytest.raises(UserError, match="no versions"):
        service.dataset("digits", 2)


def test_only_built_in_sets_take_a_number_of_images(service: PilotService, tmp_path: Path):
    service.import_dataset(photos(tmp_path / "photos"), name="parts")
    spec = load_spec(SPEC.replace("name: parts", "name: parts, images: 300"))
    with pytest.raises(UserError, match="only built-in"):
        service.estimate(spec)
    assert service._catalogue.facts(DatasetRef(name="digits", images=300)).images == 300


@pytest.mark.parametrize("counts", [{}, {"test": {"": 50}}])
def test_a_dataset_without_labelled_test_images_is_refused(
    service: PilotService, counts: dict[str, dict[str, int]]
):
    card = dict(data.describe("digits"))
    card["counts"] = {s: n for s, n in card["counts"].items() if s != "test"} | counts
    service._store.add_dataset("parts", "nowhere", "f", card)
    with pytest.raises(UserError, match="no labelled test images"):
        service.submit(load_spec(SPEC), start=False)
    assert service.pilots().total == 0


def test_what_a_person_says_of_origin_and_licence_stands_in_the_card(
    service: PilotService, tmp_path: Path
):
    source = photos(tmp_path / "photos")
    service.import_dataset(source, name="parts", origin="line 2, camera B", licence="ours")
    found = service.dataset("parts")
    assert (found.source, found.licence) == ("line 2, camera B", "ours")


def test_versions_say_which_pilots_used_them(service: PilotService, tmp_path: Path):
    service.import_dataset(photos(tmp_path / "one"), name="parts")
    pilot = service.submit(load_spec(SPEC), start=False)
    service.import_dataset(photos(tmp_path / "two", classes="abc"), name="parts")
    newest, first = service.dataset_versions("parts")
    assert (newest.version, newest.pilots) == (2, ())
    assert (first.version, first.pilots) == (1, (pilot,))
    assert first.fingerprint != newest.fingerprint


def test_the_difference_between_versions_names_what_came(service: PilotService, tmp_path: Path):
    service.import_dataset(photos(tmp_path / "one"), name="parts")
    service.import_dataset(photos(tmp_path / "two", classes="abc"), name="parts")
    found = service.dataset_difference("parts", 1, 2)
    assert (found.added.count, found.removed.count, found.pictures.count) == (20, 0, 0)
    assert all(name.startswith("c/") for name in found.added.files)


def test_the_same_data_make_no_new_version_unless_more_is_known_of_them(
    service: PilotService, tmp_path: Path
):
    source = photos(tmp_path / "one", splits=("",))  # splits are cut by the import
    service.import_dataset(source, name="parts")
    for dry_run, version in ((True, None), (False, 1)):
        found = service.import_dataset(source, name="parts", dry_run=dry_run)
        assert found.version == version
        assert [p.facts["version"] for p in found.problems if p.code == "same-data"] == [1]
    assert len(list(service.settings.datasets.iterdir())) == 1
    assert service.import_dataset(source, name="parts", licence="ours").version == 2


@pytest.mark.parametrize("given", ["", "train"])
def test_no_picture_changes_its_split_when_others_come_and_go(
    service: PilotService, tmp_path: Path, given: str
):
    folder = photos(tmp_path / "one", splits=(given,)) / given
    service.import_dataset(tmp_path / "one", name="parts")
    (folder / "a" / "a0.png").rename(folder / "b" / "new.png")
    (folder / "b" / "b3.png").unlink()
    found = service.import_dataset(tmp_path / "one", name="parts")
    changed = service.dataset_difference("parts", 1, 2)
    assert (changed.added.count, changed.removed.count, changed.splits.count) == (1, 2, 0)
    assert [p.facts["count"] for p in found.problems if p.code == "splits-kept"] == [38]


def test_health_is_looked_for_once_for_each_version(
    service: PilotService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    service.import_dataset(photos(tmp_path / "one"), name="parts")
    assert service.known_health("parts") is None
    first = service.health("parts")
    monkeypatch.setattr("jobs.health.health", lambda *_: pytest.fail("looked for again"))
    assert service.health("parts") == service.known_health("parts") == first
    assert "few-images" in {f.code for f in first.findings}
