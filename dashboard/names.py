"""What people call things: an arm, its tokenizer, a label budget, a dataset by its file."""

import re
import unicodedata
from pathlib import PurePosixPath

from dashboard.text import Viewer, has_text
from digpt.tokenizers.names import SUFFIXES
from jobs.spec import arm_parts

_ENDING = re.compile(  # of archives, tables and annotations
    r"\.(zip|t(gz|bz2|xz)|tar(\.(gz|bz2|xz))?|csv|tsv|xls[xm]|parquet|jsonl?|ya?ml)$", re.I
)


def arm_name(method: str, tokenizer: str | None, me: Viewer) -> str:
    """What people call an arm: "D-iGPT · filters"; a codebook by its codes and base."""
    name = me.text(f"method.{method}")
    return f"{name} · {short_tokenizer(tokenizer, me)}" if tokenizer else name


def short_tokenizer(tokenizer: str, me: Viewer) -> str:
    """A tokenizer's name for a label: "codebook:512(domain-clip)" is "512 codes of
    domain-clip", and a file of weights is its name without folders and ending."""
    codebook = re.fullmatch(r"codebook:(\d+)\((.+)\)", tokenizer)
    if codebook:
        return me.text("tokenizer.codes", codes=codebook[1], base=short_tokenizer(codebook[2], me))
    return _short(tokenizer)


def _short(name: str) -> str:
    """What tells weights apart, and no more: a tag of timm's says it without the file's name."""
    name = re.sub(r"(timm:[^@()?]+\.[^@()?]+)@[^()?]+", r"\1", name)
    return re.sub(r"@([^()?]+)", lambda found: f"@{_stem(found[1])}", name)


def _stem(weights: str) -> str:
    """A file of weights without folders and ending; a tag as it is."""
    file = re.split(r"[/\\]", weights)[-1]
    return next((file.removesuffix(s) for s in SUFFIXES if file.endswith(s)), file)


def arm_name_of(arm: str, me: Viewer) -> str:
    """`arm_name` from the name an arm has in a spec, "digpt × filters", and what it starts from."""
    parts = arm_parts(arm)
    named = arm_name(parts["method"], parts.get("tokenizer"), me)
    init = parts.get("init")
    return me.text("arm.init", arm=named, init=_short(init)) if init else named


def stage_name(kind: str, label: str, me: Viewer) -> str:
    """A stage in the reader's words: "pretrain" of "seed 1" is "Pretrain seed 1"."""
    if not has_text(f"kind.{kind}"):
        return f"{kind} {label}".strip()
    seed = re.fullmatch(r"seed (\d+)", label)
    if seed:
        label = me.text("stage.seed", seed=seed[1])
    elif " × " in label or has_text(f"method.{label}"):
        label = arm_name_of(label, me)
    return f"{me.text(f'kind.{kind}')} {label}".strip()


def budget_name(budget: object, me: Viewer) -> str:
    """What a label budget is called: a number stands for itself."""
    return me.text("budget.all") if budget == "all" else str(budget)


def input_name(name: str, me: Viewer) -> str:
    """What an input of a case is called: "prevalence.crack" is "Share of defects: crack"."""
    for key in (f"case.{name}", f"input.{name}"):
        if has_text(key):
            return me.text(key)
    group, _, part = name.rpartition(".")
    if group and has_text(f"case.{group}"):
        return f"{me.text(f'case.{group}')}{me.text('colon')}{part}"
    return name


def name_for(source: str) -> str:
    """A dataset name from a path: lower case; letters of any script, digits and dashes."""
    last = unicodedata.normalize("NFC", PurePosixPath(source.strip()).name)
    stem = _ENDING.sub("", last)
    return re.sub(r"[\W_]+", "-", stem.lower()).strip("-")[:60]
