"""Own data on their way in: an upload or a folder of the server, looked at first, then imported."""

from dashboard.pages.data_in.panel import TASKS, ImportPanel
from dashboard.pages.data_in.problems import problems

__all__ = ["TASKS", "ImportPanel", "problems"]
