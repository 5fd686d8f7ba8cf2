"""Command line `digpt`. Light to import: torch, Ray and Gradio come in only with their commands."""

from dashboard.cli.app import app, main

__all__ = ["app", "main"]
