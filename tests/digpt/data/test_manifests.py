"""Tables of paths and classes: every encoding people have, every mistake with its row."""

import io
import json
import unicodedata
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digpt.data.importers import Imported, read
from tests.digpt.data.damage import Edit, check_whole, damaged, edits


def table(n: int = 6, header: str = "path,label", extra: str = "") -> str:
    rows = [f"img/{i}.png,{'good' if i % 2 else 'scratch'}{extra}" for i in range(n)]
    return "\n".join([header, *rows]) + "\n"


@pytest.fixture
def pictures(folder, png):
    """Writes six pictures and a table, and reads them."""

    def make(text: str | bytes, name: str = "labels.csv") -> Path:
        data = text if isinstance(text, bytes) else text.encode()
        return folder({f"img/{i}.png": png(i) for i in range(6)} | {name: data})

    return make


def errors(found: Imported) -> list[str]:
    return [f"{p.file}: {p.what}" for p in found.problems if p.severity == "error"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
def test_japanese_classes_survive_every_encoding(pictures, encoding: str):
    text = table().replace("good", "良品").replace("scratch", "傷")
    found = read(pictures(text.encode(encoding)), name="x")
    assert found.dataset is not None
    assert found.dataset.classes == ("傷", "良品")
    assert found.dataset.good_classes == ("良品",)
    assert found.format == "table labels.csv (folder)"


@pytest.mark.parametrize(("separator", "name"), [("\t", "a.tsv"), (";", "a.csv"), (",", "a.csv")])
def test_separators_are_recognised(pictures, separator: str, name: str):
    found = read(pictures(table().replace(",", separator), name), name="x")
    assert found.dataset is not None
    assert len(found.dataset) == 6


def test_columns_become_splits_groups_captions_and_attributes(pictures):
    text = "file,class,split,part,caption,temp,camera\n"
    for i in range(6):
        split = ("train", "valid", "test")[i // 2]
        text += f'img/{i}.png,{"ab"[i % 2]},{split},p{i // 2},"grey, smooth",{i}.5,c{i % 2}\n'
    found = read(pictures(text), name="x").dataset
    assert found is not None
    assert found.split.tolist() == ["train", "train", "val", "val", "test", "test"]
    assert found.groups is not None
    assert found.groups.tolist() == ["p0", "p0", "p1", "p1", "p2", "p2"]
    assert found.captions["caption"][0] == "grey, smooth"
    assert found.attributes["temp"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert found.attributes["camera"].tolist() == ["c0", "c1"] * 3


def test_the_table_itself_can_be_the_source(pictures):
    found = read(pictures(table()) / "labels.csv", name="x")
    assert found.dataset is not None


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("img/0.png,", "row 8: img/0.png has no class"),
        ("img/77.png,good", "row 8: img/77.png does not exist"),
        ("../0.png,good", "row 8: '../0.png' is not the path of a file below the table"),
        ("/etc/passwd,good", "row 8: '/etc/passwd' is not the path"),
        ("C:\\x.png,good", "row 8: 'C:\\\\x.png' is not the path"),
        ("img/0.png,good", "row 8: img/0.png is 'good' here and 'scratch' in row 2"),
        ("img/0.png,good,more", "row 8: The row has 3 cells, the header 2"),
        (",good", "row 8: '' is not the path"),
    ],
)
def test_a_bad_row_is_named_and_can_be_skipped(pictures, line: str, what: str):
    source = pictures(table() + line + "\n")
    found = read(source, name="x")
    assert found.dataset is None
    assert any(what in error for error in errors(found)), errors(found)
    kept = read(source, name="x", skip_bad=True)
    assert kept.dataset is not None
    assert len(kept.dataset) == 6


def test_an_unknown_split_is_named(pictures):
    text = table(header="path,label,split", extra=",holdout")
    assert "'holdout' is no split" in errors(read(pictures(text), name="x"))[0]


def test_a_table_without_the_columns_says_which(pictures):
    found = read(pictures("a,b\n1,2\n") / "labels.csv", name="x")
    assert "needs one column of paths" in errors(found)[0]
    assert "it has a, b" in errors(found)[0]


def test_a_repeated_column_is_an_error(pictures):
    found = read(pictures(table(header="path,label,t,t", extra=",1,2")), name="x")
    assert "The column 't' stands there 2 times" in errors(found)[0]


def test_pictures_in_no_row_are_a_warning(pictures):
    found = read(pictures(table(5)), name="x")
    assert found.dataset is not None
    assert "1 pictures are in no row that could be used, e.g. img/5.png" in found.problems[0].what


def test_two_tables_named_after_splits_are_those_splits(folder, png):
    files = {f"{i}.png": png(i) for i in range(12)}
    for k, split in enumerate(("train", "val", "test")):
        rows = "".join(f"{4 * k + i}.png,{'ab'[i % 2]}\n" for i in range(4))
        files[f"{split}.csv"] = f"path,label\n{rows}".encode()
    found = read(folder(files), name="x")
    assert {s: sum(c.values()) for s, c in found.counts.items()} == dict(train=4, val=4, test=4)
    assert not [p for p in found.problems if "no row" in p.what]


def test_a_group_of_the_table_that_its_splits_tear_is_a_warning(pictures):
    text = "path,label,split,group\n" + "".join(
        f"img/{i}.png,{'ab'[i % 2]},{('train', 'val', 'test')[i // 2]},same\n" for i in range(6)
    )
    assert "1 groups are in several splits" in read(pictures(text), name="x").problems[0].what


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits, st.booleans())
def test_random_damage_gives_problems_and_never_a_crash(pictures, some: list[Edit], skip_bad: bool):
    whole = table(header="path,label,split,group,caption,t", extra=',train,"g, 1",猫,1')
    source = pictures(damaged(whole.encode(), some))
    check_whole(read(source, name="x", skip_bad=skip_bad), skip_bad)


