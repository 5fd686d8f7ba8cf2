"""The report as slides, with charts that PowerPoint can edit and the same words as on paper."""

from dashboard.report.slides.deck import slides

__all__ = ["slides"]
