"""How tokenizers are written in a spec, and what a plan must know of each family. No torch here.

Grammar: `family[:argument][?option=value&...][(base)]`; for example `pixels`,
`clip:ViT-B-32@laion2b_s34b_b79k`, `clip:ViT-B-32@weights.safetensors?layer=penultimate`,
`timm:vit_small_patch14_dinov2.lvd142m?size=224`,
`random(timm:resnet18)`, `domain-clip:caption_with_state`, `domain-clip:a photo of {class}`,
`domain-clip?blocks=4(clip:ViT-B-32@openai)`, `codebook:512(domain-clip)`.
"""

import re
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from digpt.errors import UserError, pick

COLUMN = "caption"  # read where none is named
CLASS = "class"  # the field of a caption template that stands for an image's label
FEWEST_CAPTIONED = 256  # images for a domain-clip from scratch: fewer are nothing to compare
FEWEST_TO_TUNE = 64  # the same, to tune a published one
TUNED_SAMPLES = 16_000  # that tuning sees at most, unless
TUNED_EPOCHS = 20  # of the captioned images are fewer: published CLIPs are tuned for 10 to 20
SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")  # of files with weights


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """What every member of a family has in common."""

    description: str
    licence: str
    argument: str = ""  # what stands after the colon; "" where nothing may
    needs_argument: bool = False
    needs_fit: bool = False  # learns from this dataset's pool and training images
    needs_base: bool = False  # fitted on top of another tokenizer
    needs_weights: bool = False  # a file or a download
    needs_captions: bool = False
    depends_on_seed: bool = False  # its weights come from the arm's seed
    is_discrete: bool = False
    has_network: bool = False  # something that `random(...)` can leave untrained
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # values, default first


FAMILIES: Mapping[str, Family] = {
    "pixels": Family(
        description="normalised pixels of each patch", licence="Apache-2.0 (this product)"
    ),
    "filters": Family(
        description="Gabor and colour filter bank, PCA-whitened",
        licence="Apache-2.0 (this product)",
        needs_fit=True,
    ),
    "hog": Family(
        description="histograms of oriented gradients", licence="Apache-2.0 (this product)"
    ),
    "random": Family(
        description="an untrained recogniser: the control",
        licence="Apache-2.0 (this product)",
        depends_on_seed=True,
    ),
    "clip": Family(
        description="an open_clip model",
        licence="as its weights",
        argument="model name, and after @ a pretrained tag or a file",
        needs_argument=True,
        needs_weights=True,
        has_network=True,
        options={"layer": ("projected", "last", "penultimate")},
    ),
    "timm": Family(
        description="a timm model",
        licence="as its weights",
        argument="model name, and after @ a file",
        needs_argument=True,
        needs_weights=True,
        has_network=True,
        options={
            "layer": ("last", "penultimate"),
            "size": ("own", *(str(n) for n in range(16, 1025))),  # pixels that it sees
        },
    ),
    "domain-clip": Family(
        description="a small CLIP trained on this dataset's images and captions",
        licence="Apache-2.0 (this product); trained on your own images",
        argument="caption column, or a template with {class} or {attribute}",
        needs_fit=True,
        needs_captions=True,
        has_network=True,
        options={"blocks": ("2", "1", *(str(n) for n in range(3, 100)), "all")},  # of a base
    ),
    "codebook": Family(
        description="k-means codes of another tokenizer's tokens",
        licence="as its base",
        argument="number of codes",
        needs_argument=True,
        needs_fit=True,
        needs_base=True,
        is_discrete=True,
    ),
}


