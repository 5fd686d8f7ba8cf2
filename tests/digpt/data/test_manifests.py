"""Tables of paths and classes: every encoding people have, every mistake with its row."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digpt.data.importers import Imported, read


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
    assert "needs a column of paths" in errors(found)[0]


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


edit = st.tuples(st.sampled_from(["insert", "delete", "replace", "swap", "cut"]),
                 st.integers(0, 10_000), st.binary(max_size=6))  # fmt: skip


def damaged(data: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    for kind, at, what in edits:
        at %= len(data) + 1
        if kind == "insert":
            data = data[:at] + what + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + len(what) :]
        elif kind == "replace":
            data = data[:at] + what + data[at + len(what) :]
        elif kind == "swap":
            data = data[at:] + data[:at]
        else:
            data = data[:at]
    return data


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(edit, min_size=1, max_size=6), st.booleans())
def test_random_damage_gives_problems_and_never_a_crash(pictures, edits, skip_bad: bool):
    whole = table(header="path,label,split,group,caption,t", extra=',train,"g, 1",猫,1')
    source = pictures(damaged(whole.encode(), edits))
    found = read(source, name="x", skip_bad=skip_bad)
    if found.dataset is None:
        assert errors(found)
    else:
        assert len(found.dataset) == sum(sum(c.values()) for c in found.counts.values())
        assert len(np.unique(found.dataset.ids)) == len(found.dataset)
        assert skip_bad or not errors(found)
    for problem in found.problems:
        assert problem.what
