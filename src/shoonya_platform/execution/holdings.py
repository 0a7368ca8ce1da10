"""What can be closed by the broker's word, and by ours where its word is unreadable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from shoonya_platform.brokers.base import BrokerPosition, UnreadableRow
from shoonya_platform.store.base import OrderStore

#: Exchange, symbol and product.
Holding = tuple[str, str, str]
#: The broker's net quantity of each, signed.
Holdings = Mapping[Holding, int]


class PositionBook(Protocol):
    def positions(self) -> list[BrokerPosition]: ...

    def unreadable(self) -> list[UnreadableRow]: ...


def holdings_of(positions: Iterable[BrokerPosition]) -> Counter[Holding]:
    """Return the net quantity of each instrument and product."""
    held = Counter[Holding]()
    for position in positions:
        held[position.exchange, position.tradingsymbol, position.product] += (
            position.quantity
        )
    return held


def broker_holdings(book: PositionBook, store: OrderStore) -> Holdings:
    """
    Return the broker's net quantities by exchange, symbol and product.

    A row that cannot be read is not an empty one: the holding it may be about counts as
    our own record has it, or its exit would be given up as closed.

    Raises:
        BrokerUnavailable: The positions could not be read.
    """
    held = holdings_of(book.positions())
    hidden = [row for row in book.unreadable() if row.book == "positions"]
    if not hidden:
        return held
    shown = set(held)
    for own in store.positions.open():
        key = (own.exchange, own.tradingsymbol, own.product)
        if key not in shown and any(row.may_hide(own.tradingsymbol) for row in hidden):
            held[key] += own.quantity
    return held
