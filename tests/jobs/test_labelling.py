"""The table of images to label, and what an import makes of it once it is filled in."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digpt.errors import UserError
from jobs.service import PilotService
from jobs.spec import load_spec, with_more_labels

SPEC = "name: x\ndataset: {name: parts}\npreset: smoke\narms: [{method: scratch}]\n"
LABELLED, UNLABELLED = 48, 12


def written(folder: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    (folder / "table.csv").write_text(text.getvalue(), encoding="utf-8-sig")


def parts(folder: Path, unlabelled: int = UNLABELLED) -> Path:
    """Pairs of pictures of one part; the last ones have no class."""
    folder.mkdir()
    rows = [["file", "label", "part", "camera"]]
    for n in range(LABELLED + unlabelled):
        pixels = np.random.default_rng(n).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{n}.png")
        label = "" if n >= LABELLED else "ok" if n % 4 < 2 else "crack"
        split = [] if label else ["pool"]
        rows.append([f"{n}.png", label, f"p{n // 2}", "left" if n % 3 else "right", *split])
    rows[0].append("split")
    written(folder, [row if len(row) == 5 else [*row, ""] for row in rows])
    return folder


def submitted(service: PilotService, source: Path) -> str:
    found = service.import_dataset(source, name="parts")
    assert found.dataset == "parts", found.problems
    return service.submit(load_spec(SPEC), start=False)


def test_the_table_once_filled_in_is_the_next_version_of_the_data(
    service: PilotService, tmp_path: Path
):
    folder = parts(tmp_path / "parts")
    pilot = submitted(service, folder)
    before = service.dataset("parts").counts
    rows = list(csv.reader(io.StringIO(service.label_table(pilot, 5, "train"))))
    head, first = rows[0], rows[1:7]  # three whole parts of two pictures
    assert [row[head.index("label")] for row in first] == [""] * 6
    assert len({row[head.index("group")] for row in first}) == 3

    written(folder, rows)
    unfilled = service.import_dataset(folder, name="parts")
    assert unfilled.dataset is None
    assert "has no class" in unfilled.problems[0].what

    written(folder, [head, *([row[0], "crack", *row[2:]] for row in first), *rows[7:]])
    assert service.import_dataset(folder, name="parts").version == 2
    after = service.dataset("parts").counts
    assert after["train"]["crack"] == before["train"]["crack"] + 6
    assert after["pool"][""] == before["pool"][""] - 6
    assert {s: after[s] for s in ("val", "test")} == {s: before[s] for s in ("val", "test")}
    assert service.dataset("parts").attributes == service.dataset("parts", 1).attributes


def test_no_more_is_drawn_than_there_is(service: PilotService, tmp_path: Path):
    pilot = submitted(service, parts(tmp_path / "parts"))
    rows = list(csv.DictReader(io.StringIO(service.label_table(pilot, 500, "test"))))
    assert sum(row["label"] == "" and row["split"] == "test" for row in rows) == UNLABELLED
    assert len(rows) == LABELLED + UNLABELLED


def test_data_without_unlabelled_images_or_without_files_says_so(
    service: PilotService, tmp_path: Path
):
    pilot = submitted(service, parts(tmp_path / "parts", unlabelled=0))
    with pytest.raises(UserError) as none:
        service.label_table(pilot, 5, "train")
    assert none.value.code == "no-unlabelled"
    drawn = service.submit(load_spec(SPEC.replace("parts", "digits")), start=False)
    with pytest.raises(UserError) as files:
        service.label_table(drawn, 5, "train")
    assert files.value.code == "no-files"


def test_the_pilot_for_more_labels_uses_them_all_on_the_newest_data():
    pinned = load_spec(SPEC.replace("{name: parts}", "{name: parts, version: 1}"))
    spec = with_more_labels(pinned)
    assert spec.dataset.version is None
    assert spec.resolved.transfer.label_budgets[-1] == "all"
    drawn = with_more_labels(load_spec(SPEC.replace("parts", "surfaces")), 12_000)
    assert drawn.dataset.images == 12_000
