"""What a pilot is doing, line by line, for a person who watches it at a terminal."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dashboard.cli.common import say
from dashboard.names import arm_name_of, stage_name
from dashboard.text import Viewer, stored_error

if TYPE_CHECKING:
    from jobs.views import PilotView, StageView

MOST_NAMED = 2  # arms of one stage
QUIET_SECONDS = 30.0  # in which nothing began or ended; then it is said how far the stages are


class Ticker:
    """Says what began and what ended, and on the way how far it is."""

    def __init__(self, me: Viewer, clock: Callable[[], float] = time.monotonic) -> None:
        self._me, self._clock = me, clock
        self._seen: dict[str, str] = {}
        self._said_at = clock()

    def __call__(self, view: "PilotView") -> None:
        told = [self._line(s, view) for s in view.stages if self._is_news(s)]
        self._seen = {s.key: s.state for s in view.stages}
        if not told and self._clock() - self._said_at >= QUIET_SECONDS:
            told = [self._line(s, view) for s in view.stages if s.state == "running"]
        for line in told:
            say(line)
            self._said_at = self._clock()

    def _is_news(self, stage: "StageView") -> bool:
        is_told = stage.state in ("running", "done", "reused", "failed")
        return is_told and stage.state != self._seen.get(stage.key)

    def _line(self, stage: "StageView", view: "PilotView") -> str:
        me = self._me
        state = me.text(f"stage.{stage.state}")
        if stage.state == "running" and stage.total:
            count = {
                "done": me.number(stage.done, "count"),
                "total": me.number(stage.total, "count"),
            }
            state = me.text("cli.pilot.so-far", state=state, **count)
        return me.text(
            "cli.pilot.tick",
            share=f"{view.card.progress.share:4.0%}",
            stage=stage_name(stage.kind, stage.label, me),
            arms=of_arms(stage.arms, me),
            state=f"{state} {stored_error(stage.error, me)}" if stage.error else state,
        )


def of_arms(arms: Sequence[str], me: Viewer) -> str:
    """The arms of a stage; of many, how many."""
    if len(arms) > MOST_NAMED:
        return me.text("cli.arms", count=len(arms))
    return me.text("list.separator").join(arm_name_of(a, me) for a in arms)
