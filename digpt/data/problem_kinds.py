"""Every kind of problem that an import may speak of: how grave, what is wrong, and how to fix it.

A page finds its translation by the kind's code; what stands in braces are the problem's facts.
"""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]


class Kind(NamedTuple):
    """Severity, and two sentences with the names of facts."""

    severity: Severity
    what: str
    fix: str


def _error(what: str, fix: str) -> Kind:
    return Kind("error", what, fix)


def _warning(what: str, fix: str) -> Kind:
    return Kind("warning", what, fix)


def _note(what: str, fix: str) -> Kind:
    return Kind("note", what, fix)


_SOURCES = {
    "source-missing": _error(
        "{path} does not exist.", "Check the path; relative paths start at {here}."
    ),
    "source-unknown": _error(
        "{name} is no folder, archive (zip, tar, tar.gz, tar.bz2, tar.xz), table (csv, tsv, xlsx, "
        "parquet, jsonl) or annotation file (COCO json, YOLO yaml).",
        "Give one of these; unpack other archives first.",
    ),
    "source-large": _error(
        "{path} holds more than {most:,} files.", "Choose the folder of the images."
    ),
    "folder-unreadable": _error("The folder cannot be read: {reason}.", "Check its rights."),
    "name-encoding": _error(
        "The file name is not UTF-8.",
        "Rename it, e.g. with convmv -f cp932 -t utf-8 -r --notest FOLDER.",
    ),
    "link-outside": _error(
        "The link leads out of the folders that may be used.", "Put the file itself there."
    ),
    "link-broken": _error("The link leads nowhere.", "Put the file itself there, or remove it."),
    "link-folder": _warning(
        "A link to a folder is not followed: what lies there stays out.",
        "Put the folder itself there, or give it as the source.",
    ),
    "torchvision-address": _error(
        "{address} is no torchvision dataset.",
        "Write torchvision:NAME@FOLDER, e.g. torchvision:CIFAR10@/data, with ?download at the end "
        "to fetch it.",
    ),
    "torchvision-unknown": _error(
        "Unknown torchvision dataset {name!r}.", "Give one of these: {available}."
    ),
    "torchvision-packed": _error(
        "These are the packed files of torchvision's {name}.",
        "Give torchvision:{name}@ and the folder that holds {folder}.",
    ),
    "torchvision-missing": _error(
        "torchvision's {name} is not complete in {folder} ({reason}).",
        "Put its files there, or let it be downloaded with torchvision:{name}@{folder}?download.",
    ),
}
_ARCHIVES = {
    "archive-unreadable": _error(
        "The archive {archive} cannot be read ({reason}).", "Copy or make it again."
    ),
    "archive-kind": _error(
        "The archive {archive} cannot be opened: by its name it is {named}, by its content "
        "{found}.",
        "Save it again as ZIP, or correct its name.",
    ),
    "archive-unknown": _error(
        "The archive {archive} cannot be opened: by its name it is {named}, by its content none "
        "of the kinds we know.",
        "Save it again as ZIP, or correct its name.",
    ),
    "archive-files": _error(
        "The archive {archive} holds {count:,} files.", "Use at most {most:,}."
    ),
    "archive-size": _error(
        "The archive {archive} unpacks to {gib:.0f} GiB.", "Split it below {most} GiB."
    ),
    "archive-ratio": _error(
        "The archive {archive} unpacks to more than {ratio} times its size.",
        "Pack only the images and their tables.",
    ),
    "archive-member-ratio": _error(
        "The archive {archive} holds {name!r}, which unpacks to {ratio:.0f} times its size.",
        "Take that file out.",
    ),
    "archive-overlap": _error(
        "The archive {archive} holds entries that overlap, as bombs do.", "Make the ZIP again."
    ),
    "archive-disk": _error(
        "The archive {archive} needs more disk than is free ({gib:.1f} GiB).",
        "Make room in {folder}, or unpack it and give the folder.",
    ),
    "archive-cut": _error("The archive {archive} is cut short at {name!r}.", "Copy it again."),
    "archive-path": _error(
        "The archive {archive} holds a path that leads outside: {name!r}.", "Make it again."
    ),
    "archive-name": _error(
        "The archive {archive} holds a name that no disk takes: {name!r}.", "Rename it."
    ),
    "archive-twice": _error("The archive {archive} holds {name!r} twice.", "Make it again."),
    "archive-both": _error(
        "The archive {archive} holds {name!r} as a file and as a folder.", "Make it again."
    ),
    "archive-nested": _error(
        "The archive {archive} holds another archive: {name!r}.",
        "Unpack that one first, then pack everything as one.",
    ),
    "archive-link": _error(
        "The archive {archive} holds a link: {name!r}.", "Put the file itself in."
    ),
    "archive-sparse": _error(
        "The archive {archive} holds a sparse file: {name!r}.", "Pack it without --sparse."
    ),
    "archive-device": _error("The archive {archive} holds a device: {name!r}.", "Take it out."),
    "archive-encrypted": _error(
        "The archive {archive} is encrypted ({name!r}).", "Save it without a password."
    ),
}
_FOLDERS = {
    "no-classes": _warning(
        "No class is given for any of the {count} pictures: all go into the pool.",
        "A pool can be pretrained on. For a pilot, label some, or give a folder per class.",
    ),
    "no-class-folder": _error(
        "The picture lies in no class folder.", "Move it into the folder of its class."
    ),
    "empty-class": _error(
        "The class folder holds no picture.", "Put pictures in, or remove the folder."
    ),
    "beside-splits": _error(
        "The folder stands beside split folders but is none.",
        "Name it train, val, test or pool, or move it away.",
    ),
    "inner-folders": _warning(
        "The folders {outer} are taken for classes; folders of one name lie in several of them: "
        "{inner}.",
        "If the inner folders are the classes, move them to the top, or give a table of paths and "
        "classes.",
    ),
    "files-unread": _warning(
        "{count} files are of kinds that are not read ({kinds}): they stay out.",
        "Export pictures as PNG or JPEG, annotations as COCO, Pascal VOC, YOLO or LabelMe.",
    ),
    "tables-unread": _warning(
        "Tables of kinds that are not read stay out: {count} ({kinds}).",
        "Save them as .xlsx or CSV if they belong to the pictures.",
    ),
    "files-packed": _warning(
        "{count} packed files stay closed, e.g. {name}.",
        "If they hold the pictures, give the archive itself, or unpack it.",
    ),
    "split-several": _warning(
        "{count} pictures are listed in several splits, e.g. {example}: each stays in one, the "
        "first of train, pool, val, test.",
        "Correct the lists if that is wrong.",
    ),
    "list-unknown": _warning(
        "{count} names in the list belong to no picture here, e.g. {example}.",
        "Add the pictures, or correct the list.",
    ),
    "text-unreadable": _error("The file cannot be read: {reason}.", "Save it again as UTF-8."),
    "split-twice": _warning(
        "{count} folders mean the split {split!r}; they are read as one.",
        "Keep one of them if that is not meant.",
    ),
    "mask-no-picture": _error("The mask has no picture.", "Add the picture, or remove the mask."),
    "pictures-no-mask": _warning(
        "{count} pictures have no mask: nothing is marked in them.",
        "Right for pictures without objects; else add the masks.",
    ),
}
_TABLES = {
    "table-unreadable": _error("The table cannot be read: {reason}.", "Check the file."),
    "table-empty": _error("The table holds no rows below its header.", "Add one row per picture."),
    "table-long": _error("The table has {count:,} rows.", "Use at most {most:,}."),
    "table-row": _error("Row {row} cannot be read: {reason}.", "Save the table as CSV again."),
    "table-encoding": _error(
        "The text is neither UTF-8, UTF-16 nor CP932.", "Save it as CSV UTF-8."
    ),
    "table-columns": _error(
        "The table needs one column of paths (path, file, image) and one of classes (label); it "
        "has {columns}.",
        "Rename the two columns.",
    ),
    "table-no-header": _note(
        "The table has no header: column {path} is taken as paths, column {label} as classes.",
        "Nothing need be done if that is right; else write the names of the columns above them.",
    ),
    "table-split": _note(
        "The column {name!r} is taken as the split: its cells say {words}.",
        "Nothing need be done if that is right; else name the column of splits split.",
    ),
    "table-ids": _note(
        "The column {name!r} is taken as the names of pictures, {label!r} as their classes.",
        "Nothing need be done if that is right; else name the right columns path and label.",
    ),
    "excel-bomb": _error("The Excel file unpacks to far more than its size.", "Save it anew."),
    "excel-damaged": _error(
        "The Excel file cannot be read: {reason}.", "Save it again as .xlsx, without a password."
    ),
    "excel-merged": _note(
        "{count} cells are merged with one above, and take its value.",
        "Nothing need be done if that is right; else undo the merging.",
    ),
    "excel-formulas": _warning(
        "{count} cells hold formulas that were never computed: they count as empty.",
        "Open the file in Excel and save it, or paste the values in their place.",
    ),
    "excel-sheets": _note(
        "Only one of {count} sheets is read: {name!r}.",
        "If it is the wrong one, delete the others or save the right one as CSV.",
    ),
    "parquet-damaged": _error(
        "The Parquet file cannot be read: {reason}.", "Copy or write it again."
    ),
    "json-line": _error("Line {line} is no JSON: {reason}.", "Write one JSON object per line."),
    "json-line-object": _error("Line {line} is no JSON object.", "Write one JSON object per line."),
    "details-column": _warning(
        "The table is not used: none of its columns ({columns}), or more than one, means the paths "
        "of files.",
        "If it belongs to the pictures, name one column image and the one of classes label.",
    ),
    "details-unused": _warning(
        "The table is not used.", "Correct it if it belongs to the pictures."
    ),
    "details-left": _warning(
        "{count} of {total} images have no row in this table.", "Add rows, or go on without."
    ),
    "column-twice": _error(
        "The column {name!r} stands there {count} times.", "Give every column its own name."
    ),
    "column-unclear": _error(
        "{count} columns could be the {role}.", "Name only one of them {role!r}."
    ),
    "row-cells": _error(
        "The row has {count} cells, the header {header}.", "Quote cells that hold the separator."
    ),
    "row-path": _error(
        "{path!r} is not the path of a file below the table.",
        "Write paths relative to the table's folder.",
    ),
    "row-split": _error("{split!r} is no split.", "Use pool, train, val or test."),
    "row-missing": _error("{path} does not exist.", "Correct or remove the row."),
    "row-several": _error(
        "{path} may be any of {count} pictures.", "Write the path with its folders."
    ),
    "paths-by-end": _note(
        "{count} paths do not exist as written; pictures with the same end are taken, e.g. {path} "
        "for {named}.",
        "Nothing need be done if that is right.",
    ),
    "row-no-class": _error("{path} has no class.", 'Fill it in, or split "pool".'),
    "row-classes": _warning(
        "{path} has {count} classes; the first, {label!r}, is taken.",
        "All of them are kept as the attribute labels.",
    ),
    "row-twice": _warning(
        "{path} stands in row {row} already; this row is not used.", "Remove one of the rows."
    ),
    "row-differs": _error(
        "{path} is {label!r} here and {before!r} in row {row}.", "Keep the row that is right."
    ),
    "row-corners": _error(
        "The corners {corners} are not all numbers.", "Write pixels: xmin, ymin, xmax, ymax."
    ),
    "row-box-class": _error("The box has no class.", "Fill it in."),
    "rows-left": _warning(
        "{count} pictures are in no row that could be used, e.g. {example}.",
        "Add rows for them if they should be.",
    ),
}
_ANNOTATIONS = {
    "coco-unreadable": _error(
        "The file cannot be read: {reason}.", "Export the annotations again."
    ),
    "coco-left": _warning(
        "{count} pictures are in none of the files, e.g. {example}.", "They are not imported."
    ),
    "coco-annotation": _error("It is no object.", "Export the annotations again."),
    "coco-annotation-id": _warning(
        "The annotation id {id!r} is used more than once.",
        "Each is kept; give every one its own id.",
    ),
    "coco-category": _error("It has no id or no name.", "Complete it."),
    "coco-category-id": _error(
        "The category id {id!r} is used more than once.", "Give every category its own id."
    ),
    "coco-image": _error("It has no id or no file_name.", "Export it again."),
    "coco-image-id": _error(
        "The image id {id!r} is used more than once.", "Give every image its own id."
    ),
    "coco-image-missing": _error("{name} does not exist.", "Add the picture, or remove it."),
    "coco-image-twice": _warning("{path} is listed twice.", "Its annotations are taken together."),
    "coco-no-image": _error("Its image {id!r} is not in the file.", "Remove it, or add the image."),
    "coco-no-category": _error(
        "Its category {id!r} is not among the categories.",
        "Add the category, or correct the number.",
    ),
    "coco-ids-alike": _warning(
        "The ids {id!r} and {other!r} differ in writing only.",
        "Annotations are matched as they are written; give each its own id.",
    ),
    "coco-image-ids-written": _note(
        "{count} annotations write the id of their image otherwise than the image does, e.g. "
        "{id!r} for {other!r}.",
        "Nothing need be done: only one fits each.",
    ),
    "coco-category-ids-written": _note(
        "{count} annotations write the id of their category otherwise than the category does, e.g. "
        "{id!r} for {other!r}.",
        "Nothing need be done: only one fits each.",
    ),
    "coco-no-image-at-all": _error(
        "None of the {count} annotations names an image of the file: they say e.g. {id!r}, the "
        "images have ids such as {other!r}.",
        "Export images and annotations together.",
    ),
    "coco-no-category-at-all": _error(
        "None of the {count} annotations names a category of the file: they say e.g. {id!r}, the "
        "categories have ids such as {other!r}.",
        "Export categories and annotations together.",
    ),
    "coco-outline": _error("Its outline cannot be read: {reason}.", "Draw it again."),
    "voc-unreadable": _error("The XML cannot be read: {reason}.", "Export it again."),
    "voc-other": _error("The XML is no annotation.", "Remove the file."),
    "voc-missing": _error(
        "Its picture {name} does not exist.", "Add the picture, or remove the XML file."
    ),
    "voc-twice": _error(
        "{path} has a second XML file; this one is not used.", "Keep the one that is right."
    ),
    "voc-none": _warning(
        "The picture has no XML file, so it is not imported.",
        "Annotate it; for a picture without objects, save an XML file without any.",
    ),
    "voc-object": _error("The object cannot be read: {reason}.", "Draw it again."),
    "labelme-unreadable": _error("The JSON cannot be read: {reason}.", "Save it again."),
    "labelme-other": _warning("The JSON is no LabelMe annotation.", "Remove the file."),
    "labelme-missing": _error(
        "Its picture {name} does not exist, and none is embedded in the JSON.",
        "Put the picture beside the JSON file, or remove that file.",
    ),
    "labelme-embedded": _note(
        "{count} pictures are not there as files; those embedded in the JSON are taken, e.g. "
        "{example}.",
        "Nothing need be done.",
    ),
    "labelme-thin": _warning(
        "{count} lines or points ({labels}) have no area: each counts as one pixel wide.",
        "Right where only the class of a picture matters. For boxes or masks, draw rectangles or "
        "polygons; remove points that mark no object.",
    ),
    "labelme-twice": _error(
        "{path} has a second JSON file; this one is not used.", "Keep the one that is right."
    ),
    "labelme-type": _error(
        "The shape type {kind!r} is not known.",
        "Draw it as {known}, or leave it out with --skip-bad.",
    ),
    "labelme-shape": _error("The shape cannot be read: {reason}.", "Draw it again."),
    "labelme-left": _warning(
        "{count} pictures have no JSON file, so they are not imported, e.g. {example}.",
        "Annotate them; for a picture without objects, save a JSON file without shapes. Or put "
        "good pictures into a folder named good.",
    ),
    "labelme-none": _warning(
        "{count} pictures have no JSON file: nothing is marked in them, e.g. {example}.",
        "Right for pictures without objects; else annotate them.",
    ),
    "labelme-no-flag": _warning(
        "No flag is set, so the picture has no class and goes into the pool.",
        "Set the flag that is its class.",
    ),
    "yaml-unreadable": _error(
        "The YAML file cannot be read: {reason}.",
        "Correct that place; YAML is indented with spaces, never with tabs.",
    ),
    "yaml-class-twice": _error(
        "The class {label!r} stands there more than once.", "Give every class its own name."
    ),
    "yaml-path": _warning(
        "What {key} names is not here: {named}.",
        "Splits are taken from the names of folders instead; correct the path if that is wrong.",
    ),
    "yaml-no-names": _warning(
        "No class names are given; classes are called by their numbers.",
        "Add names to the YAML file.",
    ),
    "yolo-file": _error("The label file cannot be read.", "Export it again."),
    "yolo-line": _error(
        "The line cannot be used: {reason}.",
        "Write: class x y width height, as shares of the picture.",
    ),
    "yolo-no-picture": _error(
        "The label file has no picture.", "Add the picture, or remove the file."
    ),
    "yolo-no-file": _warning(
        "{count} pictures have no label file: nothing is marked in them.",
        "Right for pictures without objects; else add the label files.",
    ),
    "arrow-unreadable": _error("The file cannot be read: {reason}.", "Copy or save it again."),
    "arrow-missing": _error(
        "Parts of the dataset are missing: {count}, e.g. {example}.",
        "Copy the whole dataset again.",
    ),
    "arrow-partial": _warning(
        "By their names the files belong to more, of which {count} are not here, e.g. {example}.",
        "Right if only some were wanted; else copy all of them.",
    ),
    "arrow-info": _warning(
        "The description of the columns cannot be read: {reason}.",
        "Copy the file again: it may hold the names of the classes.",
    ),
    "arrow-no-names": _warning(
        "No class names are given; classes are called by their numbers.",
        "Right if the numbers are the classes; else copy dataset_info.json too.",
    ),
    "arrow-labels": _note(
        "The column {name!r} is taken as the classes, and not {others}.",
        "Nothing need be done if that is right; else rename the right column to label.",
    ),
    "arrow-several": _warning(
        "{count} pictures have several classes: the first counts, all stand in the attribute "
        "labels.",
        "Right if the first is the main one; else import for detection or split the classes.",
    ),
    "arrow-objects": _error(
        "It has {boxes} boxes and {classes} classes of objects.", "Correct the row."
    ),
    "arrow-class": _error(
        "The class {value!r} is not among the {count} names.", "Correct the row."
    ),
    "arrow-box": _error(
        "The box of object {number} is no x, y, width, height.", "Correct the row."
    ),
    "box-number": _error(
        "{path}: a corner of the box is no number that can be right.",
        "Draw the box again, or remove it.",
    ),
    "box-area": _error("{path}: the box {box} has no area.", "Draw the box again, or remove it."),
    "box-outside": _error(
        "{path}: the box {box} lies outside the picture ({width} × {height}).",
        "Draw the box again, or remove it.",
    ),
    "box-beyond": _warning(
        "{path}: the box {box} reaches beyond the picture ({width} × {height}).",
        "It is cut at the edge; draw it again if that is wrong.",
    ),
    "not-square": _note(
        "{count:,} of {total:,} pictures are not square, typically {width} × {height}. A pilot "
        "scales each whole to a square: nothing is cut off, and shapes are squeezed.",
        "Nothing need be done if all are alike; if marks are small, cut out the part that matters.",
    ),
    "boxes": _note("{count:,} boxes: {found}.", ""),
    "objects-lost": _warning(
        "{count} pictures stay out, e.g. {example}: objects are marked in them, and none can be "
        "used. They must not count as pictures without any.",
        "Correct the objects named above.",
    ),
    "nothing-marked": _error(
        "Nothing that can be used is marked in any of the {count} pictures.",
        "See that the annotations belong to these pictures. For pictures without annotations, "
        "give a folder of them alone.",
    ),
    "boxes-no-mask": _warning(
        "{count} pictures have boxes but no mask: they are left out.",
        "Add their masks, or use --task detection to keep all pictures.",
    ),
    "no-boxes": _error(
        "The task detection needs boxes; this source ({format}) has none.",
        "Give COCO, Pascal VOC, YOLO, LabelMe or images with masks, or another --task.",
    ),
    "no-masks": _error(
        "The task segmentation needs masks or outlines; this source ({format}) has none.",
        "Give COCO, Pascal VOC, YOLO, LabelMe or images with masks, or another --task.",
    ),
}
_PICTURES = {
    "image-unreadable": _error(
        "Image {index} of {total} cannot be read: {reason}.",
        "Re-export it, or leave it out with --skip-bad.",
    ),
    "mask-unusable": _error(
        "The mask cannot be used: {reason}.",
        "Export it again, or leave the picture out with --skip-bad.",
    ),
    "mask-values": _error(
        "The masks have {count} values.",
        "Numbers of objects belong into a folder named instances; classes have few values.",
    ),
    "size-differs": _error(
        "The annotations are for {said} pixels, the picture has {real}.",
        "Annotate this size, or use the picture that was annotated.",
    ),
    "size-turned": _error(
        "The annotations are for {said} pixels, the picture has {real} (it may have been turned "
        "by its EXIF mark).",
        "Annotate this size, or use the picture that was annotated.",
    ),
    "pages": _warning(
        "{count} files have several pages or frames; only the first is read.",
        "Save the pages as files of their own if they matter.",
    ),
    "misnamed": _warning(
        "{count} files are named as another kind than the {kinds} that they hold.",
        "They are read; better rename them.",
    ),
    "dark": _warning(
        "{count} 16-bit pictures use {bits} bits only: they turn out dark, with {levels} levels "
        "of grey.",
        "Export them as 8-bit, or stretch them to the full 16 bits.",
    ),
}
_WHOLE = {
    "more": _note("And {count} more like these.", "Put the listed ones right first."),
    "no-pictures": _error(
        "No usable picture was found.",
        "Give a folder with one folder of pictures per class, or a table of paths and classes.",
    ),
    "one-class": _error(
        "Only {count} class was found ({names}).",
        "Classification needs two or more: one folder each, or a column of classes.",
    ),
    "class-few": _warning(
        "The class {label!r} has {count} pictures only.",
        "Add some, or leave it out: {least} or more let every split hold one.",
    ),
    "class-alike": _warning(
        "The classes {labels} differ in width, case or spaces only.",
        "Write them alike if they are one class.",
    ),
    "class-wide": _warning(
        "Full-width letters or digits in the names of classes ({count}), e.g. {label!r}.",
        "Write {plain!r} if that is what is meant.",
    ),
    "class-missing": _warning(
        "A class is called {label!r} ({count} pictures): so programs write that nothing is known.",
        "Leave the cell empty and write pool as its split, or name the class.",
    ),
    "class-untrained": _warning(
        "Classes without a training picture: {labels}.",
        "Nothing can learn them: move some of their pictures from test to train (sets like MVTec's "
        "have defects in test only), or correct the names.",
    ),
    "class-of-objects": _note(
        "Each picture has the class of the objects marked in it; without any it is 'background'.",
        "Use --task detection to keep the boxes.",
    ),
    "objects-cut": _note(
        "Pictures show several objects, so {kept} of the {total} marked ones were cut out (at most "
        "{most} of one picture), and {empty} places without any as 'background'. Squares of one "
        "picture stay in one split.",
        "Use --task detection to keep pictures and boxes.",
    ),
    "leaks": _warning(
        "{files} files hold {pictures} pictures that are in more than one split. The copies were "
        "excluded ({lost}); those in the first of train, pool, val, test stay.",
        "Nothing need be done; without this, test figures would count what training saw.",
    ),
    "repeats": _note(
        "{count} files repeat another picture of their own split.",
        "Nothing need be done; they count twice.",
    ),
    "classes-disagree": _warning(
        "{count} pictures are in several classes, e.g. in {labels}.",
        "Decide which class is right, and remove the others.",
    ),
    "copies-found": _note(
        "By their Roboflow names {files} files are augmented copies of {count} pictures, e.g. of "
        "{example}: the copies of one picture are one group.",
        "Rename pictures that are no copies but share a name. Better export without augmentation: "
        "training augments too.",
    ),
    "groups-torn": _warning(
        "{count} groups are in several splits, e.g. {group!r}: test figures flatter.",
        "Give all pictures of a group the same split.",
    ),
    "groups-found": _note(
        "In file names like {example} what stands before the number is taken as the source: "
        "{count} groups that splits keep together.",
        "Give a table with a column group to say otherwise.",
    ),
    "splits-cut": _note(
        "The source has no splits: cut 60% train, 20% val and 20% test by class and by group "
        "where there are groups, seed 0.",
        "Give the splits yourself to say otherwise.",
    ),
    "splits-kept": _note(
        "{count} pictures stay in the split that they had in the version before.",
        "Import under another name to cut all splits anew.",
    ),
    "same-data": _note(
        "Version {version} of {name} holds just these images, classes and splits: nothing is "
        "stored again.",
        "Go on with that version.",
    ),
    "test-cut": _note(
        "The source has no test split: 20% of {split} were cut by class and by group where there "
        "are groups, seed 0.",
        "Give the splits yourself to say otherwise.",
    ),
    "val-cut": _note(
        "The source has no validation split: 20% of train were cut by class and by group where "
        "there are groups, seed 0.",
        "Give the splits yourself to say otherwise.",
    ),
}
KINDS: dict[str, Kind] = {
    **_SOURCES, **_ARCHIVES, **_FOLDERS, **_TABLES, **_ANNOTATIONS, **_PICTURES, **_WHOLE,
}  # fmt: skip
