"""The reasons of a verdict as sentences, for the page and the command line. No Gradio here."""

from typing import TYPE_CHECKING

from dashboard.names import arm_name_of, input_name
from dashboard.text import Viewer, has_text

if TYPE_CHECKING:
    from jobs.roi.decision import Reason
    from jobs.roi.evaluate import CaseResult

# what speaks for an arm and what against it; the others are only said
_GOOD = (
    "probability-high",
    "beats-baseline",
    "beats-nothing",
    "beats-no-model",
    "is-baseline",
    "within-budget",
    "best-go-arm",
)
_BAD = (
    "probability-low",
    "worse-than-no-model",
    "over-budget",
    "minimum-missed",
    "all-no-go",
    "arm-failed",
    "results-lost",
)
# how each fact of a reason is written; the others stand as they are
_KINDS = {
    **dict.fromkeys(("p", "p_no", "p_go", "p_repeated", "chosen_share"), "share"),
    **dict.fromkeys(("measured", "minimum", "p_error"), "accuracy"),
    **dict.fromkeys(
        ("outlay", "mean", "q05", "q95", "cost", "budget", "npv_mean", "value", "price", "net",
         "evpi", "best_value", "best_price", "npv", "npv_corrected"), "money"),
}  # fmt: skip


def reason_text(reason: "Reason", currency: str, me: Viewer) -> str:
    """One reason as a sentence in the reader's language."""
    facts = {name: _fact(name, value, currency, me) for name, value in reason.facts.items()}
    if "experiment" in facts:
        of_class = str(reason.facts["of_class"])
        key = experiment_key(str(reason.facts["experiment"]), of_class)
        facts["experiment"] = me.text(
            key, arm=facts["arm"], subject=facts["subject"], of_class=of_class
        )
    key = f"reason.{reason.code}"
    if reason.facts.get("arm") == "" and has_text(f"{key}.nothing"):
        key = f"{key}.nothing"
    if "p" in facts and facts["p"] == facts.get("p_repeated") and has_text(f"{key}.same"):
        key = f"{key}.same"
    return me.text(key, **facts)


def tone_of(code: str) -> str:
    """go, no or more: whether a reason speaks for its arm, against it, or for care."""
    if code in _GOOD:
        return "go"
    return "no" if code in _BAD else "more"


def lead_key(result: "CaseResult") -> str:
    """The key of the sentence that answers for a result with a verdict."""
    chosen = result.arms[result.chosen_arm].reasons if result.chosen_arm else []
    if any(r.code == "worse-than-no-model" for r in chosen):
        return "roi.lead.no-model"
    unknown = any(r.code == "arms-unknown" for r in result.reasons)
    return "roi.lead.unknown" if unknown else f"roi.lead.{result.verdict}"


def experiment_key(kind: str, of_class: str) -> str:
    """The key of an experiment's words; labels of one class have their own."""
    return f"experiment.{kind}" + (".class" if of_class else "")


def _fact(name: str, value: float | str, currency: str, me: Viewer) -> str:
    if name in ("arm", "baseline"):
        return arm_name_of(str(value), me) if value else me.text("roi.nothing")
    if name == "rate":
        return me.text(f"rate.{value}")
    if name == "rule":
        key = f"rule.{value}"
        return me.text(key) if has_text(key) else me.text("rule.class", name=value)
    if name == "subject" and isinstance(value, str):
        return input_name(value, me) if value else ""
    if name == "protocol":
        return me.text(f"protocol.in.{value}") if has_text(f"protocol.in.{value}") else str(value)
    if isinstance(value, str):
        return value
    return me.number(value, _KINDS.get(name, "count"), currency)