# ---- other kinds of tables -------------------------------------------------------------------

ROWS = [(f"img/{i}.png", "傷" if i % 2 else "良品", 20 + i) for i in range(6)]


def excel(*sheets: list[tuple]) -> bytes:
    book = openpyxl.Workbook()
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    del book["Sheet"]
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def parquet(rows: list[tuple]) -> bytes:
    out = io.BytesIO()
    columns = zip(*rows, strict=True)
    pq.write_table(
        pa.table(dict(zip(("path", "label", "temp"), map(list, columns), strict=True))), out
    )
    return out.getvalue()


HEAD = [("ファイル名", "クラス", "temp")]
KINDS = {
    "a.xlsx": excel(HEAD + ROWS),
    "a.parquet": parquet(ROWS),
    "a.jsonl": "\n".join(
        json.dumps({"file_name": p, "label": c, "temp": t}) for p, c, t in ROWS
    ).encode(),
    "a.tsv": "\n".join("\t".join(map(str, r)) for r in HEAD + ROWS).encode("cp932"),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_table_says_the_same(pictures, name: str):
    found = read(pictures(KINDS[name], name), name="x").dataset
    assert found is not None
    assert found.classes == ("傷", "良品")
    assert found.attributes["temp"].tolist() == [20, 21, 22, 23, 24, 25]


def test_only_one_sheet_counts_and_that_is_said(pictures):
    found = read(pictures(excel(HEAD + ROWS, [("other", 1)]), "a.xlsx"), name="x")
    assert found.dataset is not None
    assert any("Only one of 2 sheets" in p.what for p in found.problems)


def test_a_table_below_a_title_on_a_later_sheet_is_found(pictures):
    below = [("検査結果 2024年4月",), (), ("", *HEAD[0]), *[("", *row) for row in ROWS]]
    found = read(pictures(excel([("説明",), ("担当: 山田",)], below), "a.xlsx"), name="x").dataset
    assert found is not None
    assert found.classes == ("傷", "良品")
    assert list(found.attributes) == ["temp"]


@pytest.mark.parametrize(
    "header",
    ["画像ファイル名,判定", "画像パス,不良種別", "img_path,Defect Type", "ＦＩＬＥ,ラベル名"],
)
def test_columns_are_known_by_the_names_that_factories_give_them(pictures, header: str):
    found = read(pictures(table(header=header)), name="x").dataset
    assert found is not None
    assert found.classes == ("good", "scratch")


def test_two_columns_without_a_header_are_read_and_that_is_said(pictures):
    found = read(pictures(table().partition("\n")[2] + "gone.png,good\n"), name="x", skip_bad=True)
    assert found.dataset is not None
    assert found.dataset.classes == ("good", "scratch")
    assert len(found.dataset) == 6
    assert errors(found) == ["labels.csv, row 7: gone.png does not exist."]
    assert "column 1 is taken as paths" in " ".join(p.what for p in found.problems)


@pytest.mark.parametrize("header", ["id,label", "image_id,target", "ID_code,不良種別"])
def test_ids_that_pictures_are_called_by_are_their_paths(pictures, header: str):
    rows = "".join(f"{i},{'good' if i % 2 else 'scratch'}\n" for i in range(6))
    folder = pictures(f"{header}\n{rows}")
    (folder / "sample_submission.csv").write_text(f"{header}\n0,good\n")
    found = read(folder, name="x")
    assert found.dataset is not None, errors(found)
    assert found.dataset.classes == ("good", "scratch")
    assert found.format == "table labels.csv (folder)"
    assert "is taken as the names of pictures" in " ".join(p.what for p in found.problems)


def test_ids_that_no_picture_is_called_by_are_no_paths(pictures):
    found = read(pictures("id,label\n101,good\n102,scratch\n") / "labels.csv", name="x")
    assert errors(found) == [
        "labels.csv: The table needs one column of paths (path, file, image) and one of classes "
        "(label); it has id, label."
    ]


def test_row_numbers_that_pandas_writes_mean_nothing(pictures):
    rows = [f"{n},{row}" for n, row in enumerate(table().splitlines()[1:])]
    found = read(pictures("\n".join([",path,label", *rows])), name="x").dataset
    assert found is not None
    assert not found.attributes


@pytest.mark.parametrize(
    "named", ["C:\\work\\img\\{i}.png", "/Volumes/usb/img/{i}.png", "{i}.png", "{i}"]
)
def test_paths_of_another_machine_are_matched_by_their_end(pictures, named: str):
    rows = [f"{named.format(i=i)},{'ab'[i % 2]}" for i in range(6)]
    found = read(pictures("\n".join(["path,label", *rows])), name="x")
    assert found.dataset is not None
    assert "6 paths do not exist as written" in " ".join(p.what for p in found.problems)


def test_a_path_in_another_folder_is_not_matched_by_its_end(pictures):
    found = read(pictures(table() + "other/0.png,good\n"), name="x")
    assert "other/0.png does not exist" in errors(found)[0]


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.xlsx", b"PK\x03\x04 no Excel", "The Excel file cannot be read: it is damaged"),
        ("a.xlsx", KINDS["a.xlsx"][:-300], "The Excel file cannot be read: it is damaged"),
        ("a.xlsx", excel([("x", "y")]), "holds no rows below its header"),
        ("a.parquet", b"PAR1 nothing PAR1", "The Parquet file cannot be read"),
        ("a.parquet", KINDS["a.parquet"][:-40], "The Parquet file cannot be read"),
        ("a.jsonl", b'{"file_name": "a"\n', "Line 1 is no JSON"),
        ("a.jsonl", b"[1, 2]\n", "Line 1 is no JSON object"),
        ("a.jsonl", b"[" * 100_000, "Line 1 is no JSON"),
        ("a.csv", b"\xff\xff\xff\x81", "neither UTF-8, UTF-16 nor CP932"),
        ("a.csv", b"path,label\n\"" + b"x" * 200_000, "field larger than field limit"),
    ],
)  # fmt: skip
def test_a_broken_table_is_refused(pictures, name: str, data: bytes, what: str):
    found = read(pictures(data, name) / name, name="x")
    assert found.dataset is None
    assert what in errors(found)[0]


