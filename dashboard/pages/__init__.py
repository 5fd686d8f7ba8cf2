"""The pages, in the order of the top bar. Each offers NAME, PATH, view(service, ...) and build."""

from dashboard.pages import compare, new, overview, roi, runs

PAGES = (overview, new, runs, compare, roi)
