"""The one state machine: what a stage and a pilot may become, and from where."""

STAGE: dict[str, frozenset[str]] = {  # state -> states it may follow
    "waiting": frozenset({"queued", "running", "failed", "cancelled", "done"}),  # again, or retried
    "queued": frozenset({"waiting"}),  # every input is there; a slot is not
    "running": frozenset({"waiting", "queued"}),
    "done": frozenset({"waiting", "queued", "running", "failed", "cancelled"}),  # adopted artifacts
    "failed": frozenset({"waiting", "queued", "running"}),
    "cancelled": frozenset({"waiting", "queued", "running"}),
}
PILOT: dict[str, frozenset[str]] = {
    "queued": frozenset({"partial", "failed", "cancelled"}),  # retried
    "running": frozenset({"queued"}),
    "done": frozenset({"queued", "running"}),
    "partial": frozenset({"queued", "running"}),
    "failed": frozenset({"queued", "running"}),
    "cancelled": frozenset({"queued", "running"}),
}
STAGE_OVER = frozenset({"done", "failed", "cancelled"})
PILOT_LIVE = frozenset({"queued", "running"})
UPSTREAM_FAILED = "upstream-failed"  # error code of a stage whose input cannot be made


def arm_status(states: list[str]) -> str:
    """What an arm is, from the states of its stages."""
    if all(s == "done" for s in states):
        return "done"
    if "failed" in states:
        return "failed"
    if "cancelled" in states:
        return "cancelled"
    return "running" if {"running", "done", "queued"} & set(states) else "waiting"


def pilot_end(arms: list[str], *, cancelled: bool, capped: bool) -> str:
    """How a pilot ends whose stages are all over, from the statuses of its arms."""
    if all(a == "done" for a in arms):
        return "done"
    if cancelled:
        return "cancelled"
    return "partial" if capped or "done" in arms else "failed"
