"""Tokens: how good each tokenizer's tokens are on a dataset, before any pretraining."""

from dashboard.pages.tokens.page import NAME, PATH, build
from dashboard.pages.tokens.view import view

__all__ = ["NAME", "PATH", "build", "view"]
