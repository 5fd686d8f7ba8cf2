"""domain-clip(clip:...): a tiny open_clip model tuned on stripes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from digpt.data.dataset import UNLABELLED
from digpt.errors import Cancelled, UserError
from digpt.reporter import Quiet
from digpt.tokenizers import fitting, tuned_clip
from digpt.tokenizers.names import parse, tuned_samples

SHORT = 80  # images

pytestmark = pytest.mark.slow  # open_clip's import


@pytest.fixture(scope="module")
def told(dataset):
    """The stripes with captions that tell how they stand, in the pool too."""
    images = dataset.images.load(np.arange(len(dataset)), 16).astype(float)
    upright = images.std(axis=2).mean((1, 2)) > images.std(axis=1).mean((1, 2))
    words = np.array(["a lying thing", "an upright thing"])[upright.astype(int)]
    return replace(dataset, captions={"caption": words})


@pytest.fixture(scope="module")
def tune(shelf):
    def run(
        data,
        *,
        blocks="2",
        column=None,
        seed=0,
        samples_seen=400,
        model="tiny-vit",
        quickly=False,
        reporter=None,
        checkpoints=None,
    ):
        base = f"clip:{model}@{shelf / model}.pt"
        head = f"domain-clip:{column}" if column else "domain-clip"
        name = parse(f"{head}?blocks={blocks}({base})")
        with pytest.MonkeyPatch.context() as patch:
            if quickly:  # a rate at which a tiny untrained model learns within a test
                patch.setattr(tuned_clip, "LEARNING_RATE", 3e-3)
                patch.setattr(tuned_clip, "PATIENCE", tuned_clip.LOOKS)
            return tuned_clip.tune(
                name.canonical,
                data,
                name.argument,
                name.base,
                blocks=None if blocks == "all" else int(blocks),
                size=16,
                seed=seed,
                device=torch.device("cpu"),
                reporter=reporter or Quiet(),
                samples_seen=samples_seen,
                checkpoints=checkpoints,
            )

    return run


@pytest.fixture(scope="module")
def shortly(tune, told):
    """A tuning that lasts long enough for the weights of a look to be kept."""
    made = tune(told, samples_seen=SHORT, quickly=True)
    assert made.facts["samples_seen"] > 0
    return made


def test_tuning_finds_the_right_caption_more_often_and_says_so(tune, told):
    facts = tune(told, samples_seen=1200, blocks="all", quickly=True).facts
    assert facts["retrieval_after"] > max(facts["retrieval_before"], 0.8)
    assert {"zero_shot_before", "zero_shot_after"} <= set(facts)
    assert facts["captions"] == "caption"


def test_only_the_last_blocks_move(tune, told, shelf, fit):
    before = fit(f"clip:tiny-vit@{shelf / 'tiny-vit'}.pt", told).network.state_dict()
    after = tune(told, blocks="1", samples_seen=SHORT, quickly=True).network.state_dict()
    moved = {n for n in after if not torch.equal(after[n], before[n])}
    assert moved
    assert all("resblocks.1" in n or n.startswith(("ln_post", "proj")) for n in moved)


def test_the_same_seed_gives_the_same_weights(tune, told, shortly, images):
    again = tune(told, samples_seen=SHORT, quickly=True)
    assert torch.equal(again.encode(images).patches, shortly.encode(images).patches)


def test_where_tuning_buys_nothing_the_recogniser_stays_as_it_was(tune, told, shelf, fit, images):
    """Each caption is drawn by lot, so held-out images cannot be told better than before."""
    rng = np.random.default_rng(0)
    noise = replace(told, captions={"caption": rng.permutation(told.captions["caption"])})
    made = tune(noise, samples_seen=64)
    if made.facts["samples_seen"] == 0:
        plain = fit(f"clip:tiny-vit@{shelf / 'tiny-vit'}.pt", told)
        assert torch.equal(made.encode(images).patches, plain.encode(images).patches)
        assert made.facts["retrieval_after"] == made.facts["retrieval_before"]
    assert made.facts["retrieval_low"] < 0


@pytest.mark.parametrize("most", [1, 5, 400])  # images of a group
def test_what_tells_the_gain_is_neither_learned_from_nor_chosen_by(most):
    groups = np.random.default_rng(0).integers(0, 1000 // most + 1, 1000)
    parts = [part.numpy() for part in tuned_clip._parts(1000, groups, seed=3)]
    assert sorted(np.concatenate(parts)) == list(range(1000))
    assert all(100 <= len(part) < 200 for part in parts[:2])
    stopping, telling, learning = (set(groups[part]) for part in parts)
    assert (stopping | learning).isdisjoint(telling) == (most < 100)  # the largest are taken apart


def test_validation_and_test_images_never_matter(tune, told, shortly, elsewhere, images):
    other = replace(
        elsewhere,
        captions={"caption": np.where(np.isin(told.split, ("pool", "train")),
                                      told.captions["caption"], "something else")},
    )  # fmt: skip
    made = tune(other, samples_seen=SHORT, quickly=True)
    assert torch.equal(made.encode(images).patches, shortly.encode(images).patches)


def test_labels_of_the_pool_and_of_no_image_matter_to_the_weights(tune, told, shortly, images):
    hidden = replace(told, labels=np.full(len(told), UNLABELLED))
    made = tune(hidden, samples_seen=SHORT, quickly=True)
    assert torch.equal(made.encode(images).patches, shortly.encode(images).patches)
    assert "zero_shot_after" not in made.facts


def test_saved_and_loaded_it_is_the_same_without_its_file(fit, told, shelf, images, tmp_path):
    name = f"domain-clip(clip:tiny-vit@{shelf / 'tiny-vit'}.pt)"
    made = fit(name, told)
    fitting.save(made, tmp_path)
    loaded = fitting.load(tmp_path)
    assert loaded.name == name
    assert loaded.facts == made.facts
    assert torch.equal(loaded.encode(images).patches, made.encode(images).patches)


def test_a_codebook_can_stand_on_it(fit, told, shelf, images):
    made = fit(f"codebook:4(domain-clip(clip:tiny-vit@{shelf / 'tiny-vit'}.pt))", told)
    assert made.encode(images).patches.dtype == torch.int64


def test_a_resnet_is_tuned_whole_or_not(tune, told):
    with pytest.raises(UserError, match=r"Write \?blocks=all"):
        tune(told, model="tiny-resnet")
    assert tune(told, model="tiny-resnet", blocks="all", samples_seen=64).facts["blocks"] == "all"


def test_one_caption_for_all_is_refused(tune, told):
    same = replace(told, captions={"caption": np.full(len(told), "a part")})
    with pytest.raises(UserError, match=r"every image has the same caption \('a part'\)"):
        tune(same)


class Stopped(Quiet):
    """Ends at the first step, and knows how many there were to be."""

    def progress(self, done, total):
        self.steps = total
        raise Cancelled


class StoppedAt(Quiet):
    """Ends at the n-th time that it is asked."""

    def __init__(self, asked):
        self.left, self.told = asked, []

    def log(self, message, level="info"):
        self.told.append(message)

    def check(self):
        self.left -= 1
        if self.left < 0:
            raise Cancelled


@pytest.mark.parametrize(
    ("model", "blocks", "stops"),
    [("tiny-vit", "2", (16, 5, 20)), ("tiny-resnet", "all", (12, 6))],
)
def test_a_tuning_that_was_stopped_ends_as_one_that_was_not(
    tune, told, model, blocks, stops, tmp_path
):
    """Within a look and within steps, where a ResNet's running means have moved already."""
    asked = {"model": model, "blocks": blocks, "samples_seen": SHORT, "quickly": True}
    whole = tune(told, **asked)
    for number, stop in enumerate(stops):
        reporter = StoppedAt(stop)
        with pytest.raises(Cancelled):
            tune(told, **asked, reporter=reporter, checkpoints=tmp_path)
        assert len(list(tmp_path.glob("step-*"))) == 1
        assert len(reporter.told) == min(number, 1)  # that it goes on
    again = tune(told, **asked, checkpoints=tmp_path)
    assert again.facts == whole.facts
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_few_images_are_seen_in_no_more_than_twenty_epochs(tune, told):
    reporter = Stopped()
    with pytest.raises(Cancelled):
        tune(told, samples_seen=None, reporter=reporter)
    learned_from, batch = 256, 2  # 320 less two tenths that are held out; two captions
    assert reporter.steps * batch == tuned_samples(learned_from) == 20 * learned_from
    assert tuned_samples(5_000) == 16_000


def test_a_held_out_image_is_looked_for_among_its_own_caption_and_some_others(tune, told):
    numbered = np.array([f"thing {n}" for n in range(len(told))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuned_clip, "MOST_CAPTIONS", 40)
        facts = tune(replace(told, captions={"caption": numbered}), samples_seen=64).facts
    assert (facts["retrieval_images"], facts["retrieval_choices"]) == (32, 40)


def test_a_batch_holds_each_caption_once():
    captions = [f"caption {n % 5}" for n in range(40)]
    batches = tuned_clip._batches(captions, torch.arange(40), 5, torch.Generator().manual_seed(0))
    for _ in range(30):
        rows = next(batches).tolist()
        assert len({captions[row] for row in rows}) == len(rows) == 5
