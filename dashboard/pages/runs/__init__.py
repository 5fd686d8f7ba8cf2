"""Runs: one pilot live, from its first stage to its last."""

from dashboard.pages.runs.page import NAME, PATH, build
from dashboard.pages.runs.view import view

__all__ = ["NAME", "PATH", "build", "view"]
