"""Datasets of a home, from import to health: a part of the service."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digpt.reporter import Quiet, Reporter
from jobs.home import Home
from jobs.spec import DatasetRef
from jobs.uploads import Upload, Uploads
from jobs.views import DatasetVersion, DatasetView

if TYPE_CHECKING:
    from digpt.data.difference import Difference
    from digpt.data.health import Health
    from jobs.catalogue import ImportResult


class Datawork(Home):
    """What data there is, how it came in and what is wrong with it."""

    def datasets(self) -> list[DatasetView]:
        return self._catalogue.datasets()

    def dataset(self, name: str, version: int | None = None) -> DatasetView:
        return self._catalogue.dataset(name, version)

    def thumbnails(self, name: str, n: int = 24) -> list[tuple[str, bytes]]:
        """(class or "", PNG) of some images of the dataset."""
        return self._catalogue.thumbnails(name, n)

    def import_dataset(
        self,
        source: Path,
        *,
        name: str,
        task: str = "classification",
        dry_run: bool = False,
        skip_bad: bool = False,
        origin: str = "",
        licence: str = "",
        roots: Sequence[Path] = (),
        reporter: Reporter | None = None,
    ) -> "ImportResult":
        """Read a folder, table or archive; nothing is stored on a dry run or an error.

        `roots`: the folders that links in it may lead into; none trusts them all.
        """
        found = self._catalogue.add(
            source,
            name=name,
            task=task,
            dry_run=dry_run,
            skip_bad=skip_bad,
            origin=origin,
            licence=licence,
            roots=roots,
            reporter=reporter,
        )
        if found.dataset:
            self._store.audit("local", "import dataset", found.dataset, {"source": str(source)})
        return found

    def import_from_server(self, path: str, **options: Any) -> "ImportResult":
        """The same for a folder of the server that a person in the browser named."""
        from jobs.arrivals import on_server  # noqa: PLC0415 - numpy and Pillow

        roots = self.settings.roots
        return self.import_dataset(on_server(path, roots), roots=roots, **options)

    def import_upload(self, key: str, **options: Any) -> "ImportResult":
        """The same for what was uploaded, which goes once it is stored."""
        found = self.import_dataset(self._uploads.whole(key), **options)
        if found.dataset:
            self._uploads.drop(key)
        return found

    def upload(self, key: str) -> Upload:
        """How much of an upload is here."""
        return self._uploads.get(key)

    def server_folders(self, path: str) -> list[str]:
        """What may be chosen below a folder of the server, or the allowed folders themselves."""
        from jobs.arrivals import folders_below  # noqa: PLC0415 - numpy and Pillow

        return folders_below(path, self.settings.roots)

    def remove_dataset(self, name: str) -> None:
        self._catalogue.remove(name)
        self._store.audit("local", "remove dataset", name)

    def dataset_card(self, name: str, version: int | None = None) -> Mapping[str, Any]:
        """Everything that was written down of a dataset when it came in."""
        return self._catalogue.card(DatasetRef(name=name, version=version))

    def dataset_versions(self, name: str) -> list[DatasetVersion]:
        """The imports under a name, newest first, and the pilots that used each."""
        return self._catalogue.versions(name)

    def dataset_difference(
        self, name: str, before: int, after: int, reporter: Reporter | None = None
    ) -> "Difference":
        """What changed from one version of a dataset to another."""
        from digpt.data.difference import difference  # noqa: PLC0415 - start-up time

        told = reporter or Quiet()
        first, second = (
            self._catalogue.open(DatasetRef(name=name, version=v), told) for v in (before, after)
        )
        return difference(first, second, reporter=told)

    def health(
        self, name: str, version: int | None = None, reporter: Reporter | None = None
    ) -> "Health":
        """Duplicates, leaks, bad pictures and doubtful labels; looked for once for each version."""
        from jobs.health import health  # noqa: PLC0415 - torch

        known = self.known_health(name, version)
        if known is not None:
            return known
        told = reporter or Quiet()
        data = self._catalogue.open(DatasetRef(name=name, version=version), told)
        found = health(data, told)
        self._store.set_value(self._health_key(name, version), asdict(found))
        return found

    def known_health(self, name: str, version: int | None = None) -> "Health | None":
        """The health of a dataset that was looked at before."""
        from digpt.data.health import from_json  # noqa: PLC0415 - start-up time

        kept = self._store.get_value(self._health_key(name, version))
        return from_json(kept) if kept else None

    def pictures(self, name: str, files: Sequence[str]) -> dict[str, bytes]:
        """PNG of the named images of a dataset; empty for built-in sets."""
        return self._catalogue.pictures(name, files)

    def _health_key(self, name: str, version: int | None) -> str:
        from jobs.catalogue import data_code  # noqa: PLC0415 - start-up time

        return f"health:{self.dataset(name, version).fingerprint}:{data_code()}"

    @cached_property
    def _uploads(self) -> Uploads:
        return Uploads(self.settings.uploads)
