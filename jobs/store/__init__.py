"""What the product remembers: pilots, stages, attempts, results; SQLite by default."""

from jobs.store.store import Store

__all__ = ["Store"]
