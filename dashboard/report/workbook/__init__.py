"""The business case as a workbook whose deterministic part is live formulas (ROI.md §2)."""

from dashboard.report.workbook.book import workbook

__all__ = ["workbook"]
