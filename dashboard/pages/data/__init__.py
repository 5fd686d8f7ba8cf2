"""Data: what images there are, what is wrong with them, and what changed between versions."""

from dashboard.pages.data.page import NAME, PATH, build
from dashboard.pages.data.view import view

__all__ = ["NAME", "PATH", "build", "view"]
