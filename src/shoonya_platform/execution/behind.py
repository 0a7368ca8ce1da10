"""
Whether the store may be behind the broker: a copy restored, a machine set back.

Such a store would send again what it has forgotten to have sent.  So before the first
order after a start, each id is looked up in the broker's order book; and as a book may
be a minute old, entries from before a start of the platform wait for a second look,
unless all services had ended in order: a copy made while they ran shows that they had
not.
"""

from __future__ import annotations

from datetime import timedelta

from shoonya_platform.brokers.base import Broker
from shoonya_platform.clock import Clock
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    BrokerOrderId,
    ClientOrderId,
    Order,
)
from shoonya_platform.store.base import OrderStore

#: Older than any order book that the broker shows.
SECOND_LOOK = timedelta(seconds=75)


class BehindBroker:
    """What the broker's order book has of orders that the store takes for unsent."""

    def __init__(self, store: OrderStore, broker: Broker, clock: Clock) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        start = store.recovery.last_start()
        self._started_at = (
            None if start is None or start.is_orderly else start.started_at
        )
        self._looks = 0
        self._there: dict[ClientOrderId, BrokerOrderId] = {}

    def look(self) -> None:
        """
        Read the order book if that is due.

        Raises:
            BrokerUnavailable: It could not be read; nothing may be sent until it is.
        """
        due = 2 if self._is_settled() else 1
        if self._looks >= due:
            return
        for claim in self._broker.order_book():
            name = claim.client_order_id
            if name is None:
                continue
            order = self._store.orders.by_client_order_id(name)
            if order is None or order.status in BEFORE_BROKER:
                self._there[name] = claim.broker_order_id
        self._looks = due

    def number_of(self, order: Order) -> BrokerOrderId | None:
        """Return the number under which the broker has an order, None if it has not."""
        return self._there.get(order.client_order_id)

    def waits(self, order: Order) -> bool:
        """Return whether an order from before the start waits for the second look."""
        if self._started_at is None or order.created_at >= self._started_at:
            return False
        return self._looks < 2

    def _is_settled(self) -> bool:
        return (
            self._started_at is None
            or self._clock.now() >= self._started_at + SECOND_LOOK
        )
