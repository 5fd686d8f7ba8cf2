"""What a student starts from instead of random weights, as a spec writes it. No torch here.

Grammar: `official:FILE` (a published D-iGPT checkpoint), `timm:NAME` or `timm:NAME@FILE`,
`clip:NAME@TAG` or `clip:NAME@FILE` (a ViT tower of open_clip), `arm:PILOT/ARM` (the student of an
earlier arm, such as `arm:0f3k2q/digpt × filters`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from digpt.errors import UserError, pick
from digpt.recipe import Student
from digpt.tokenizers.names import is_file

FAMILIES: Mapping[str, str] = {  # family -> what must follow its colon
    "official": "a file",
    "timm": "a model name, and after @ a file",
    "clip": "a model name, and after @ a pretrained tag or a file",
    "arm": "a pilot's id, a slash and the name of one of its arms",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Init:
    """A parsed start; what its family does not have is empty."""

    family: str
    model: str = ""  # of timm or open_clip
    weights: str = ""  # a file, or an open_clip tag; empty: timm's own
    pilot: str = ""
    arm: str = ""

    @property
    def text(self) -> str:
        """The one spelling."""
        if self.family == "arm":
            return f"arm:{self.pilot}/{self.arm}"
        named = "@".join(part for part in (self.model, self.weights) if part)
        return f"{self.family}:{named}"

    @property
    def file(self) -> str | None:
        """The local file that is read: its content belongs in the key of a stage."""
        is_local = self.family == "official" or is_file(self.weights)
        return self.weights if self.weights and is_local else None


def parse_init(text: str) -> Init:
    """The parts of a start; a UserError says what is wrong and what is near."""
    family, colon, rest = (part.strip() for part in text.strip().partition(":"))
    pick(FAMILIES, family, "init")
    if not colon or not rest:
        raise _wrong(text, family, f"{family} needs {FAMILIES[family]}, as in {family}:...")
    if family == "official":
        return Init(family=family, weights=rest)
    if family == "arm":
        pilot, slash, arm = (part.strip() for part in rest.partition("/"))
        if not (pilot and slash and arm):
            raise _wrong(text, "arm", "write arm:PILOT/ARM, as in arm:0f3k2q/digpt × filters")
        return Init(family=family, pilot=pilot, arm=arm.replace(" x ", " × "))
    model, at, weights = (part.strip() for part in rest.partition("@"))
    if not model or (at and not weights):
        raise _wrong(text, family, f"{family} needs {FAMILIES[family]}")
    if family == "timm" and weights and not is_file(weights):
        said = f"{weights!r} is not a path; in timm a tag belongs to the name"
        raise _wrong(text, "timm-tag", said)
    if family == "clip" and not weights:
        said = f"it does not say which weights; write clip:{model}@TAG or @FILE"
        raise _wrong(text, "clip-weights", said)
    return Init(family=family, model=model, weights=weights)


def check_sizes(init: Init, found: Mapping[str, Any], student: Student) -> None:
    """Raise `UserError`, saying what to write, unless the weights are of the student's sizes.

    found: sizes by the names that `ViT.config` gives them.
    """
    names = ("patch_size", "dim", "depth", "heads", "mlp_ratio")
    differing = {n: found[n] for n in names if found[n] != getattr(student, n)}
    if differing:
        there = ", ".join(f"{n} {value:g}" for n, value in differing.items())
        here = ", ".join(f"{getattr(student, n):g}" for n in differing)
        fix = ", ".join(f"{n}: {value:g}" for n, value in differing.items())
        raise UserError(
            f"Init {init.text!r} has {there}, but the student has {here}. Choose other weights, or"
            f" write pretrain: {{student: {{{fix}}}}}.",
            code="init-sizes",
            field="init",
            name=init.text,
            there=there,
            here=here,
            fix=fix,
            differing=differing,
        )


def _wrong(text: str, why: str, said: str) -> UserError:
    return UserError(f"Init {text!r}: {said}.", code="bad-init", field="init", why=why, name=text)
