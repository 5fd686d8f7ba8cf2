"""Captions from columns and templates: which images, which words, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from digpt.data.card import card
from digpt.data.dataset import UNLABELLED
from digpt.errors import UserError
from digpt.tokenizers.captions import captioned
from digpt.tokenizers.names import most_captioned


@pytest.fixture
def described(dataset):
    """The stripes with a material, which is not known of every other image."""
    material = np.array(["steel", ""])[np.arange(len(dataset)) % 2]
    return replace(dataset, attributes={"material": material})


def test_a_template_of_attributes_uses_the_pool_where_they_are_known(described):
    found = captioned(described, "{material}の表面", fewest=1)
    assert set(found.captions) == {"steelの表面"}
    known = described.indices("pool", "train")
    assert found.rows.tolist() == known[known % 2 == 0].tolist()
    assert found.names_class_share == 0.0


def test_a_template_of_the_class_uses_labelled_training_images_only(described):
    found = captioned(described, "{class} stripes on {material}", fewest=1)
    assert set(described.split[found.rows]) == {"train"}
    assert set(found.captions) == {"lying stripes on steel", "upright stripes on steel"}
    assert found.names_class_share == 1.0


def test_labels_of_the_pool_are_never_read(described):
    labels = np.where(described.split == "pool", 1, described.labels)
    told = replace(described, labels=labels)
    assert set(told.split[captioned(told, "{class}", fewest=1).rows]) == {"train"}


def test_an_attribute_that_names_the_class_is_confessed(described):
    telling = np.where(described.labels == 1, "upright", "lying")
    found = captioned(replace(described, attributes={"look": telling}), "{look}", fewest=1)
    assert found.names_class_share == 1.0


def test_unknown_fields_are_named_with_those_there_are(described):
    with pytest.raises(UserError, match=r"asks for colour; the dataset has: class, material"):
        captioned(described, "{class} {colour}", fewest=1)


def test_an_empty_caption_is_none(dataset):
    texts = np.array(["", "a dent"])[np.arange(len(dataset)) % 2]
    found = captioned(replace(dataset, captions={"caption": texts}), None, fewest=1)
    assert set(found.captions) == {"a dent"}


TEMPLATES = ("{class}", "{material} of {thickness} mm", "{class} of {material}")


@pytest.mark.parametrize("wanted", [None, "caption", "notes", *TEMPLATES])
def test_what_is_admitted_is_what_is_learned_from(described, wanted: str | None):
    notes = np.array(["seen" if k % 3 else "" for k in range(len(described))])
    columns = {"notes": notes} | ({"caption": notes} if wanted == "caption" else {})
    told = replace(described, captions=columns)
    rows = np.arange(len(told))
    # known of all images of steel and no other, so that the fewest of a template are all of it
    told.attributes["thickness"] = np.where(rows % 2 == 0, rows % 3, np.nan)
    told.attributes["material"][told.split == "pool"] = "" if wanted == TEMPLATES[2] else "steel"
    facts = card(told)
    most = most_captioned(
        wanted,
        {name: column["captioned"] for name, column in facts["captions"].items()},
        {name: column["known"] for name, column in facts["attribute_values"].items()},
        labelled=int((told.labels[told.indices("train")] != UNLABELLED).sum()),
    )
    assert len(captioned(told, wanted, fewest=1).rows) == most


def test_a_number_is_written_as_a_person_does_and_an_unknown_one_is_no_caption(described):
    thickness = np.where(np.arange(len(described)) % 2, 2.5, np.nan)
    thickness[1] = 3
    found = captioned(replace(described, attributes={"mm": thickness}), "{mm} mm", fewest=1)
    assert set(found.captions) == {"2.5 mm", "3 mm"}
