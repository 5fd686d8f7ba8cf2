"""The store: the truth about intent and outcome, in short transactions, as plain records."""

import time
from collections.abc import Callable

from jobs.store.catalog import Catalog
from jobs.store.pilots import Pilots
from jobs.store.stages import Stages


class Store(Pilots, Stages, Catalog):
    """Opens (and where needed migrates) the database at `url`. Safe to share between threads.

    Only the service and the supervisor open it; workers report through files. `clock` gives seconds
    since 1970.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._now = clock
        super().__init__(url)