@dataclass(frozen=True, slots=True)
class TokenizerName:
    """A parsed name."""

    family: str
    argument: str | None
    base: "TokenizerName | None"
    options: tuple[tuple[str, str], ...] = ()  # those that are not at their defaults, in order

    @property
    def facts(self) -> Family:
        return FAMILIES[self.family]

    @property
    def canonical(self) -> str:
        """The one spelling of this name."""
        argument = f":{self.argument}" if self.argument else ""
        options = "?" + "&".join(f"{k}={v}" for k, v in self.options) if self.options else ""
        base = f"({self.base.canonical})" if self.base else ""
        return f"{self.family}{argument}{options}{base}"

    def option(self, key: str) -> str:
        """What an option is, said or not."""
        return dict(self.options).get(key, self.facts.options[key][0])

    @property
    def caption_fields(self) -> tuple[str, ...]:
        """What a caption template takes from each image; () where a column is named or nothing."""
        if self.family != "domain-clip":
            return ()
        return template_fields(self.argument or "")

    @property
    def tunes(self) -> bool:
        """Whether a published recogniser is tuned on the dataset."""
        return self.family == "domain-clip" and self.base is not None

    @property
    def weights_file(self) -> str | None:
        """The local file that a name such as `clip:ViT-B-32@FILE` reads: its content belongs in
        the key of a stage. None for tags, other families and untrained networks."""
        if self.facts.needs_weights:
            weights = (self.argument or "").partition("@")[2].strip()
            return weights if is_file(weights) else None
        reads_base = self.base is not None and (self.needs_base or self.tunes)
        return self.base.weights_file if self.base and reads_base else None

    @property
    def needs_base(self) -> bool:
        return self.facts.needs_base

    @property
    def needs_captions(self) -> bool:
        return self.facts.needs_captions

    @property
    def fewest_captioned(self) -> int:
        """How many captioned pool and training images it needs; 0 where none."""
        if not self.needs_captions:
            return 0
        return FEWEST_TO_TUNE if self.tunes else FEWEST_CAPTIONED

    @property
    def depends_on_seed(self) -> bool:
        return self.facts.depends_on_seed or (self.base is not None and self.base.depends_on_seed)


def parse(name: str) -> TokenizerName:
    """The parts of a name; a UserError says what is wrong and what is near."""
    text = name.strip()
    head, bracket, rest = text.partition("(")
    if bracket and not rest.endswith(")"):
        raise _wrong(name, "bracket")
    head, question, written = head.partition("?")
    family, colon, argument = (part.strip() for part in head.partition(":"))
    facts = pick(FAMILIES, family, "tokenizer")
    if colon and not argument:
        raise _wrong(name, "colon")
    if argument and not facts.argument:
        raise _wrong(name, "argument", family=family)
    if facts.needs_argument and not argument:
        raise _wrong(name, "no-argument", family=family, argument=facts.argument)
    options = _options(name, facts, written) if question else ()
    base = _base(name, family, rest[:-1] if bracket else None)
    if family == "codebook":
        _check_codes(name, argument)
    if family == "domain-clip":
        _check_template(name, argument)
        if options and base is None:
            raise _wrong(name, "blocks")
    return TokenizerName(family, argument or None, base, options)


def split_names(text: str) -> list[str]:
    """Names with commas between them; a comma in brackets or in a caption template parts none."""
    names: list[str] = []
    for part in text.split(","):
        before = names[-1] if names else ""
        is_open = before.count("(") > before.count(")")
        in_template = before.startswith("domain-clip:") and not _starts_a_name(part)
        if is_open or in_template:
            names[-1] += f",{part}"
        elif part.strip():
            names.append(part.strip())
    return [name.strip() for name in names]


def _starts_a_name(part: str) -> bool:
    return re.split(r"[:?(]", part.strip())[0].strip() in FAMILIES


def template_fields(argument: str) -> tuple[str, ...]:
    """The {fields} of a caption template, each once; ValueError where a brace is not closed."""
    found = (field for _, field, _, _ in string.Formatter().parse(argument) if field is not None)
    return tuple(dict.fromkeys(found))


def check_caption(wanted: str, columns: Collection[str], attributes: Collection[str]) -> None:
    """Raise a UserError where a dataset lacks the caption column `wanted`, or a field of the
    template `wanted`. columns: its caption columns."""
    fields = template_fields(wanted)
    unknown = [f for f in fields if f != CLASS and f not in attributes]
    if unknown:
        raise UserError(
            f"The caption template {wanted!r} asks for {', '.join(unknown)}; the dataset has: "
            f"{', '.join((CLASS, *attributes))}.",
            code="unknown-caption",
            field="tokenizer",
            why="template",
            wanted=wanted,
            unknown=unknown,
            known=[CLASS, *attributes],
        )
    if not fields and wanted not in columns:
        raise UserError(
            f"The dataset has no caption column {wanted!r}. "
            f"It has: {', '.join(columns) or 'none'}.",
            code="unknown-caption",
            field="tokenizer",
            why="column",
            wanted=wanted,
            known=[*columns],
        )


def most_captioned(
    wanted: str | None,
    captioned: Mapping[str, int],
    known: Mapping[str, int],
    *,
    labelled: int,
) -> int:
    """How many pool and training images domain-clip can learn from at most: without a column,
    captions are made of classes, which only the labelled ones have. captioned: images with a text,
    by caption column; `wanted` is one of these, or a template. known: images with a value, by
    attribute."""
    fields = template_fields(wanted or "")
    if fields:  # all of them must be known of an image
        return min(labelled if name == CLASS else known[name] for name in fields)
    return labelled if wanted is None and COLUMN not in captioned else captioned[wanted or COLUMN]


