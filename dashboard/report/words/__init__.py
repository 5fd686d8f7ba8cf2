"""From facts to sentences: one module for each part of a report."""

from dashboard.report.words.tell import tell

__all__ = ["tell"]
