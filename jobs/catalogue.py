"""Datasets and tokenizers: what there is to choose from, and what a plan must know of it."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from digpt import data
from digpt.data.card import card, png, thumbnails
from digpt.data.dataset import ImageDataset
from digpt.data.importers import Problem, read
from digpt.data.problems import problem
from digpt.data.remarks import Remark, as_remark
from digpt.data.stored import open_dataset
from digpt.errors import UserError, pick
from digpt.reporter import Quiet, Reporter
from jobs.arrivals import move_in
from jobs.engine.plan import DatasetFacts
from jobs.settings import Settings
from jobs.spec import DatasetRef
from jobs.store import Store
from jobs.store.records import DatasetRecord
from jobs.views import DatasetVersion, DatasetView

SAME = ("fingerprint", "task", "source", "licence")  # what makes another version needless


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportResult:
    """What an import found, and the version that holds it (none on a dry run or an error)."""

    dataset: str | None
    version: int | None
    format: str
    counts: Mapping[str, Any]
    problems: tuple[Problem, ...]
    task: str = "classification"
    formats: tuple[Remark, ...] = ()  # `format`, for a page to translate


class Catalogue:
    """Built-in datasets and those that were added to this home."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def datasets(self) -> list[DatasetView]:
        """Built-in sets first, then the newest version of each added one."""
        newest = {r.name: r for r in reversed(self._store.datasets())}
        added = [_view(r.card, version=r.version) for r in newest.values()]
        return [_view(self._builtin_card(name)) for name in data.BUILTIN] + added

    def dataset(
        self, name: str, version: int | None = None, images: int | None = None
    ) -> DatasetView:
        return _view(*self._card(DatasetRef(name=name, version=version, images=images)))

    def card(self, ref: DatasetRef) -> Mapping[str, Any]:
        """The data card as it was made at import."""
        return self._card(ref)[0]

    def facts(self, ref: DatasetRef) -> DatasetFacts:
        """What `make_plan` needs; no image is opened and nothing is generated."""
        content, version = self._card(ref)
        by_split = {  # an image without a label is of use in the pool only
            split: sum(n for label, n in by_class.items() if label or split == "pool")
            for split, by_class in content["counts"].items()
        }
        builtin = version is None
        options = f"?n={ref.images}" if ref.images else ""
        return DatasetFacts(
            identity=content["fingerprint"],
            source=f"builtin:{ref.name}{options}" if builtin else self._folder(ref),
            images=content["images"],
            pool=by_split.get("pool", 0),
            train=by_split.get("train", 0),
            val=by_split.get("val", 0),
            test=by_split.get("test", 0),
            classes=len(content["classes"]),
            captions=_captioned(content),
            attributes=_known(content),
            task=content["task"],
            image_size=tuple(content["image_size"]),
        )

    def open(self, ref: DatasetRef, reporter: Reporter) -> ImageDataset:
        """The dataset itself; a built-in one is drawn anew."""
        if ref.name in data.BUILTIN:
            _check_builtin(ref)
            options = {"n": ref.images} if ref.images else {}
            return data.builtin(ref.name, **options, reporter=reporter)
        return open_dataset(Path(self._folder(ref)))

    def versions(self, name: str) -> list[DatasetVersion]:
        """The versions of an added dataset, newest first; a built-in set has none."""
        if name in data.BUILTIN:
            return []
        self._record(DatasetRef(name=name))  # or a sentence that names those there are
        pilots = self._store.pilots_by_version(name)
        return [
            DatasetVersion(
                version=r.version,
                fingerprint=r.fingerprint,
                created_at=datetime.fromtimestamp(r.created_at, UTC),
                images=r.card["images"],
                pilots=tuple(pilots.get(r.version, ())),
            )
            for r in self._store.datasets(name)
        ]

    def pictures(self, name: str, files: Sequence[str], size: int = 96) -> dict[str, bytes]:
        """PNG of the named images, those that can be read."""
        if name in data.BUILTIN:  # drawing thousands for a few would take seconds
            return {}
        dataset = open_dataset(Path(self._folder(DatasetRef(name=name))))
        rows = {str(i): row for row, i in enumerate(dataset.ids)}
        found = {}
        for file in files:
            with suppress(UserError, KeyError):
                found[file] = png(dataset.images.load([rows[file]], size)[0])
        return found

    def thumbnails(self, name: str, n: int = 24) -> list[tuple[str, bytes]]:
        """(class, PNG) of some images; a built-in set draws a small sample of itself."""
        if name in data.BUILTIN:
            return data.sample_thumbnails(name, n)
        return thumbnails(open_dataset(Path(self._folder(DatasetRef(name=name)))), n)

    def add(
        self,
        source: Path,
        *,
        name: str,
        task: str,
        dry_run: bool,
        skip_bad: bool,
        origin: str = "",
        licence: str = "",
        roots: Sequence[Path] = (),
        reporter: Reporter | None = None,
    ) -> ImportResult:
        """Read a source; store it as the next version of `name` unless something is wrong, or the
        newest version is just that.

        `origin` and `licence` are what a person knows of the images; else what the source tells.
        """
        _check_name(name)
        found = read(
            source,
            name=name,
            task=task,
            skip_bad=skip_bad,
            roots=roots,
            earlier=self._splits(name),
            reporter=reporter or Quiet(),
        )
        version, problems = None, tuple(found.problems)
        if found.dataset is not None:
            about = {"source": origin, "licence": licence}
            told = replace(found.dataset, **{k: v for k, v in about.items() if v})
            same = self._same(told)
            if same:
                problems += (problem("same-data", "", version=same, name=name),)
            if not dry_run:
                version = same or self._keep(told, reporter or Quiet())
        return ImportResult(
            dataset=name if version else None,
            version=version,
            format=found.format,
            counts=found.counts,
            problems=problems,
            task=found.task,
            formats=found.formats,
        )

    def _splits(self, name: str) -> dict[str, str]:
        """The split of each image of the newest version by its path; none of a new name."""
        newest = self._newest(name)
        if newest is None:
            return {}
        before = open_dataset(Path(newest.folder))
        return dict(zip(before.ids.tolist(), before.split.tolist(), strict=True))

    def _same(self, dataset: ImageDataset) -> int | None:
        """The newest version, if it holds the same data and nothing else is known of them."""
        newest = self._newest(dataset.name)
        if newest and all(newest.card[k] == getattr(dataset, k) for k in SAME):
            return newest.version
        return None

    def _newest(self, name: str) -> DatasetRecord | None:
        return next(iter(self._store.datasets(name)), None)

    def remove(self, name: str) -> None:
        """Hide an added dataset; results made with it stay, and so do its files."""
        if name in data.BUILTIN:
            raise UserError(
                f"{name} is built in and cannot be removed.",
                code="builtin",
                field="name",
                name=name,
            )
        if not self._store.remove_dataset(name):
            added = {r.name: r for r in self._store.datasets()}
            if added:
                pick(added, name, "dataset")
            raise UserError(
                f"There is no dataset {name!r} to remove: none was added to this home.",
                code="unknown-name",
                field="dataset",
                kind="dataset",
                name=name,
                available=[],
            )

    def _keep(self, dataset: ImageDataset, reporter: Reporter) -> int:
        """Copy the images in, then one row in the store makes them count."""
        folder = self._settings.datasets / f"{dataset.name}-{uuid4().hex[:12]}"
        try:
            move_in(dataset, folder, reporter)
            record = self._store.add_dataset(
                dataset.name, str(folder), dataset.fingerprint, card(dataset)
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return record.version

    def _card(self, ref: DatasetRef) -> tuple[Mapping[str, Any], int | None]:
        if ref.name in data.BUILTIN:
            _check_builtin(ref)
            return self._builtin_card(ref.name, ref.images), None
        if ref.images:
            raise UserError(
                f"Dataset {ref.name!r} has the images it has; only built-in sets take a number.",
                code="not-builtin",
                field="dataset.images",
                name=ref.name,
            )
        record = self._record(ref)
        return record.card, record.version

    def _builtin_card(self, name: str, images: int | None = None) -> Mapping[str, Any]:
        """The card of a built-in set, made once for each home: drawing its facts takes seconds."""
        key, code = f"card:{name}:{images or 'default'}", data_code()
        kept = self._store.get_value(key)
        if kept is None or kept["code"] != code:
            card = data.describe(name, **({"n": images} if images else {}))
            kept = {"code": code, "card": dict(card)}
            self._store.set_value(key, kept)
        return kept["card"]

    def _folder(self, ref: DatasetRef) -> str:
        return self._record(ref).folder

    def _record(self, ref: DatasetRef) -> Any:
        known = self._store.datasets()
        names = dict.fromkeys((*data.BUILTIN, *(r.name for r in known)), 0)
        pick(names, ref.name, "dataset")
        versions = {r.version: r for r in known if r.name == ref.name}
        wanted = ref.version or max(versions)
        if wanted not in versions:
            raise UserError(
                f"Dataset {ref.name!r} has no version {wanted}. It has {sorted(versions)}.",
                code="unknown-version",
                field="dataset.version",
                why="added",
                name=ref.name,
                version=wanted,
                known=[str(v) for v in sorted(versions)],
            )
        return versions[wanted]


@cache
def data_code() -> str:
    """Changes when the code that makes the built-in sets does."""
    digest = hashlib.sha256()
    for path in sorted(Path(data.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _check_builtin(ref: DatasetRef) -> None:
    if ref.version is not None:
        raise UserError(
            f"{ref.name} is built in and has no versions; remove dataset.version.",
            code="unknown-version",
            field="dataset.version",
            why="builtin",
            name=ref.name,
        )


def _check_name(name: str) -> None:
    if name in data.BUILTIN:
        raise UserError(
            f"{name!r} is the name of a built-in dataset; choose another with --name.",
            code="name-taken",
            field="name",
            name=name,
        )
    if not name or len(name) > 100 or any(c in name for c in '/\\:"?*<>|') or name[0] in ".-":
        raise UserError(
            f"{name!r} cannot name a dataset: use letters, digits, - and _, at most 100.",
            code="bad-name",
            field="name",
            name=name,
        )


def _captioned(content: Mapping[str, Any]) -> dict[str, int]:
    """Pool and training images with a text, by caption column; cards of old versions tell the most
    there can be."""
    most, known = _learned(content), content.get("captions", {})
    return {c: known.get(c, {}).get("captioned", most) for c in content["caption_columns"]}


def _known(content: Mapping[str, Any]) -> dict[str, int]:
    """The same of a value, by attribute."""
    most, known = _learned(content), content.get("attribute_values", {})
    return {a: known.get(a, {}).get("known", most) for a in content["attributes"]}


def _learned(content: Mapping[str, Any]) -> int:
    """How many pool and training images there are."""
    learned = (content["counts"].get(split, {}) for split in ("pool", "train"))
    return sum(sum(by_class.values()) for by_class in learned)


def _view(content: Mapping[str, Any], version: int | None = None) -> DatasetView:
    return DatasetView(
        name=content["name"],
        version=version,
        builtin=version is None,
        images=content["images"],
        classes=tuple(content["classes"]),
        good_classes=tuple(content["good_classes"]),
        counts=content["counts"],
        caption_columns=tuple(content["caption_columns"]),
        captioned=_captioned(content),
        caption_names_class=content["caption_names_class"],
        attributes=tuple(content["attributes"]),
        groups=content["groups"],
        source=content["source"],
        licence=content["licence"],
        notes=tuple(map(as_remark, content["notes"])),
        warnings=tuple(map(as_remark, content["warnings"])),
        fingerprint=content["fingerprint"],
        task=content["task"],
    )
