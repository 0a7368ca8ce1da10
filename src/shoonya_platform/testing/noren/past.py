"""What the books were some time ago."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from shoonya_platform.testing.noren.words import Row


class Past:
    """Each order's row after each report about it."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[datetime, Row, str]]] = {}

    def note(self, at: datetime, row: Row, report_type: str) -> None:
        self._rows.setdefault(row["norenordno"], []).append((at, row, report_type))

    def history(self, number: str) -> list[Row]:
        """Return what happened to an order, newest first."""
        found = self._rows.get(number, [])
        return [{**row, "rpt": report_type} for _, row, report_type in reversed(found)]

    def orders(self, at: datetime) -> list[Row]:
        """Return the order book as it was then."""
        found = []
        for rows in self._rows.values():
            known = [row for then, row, _ in rows if then <= at]
            found += known[-1:]
        return found


def positions_without(positions: Iterable[Row], trades: Iterable[Row]) -> list[Row]:
    """Return positions without these trades; their prices and gains stay."""
    found = {(row["exch"], row["tsym"], row["prd"]): dict(row) for row in positions}
    for trade in trades:
        key = (trade["exch"], trade["tsym"], trade["prd"])
        quantity = int(trade["flqty"])
        signed = quantity if trade["trantype"] == "B" else -quantity
        found[key]["netqty"] = str(int(found[key]["netqty"]) - signed)
    return list(found.values())
