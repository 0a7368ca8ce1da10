"""
Exits that wait for their exchange to open.

A position cannot be left while its market is closed, and the person who sent the exit
may be asleep when it opens: so the exit waits, is shown, and goes out first then, for
what the broker's position shows by that time.
"""

from __future__ import annotations

from collections.abc import Sequence

from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import ClientOrderId, Order, OrderStatus
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.execution.exchange_rules import ExchangeRules
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

_KIND = DiscrepancyKind.EXIT_WAITS
_BEFORE_SENDING = (OrderStatus.RISK_PASSED, OrderStatus.GUARD_PASSED)


class MarketWait:
    """The part of `execution_guard` that holds such exits back."""

    def __init__(self, store: OrderStore, exchange: ExchangeRules) -> None:
        self._store = store
        self._exchange = exchange
        self._discrepancies = Discrepancies(
            store, get_component_logger("execution_guard")
        )
        self._noted: set[ClientOrderId] | None = None
        #: How many orders waited the last time.
        self.number = 0

    def next_orders(self, *, limit: int) -> list[Order]:
        """Return the oldest orders that the guard has to judge."""
        orders = self._store.orders.in_status(
            OrderStatus.RISK_PASSED, limit=limit + self.number
        )
        return [o for o in orders if not self._exchange.awaits_market(o)][:limit]

    def look(self) -> None:
        """Show what waits, and what no longer does."""
        # The market may have closed between the guard's look and the sending.
        is_possible = self._exchange.is_any_closed()
        waiting = [
            order
            for status in _BEFORE_SENDING * is_possible
            for order in self._store.orders.in_status(status)
            if self._exchange.awaits_market(order)
        ]
        self.number = len(waiting)
        names = {order.client_order_id for order in waiting}
        if names == self._noted:
            return
        with self._store.transaction(durable=False):
            self._show(waiting)
        self._noted = names

    def _show(self, waiting: Sequence[Order]) -> None:
        for order in waiting:
            self._discrepancies.note(
                _KIND,
                order.client_order_id,
                f"exit order {order.order_id} ({order.summary}) waits until "
                f"{order.exchange} opens, {self._exchange.opens(order)}",
                f"nothing, or cancel it: shoonyactl order cancel {order.order_id}",
                order,
            )
        self._discrepancies.keep_only(
            _KIND, {order.client_order_id for order in waiting}
        )
