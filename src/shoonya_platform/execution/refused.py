"""
Exits that the broker or the exchange refused: tried again, a bounded number of times.

A refused exit leaves its position open, so each refusal is a discrepancy, which ends
when the position is closed or a person acknowledges it.  The next try waits a little,
asks for no more than the broker's position shows, less what other exits there may
still close, and differs in what the reason asks for (`domain/refusals.py`): the price
goes on the tick of the instrument as the broker knows it now, or to the nearest price
of today's band, or the position is found under another product at the broker and is
booked there.
"""

from __future__ import annotations

from collections.abc import Sequence

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import StoredAlert
from shoonya_platform.domain.instruments import Product
from shoonya_platform.domain.legs import ordering_of
from shoonya_platform.domain.orders import Intent, Order, OrderStatus
from shoonya_platform.domain.refusals import Remedy, remedy_of
from shoonya_platform.execution.closable import closable
from shoonya_platform.execution.holdings import Holdings
from shoonya_platform.execution.planning import LegPlanner
from shoonya_platform.execution.refusal_watch import POSITION_PATIENCE, RefusalWatch
from shoonya_platform.execution.retry_prices import Instruments, RetryPrices
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: Seconds from each refusal to the next try; after the last one there is none.
PAUSES = (1.0, 5.0, 20.0, 60.0)


class RefusedExits:
    """The part of `trading_bot` that tries refused exits again."""

    def __init__(
        self,
        store: OrderStore,
        planner: LegPlanner,
        instruments: Instruments,
        clock: Clock,
    ) -> None:
        self._store = store
        self._planner = planner
        self._prices = RetryPrices(instruments)
        #: What the operator sees of them.
        self.watch = RefusalWatch(store, clock)
        self._clock = clock
        self._logger = get_component_logger("trading_bot")

    def due(self, refused: Sequence[Order]) -> list[Order]:
        """Return the orders whose next try is due, and ask the broker about them."""
        due = [order for order in refused if self._is_due(order, self._refusals(order))]
        self._prices.ask(due)
        return due

    def settle(self, order: Order, held: Holdings | None) -> tuple[bool, int]:
        """
        Try a refused exit again, inside a transaction of the store.

        Args:
            held: The broker's positions; None if they are not known.

        Returns:
            Whether its alert has to wait for it, and how many orders were planned.
        """
        stored = self._store.alerts.get(order.alert_id)
        if stored is None or not self._is_exit(stored, order):
            # What closes a leg's surplus is repeated by `surplus`.
            return False, 0
        refusals = self._refusals(order)
        if refusals > len(PAUSES):
            self.watch.note_last(order)
            return False, 0
        self.watch.note_next(order, len(PAUSES) + 1 - refusals)
        if held is None or not self._is_due(order, refusals):
            return True, 0
        return self._try(stored, order, held)

    def _try(
        self, stored: StoredAlert, order: Order, held: Holdings
    ) -> tuple[bool, int]:
        at_most = closable(self._store, order, held)
        if not at_most and remedy_of(order.reason) is Remedy.PRODUCT:
            at_most = self._convert(order, held)
        if not at_most:
            if self._clock.now() < order.updated_at + POSITION_PATIENCE:
                return True, 0
            self._logger.error(
                "Order %d is not sent again: the broker shows no position to exit",
                order.order_id,
                extra={**order.log_context, "event": "exit_lost"},
            )
            return False, 0
        planned = self._planner.again(stored, order, at_most=at_most)
        if planned is None:
            return False, 0
        planned = self._prices.priced(planned, order)
        again = self._store.orders.add(planned, alerted_at=order.alerted_at)
        self._logger.warning(
            "Order %d planned again as %d, %s: it was refused (%s)",
            order.order_id,
            again.order_id,
            again.summary,
            order.reason or "no reason given",
            extra={**again.log_context, "event": "exit_tried_again"},
        )
        return False, 1

    def _is_exit(self, stored: StoredAlert, order: Order) -> bool:
        if stored.alert.intent is not Intent.EXIT:
            return False
        orders = self._store.orders.of_alert(order.alert_id)
        return order.leg <= len(stored.alert.legs) and any(
            order.order_id == other.order_id for other in ordering_of(orders)
        )

    def _refusals(self, order: Order) -> int:
        return sum(
            other.status is OrderStatus.REJECTED
            for other in self._store.orders.of_alert(order.alert_id)
            if (other.leg, other.part, other.side)
            == (order.leg, order.part, order.side)
        )

    def _is_due(self, order: Order, refusals: int) -> bool:
        if not 1 <= refusals <= len(PAUSES):
            return False
        waited = (self._clock.now() - order.updated_at).total_seconds()
        # A clock that was set back makes nothing wait for longer.
        return not 0 <= waited < PAUSES[refusals - 1]

    def _convert(self, order: Order, held: Holdings) -> int:
        """
        Book the position under the product that the broker has it under.

        Returns:
            How much of it can be closed there.
        """
        positions = self._store.positions.get(
            order.strategy, order.exchange, order.tradingsymbol
        )
        own = next((p for p in positions if p.product is order.product), None)
        if own is None or own.quantity * order.side.sign >= 0:
            return 0
        for product in Product:
            left = closable(self._store, order, held, product)
            others = [p.quantity for p in positions if p.product is product]
            is_mixed = any(quantity * own.quantity < 0 for quantity in others)
            if product is order.product or not left or is_mixed:
                continue
            quantity = min(left, abs(own.quantity))
            self._store.positions.convert(own, product, quantity)
            self._logger.warning(
                "%d of %s:%s are held as %s at the broker, not as %s: booked there",
                quantity,
                order.exchange,
                order.tradingsymbol,
                product,
                order.product,
                extra={**order.log_context, "event": "position_converted"},
            )
            return quantity
        return 0
