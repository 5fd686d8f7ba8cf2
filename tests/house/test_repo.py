"""What is in the repository: no big file, no trace of one machine, both languages complete."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LARGEST = 2_000_000  # bytes
MACHINE_PATH = re.compile(rb"""(?:^|[\s"'`(=:])/(?:work|farm|root|home|Users|tmp/w)/\w""")
# hosts of indexes and mirrors; a person chooses those with TORCH_INDEX or pip's own settings
INDEX_HOST = re.compile(r"https?://\S*(?:/simple\b|/whl/|mirror|artifactory|nexus|devpi)")
BAD_OPTION = re.compile(r"--(?:extra-)?index-url\s+\S*//|--find-links|--trusted-host")
LOCALES = ROOT / "dashboard" / "locales"


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]  # whoever owns the clone
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_tracked_file_is_big(tracked: list[Path]) -> None:
    assert not [path for path in tracked if path.stat().st_size > LARGEST]


def test_no_lock_file_with_host_names(tracked: list[Path]) -> None:
    assert not [path for path in tracked if path.name in {"uv.lock", "poetry.lock", "Pipfile.lock"}]


def test_no_machine_paths(tracked: list[Path]) -> None:
    assert not [path for path in tracked if MACHINE_PATH.search(path.read_bytes())]


def test_constraints_are_exact_versions_and_nothing_else() -> None:
    lines = text_of("constraints.txt").splitlines()
    rest = [line for line in lines if not line.startswith("#")]
    assert len(rest) > 50
    assert not [line for line in rest if not re.fullmatch(r"[\w.-]+==[\w.]+", line)]


def test_no_index_host_is_committed(tracked: list[Path]) -> None:
    here = Path(__file__)
    texts = [path for path in tracked if path.suffix in {"", ".toml", ".txt", ".md", ".cfg", ".py"}]
    assert not [path for path in texts if path != here and names_an_index(path)]


def names_an_index(path: Path) -> bool:
    text = path.read_text("utf-8", errors="replace")
    return bool(INDEX_HOST.search(text) or BAD_OPTION.search(text))


def test_every_dependency_is_pinned_by_the_constraints() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    needs = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {plain(n) for n in re.findall(r"^([\w.-]+)==", text_of("constraints.txt"), re.M)}
    assert not [need for need in needs if plain(re.split(r"[<>=]", need)[0]) not in pinned]


def test_every_file_of_the_packages_is_shipped(tracked: list[Path]) -> None:
    settings = tomllib.loads(text_of("pyproject.toml"))["tool"]["setuptools"]
    for package, patterns in settings["package-data"].items():
        kept = {path for pattern in patterns for path in (ROOT / package).glob(pattern)}
        files = {path for path in tracked if path.is_relative_to(ROOT / package)}
        assert not {path for path in files - kept if path.suffix != ".py"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def leaves(tree: dict, path: str = "") -> Iterator[tuple[str, str]]:
    """Key and text of every entry, nested keys joined by dots."""
    for key, value in tree.items():
        name = f"{path}{key}"
        if isinstance(value, dict):
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


@pytest.fixture(scope="module")
def languages() -> tuple[dict[str, str], dict[str, str]]:
    if not (LOCALES / "en.json").is_file():
        pytest.skip("no texts yet")
    english, japanese = (
        dict(leaves(json.loads((LOCALES / f"{name}.json").read_text("utf-8"))))
        for name in ("en", "ja")
    )
    return english, japanese


def test_both_languages_have_the_same_keys(languages: tuple[dict, dict]) -> None:
    english, japanese = languages
    errors = {k for k in japanese if k.startswith("error.")}  # English is what was raised
    assert english.keys() == japanese.keys() - errors


def test_both_languages_fill_the_same_blanks(languages: tuple[dict, dict]) -> None:
    english, japanese = languages
    differ = [k for k in english.keys() & japanese if blanks(english[k]) != blanks(japanese[k])]
    assert not differ


def blanks(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)", text))