def too_few_captioned(dataset: str, count: int, fewest: int) -> UserError:
    """The error for a dataset whose captioned images are too few for a domain-clip."""
    return UserError(
        f"domain-clip needs at least {fewest} captioned pool or training images; of "
        f"dataset {dataset!r} it can learn from {count} (a token check measures on half of them). "
        "Add captions, or choose filters or a clip: model.",
        code="too-few-captions",
        field="tokenizer",
        fewest=fewest,
        name=dataset,
        count=count,
    )


def tuned_samples(images: int) -> int:
    """Samples that tuning on this many captioned images sees, unless it stops earlier."""
    return min(TUNED_SAMPLES, TUNED_EPOCHS * images)


def _base(name: str, family: str, written: str | None) -> TokenizerName | None:
    """The tokenizer in brackets, if this family may stand before it."""
    facts = FAMILIES[family]
    if written is None:
        if facts.needs_base:
            raise _wrong(name, "no-base", family=family)
        return None
    if not (facts.needs_base or family in ("random", "domain-clip")):
        raise _wrong(name, "base", family=family)
    base = parse(written)
    if family == "codebook" and base.facts.is_discrete:
        raise _wrong(name, "codes-of-codes")
    if family == "domain-clip" and base.family != "clip":
        raise _wrong(name, "no-text", family=base.family)
    if family == "random":
        if not base.facts.has_network:
            raise _wrong(name, "no-network", family=base.family)
        if base.family == "domain-clip":
            return base.base  # its tower; without one it is what `random` is anyway
    return base


def _options(name: str, facts: Family, written: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for part in written.split("&"):
        key, _, value = (text.strip() for text in part.partition("="))
        if key not in facts.options:
            known = ", ".join(facts.options) or "none"
            raise _wrong(name, "option", option=key, known=known)
        if value not in facts.options[key]:
            raise _wrong(
                name, "option-value", option=key, known=_choices(facts.options[key]), value=value
            )
        found[key] = value
    return tuple((k, v) for k, v in sorted(found.items()) if v != facts.options[k][0])


def _choices(values: tuple[str, ...]) -> str:
    numbers = [int(v) for v in values if v.isdecimal()]
    words = [v for v in values if not v.isdecimal()]
    if numbers:
        words = [f"{min(numbers)}–{max(numbers)}", *words]
    return " / ".join(words)  # read in any language


def is_file(weights: str) -> bool:
    """Whether weights are written as a path and not as a tag."""
    return "/" in weights or "\\" in weights or weights.endswith(SUFFIXES)


def _check_codes(name: str, argument: str) -> None:
    if not argument.isdecimal() or not 2 <= int(argument) <= 65_536:
        raise _wrong(name, "codes", value=argument)


def _check_template(name: str, argument: str) -> None:
    try:
        fields = template_fields(argument)
    except ValueError as error:
        raise _wrong(name, "brace", reason=str(error)) from error
    if "" in fields:
        raise _wrong(name, "nameless")


def _wrong(name: str, why: str, **facts: str) -> UserError:
    said = _WRONG[why].format(**facts)
    return UserError(
        f"Tokenizer {name!r}: {said}.",
        code="bad-tokenizer",
        field="tokenizer",
        name=name,
        why=why,
        **facts,
    )


_WRONG = {  # what can be wrong with a name
    "bracket": "the bracket is not closed",
    "colon": "something must follow the colon",
    "argument": "{family} takes nothing after a colon",
    "no-argument": "{family} needs a {argument}, as in {family}:...",
    "blocks": "blocks belong to a clip: in brackets, as in domain-clip(clip:...)",
    "no-base": "{family} needs a base in brackets, as in {family}:512(filters)",
    "base": "{family} takes no base in brackets",
    "codes-of-codes": "a codebook cannot be made of codes",
    "no-text": "only a clip: has a text tower to tune with, {family} has none",
    "no-network": "{family} has no network to leave untrained",
    "option": "there is no option {option!r}; its options: {known}",
    "option-value": "{option} must be {known}, not {value!r}",
    "codes": "the number of codes must be from 2 to 65536, not {value!r}",
    "brace": "the caption template has a brace without its partner ({reason})",
    "nameless": "a caption template needs names in its braces, as in {{class}}",
}
