"""What the absence of an order from the broker's order book proves, and when."""

from __future__ import annotations

from collections.abc import Iterable

from shoonya_platform.brokers.base import BrokerOrder, UnreadableRow
from shoonya_platform.clock import Clock
from shoonya_platform.domain.days import day_begin
from shoonya_platform.store.base import OrderStore

#: So many of the day's newest orders are looked for in a book.
LOOKED_FOR = 5_000


def is_whole(
    store: OrderStore,
    claims: Iterable[BrokerOrder],
    passed_over: Iterable[UnreadableRow],
    clock: Clock,
) -> bool:
    """
    Return whether an order book has everything that we know is there.

    Shoonya answers "no data" also when it has some, and a book may be old or lack its
    newest rows.  One that lacks an order it has shown before today proves nothing about
    any other; nor does one with a row of ours that could not be read.

    Args:
        passed_over: The rows that could not be read.
    """
    if any(row.book == "order_book" and row.may_be_ours for row in passed_over):
        return False
    known = store.orders.confirmed_numbers(
        since=day_begin(clock.now()), limit=LOOKED_FOR
    )
    return known <= {claim.broker_order_id for claim in claims}
