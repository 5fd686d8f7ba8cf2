"""Whether a pilot can run on its data at all, before it is stored."""

from digpt.errors import UserError
from digpt.tokenizers.names import check_caption, most_captioned, parse, too_few_captioned
from jobs.engine.plan import DatasetFacts
from jobs.spec import Arm, PilotSpec


def check_fit(spec: PilotSpec, data: DatasetFacts) -> None:
    """Refuse a pilot that could only fail later."""
    if data.task != spec.dataset.task:
        raise UserError(
            f"Dataset {spec.dataset.name!r} was imported for {data.task}; this pilot is for "
            f"{spec.dataset.task}. Import it again with --task {spec.dataset.task}.",
            code="wrong-task",
            field="dataset",
            name=spec.dataset.name,
            task=data.task,
        )
    for split in ("train", "val", "test"):
        if not getattr(data, split):
            raise UserError(
                f"Dataset {spec.dataset.name!r} has no labelled {split} images; a pilot needs "
                "labelled train, val and test images. Import it again with a split.",
                code="empty-split",
                field="dataset",
                name=spec.dataset.name,
                split=split,
            )
    if data.classes < 2:
        raise UserError(
            f"Dataset {spec.dataset.name!r} has one class only; classification needs two or more.",
            code="one-class",
            field="dataset",
        )
    for arm in spec.arms:
        _check_captions(arm, spec.dataset.name, data)


def _check_captions(arm: Arm, dataset: str, data: DatasetFacts) -> None:
    name = parse(arm.tokenizer) if arm.tokenizer else None
    while name is not None:
        if name.needs_captions and name.argument:
            check_caption(name.argument, data.captions, data.attributes)
        if name.needs_captions:
            count = most_captioned(
                name.argument, data.captions, data.attributes, labelled=data.train
            )
            if count < name.fewest_captioned:
                raise too_few_captioned(dataset, count, name.fewest_captioned)
        name = name.base
