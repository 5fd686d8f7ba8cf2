"""What is compared: the rows under a choice, which is completed where it leaves things open."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from dashboard.figures.accuracy import budget_order
from dashboard.figures.template import records
from dashboard.names import arm_name_of
from dashboard.pages.pilots import chosen_pilots
from dashboard.text import Viewer
from jobs.views import PilotCard, TokenMaps

if TYPE_CHECKING:
    from jobs.service import PilotService

PROTOCOLS = ("probe", "knn", "finetune")
METRICS = ("balanced_accuracy", "macro_f1", "auroc")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is looked at; empty where the page shall choose."""

    pilots: tuple[str, ...] = ()
    protocol: str = ""
    metric: str = ""
    budget: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows, before any component exists."""

    cards: tuple[PilotCard, ...]  # the pilots that are looked at
    known: tuple[PilotCard, ...]  # those that could be
    choice: Choice  # as completed
    protocols: tuple[str, ...]
    metrics: tuple[str, ...]
    budgets: tuple[str, ...]
    rows: pd.DataFrame  # of the protocol and metric, all budgets
    gains: pd.DataFrame
    differences: pd.DataFrame
    maps: TokenMaps | None

    @property
    def at_budget(self) -> pd.DataFrame:
        """The rows at the chosen label budget, best first."""
        order = [b == self.choice.budget for b in self.rows.label_budget]
        return self.rows.loc[order].sort_values(by="value", ascending=False, kind="stable")


def view(service: "PilotService", choice: Choice) -> View:
    """The arms' results under a choice, which is completed where it leaves things open."""
    cards = tuple(chosen_pilots(service, list(choice.pilots)))
    known = tuple(service.pilots(size=100).items)
    ids = tuple(c.id for c in cards)
    rows = service.compare(list(ids)) if ids else pd.DataFrame()
    if rows.empty:
        nothing = pd.DataFrame()
        return View(
            cards, known, replace(choice, pilots=ids), (), (), (), nothing, nothing, nothing, None
        )
    rows = rows.assign(label_budget=rows.label_budget.astype(str))
    protocols = tuple(p for p in PROTOCOLS if p in set(rows.protocol))
    protocol = choice.protocol if choice.protocol in protocols else _widest(rows, protocols)
    rows = rows.loc[rows.protocol == protocol]
    metrics = tuple(m for m in METRICS if m in set(rows.metric))
    metric = choice.metric if choice.metric in metrics else metrics[0]
    rows = _named(rows.loc[rows.metric == metric], cards)
    budgets = tuple(sorted(set(rows.label_budget), key=budget_order))
    budget = choice.budget if choice.budget in budgets else _usual(budgets)
    asked = {"protocol": protocol, "label_budget": budget, "metric": metric}
    return View(
        cards,
        known,
        Choice(ids, protocol, metric, budget),
        protocols,
        metrics,
        budgets,
        rows,
        _gains(service, ids, asked),
        service.differences(ids[0], **asked),
        service.token_maps(ids[0]),
    )


def _widest(rows: pd.DataFrame, protocols: tuple[str, ...]) -> str:
    """The protocol with the most label budgets."""
    return max(protocols, key=lambda p: rows[rows.protocol == p].label_budget.nunique())


def _usual(budgets: tuple[str, ...]) -> str:
    return "20" if "20" in budgets else budgets[-1]


def _named(rows: pd.DataFrame, cards: tuple[PilotCard, ...]) -> pd.DataFrame:
    """Rows with the pilot's own name; a value without an interval is its own interval."""
    names = {c.id: c.name for c in cards}
    low, high = rows.low.fillna(rows.value), rows.high.fillna(rows.value)
    return rows.assign(pilot_name=rows.pilot.map(names), low=low, high=high)


def _gains(service: "PilotService", ids: tuple[str, ...], asked: dict[str, str]) -> pd.DataFrame:
    """Each arm's gain over the first of its references."""
    found = [service.gains(ident, **asked).assign(pilot=ident) for ident in ids]
    gains = pd.concat(found, ignore_index=True)
    return gains.drop_duplicates(["pilot", "arm"])


def named(rows: pd.DataFrame, shown: View, me: Viewer) -> pd.DataFrame:
    """The rows with a column `name` for people, unique in the figure."""
    names = [arm_name_of(r.arm, me) for r in records(rows)]
    if len(shown.cards) > 1:
        names = [f"{n} · {r.pilot_name}" for n, r in zip(names, records(rows), strict=True)]
    return rows.assign(name=names)


def setting(shown: View, me: Viewer) -> str:
    """ "linear probe, 20 labels per class"."""
    return me.text(
        "compare.setting",
        protocol=me.text(f"protocol.in.{shown.choice.protocol}"),
        labels=labels(shown.choice.budget, me),
    )


def labels(budget: str, me: Viewer) -> str:
    """ "20 labels per class" or "all labels"."""
    return me.text("compare.labels.all") if budget == "all" else me.text("compare.labels", n=budget)
