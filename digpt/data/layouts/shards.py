"""Which Arrow and Parquet files make up a Hugging Face dataset, and which of them are missing."""

import json
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from digpt.data.images import BadImage
from digpt.data.layouts.items import folder_of, is_image
from digpt.data.problems import Problem, problem
from digpt.data.reasons import because, reason
from digpt.data.sources import Source
from digpt.encodings import decoded

_ABOUT = ("dataset_info.json", "state.json", "dataset_dict.json")
_INFOS = ("dataset_info.json", "dataset_infos.json")
_CACHED = "cache-"  # what `map` and `filter` leave beside the dataset
_NUMBERED = re.compile(r"(.+-)(\d{5})-of-(\d{5})(\.\w+)")


def arrow_paths(source: Source, holds_pictures: Callable[[str], bool | None]) -> list[str]:
    """The Arrow files of `save_to_disk`, or Parquet files of which one holds pictures.

    Without any picture beside them, damaged files are taken for a dataset, so that this is said.
    `holds_pictures` is None for a Parquet file that cannot be read.
    """
    names = {PurePosixPath(p).name for p in source.files}
    is_bare = not any(map(is_image, source.files))
    arrows = [p for p in source.files if p.endswith(".arrow")]
    arrows = [p for p in arrows if not PurePosixPath(p).name.startswith(_CACHED)] or arrows
    if arrows and (is_bare or not names.isdisjoint(_ABOUT)):
        return arrows
    parquets = [p for p in source.files if p.endswith(".parquet")]
    are_damaged = bool(parquets)
    for path in parquets:
        holds = holds_pictures(path)
        if holds:
            return parquets
        are_damaged = are_damaged and holds is None
    return parquets if are_damaged and is_bare else []


def missing_files(source: Source, paths: list[str]) -> list[Problem]:
    """What the dataset's own lists, or the names of its files, tell of and that is not here."""
    here = set(source.files)
    told = [path for path in _told(source) if path not in here]
    said = [problem("arrow-missing", "", count=len(told), example=told[0])] if told else []
    numbered = [path for path in _numbered(paths) if path not in here and path not in told]
    if numbered:
        said.append(problem("arrow-partial", "", count=len(numbered), example=numbered[0]))
    return said


def _told(source: Source) -> list[str]:
    """The files that each state.json lists, and the folders of splits that are not here."""
    told = []
    for path in source.files:
        name = PurePosixPath(path).name
        if name == "state.json":
            told += [_beside(path, one) for one in _listed(source, path, "_data_files")]
        if name == "dataset_dict.json":
            folders = [_beside(path, one) for one in _listed(source, path, "splits")]
            told += [one for one in folders if one not in source.folders]
    return list(dict.fromkeys(told))


def _numbered(paths: list[str]) -> list[str]:
    """All the files that names such as train-00000-of-00003.parquet tell of."""
    found: dict[str, None] = {}
    for start, _, count, suffix in (m.groups() for m in map(_NUMBERED.fullmatch, paths) if m):
        found |= dict.fromkeys(f"{start}{k:05d}-of-{count}{suffix}" for k in range(int(count)))
    return list(found)


def stated_features(source: Source, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    """What each dataset_info.json (formerly dataset_infos.json, by configuration) says of the
    columns, by its folder; those unreadable are told."""
    found = {}
    for path in (p for p in source.files if PurePosixPath(p).name in _INFOS):
        try:
            content = _json(source, path)
            whole = features_in(content) or features_in(next(iter(content.values()), {}))
            found[folder_of(path)] = whole
        except (OSError, ValueError, RecursionError, BadImage) as error:
            problems.append(problem("arrow-info", path, reason=because(error)))
    return found


def features_in(content: Any) -> dict[str, Any]:
    """The features that a dataset's description holds; empty where it has none."""
    content = content.get("info", content) if isinstance(content, dict) else {}
    features = content.get("features") if isinstance(content, dict) else None
    return features if isinstance(features, dict) else {}


def _listed(source: Source, path: str, key: str) -> list[str]:
    """Names that one of the dataset's own lists holds; a damaged list tells nothing."""
    try:
        content = _json(source, path)
    except (OSError, ValueError, RecursionError, BadImage):
        return []
    names = content.get(key)
    names = names if isinstance(names, list) else []
    names = [one.get("filename") if isinstance(one, dict) else one for one in names]
    return [name for name in names if isinstance(name, str) and name]


def _json(source: Source, path: str) -> dict[str, Any]:
    content = json.loads(decoded(source.read(path)))
    if not isinstance(content, dict):
        raise ValueError(reason("json-object"))
    return content


def _beside(path: str, name: str) -> str:
    return "/".join(filter(None, (folder_of(path), name)))
