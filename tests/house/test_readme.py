"""The README is short, and names every command and setting there is."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from dashboard.cli import app
from jobs import settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = README + "".join(p.read_text("utf-8") for p in sorted(ROOT.glob("docs/**/*.md")))


def commands(command: Any, path: str = "digpt") -> Iterator[str]:
    """Every command as typed, such as `digpt pilot run`."""
    children = getattr(command, "commands", {})
    if not children:
        yield path
    for name, child in children.items():
        yield from commands(child, f"{path} {name}")


def test_readme_is_short() -> None:
    assert len(README.splitlines()) < 150


@pytest.mark.parametrize("command", list(commands(typer.main.get_command(app))))
def test_every_command_is_documented(command: str) -> None:
    group, _, name = command.rpartition(" ")
    alternatives = rf"{group} [\w|]*\b{name}\b"  # `digpt data list|add` names two
    assert re.search(rf"{command}\b|{alternatives}", DOCUMENTS)


def setting_names() -> list[str]:
    fields = [name for name in settings.Settings.__slots__ if isinstance(name, str)]
    return [f"DIGPT_{name.upper()}" for name in fields]


@pytest.mark.parametrize("name", setting_names())
def test_every_setting_is_documented(name: str) -> None:
    assert name in DOCUMENTS


def test_no_setting_is_documented_that_does_not_exist() -> None:
    known = {*setting_names(), "DIGPT_TEST_DATA", "DIGPT_DEBUG"}
    assert set(re.findall(r"DIGPT_[A-Z_]+", DOCUMENTS)) <= known


@pytest.mark.parametrize("command", sorted(set(re.findall(r"(?m)(?:^|`)make ([a-z]+)", README))))
def test_make_commands_of_the_readme_exist(command: str) -> None:
    assert re.search(rf"^{command}:", (ROOT / "Makefile").read_text("utf-8"), re.M)


def test_the_two_commands_stand_on_the_first_screen() -> None:
    first_screen = "\n".join(README.splitlines()[:30])
    assert "make demo" in first_screen
    assert "make test" in first_screen


def test_relative_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert not [target for target in targets if not (ROOT / target).exists()]
