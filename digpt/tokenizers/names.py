"""How tokenizers are written in a spec, and what a plan must know of each family. No torch here.

Grammar: `family`, `family:argument`, `family(base)`, `family:argument(base)`; for example `pixels`,
`clip:ViT-B-32@laion2b_s34b_b79k`, `clip:ViT-B-32@weights.safetensors`, `random(timm:resnet18)`,
`domain-clip:caption_with_state`, `codebook:512(domain-clip)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from digpt.errors import UserError, pick

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
    ),
    "timm": Family(
        description="a timm model",
        licence="as its weights",
        argument="model name, and after @ a file",
        needs_argument=True,
        needs_weights=True,
        has_network=True,
    ),
    "domain-clip": Family(
        description="a small CLIP trained on this dataset's images and captions",
        licence="Apache-2.0 (this product); trained on your own images",
        argument="caption column",
        needs_fit=True,
        needs_captions=True,
        has_network=True,
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

    @property
    def facts(self) -> Family:
        return FAMILIES[self.family]

    @property
    def canonical(self) -> str:
        """The one spelling of this name."""
        argument = f":{self.argument}" if self.argument else ""
        base = f"({self.base.canonical})" if self.base else ""
        return f"{self.family}{argument}{base}"

    @property
    def weights_file(self) -> str | None:
        """The local file that a name such as `clip:ViT-B-32@FILE` reads: its content belongs in
        the key of a stage. None for tags, other families and untrained networks."""
        if self.facts.needs_weights:
            weights = (self.argument or "").partition("@")[2].strip()
            return weights if is_file(weights) else None
        return self.base.weights_file if self.base and self.needs_base else None

    @property
    def needs_base(self) -> bool:
        return self.facts.needs_base

    @property
    def needs_captions(self) -> bool:
        return self.facts.needs_captions

    @property
    def depends_on_seed(self) -> bool:
        return self.facts.depends_on_seed or (self.base is not None and self.base.depends_on_seed)


def parse(name: str) -> TokenizerName:
    """The parts of a name; a UserError says what is wrong and what is near."""
    text = name.strip()
    head, bracket, rest = text.partition("(")
    if bracket and not rest.endswith(")"):
        raise _wrong(name, "the bracket is not closed")
    family, colon, argument = head.strip().partition(":")
    facts = pick(FAMILIES, family.strip(), "tokenizer")
    argument = argument.strip()
    if colon and not argument:
        raise _wrong(name, "something must follow the colon")
    if argument and not facts.argument:
        raise _wrong(name, f"{family} takes nothing after a colon")
    if facts.needs_argument and not argument:
        raise _wrong(name, f"{family} needs a {facts.argument}, as in {family}:...")
    if bracket and not (facts.needs_base or family == "random"):
        raise _wrong(name, f"{family} takes no base in brackets")
    if facts.needs_base and not bracket:
        raise _wrong(name, f"{family} needs a base in brackets, as in {family}:512(filters)")
    base = parse(rest[:-1]) if bracket else None
    if family == "codebook":
        _check_codes(name, argument)
        if base is not None and base.facts.is_discrete:
            raise _wrong(name, "a codebook cannot be made of codes")
    if family == "random" and base is not None:
        if not base.facts.has_network:
            raise _wrong(name, f"{base.family} has no network to leave untrained")
        if base.family == "domain-clip":
            base = None  # its tower is what `random` is anyway
    return TokenizerName(family.strip(), argument or None, base)


def is_file(weights: str) -> bool:
    """Whether weights are written as a path and not as a tag."""
    return "/" in weights or "\\" in weights or weights.endswith(SUFFIXES)


def _check_codes(name: str, argument: str) -> None:
    if not argument.isdecimal() or not 2 <= int(argument) <= 65_536:
        raise _wrong(name, f"the number of codes must be from 2 to 65536, not {argument!r}")


def _wrong(name: str, why: str) -> UserError:
    return UserError(
        f"Tokenizer {name!r}: {why}.", code="bad-tokenizer", field="tokenizer", name=name
    )