def test_a_cell_that_is_merged_with_one_above_has_its_value(pictures):
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    rows = [("検査 2026", None), ("判定結果（目視）", "画像")]
    labels = ["scratch", None, None, "good", None, "good"]
    for row in [*rows, *((label, f"img/{i}.png") for i, label in enumerate(labels))]:
        sheet.append(row)
    for merged in ("A1:B1", "A3:A5", "A6:A7"):
        sheet.merge_cells(merged)
    out = io.BytesIO()
    book.save(out)
    found = read(pictures(out.getvalue(), "a.xlsm"), name="x")
    assert found.dataset is not None, errors(found)
    found_labels = [found.dataset.classes[k] for k in found.dataset.labels]
    assert sorted(found_labels) == ["good"] * 3 + ["scratch"] * 3
    assert "3 cells are merged" in " ".join(p.what for p in found.problems)


def test_formulas_that_were_never_computed_are_told(pictures):
    rows = [("path", "label"), *((f"img/{i}.png", '=IF(1,"a","b")') for i in range(6))]
    found = read(pictures(excel(rows), "a.xlsx"), name="x")
    assert "6 cells hold formulas" in " ".join(p.what for p in found.problems)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "protected by a password"),
        (b"path,label\nimg/0.png,good\n", "it is no Excel file"),
        (b"<html><table></table></html>", "it is a web page"),
    ],
)
def test_what_excel_did_not_write_is_told(pictures, data: bytes, what: str):
    assert what in errors(read(pictures(data, "a.xlsx") / "a.xlsx", name="x"))[0]


