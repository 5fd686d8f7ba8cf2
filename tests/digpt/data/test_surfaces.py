"""The procedural surfaces: deterministic, balanced, split by part, and hard on purpose."""

import re
import subprocess
import sys

import numpy as np
import pytest

from digpt.data import builtin, describe, sample_thumbnails
from digpt.data.card import counts
from digpt.data.scenes import STATES
from digpt.data.splits import label_subset
from digpt.errors import UserError

# the states' names and what people call them; "fastener" alone names a thing that is there
NAMING = re.compile(
    r"normal|scratch|crack|pit|corro|rust|stain|dent|missing|misalign|align|defect|damage|fault"
    r"|hole|empty|lost|broken|\bno fasten|offset|shift|displac"
)


@pytest.fixture(scope="module")
def surfaces():
    return builtin("surfaces", n=1000)


def test_default_counts_are_ten_thousand_with_balanced_labelled_splits():
    found = describe("surfaces")["counts"]
    assert found["pool"] == {"": 6000}
    for split, size in {"train": 1600, "val": 800, "test": 1600}.items():
        assert found[split] == dict.fromkeys(STATES, size // 8)


@pytest.mark.parametrize("n", [200, 203, 1000, 2500])
def test_every_size_has_balanced_labelled_splits(n: int):
    found = counts(builtin("surfaces", n=n))
    assert sum(sum(split.values()) for split in found.values()) == n
    for split in ("train", "val", "test"):
        assert len(set(found[split].values())) == 1
        assert len(found[split]) == 8


def test_no_part_and_no_unit_is_in_two_splits(surfaces):
    for column in (surfaces.groups, surfaces.attributes["unit"]):
        for name in np.unique(column):
            assert len(set(surfaces.split[column == name])) == 1


def test_the_pool_tells_no_state(surfaces):
    assert set(surfaces.labels[surfaces.split == "pool"]) == {-1}
    assert not any("state" in name for name in surfaces.attributes)


def test_captions_name_no_state_and_the_flagged_column_always_does(surfaces):
    for column in ("caption", "caption_of_scene"):
        assert not [text for text in surfaces.captions[column] if NAMING.search(text)]
    rows = surfaces.indices("train", "val", "test")
    for row in rows:
        state = STATES[surfaces.labels[row]]
        assert surfaces.captions["caption_with_state"][row].endswith(f"state: {state}")
    shares = {"caption": 0.0, "caption_of_scene": 0.0, "caption_with_state": 1.0}
    assert surfaces.caption_names_class == shares


def test_pictures_do_not_depend_on_what_is_drawn_with_them(surfaces):
    together = surfaces.images.load(np.arange(150), 64)
    alone = surfaces.images.load([149, 7], 64)
    assert np.array_equal(alone[0], together[149])
    assert np.array_equal(alone[1], together[7])


def test_the_same_seed_gives_the_same_data_and_another_new_data(surfaces):
    again, other = builtin("surfaces", n=1000), builtin("surfaces", n=1000, seed=1)
    rows = np.arange(0, 1000, 100)
    assert np.array_equal(again.images.load(rows, 32), surfaces.images.load(rows, 32))
    assert again.fingerprint == surfaces.fingerprint != other.fingerprint
    assert not np.array_equal(other.images.load(rows, 32), surfaces.images.load(rows, 32))
    assert np.array_equal(again.captions["caption"], surfaces.captions["caption"])


def test_one_seed_in_another_process_draws_the_same_pixels(surfaces):
    code = (
        "import hashlib; from digpt.data import builtin; "
        "print(hashlib.sha256(builtin('surfaces', n=1000).images.load([3, 500], 64)).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    import hashlib  # noqa: PLC0415  # beside the code that it must equal

    here = hashlib.sha256(surfaces.images.load([3, 500], 64)).hexdigest()
    assert run.stdout.strip() == here


def test_failures_come_after_the_last_inspection_and_more_often_where_findings_are_grave():
    data = builtin("surfaces", n=10_000)
    failed, stamped = data.attributes["failure_date"], data.attributes["timestamp"]
    known = failed != ""
    assert 0.05 < known.mean() < 0.9
    units = data.attributes["unit"]
    for unit in np.unique(units[known])[:50]:
        rows = units == unit
        assert max(stamped[rows])[:10] <= failed[rows][0]
        assert len(set(failed[rows])) == 1
    grave = np.isin(data.labels, [STATES.index(s) for s in ("crack", "missing-fastener")])
    labelled = data.labels >= 0
    assert known[labelled & grave].mean() > known[labelled & ~grave].mean()


def test_pixels_alone_are_not_enough_for_a_linear_probe():
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import

    data = builtin("surfaces", n=2000)
    train, test = label_subset(data.labels, data.indices("train"), 20, 0), data.indices("test")
    x, z = (data.images.load(rows, 16).reshape(len(rows), -1) / 255 for rows in (train, test))
    probe = LogisticRegression(C=0.1, max_iter=200).fit(x, data.labels[train])
    assert probe.score(z, data.labels[test]) < 0.30


@pytest.mark.slow
def test_words_of_captions_do_not_give_the_state_away():
    """Even with 4,000 labels, words tell the state in fewer than four of ten pictures."""
    from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415  # slow to import
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    data = builtin("surfaces", n=10_000)
    rows, test = data.indices("train", "val"), data.indices("test")
    words = CountVectorizer(ngram_range=(1, 3), binary=True, min_df=3)
    x = words.fit_transform(data.captions["caption"][rows])
    model = LogisticRegression(C=0.3, max_iter=200).fit(x, data.labels[rows])
    score = model.score(words.transform(data.captions["caption"][test]), data.labels[test])
    assert 0.2 < score < 0.4


@pytest.mark.parametrize("n", [0, 199, 2_000_000])
def test_absurd_sizes_are_refused(n: int):
    with pytest.raises(UserError, match="The surfaces come in"):
        builtin("surfaces", n=n)


def test_thumbnails_show_every_state_in_turn():
    found = sample_thumbnails("surfaces", 16)
    assert [name for name, _ in found[:8]] == list(STATES)
    assert all(png.startswith(b"\x89PNG") for _, png in found)
