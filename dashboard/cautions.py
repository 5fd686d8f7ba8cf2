"""What an estimate warns of as a sentence, for the page and the command line. No Gradio here."""

from collections.abc import Mapping
from typing import Any

from dashboard.names import arm_name_of
from dashboard.text import Viewer, has_text


def caution(warning: Mapping[str, Any], currency: str, me: Viewer) -> str:
    """One warning of an estimate: its code and facts."""
    values = dict(warning)
    code = values.pop("code")
    if isinstance(values.get("money"), (int, float)):
        values["money"] = me.number(values["money"], "money", currency)
    if isinstance(values.get("seconds"), (int, float)):
        values["seconds"] = me.number(values["seconds"], "duration")
    if "arm" in values:
        values["arm"] = arm_name_of(values["arm"], me)
    key = f"warning.{code}"
    if has_text(key):
        return me.text(key, **values)
    return f"{code}: {values}" if values else str(code)
