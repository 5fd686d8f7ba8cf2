"""Imports go one way, heavy packages stay behind their doors, and what is imported is declared."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("digpt", "jobs", "dashboard")
OPTIONAL = {"pynvml"}  # asked for inside a function, which answers without it too
FORBIDDEN = {
    "digpt": {
        *("jobs", "dashboard", "ray", "gradio", "fastapi", "plotly"),
        *("sqlalchemy", "alembic", "pydantic", "pandas", "typer"),
    },
    "jobs": {"dashboard", "gradio", "plotly"},
    "dashboard": {"ray", "sqlalchemy", "alembic"},  # the service is the only door
}
OWNERS = {"ray": "jobs/engine", "sqlalchemy": "jobs/store", "alembic": "jobs/store"}
# digpt itself needs torch and images only; these are taken where a feature needs them
LEFT_OUT = ["open_clip", "timm", "sklearn", "skimage", "ray", "gradio", "sqlalchemy", "pydantic"]
LEFT_OUT += ["pandas", "typer"]


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Full names of what a module imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def top(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imported(path)
        if top(name) in FORBIDDEN[package]
    ]
    assert not wrong


def test_the_science_knows_nothing_of_money() -> None:
    wrong = [path for path in modules("digpt") for name in imported(path) if "money" in name]
    assert not wrong


@pytest.mark.parametrize("name", OWNERS)
def test_each_edge_has_one_owner(name: str) -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for path in modules("jobs")
        if any(top(found) == name for found in imported(path))
    }
    assert not {user for user in users if not user.startswith(OWNERS[name])}


def test_every_imported_package_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {plain(re.split(r"[<>=\[;~! ]", need)[0]) for need in project["dependencies"]}
    owners = packages_distributions()
    outside = {top(n) for package in PACKAGES for path in modules(package) for n in imported(path)}
    outside -= {*PACKAGES, *sys.stdlib_module_names, *OPTIONAL}
    missing = {n for n in outside if not declared & {plain(o) for o in owners.get(n, [n])}}
    assert not missing


def plain(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.slow
def test_science_runs_without_the_rest_of_the_house() -> None:
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in modules("digpt")]
    names = [name.removesuffix(".__init__") for name in names]
    code = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({LEFT_OUT}))\n"  # None: importing it raises
        f"for name in {names}: importlib.import_module(name)"
    )
    run_python("-c", code)


def test_help_is_light() -> None:
    code = (
        "import json, sys\n"
        "from dashboard.cli import main\n"
        "sys.argv = ['digpt', '--help']\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "print(json.dumps([n for n in ('torch', 'ray', 'gradio') if n in sys.modules]))"
    )
    assert json.loads(run_python("-c", code).splitlines()[-1]) == []


def run_python(*arguments: str) -> str:
    """Standard output of a fresh interpreter in the checkout; fails with what it said."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
