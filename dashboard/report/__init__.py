"""The manager's report: facts gathered once, told in one language, written in several formats."""

from dashboard.report.facts import Facts, gather
from dashboard.report.write import WRITERS, check_target, write, writer

__all__ = ["WRITERS", "Facts", "check_target", "gather", "write", "writer"]
