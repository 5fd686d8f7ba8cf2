"""Cases to start from, one for each kind of use. Every number in them is to be replaced."""

from collections.abc import Sequence
from importlib.resources import files

from digpt.errors import pick
from jobs.roi.case import Converter, case_from_yaml, in_currency
from jobs.roi.schema import Case

# name -> its file. What a template is for and where its numbers come from is said in words by the
# keys `template.NAME` and `template.NAME.note` of the locales, and in the file's own comments.
TEMPLATES: dict[str, str] = {
    "surface": "surface.yaml",
    "failure": "failure.yaml",
    "cells": "cells.yaml",
    "shelf": "shelf.yaml",
}
DIGITS = 2  # of an amount in another currency: the templates hold round figures


def case_template(
    name: str, *, currency: str, prices: Converter, good_classes: Sequence[str] = ()
) -> Case:
    """A template in a currency, with a dataset's good classes."""
    text = template_text(name)
    case = case_from_yaml(text, name).model_copy(update={"good_classes": tuple(good_classes)})
    return in_currency(case, currency, prices, digits=DIGITS)


def template_text(name: str) -> str:
    """A template's file with its comments, to save and edit."""
    return files(__name__).joinpath(pick(TEMPLATES, name, "case template")).read_text("utf-8")
