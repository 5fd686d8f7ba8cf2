"""The pages, in the order of the top bar. Each offers NAME, PATH, view(service, ...) and build.

A page of several parts is a package: `view` gathers what is shown, each part has a module that
writes it, and `page` makes the components and connects them.
"""

from dashboard.pages import compare, data, new, overview, roi, runs, tokens

PAGES = (overview, new, runs, compare, roi, data, tokens)
