"""What is known of a tokenizer's weights: licence, training data, restrictions, commercial use."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from digpt.errors import UserError
from digpt.tokenizers.names import TokenizerName, is_file, parse
from jobs.spec import PilotSpec

COMMERCIAL = ("yes", "no", "unknown")


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What stands in governance.yaml about a recogniser; `concerns` are keys of sentences."""

    licence: str
    training_data: str
    commercial: str  # yes, no or unknown
    concerns: tuple[str, ...] = ()
    source: str = ""

    @property
    def needs_consent(self) -> bool:
        """Whether the licence forbids commercial use, so that a person must say it is known."""
        return self.commercial == "no"


UNKNOWN = Facts(
    licence="unknown", training_data="unknown", commercial="unknown", concerns=("not-listed",)
)
OWN_FILE = Facts(
    licence="as the file's",
    training_data="as the file's",
    commercial="unknown",
    concerns=("own-file",),
)


def facts(tokenizer: str) -> Facts:
    """Of the weights a tokenizer rests on: a codebook's and a tuned one's are those of the base."""
    return _facts(parse(tokenizer))


def checked_on() -> str:
    """The day the list was last looked through, ISO."""
    return str(_content()["checked"])


def forbidden(tokenizers: Iterable[str]) -> list[str]:
    """Those whose licence forbids commercial use, each once."""
    return [name for name in dict.fromkeys(tokenizers) if facts(name).needs_consent]


def recognisers(spec: PilotSpec) -> list[str]:
    """Names of everything a pilot takes weights from: tokenizers, and what students start from."""
    starts = [init for arm in spec.arms if (init := spec.init_of(arm))]
    published = [init.text for init in starts if init.text.startswith(("clip:", "timm:"))]
    return list(dict.fromkeys([*(a.tokenizer for a in spec.arms if a.tokenizer), *published]))


def check_consent(spec: PilotSpec) -> list[str]:
    """The recognisers of a spec whose terms were accepted; raises where one was not."""
    return check_accepted(recognisers(spec), spec.licence_accepted)


def check_accepted(tokenizers: Iterable[str], accepted: Iterable[str]) -> list[str]:
    """Those that forbid commercial use, all of them accepted; raises where one was not."""
    wanted, agreed = forbidden(tokenizers), {parse(name).canonical for name in accepted}
    missing = [name for name in wanted if parse(name).canonical not in agreed]
    if missing:
        known = facts(missing[0])
        raise UserError(
            f"{missing[0]}: its licence ({known.licence}) forbids commercial use. Where that is "
            f'known and right, say so: "licence_accepted: [{missing[0]}]" in the spec, or '
            f"--accept-licence {missing[0]!r} on the command line.",
            code="licence-not-accepted",
            field="licence_accepted",
            tokenizer=missing[0],
            licence=known.licence,
        )
    return wanted


def _facts(name: TokenizerName) -> Facts:
    if name.base is not None and (name.needs_base or name.tunes):
        return _facts(name.base)
    model, weights, file = _parts(name)
    for rule in _content()["rules"]:
        if _fits(rule, name.family, model, weights):
            found = _facts_in(rule)
            # That a model's published weights are free says nothing of somebody's file for it
            return OWN_FILE if file and not weights and not found.needs_consent else found
    return OWN_FILE if file else UNKNOWN


def every_fact() -> tuple[Facts, ...]:
    """All that the list can say of a tokenizer."""
    return UNKNOWN, OWN_FILE, *map(_facts_in, _content()["rules"])


def _facts_in(rule: Mapping[str, Any]) -> Facts:
    return Facts(
        licence=rule["licence"],
        training_data=rule["training_data"],
        commercial=_word(rule["commercial"]),
        concerns=tuple(rule["concerns"]),
        source=rule["source"],
    )


def _parts(name: TokenizerName) -> tuple[str, str, bool]:
    """Model and weights as they are written (`ViT-B-32@openai`, `vit_small.augreg_in1k`), and
    whether they come from a file. A file keeps the terms of what its name says it holds: behind
    a proxy `timm:vit_base_patch16_224.mae@FILE` is the way to the same weights."""
    model, _, weights = (name.argument or "").partition("@")
    file = is_file(weights.strip())
    if file:
        weights = ""
    if not weights and name.family == "timm":
        model, _, weights = model.partition(".")
        if not weights and not file:
            weights = _default_tag(model.strip())
    return model.strip(), weights.strip(), file


@cache
def _default_tag(model: str) -> str:
    """The weights that timm loads where a name has no tag: they have terms as well."""
    from digpt.tokenizers.timm import default_tag  # noqa: PLC0415 - torch and timm: seconds

    return default_tag(model)


def _fits(rule: Mapping[str, Any], family: str, model: str, weights: str) -> bool:
    """Whether the family is the rule's, and the model or the weights one of its patterns."""
    if family not in _listed(rule["family"]):
        return False
    patterns = [(model, p) for p in _listed(rule.get("model", []))]
    patterns += [(weights, p) for p in _listed(rule.get("weights", []))]
    return not patterns or any(fnmatch(text.lower(), p.lower()) for text, p in patterns)


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _word(value: object) -> str:
    """YAML reads yes and no as truth values."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


@cache
def _content() -> Mapping[str, Any]:
    return yaml.safe_load((files("jobs") / "governance.yaml").read_text("utf-8"))
