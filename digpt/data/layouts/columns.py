"""What the columns of a table mean, in English and in Japanese."""

import re
import unicodedata
from collections.abc import Sequence

_MOST_ABOVE = 20  # rows above a header
_SURE = {
    "path": "path file filename filepath image imagepath ファイル ファイル名 画像",
    "label": "label labels class classes category classname state ラベル クラス 分類",
    "split": "split subset 分割",
    "group": "group part partid patient グループ",
    "x0": "xmin x1 left",
    "y0": "ymin y1 top",
    "x1": "xmax x2 right",
    "y1": "ymax y2 bottom",
}
_LIKELY = {  # believed where no other column is sure to mean it
    "path": "fname imagename imagefile imagefilename img imgname imgpath imgfile ファイルパス パス "
    "画像名 画像ファイル 画像ファイル名 画像パス 写真",
    "label": "labelname defect defectclass defecttype ラベル名 クラス名 カテゴリ カテゴリー 種別 "
    "不良種別 欠陥種別 欠陥名 不良名 判定 判定結果 検査結果",
}
_MEANING = {
    name: (role, table is _SURE)
    for table in (_LIKELY, _SURE)
    for role, names in table.items()
    for name in names.split()
}
CORNERS = ("x0", "y0", "x1", "y1")
TARGET = "target"  # Kaggle's column of classes, elsewhere often a number
_IDS = ("id", "imageid", "imgid", "idcode", "fileid", "uid", "uuid", "画像id", "画像番号")


def meaning(name: str) -> str | None:
    """path, label, split, group or a corner; None for any other column."""
    return _meaning(name)[0]


def roles(header: Sequence[str]) -> list[str]:
    """What each column means: also caption or attribute; "" for row numbers, as pandas adds them.

    Corners count only where all four are there.
    """
    found = [_role(name) for name in header]
    has_boxes = all(found.count(corner) == 1 for corner in CORNERS)
    found = [r if has_boxes or r not in CORNERS else "attribute" for r in found]
    for role in _LIKELY:
        if found.count(role) > 1:
            sure = [r == role and _meaning(n)[1] for r, n in zip(found, header, strict=True)]
            if sum(sure) == 1:
                found = [
                    "attribute" if r == role and not is_sure else r
                    for r, is_sure in zip(found, sure, strict=True)
                ]
    return found


def lists_classes(header: Sequence[str]) -> bool:
    """Whether there is one column of paths and one of classes."""
    found = roles(header)
    return found.count("path") == found.count("label") == 1


def header_row(rows: Sequence[Sequence[str]]) -> int | None:
    """Where the header stands below titles and remarks, which people like to write above it."""
    paths = [roles(row).count("path") == 1 for row in rows[:_MOST_ABOVE]]
    classes = (i for i, row in enumerate(rows[:_MOST_ABOVE]) if lists_classes(row))
    details = (i for i, is_path in enumerate(paths) if is_path and sum(map(bool, rows[i])) > 1)
    return next(classes, next(details, None))


def means_id(name: str) -> bool:
    """Whether a column's name says that it tells pictures apart."""
    return _plain(name) in _IDS


def _role(name: str) -> str:
    lower = name.strip().lower()
    if not lower or re.fullmatch(r"unnamed: \d+", lower):
        return ""
    return "caption" if lower.startswith("caption") else meaning(name) or "attribute"


def _meaning(name: str) -> tuple[str | None, bool]:
    """The role and whether it is sure; a remark in brackets leaves a doubt: 判定結果（目視）."""
    plain = _plain(name)
    if plain in _MEANING:
        return _MEANING[plain]
    return _MEANING.get(re.sub(r"\(.*\)$", "", plain), (None, False))[0], False


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", unicodedata.normalize("NFKC", name).strip().lower())
