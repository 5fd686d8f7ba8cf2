"""Which tokenizer the measures advise, as one sentence with its reason."""

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.names import short_tokenizer
from dashboard.text import Viewer
from digpt.tokenizers.advice import advise
from digpt.tokenizers.names import parse


def advice(found: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Name and reason: clear, first or cheapest; no name where there are no-labels, where it is the
    only one, or where the untrained control is not beaten."""
    name, reason = advise(
        {q["tokenizer"]: _ends(q["index"]) for q in found},
        {q["tokenizer"]: q["images_per_second"] for q in found},
    )
    if name is not None and len(found) == 1:
        return {"tokenizer": None, "reason": "only"}
    if name is not None and parse(name).family == "random":
        return {"tokenizer": None, "reason": "control"}
    return {"tokenizer": name, "reason": reason}


def advice_text(found: Sequence[Mapping[str, Any]], me: Viewer) -> str:
    """The advice, and how far it may be trusted."""
    said = advice(found)
    best = max(found, key=lambda q: q["index"]["value"] or -1.0)
    chosen = next((q for q in found if q["tokenizer"] == said["tokenizer"]), best)
    index = chosen["index"]
    if said["reason"] == "no-labels":
        return me.text("tokens.advice.no-labels")
    if said["reason"] == "control":
        return me.text("tokens.advice.control")
    words = me.text(
        f"tokens.advice.{said['reason']}",
        name=short_tokenizer(chosen["tokenizer"], me),
        best=short_tokenizer(best["tokenizer"], me),
        index=f"{index['value']:.0f}",
        low=f"{index['low']:.0f}",
        high=f"{index['high']:.0f}",
        cost=me.number(chosen["cost_per_1000"], "price", chosen["currency"]),
    )
    return f"{words}{me.text('overview.lead.space')}{me.text('tokens.advice.caution')}"


def _ends(index: Mapping[str, float | None]) -> tuple[float, float, float] | None:
    value, low, high = index["value"], index["low"], index["high"]
    return None if value is None or low is None or high is None else (value, low, high)
