"""What is held and on its way, as the guard sees it while it judges one batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from shoonya_platform.domain.orders import Order
from shoonya_platform.domain.positions import Position

_Instrument = tuple[str, str]


class GuardBook:
    """
    Positions and orders by instrument.

    Read once for a batch, in its transaction, and kept up to date with what passes:
    reading anew for each order would make a flood of orders cost its square.
    """

    def __init__(self, positions: Iterable[Position], working: Iterable[Order]) -> None:
        self._positions: dict[_Instrument, list[Position]] = defaultdict(list)
        self._working: dict[_Instrument, list[Order]] = defaultdict(list)
        for position in positions:
            self._positions[position.exchange, position.tradingsymbol].append(position)
        for order in working:
            self.add(order)

    def add(self, order: Order) -> None:
        """Take in an order that passed."""
        self._working[order.exchange, order.tradingsymbol].append(order)

    def positions(self, order: Order) -> Sequence[Position]:
        """Return what is held of the order's instrument, by any strategy."""
        return self._positions.get((order.exchange, order.tradingsymbol), ())

    def working(self, order: Order) -> Sequence[Order]:
        """Return what is on its way in the order's instrument, by any strategy."""
        return self._working.get((order.exchange, order.tradingsymbol), ())
