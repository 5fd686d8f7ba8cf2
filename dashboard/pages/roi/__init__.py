"""ROI: the business case, what it comes to, and the verdict with its reasons."""

from dashboard.pages.roi.page import NAME, PATH, build
from dashboard.pages.roi.view import view

__all__ = ["NAME", "PATH", "build", "view"]
