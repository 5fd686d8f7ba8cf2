"""Class folders come in as they lie; whatever is wrong is said with what to do."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digpt.data import load_prepared, open_dataset, prepare, store_dataset
from digpt.data.importers import Imported, read
from digpt.errors import Cancelled, UserError
from digpt.reporter import Quiet


def said(found: Imported, severity: str) -> str:
    return " | ".join(
        f"{p.file}: {p.what} {p.fix}" for p in found.problems if p.severity == severity
    )


def test_class_folders_become_a_dataset_with_splits_cut_and_said(folder, class_files):
    found = read(folder(class_files(10)), name="parts")
    assert found.format == "class folders (folder)"
    assert found.dataset is not None
    assert found.dataset.classes == ("good", "scratch")
    assert found.dataset.good_classes == ("good",)
    assert found.counts == {s: {"good": n, "scratch": n} for s, n in
                            {"train": 6, "val": 2, "test": 2}.items()}  # fmt: skip
    assert "no splits" in said(found, "note")
    assert any("no splits" in str(note) for note in found.dataset.notes)


@pytest.mark.parametrize("val", ["val", "valid", "Validation", "検証用"])
def test_split_folders_are_kept_whatever_validation_is_called(folder, class_files, val: str):
    found = read(folder(class_files(3, ("train", val, "test"))), name="parts")
    assert found.format == "class folders in split folders (folder)"
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(train=6, val=6, test=6)
    assert found.problems == []


def test_a_missing_validation_split_is_cut_from_train_only(folder, class_files):
    source = folder(class_files(10, ("train", "test")))
    found = read(source, name="parts")
    assert found.dataset is not None
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(train=16, val=4, test=20)
    tested = found.dataset.ids[found.dataset.split == "test"]
    assert all(path.startswith("test/") for path in tested)
    assert "20% of train" in said(found, "note")


def test_pictures_of_a_pool_folder_have_no_class(folder, class_files, png):
    files = class_files(3, ("train", "val", "test")) | {"pool/x.png": png(99)}
    found = read(folder(files), name="parts")
    assert found.counts["pool"] == {"": 1}


def test_folders_of_one_name_in_several_classes_are_said(folder, png):
    names = ("A/good", "A/dent", "B/good", "B/dent")
    files = {f"{name}/{i}.png": png(10 * i + k) for i in range(6) for k, name in enumerate(names)}
    found = read(folder(files), name="x")
    assert "A and B are taken for classes" in said(found, "warning")
    assert "in several of them: dent and good" in said(found, "warning")


def test_pictures_and_annotations_of_unknown_kinds_are_said(folder, class_files):
    files = class_files(6)
    some = next(iter(files))
    found = read(folder(files | {"good/x.CR2": b"II*", some[:-4] + ".json": b"{}"}), name="x")
    assert "2 files are of kinds that are not read (.cr2, .json)" in said(found, "warning")


def test_a_missing_folder_is_an_error_that_says_where_it_was_sought(tmp_path: Path):
    found = read(tmp_path / "nowhere", name="x")
    assert found.dataset is None
    assert "does not exist" in said(found, "error")


def test_an_empty_folder_says_what_is_wanted(tmp_path: Path):
    found = read(tmp_path, name="x")
    assert found.dataset is None
    assert "one folder of pictures per class" in said(found, "error")


def test_an_empty_class_is_an_error_and_can_be_skipped(folder, class_files):
    source = folder(class_files(5))
    (source / "dent").mkdir()
    found = read(source, name="x")
    assert found.dataset is None
    assert "dent: The class folder holds no picture" in said(found, "error")
    kept = read(source, name="x", skip_bad=True)
    assert kept.dataset is not None
    assert "dent" in said(kept, "error")
    assert kept.dataset.classes == ("good", "scratch")


def test_a_truncated_picture_is_named_and_can_be_skipped(folder, class_files, png):
    source = folder(class_files(5) | {"scratch/cut.png": png(77, 32)[:900]})
    found = read(source, name="x")
    assert found.dataset is None
    assert "scratch/cut.png: Image 6 of 11 cannot be read: truncated file" in said(found, "error")
    kept = read(source, name="x", skip_bad=True)
    assert kept.dataset is not None
    assert len(kept.dataset) == 10
    assert "1 bad items were left out" in str(kept.dataset.notes[0])


def test_a_picture_outside_all_class_folders_is_an_error(folder, class_files, png):
    found = read(folder(class_files(5) | {"loose.png": png(50)}), name="x")
    assert "loose.png: The picture lies in no class folder" in said(found, "error")


def test_a_folder_beside_split_folders_is_an_error(folder, class_files, png):
    files = class_files(5, ("train", "test")) | {"extra/good/a.png": png(51)}
    assert "extra: The folder stands beside split folders" in said(
        read(folder(files), name="x"), "error"
    )


def test_one_class_is_not_enough(folder, png):
    found = read(folder({f"good/{i}.png": png(i) for i in range(5)}), name="x")
    assert found.dataset is None
    assert "Only 1 class was found (good)" in said(found, "error")


def test_hidden_files_and_texts_are_not_pictures(folder, class_files):
    files = class_files(5) | {".DS_Store": b"x", "good/Thumbs.db": b"x", "README.md": b"# hello"}
    found = read(folder(files), name="x")
    assert found.dataset is not None
    assert len(found.dataset) == 10


def test_the_licence_file_is_quoted(folder, class_files):
    found = read(folder(class_files(5) | {"LICENSE": b"MIT License\n\nCopyright"}), name="x")
    assert found.dataset is not None
    assert found.dataset.licence == "MIT License"


def test_equal_pictures_in_two_splits_stay_in_train_only(folder, class_files, png):
    same = png(500)
    files = class_files(5, ("train", "val", "test"))
    files |= {"train/good/b.png": same, "test/good/b1.png": same, "test/good/b2.png": same,
              "val/good/b3.png": same}  # fmt: skip
    found = read(folder(files), name="x")
    assert found.dataset is not None
    assert [p for p in found.dataset.ids if "/b" in p] == ["train/good/b.png"]
    assert "4 files hold 1 pictures" in said(found, "warning")
    assert "val: 1, test: 2" in " ".join(map(str, found.dataset.notes))
    kept = read(folder(files), name="x", exclude_cross_split_duplicates=False)
    assert kept.dataset is not None
    assert len(kept.dataset) == len(files)


def test_equal_pictures_without_given_splits_are_cut_into_one_split(folder, class_files, png):
    files = class_files(10) | {f"good/same{i}.png": png(500) for i in range(6)}
    found = read(folder(files), name="x")
    assert found.dataset is not None
    same = np.char.find(found.dataset.ids, "same") >= 0
    assert len(set(found.dataset.split[same])) == 1


def test_one_picture_in_two_classes_is_a_warning(folder, class_files, png):
    files = class_files(5) | {"good/b.png": png(500), "scratch/b.png": png(500)}
    assert "1 pictures are in several classes" in said(read(folder(files), name="x"), "warning")


def test_crops_of_one_source_stay_together(folder, png):
    names = [(label, s, i) for label in ("good", "open") for s in range(20) for i in range(3)]
    files = {
        f"{label}/{4400 + s}{label[0]}_{i}.png": png(k) for k, (label, s, i) in enumerate(names)
    }
    found = read(folder(files), name="x")
    assert found.dataset is not None
    assert found.dataset.groups is not None
    assert len(np.unique(found.dataset.groups)) == 40
    for group in np.unique(found.dataset.groups):
        assert len(set(found.dataset.split[found.dataset.groups == group])) == 1
    assert "40 groups" in said(found, "note")


def test_a_counter_in_file_names_is_no_source(folder, png):
    files = {f"{label}/img_{i:04d}.png": png(i + 100 * k)
             for k, label in enumerate(("good", "open")) for i in range(20)}  # fmt: skip
    found = read(folder(files), name="x")
    assert found.dataset is not None
    assert found.dataset.groups is None


def test_a_table_beside_class_folders_adds_captions_and_attributes(folder, class_files):
    rows = "".join(f"good/p{i}.png,a good grey sheet,{20 + i}\n" for i in range(5))
    files = class_files(5) | {"captions.csv": f"file,caption,temperature\n{rows}".encode()}
    found = read(folder(files), name="x")
    assert found.dataset is not None
    assert found.dataset.captions["caption"][0] == "a good grey sheet"
    assert found.dataset.caption_names_class == {"caption": 1.0}
    assert found.dataset.attributes["temperature"].dtype == np.float64
    assert "5 of 10 images have no row" in said(found, "warning")


def test_a_name_that_lies_in_several_class_folders_describes_none_of_them(folder, class_files):
    rows = "p0.png,which one?\nC:\\data\\good\\p1.png,a good one\n"
    files = class_files(5) | {"captions.csv": f"file,caption\n{rows}".encode()}
    found = read(folder(files), name="x")
    assert found.dataset is not None
    assert set(found.dataset.captions["caption"]) == {"", "a good one"}


def test_an_import_is_the_same_after_storing_and_its_fingerprint_follows_content(
    folder, class_files, png, tmp_path: Path
):
    source = folder(class_files(5))
    first = read(source, name="x").dataset
    assert first is not None
    store_dataset(first, tmp_path / "kept", reporter=Quiet())
    kept = open_dataset(tmp_path / "kept")
    assert np.array_equal(kept.images.load(range(10), 8), first.images.load(range(10), 8))
    prepare(kept, tmp_path / "ready", size=8, reporter=Quiet())
    assert load_prepared(tmp_path / "ready").fingerprint == first.fingerprint
    again = read(source, name="another name").dataset
    assert again is not None
    assert again.fingerprint == first.fingerprint
    (source / "good" / "p0.png").write_bytes(png(12345))
    changed = read(source, name="x").dataset
    assert changed is not None
    assert changed.fingerprint != first.fingerprint


def test_reading_stops_when_it_is_cancelled(folder, class_files):
    class Stopped(Quiet):
        def check(self) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        read(folder(class_files(5)), name="x", reporter=Stopped())


def test_a_task_that_there_is_not_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"Unknown task 'detectoin'\. Did you mean 'detection'"):
        read(tmp_path, name="x", task="detectoin")


@pytest.mark.parametrize(("task", "lacks"), [("detection", "boxes"), ("segmentation", "masks")])
def test_class_folders_have_nothing_for_other_tasks(folder, class_files, task: str, lacks: str):
    found = read(folder(class_files(5)), name="x", task=task)
    assert f"The task {task} needs {lacks}" in said(found, "error")


def test_a_file_of_another_kind_is_an_error(tmp_path: Path):
    (tmp_path / "a.docx").write_bytes(b"x")
    assert "is no folder, archive (zip" in said(read(tmp_path / "a.docx", name="x"), "error")


def test_many_problems_of_a_kind_are_counted_not_listed(folder, class_files):
    files = class_files(5) | {f"good/bad{i}.png": b"no" for i in range(250)}
    found = read(folder(files), name="x")
    assert len(found.problems) == 201
    assert "50 more" in found.problems[-1].what


def test_photos_that_are_not_square_are_taken_whole_and_it_is_said(folder, class_files):
    files = class_files()
    for seed, path in enumerate(files):
        wide = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        wide[:, -1] = (255, 0, 0)
        out = io.BytesIO()
        Image.fromarray(wide).save(out, "PNG")
        files[path] = out.getvalue()
    found = read(folder(files), name="x")
    assert "20 of 20 pictures are not square, typically 8 × 6" in said(found, "note")
    assert found.dataset is not None
    assert any("not square" in str(note) for note in found.dataset.notes)
    edge = found.dataset.images.load([0], 4)[0, :, -1]
    assert (edge[:, 0] > edge[:, 1]).all()  # the red column of the right edge is still there


def test_a_plain_folder_is_a_pool_and_says_so(folder, png):
    found = read(folder({f"{i}.jpg.png": png(i) for i in range(8)}), name="x")
    assert found.format == "plain folder without classes (folder)"
    assert found.counts == {"pool": {"": 8}}
    assert "all go into the pool" in said(found, "warning")


def test_a_class_with_hardly_a_picture_is_warned_of(folder, class_files, png):
    found = read(folder(class_files(6) | {"rust/a.png": png(90)}), name="x")
    assert "The class 'rust' has 1 pictures only" in said(found, "warning")


def test_pages_wrong_names_and_dark_pictures_are_warned_of(folder, class_files, png):
    def saved(image: Image.Image, kind: str, **options: object) -> bytes:
        out = io.BytesIO()
        image.save(out, kind, **options)
        return out.getvalue()

    grey = Image.new("L", (8, 8), 9)
    deep = Image.fromarray(np.full((8, 8), 1023, np.uint16))
    files = class_files(5) | {
        "good/pages.tif": saved(grey, "TIFF", save_all=True, append_images=[grey]),
        "good/lies.jpg": png(70),
        "good/deep.png": saved(deep, "PNG"),
    }
    text = said(read(folder(files), name="x"), "warning")
    assert "good/pages.tif: 1 files have several pages" in text
    assert "good/lies.jpg: 1 files are named as another kind than the PNG" in text
    assert "good/deep.png: 1 16-bit pictures use 10 bits only: they turn out dark, with 4" in text


def test_a_link_out_of_the_allowed_folders_is_refused(folder, class_files, tmp_path: Path):
    source = folder(class_files(5))
    outside = tmp_path / "secret.png"
    outside.write_bytes((source / "good" / "p0.png").read_bytes())
    (source / "good" / "link.png").symlink_to(outside)
    assert read(source, name="x").dataset is not None  # one's own links are one's own affair
    found = read(source, name="x", roots=[source])
    assert found.dataset is None
    assert "The link leads out of the folders" in said(found, "error")
    inside = read(source, name="x", roots=[tmp_path])
    assert inside.dataset is not None


def test_a_file_name_that_is_no_utf_8_is_named_with_the_cure(folder, class_files, png):
    source = folder(class_files(5))
    name = os.fsencode(source / "good") + b"/" + "傷.png".encode("cp932")
    Path(os.fsdecode(name)).write_bytes(png(77))
    found = read(source, name="x")
    assert found.dataset is None
    assert "good/傷.png: The file name is not UTF-8. Rename it, e.g. with convmv" in said(
        found, "error"
    )


def test_originals_are_never_touched(folder, class_files, tmp_path: Path):
    source = folder(class_files(5))

    def state() -> dict[str, tuple[int, bytes]]:
        files = [p for p in source.rglob("*") if p.is_file()]
        return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}

    before = state()
    dataset = read(source, name="x").dataset
    assert dataset is not None
    store_dataset(dataset, tmp_path / "kept", reporter=Quiet())
    assert state() == before
