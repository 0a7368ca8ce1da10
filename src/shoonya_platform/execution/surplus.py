"""
Cancels and closes what a leg has beyond its quantity.

It happens when the network delivers late or twice: an order that was given up turns up,
or the broker has two under one id.  What still works of it is canceled, what has filled
is closed at once by an order of the same alert; both again and again until it is done.
The discrepancy that order_watcher or recovery_service noted is resolved then; it stays
open until a person acknowledges it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import client_order_id
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.legs import Surplus, surplus_of
from shoonya_platform.domain.orders import (
    OPEN,
    Intent,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
)
from shoonya_platform.execution.booking import unwanted_of
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: Seconds between two looks.
LOOK_SECONDS = 1.0
#: A closing order that failed is followed by another after so long, doubling.
AGAIN_SECONDS = (10.0, 120.0)

KINDS = (
    DiscrepancyKind.LEG_OVERFILLED,
    DiscrepancyKind.DUPLICATE_ORDER,
    DiscrepancyKind.ORDER_REAPPEARED,
    DiscrepancyKind.ORDER_ADOPTED,
    DiscrepancyKind.WRONG_NUMBER,
)


class SurplusCloser:
    """The part of `trading_bot` that undoes what is too much."""

    def __init__(self, store: OrderStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._looked_at = float("-inf")
        self._logger = get_component_logger("trading_bot")

    def step(self) -> int:
        now = self._clock.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return 0
        self._looked_at = now
        done = 0
        for found in self._store.discrepancies.unresolved(*KINDS):
            if found.order_id is None:
                continue
            with self._store.transaction(durable=False):
                order = self._store.orders.get(found.order_id)
                if order is None:
                    continue
                is_settled, moved = self._settle(order)
                done += moved
                if is_settled:
                    self._store.discrepancies.resolve(found.kind, found.subject)
        return done

    def _settle(self, order: Order) -> tuple[bool, int]:
        """Return whether an order's leg has nothing too much, and what was done."""
        leg = [
            other
            for other in self._store.orders.of_alert(order.alert_id)
            if other.leg == order.leg
        ]
        surplus = surplus_of(leg, unwanted_of(self._store, leg))
        done = 0
        for extra in surplus.cancel:
            # A cancel that is on its way is repeated by command_service.
            if (
                extra.status is not OrderStatus.PENDING_CANCEL
                and self._store.orders.cancel_request(extra.order_id) is None
            ):
                done += self._cancel(extra)
        quantity = self._closable(order, surplus)
        if quantity and not surplus.closing and self._is_due(leg, surplus):
            self._close(order, leg, surplus, quantity)
            done += 1
        is_settled = (
            not (surplus.cancel or surplus.closing or quantity)
            # What an exit on its way changes may have to be closed after it.
            and not (surplus.quantity and self._exits(order))
            and (order.is_closed or order.is_number_confirmed)
        )
        return is_settled, done

    def _cancel(self, order: Order) -> int:
        self._store.orders.request_cancel(
            order.order_id, by="trading_bot, as its leg would get too much"
        )
        self._logger.warning(
            "Order %d is canceled: its leg would get more than it asked for",
            order.order_id,
            extra={**order.log_context, "event": "surplus_canceled"},
        )
        return 1

    def _closable(self, order: Order, surplus: Surplus) -> int:
        """Return how much of the surplus is still held, and closed by no exit."""
        if not surplus.quantity:
            return 0
        held = sum(
            position.quantity
            for position in self._store.positions.get(
                order.strategy, order.exchange, order.tradingsymbol
            )
            if position.product is order.product
        )
        closing = sum(
            other.leaves_quantity
            for other in self._exits(order)
            if other.side is surplus.side
        )
        left = -held * surplus.side.sign - closing
        return max(0, min(surplus.quantity, left))

    def _exits(self, order: Order) -> list[Order]:
        """Return the exits on their way of what the order trades."""
        return [
            other
            for other in self._store.orders.in_status(*OPEN)
            if other.intent is Intent.EXIT
            and (other.strategy, other.exchange, other.tradingsymbol, other.product)
            == (order.strategy, order.exchange, order.tradingsymbol, order.product)
        ]

    def _is_due(self, leg: Sequence[Order], surplus: Surplus) -> bool:
        failed = [order for order in leg if order.side is surplus.side]
        if not failed:
            return True
        shortest, longest = AGAIN_SECONDS
        wait = min(shortest * 2 ** (len(failed) - 1), longest)
        newest = max(order.created_at for order in failed)
        return self._clock.now() >= newest + timedelta(seconds=wait)

    def _close(
        self, order: Order, leg: Sequence[Order], surplus: Surplus, quantity: int
    ) -> None:
        attempt = 1 + max(other.attempt for other in leg)
        closing = self._store.orders.add(
            NewOrder(
                client_order_id=client_order_id(order.alert_id, order.leg, attempt),
                alert_id=order.alert_id,
                leg=order.leg,
                attempt=attempt,
                strategy=order.strategy,
                intent=Intent.EXIT,
                exchange=order.exchange,
                tradingsymbol=order.tradingsymbol,
                side=surplus.side,
                quantity=quantity,
                order_type=OrderType.MARKET,
                product=order.product,
                reference_price=self._store.positions.last_price(
                    order.exchange, order.tradingsymbol
                )
                or order.reference_price,
                price_factor=order.price_factor,
            ),
            alerted_at=self._clock.now(),
        )
        self._logger.error(
            "Order %d closes %d that leg %d of alert %s has too much",
            closing.order_id,
            quantity,
            order.leg,
            order.alert_id,
            extra={**closing.log_context, "event": "surplus_closed"},
        )
