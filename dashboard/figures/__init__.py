"""Figures: pure functions from a DataFrame to a Plotly figure in the house style."""

from dashboard.figures.accuracy import budget_curves, cost_front, difference_heatmap
from dashboard.figures.inputs import threshold_costs, tornado
from dashboard.figures.loss import loss_curves
from dashboard.figures.money import cash_flow, value_distribution

__all__ = [
    "budget_curves",
    "cash_flow",
    "cost_front",
    "difference_heatmap",
    "loss_curves",
    "threshold_costs",
    "tornado",
    "value_distribution",
]
