"""What is held and on its way, by instrument, while a batch of orders is judged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from shoonya_platform.domain.orders import Order
from shoonya_platform.domain.positions import Position

Instrument = tuple[str, str]  #: exchange and tradingsymbol


class Book:
    """
    Positions and orders by instrument.

    Read once for a batch, in its transaction, and kept up to date with what passes:
    reading anew for each order would make a flood of orders cost its square.
    """

    def __init__(self, positions: Iterable[Position], working: Iterable[Order]) -> None:
        self._positions: dict[Instrument, list[Position]] = defaultdict(list)
        self._working: dict[Instrument, list[Order]] = defaultdict(list)
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