def test_names_are_found_whatever_their_case_and_other_tables_are_told(pictures):
    root = pictures(table().replace("img/", "D:/img/").replace(".png", ".PNG"))
    (root / "more.xls").write_bytes(b"x")
    (root / "~$more.xlsx").write_bytes(b"x")
    found = read(root, name="x")
    assert found.dataset is not None, errors(found)
    assert len(found.dataset) == 6
    told = [p for p in found.problems if p.severity == "warning" and "xls" in p.file]
    assert [p.code for p in told] == ["tables-unread"]


def test_an_excel_bomb_is_refused(pictures):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b" " * 2**26)
    found = read(pictures(out.getvalue(), "a.xlsx") / "a.xlsx", name="x")
    assert "unpacks to far more than its size" in errors(found)[0]


def test_names_that_macos_took_apart_are_found(folder, png):
    files = {unicodedata.normalize("NFD", f"ガラス/{i}.png"): png(i) for i in range(6)}
    rows = "".join(f"ガラス/{i}.png,{'ab'[i % 2]}\n" for i in range(6))
    found = read(folder(files | {"a.csv": f"path,label\n{rows}".encode()}), name="x")
    assert found.dataset is not None
    assert len(found.dataset) == 6


def test_class_folders_of_windows_and_macos_are_one_class(folder, png):
    files = {}
    for k, form in enumerate(("NFC", "NFD")):
        for i in range(5):
            files[unicodedata.normalize(form, f"{('train', 'test')[k]}/ガ/{i}.png")] = png(
                10 * k + i
            )
            files[f"{('train', 'test')[k]}/b/{i}.png"] = png(50 + 10 * k + i)
    found = read(folder(files), name="x")
    assert found.dataset is not None
    assert found.dataset.classes == ("b", "ガ")


