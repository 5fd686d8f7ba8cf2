"""What work costs: the price table, estimates before launch, the ledger afterwards."""

from jobs.money.pricing import Money, PriceTable, RateShown

__all__ = ["Money", "PriceTable", "RateShown"]
