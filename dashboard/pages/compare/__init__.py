"""Compare: arms side by side, with what they cost and which differences are real."""

from dashboard.pages.compare.page import NAME, PATH, build
from dashboard.pages.compare.view import Choice, view

__all__ = ["NAME", "PATH", "Choice", "build", "view"]