def test_spaces_and_backslashes_in_paths_are_fine(folder, png):
    files = {f"第 1 ライン/img {i}.png": png(i) for i in range(6)}
    rows = "".join(f"第 1 ライン\\img {i}.png,{'ab'[i % 2]}\n" for i in range(6))
    found = read(folder(files | {"my table.csv": f"path,label\n{rows}".encode("cp932")}), name="x")
    assert found.dataset is not None
    assert len(found.dataset) == 6


def test_full_width_labels_are_reported_and_those_that_look_alike_are_named(pictures):
    text = "path,label\n" + "".join(
        f"img/{i}.png,{('傷１', '傷1', 'OK')[i % 3]}\n" for i in range(6)
    )
    found = read(pictures(text), name="x")
    warnings = " | ".join(p.what + p.fix for p in found.problems)
    assert "'傷1' and '傷１' differ in width, case or spaces only" in warnings
    assert "e.g. '傷１'.Write '傷1'" in warnings


def test_several_classes_in_a_cell_keep_the_first_and_all_as_an_attribute(pictures):
    text = table(header="path,labels").replace("img/0.png,scratch", "img/0.png,scratch;good")
    found = read(pictures(text), name="x")
    assert found.dataset is not None
    assert found.dataset.attributes["labels"].tolist()[0] == "scratch;good"
    assert any("has 2 classes; the first, 'scratch'" in p.what for p in found.problems)


def test_rows_of_boxes_are_boxes(pictures):
    text = "filename,width,height,class,xmin,ymin,xmax,ymax\n" + "".join(
        f"img/{i}.png,8,8,{label},{x},2,{x + 3},5\n"
        for i in range(6)
        for label, x in (("a", 1), ("b", 4))
    )
    found = read(pictures(text), name="x", task="detection")
    assert found.format == "table of boxes labels.csv (folder)"
    assert found.dataset is not None
    assert found.dataset.boxes is not None
    assert len(found.dataset.boxes) == 12
    assert found.dataset.boxes.of(0)[0].tolist() == [[1 / 8, 2 / 8, 4 / 8, 5 / 8],
                                                     [4 / 8, 2 / 8, 7 / 8, 5 / 8]]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("img/0.png,a,1,2,1,5", "has no area"),
        ("img/0.png,a,9,2,12,5", "lies outside the picture (8 × 8)"),
        ("img/0.png,a,x,2,3,5", "are not all numbers"),
        ("img/0.png,,1,2,3,5", "The box has no class"),
        ("img/9.png,a,1,2,3,5", "img/9.png does not exist"),
    ],
)
def test_a_bad_box_is_named_and_can_be_skipped(pictures, row: str, what: str):
    good = "".join(f"img/{i}.png,a,1,2,4,5\n" for i in range(6))
    source = pictures(f"path,label,xmin,ymin,xmax,ymax\n{good}{row}\n")
    assert what in errors(read(source, name="x", task="detection"))[0]
    assert read(source, name="x", task="detection", skip_bad=True).dataset is not None


@pytest.mark.parametrize(
    ("words", "splits"),
    [
        (("学習", "検証", "テスト"), ["train", "train", "val", "val", "test", "test"]),
        (("学習", "学習", "学習"), None),  # says nothing
        (("A", "検証", "テスト"), None),  # says something else
    ],
)
def test_a_column_of_words_for_splits_is_that_whatever_its_name(pictures, words, splits):
    rows = "".join(f"{i}.png,{'良傷'[i % 2]},{words[i // 2]}\n" for i in range(6))
    found = read(pictures(f"ファイル名,判定,区分\n{rows}".encode("cp932")), name="x")
    assert found.dataset is not None
    assert (found.dataset.split.tolist() == splits) is (splits is not None)
    told = [p for p in found.problems if p.code == "table-split"]
    assert [p.facts["name"] for p in told] == ["区分"] * (splits is not None)
    assert ("区分" in found.dataset.attributes) is (splits is None)
