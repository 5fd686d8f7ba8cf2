"""Token quality on the data of a home, kept once it is known: a part of the service."""

import getpass
import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import digpt.tokenizers
from digpt.reporter import Quiet, Reporter
from digpt.tokenizers.names import parse
from jobs import governance
from jobs.home import Home
from jobs.spec import DatasetRef
from jobs.views import LicenceAccepted
from jobs.weights import check_models, weights_digest

if TYPE_CHECKING:
    from digpt.tokenizers.code_curve import CodeCurve

ACCEPTED = "accept licence"  # in the audit trail


class Tokenwork(Home):
    """What tokenizers make of a dataset, before any pretraining."""

    def check_tokens(
        self,
        dataset: str,
        names: Sequence[str],
        reporter: Reporter | None = None,
        accepted: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """Token quality on a sample of the dataset, with cost per 1,000 images. Each tokenizer is
        looked at once for each version of a dataset; a check that was stopped keeps what it has.

        `accepted`: those whose licence forbids commercial use, which a person knows and wants.
        """
        from jobs.tokenizing import check  # noqa: PLC0415 - torch

        wanted = list(dict.fromkeys(parse(n).canonical for n in names))
        missing = [n for n in wanted if self._known(dataset, n) is None]
        if missing:
            self._accept(dataset, missing, accepted)
            # before the others are measured: a download that cannot work is tried for minutes
            check_models(missing)
            facts = self._catalogue.facts(DatasetRef(name=dataset))
            for name, found in check(facts, missing, reporter or Quiet()):
                self._store.set_value(self._key(dataset, name), _plain(found))
        return self.known_tokens(dataset, wanted)

    def known_tokens(self, dataset: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """Those of the named tokenizers that were looked at before, in this order."""
        found = [self._known(dataset, parse(n).canonical) for n in names]
        return [self._priced(f) for f in found if f is not None]

    def code_curve(
        self,
        dataset: str,
        base: str,
        codes: Sequence[int],
        reporter: Reporter | None = None,
        accepted: Sequence[str] = (),
    ) -> "CodeCurve":
        """What each number of codes keeps of a tokenizer's tokens, on a sample of the dataset;
        measured once for each version of it."""
        from jobs.tokenizing import code_curve  # noqa: PLC0415 - torch

        known = self.known_curve(dataset, base, codes)
        if known is not None:
            return known
        self._accept(dataset, [base], accepted)
        check_models([base])
        facts = self._catalogue.facts(DatasetRef(name=dataset))
        found = code_curve(facts, parse(base), codes, reporter or Quiet())
        self._store.set_value(self._key(dataset, base, _numbers(codes)), asdict(found))
        return found

    def known_curve(self, dataset: str, base: str, codes: Sequence[int]) -> "CodeCurve | None":
        """The curve over these numbers of codes, where it was measured before."""
        from digpt.tokenizers.code_curve import CodeCurve, CodePoint  # noqa: PLC0415 - torch

        kept = self._store.get_value(self._key(dataset, base, _numbers(codes)))
        if kept is None:
            return None
        points = tuple(CodePoint(**p) for p in kept["points"])
        return CodeCurve(**kept | {"points": points, "left_out": tuple(kept["left_out"])})

    def _accept(self, dataset: str, names: Sequence[str], accepted: Sequence[str]) -> None:
        """Write down which terms were accepted; raises where some were not."""
        self._audit_licences(dataset, governance.check_accepted(names, accepted))

    def _audit_licences(self, subject: str, accepted: Sequence[str]) -> None:
        """The recognisers whose terms a person accepted, for a dataset or a pilot."""
        for name in accepted:
            terms = {"tokenizer": name, "licence": governance.facts(name).licence}
            self._store.audit(_account(), ACCEPTED, subject, terms)

    def licences_accepted(self, subject: str) -> tuple[LicenceAccepted, ...]:
        """Licences that were accepted for a pilot or for checks of a dataset, newest first; each
        recogniser's once."""
        found: dict[str, LicenceAccepted] = {}
        for row in self._store.audits(subject, action=ACCEPTED).rows:
            terms = LicenceAccepted(
                tokenizer=row.detail["tokenizer"],
                licence=row.detail["licence"],
                who=row.who,
                at=datetime.fromtimestamp(row.at, UTC),
            )
            found.setdefault(terms.tokenizer, terms)
        return tuple(found.values())

    def _known(self, dataset: str, name: str) -> dict[str, Any] | None:
        return self._store.get_value(self._key(dataset, name))

    def _key(self, dataset: str, name: str, what: str = "tokens") -> str:
        """Names whatever could change what is found, a local weights file by its content."""
        identity = self._catalogue.facts(DatasetRef(name=dataset)).identity
        parsed = parse(name)
        file = parsed.weights_file
        weights = f":{weights_digest(file)}" if file else ""
        return f"{what}:{identity}:{parsed.canonical}{weights}:{tokens_code()}"

    def _priced(self, found: dict[str, Any]) -> dict[str, Any]:
        """With what 1,000 images cost at today's prices."""
        seconds = 1000 / found["images_per_second"]
        money = self._tariff.money("cpu", seconds, 1)
        return found | {"cost_per_1000": money, "currency": self.currency}


def _account() -> str:
    """Whose account this process has; a container may run it as a number without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _numbers(codes: Sequence[int]) -> str:
    return "codes:" + ",".join(str(k) for k in sorted(set(codes)))


@cache
def tokens_code() -> str:
    """Changes when the code that makes or measures tokens does."""
    digest = hashlib.sha256()
    measuring = Path(__file__).with_name("tokenizing.py")
    for path in [*sorted(Path(digpt.tokenizers.__file__).parent.rglob("*.py")), measuring]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _plain(value: Any) -> Any:
    """JSON knows no NaN: what is unknown is null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and value != value else value
