"""New pilot: data, tokenizers, arms, and the plan with its time and cost before anything runs."""

from dashboard.pages.new.page import NAME, PATH, build
from dashboard.pages.new.view import view

__all__ = ["NAME", "PATH", "build", "view"]
