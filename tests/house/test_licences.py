"""No dependency, direct or not, is under a licence that ours (Apache-2.0) cannot live with."""

import re
import tomllib
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
# Reviewed by a person: what the licence is, and why the package may be here.
REVIEWED = {
    "certifi": "MPL-2.0, used unchanged: its terms stop at its own files",
    "hypothesis": "MPL-2.0, used unchanged, tests only",
    "pi-heif": "BSD-3; its wheel holds libheif and libde265, LGPL-3.0, linked and unchanged",
    "pyphen": "GPL-2.0+, LGPL-2.1+ or MPL-1.1, as one likes: MPL-1.1, used unchanged",
    "orjson": "MPL-2.0 AND (Apache-2.0 OR MIT), used unchanged",
    "tqdm": "MPL-2.0 AND MIT, used unchanged",
    "cuda-toolkit": "NVIDIA: an empty package that names the runtime packages below",
}
NVIDIA = re.compile(r"nvidia-.*")  # CUDA runtime: proprietary, redistribution as wheels allowed
COPYLEFT = re.compile(r"\b[AL]?GPL|GNU .*General Public|Affero|MPL|Mozilla|EUPL|SSPL|BUSL", re.I)
PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Zlib|HPND|Unlicense|CC0|0BSD)\b", re.I
)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def direct() -> list[Requirement]:
    """What pyproject.toml asks for, tools of the dev extra included."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(text) for need in (project["dependencies"], *extras) for text in need]


@cache
def closure() -> dict[str, Distribution]:
    """Every installed distribution that this project needs, directly or not."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = direct()
    while todo:
        need = todo.pop()
        name, extras = plain(need.name), frozenset(need.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # for another platform
            continue
        needs = [Requirement(text) for text in found[name].requires or []]
        todo += [need for need in needs if is_wanted(need, extras)]
    return found


def is_wanted(need: Requirement, extras: frozenset[str]) -> bool:
    """Whether a requirement holds on this machine with one of these extras, or with none."""
    marker = need.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})


def licence(found: Distribution) -> str:
    """The licence as the package states it: the expression, else its short text and classifiers."""
    facts = found.metadata.json  # keys in lower case, absent ones left out
    if "license_expression" in facts:
        return str(facts["license_expression"])
    lines = str(facts.get("license", "")).strip().splitlines()
    stated = [kind for kind in facts.get("classifier", []) if kind.startswith("License ::")]
    return "; ".join([*lines[:1], *stated])


def test_no_dependency_is_copyleft_outside_the_reviewed_list() -> None:
    packages = closure()
    assert len(packages) > 50, "the closure is too small to be true: run make test"
    unreviewed = {
        name: licence(package)
        for name, package in packages.items()
        if name not in REVIEWED and not NVIDIA.fullmatch(name)
        if COPYLEFT.search(licence(package)) or not PERMISSIVE.search(licence(package))
    }
    assert not unreviewed, "read these licences, then refuse the package or add it with a reason"


def test_reviewed_list_has_no_leftovers() -> None:
    packages = closure()
    unneeded = {n for n in REVIEWED if n in packages and is_plainly_permissive(packages[n])}
    assert not unneeded


def is_plainly_permissive(package: Distribution) -> bool:
    text = licence(package)
    return bool(PERMISSIVE.search(text)) and not COPYLEFT.search(text)
