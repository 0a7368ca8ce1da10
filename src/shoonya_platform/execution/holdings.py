"""What can be closed by the broker's word, and by ours where its word is unreadable."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from shoonya_platform.brokers.base import BrokerPosition, UnreadableRow
from shoonya_platform.store.base import OrderStore


class PositionBook(Protocol):
    def positions(self) -> list[BrokerPosition]: ...

    def unreadable(self) -> list[UnreadableRow]: ...


def broker_holdings(
    book: PositionBook, store: OrderStore
) -> Counter[tuple[str, str, str]]:
    """
    Return the broker's net quantities by exchange, symbol and product.

    A row that cannot be read is not an empty one: the holding it may be about counts as
    our own record has it, or its exit would be given up as closed.

    Raises:
        BrokerUnavailable: The positions could not be read.
    """
    held: Counter[tuple[str, str, str]] = Counter()
    for position in book.positions():
        key = (position.exchange, position.tradingsymbol, position.product)
        held[key] += position.quantity
    hidden = [row for row in book.unreadable() if row.book == "positions"]
    if not hidden:
        return held
    shown = set(held)
    for own in store.positions.open():
        key = (own.exchange, own.tradingsymbol, own.product)
        if key not in shown and any(row.may_hide(own.tradingsymbol) for row in hidden):
            held[key] += own.quantity
    return held
