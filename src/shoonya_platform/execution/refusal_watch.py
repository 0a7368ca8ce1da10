"""
What the operator sees of refused and failed exits: one discrepancy for each holding.

It begins with the first refusal, or with the end of an exit that was denied or came to
nothing.  It ends when the broker takes a later try, when the position is closed, here
or at the broker, or when a person acknowledges it.
"""

from __future__ import annotations

from datetime import timedelta

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.discrepancies import DiscrepancyKind, refused_holding
from shoonya_platform.domain.orders import (
    IN_FLIGHT,
    WORKING,
    Intent,
    Order,
    OrderStatus,
)
from shoonya_platform.execution.closable import held_at_broker
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.execution.holdings import Holdings
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: The broker's position book may be a minute old.
POSITION_PATIENCE = timedelta(seconds=120)

_KIND = DiscrepancyKind.EXIT_REFUSED
#: The broker has taken a later try, or somebody canceled it.
_TAKEN = frozenset(
    {
        OrderStatus.ACCEPTED,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_REPLACE,
        OrderStatus.PENDING_CANCEL,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
    }
)
_FAILED = DiscrepancyKind.EXIT_FAILED
#: All that is looked at.
KINDS = (_KIND, _FAILED)


class RefusalWatch:
    """Notes refused exits and resolves them; all inside a transaction of the store."""

    def __init__(self, store: OrderStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._discrepancies = Discrepancies(store, get_component_logger("trading_bot"))

    def note_next(self, order: Order, left: int) -> None:
        """Note a refusal that is followed by another try."""
        self._discrepancies.note(
            _KIND,
            _subject(order),
            f"exit order {order.order_id} ({order.summary}) was refused: "
            f"{_reason(order)}; it is tried again, {left} "
            f"{'try is' if left == 1 else 'tries are'} left",
            f"shoonyactl trace {order.order_id}",
            order,
        )

    def note_last(self, order: Order) -> None:
        """Note a refusal after which nothing is tried any more."""
        refusals = sum(
            other.status is OrderStatus.REJECTED for other in self._attempts(order)
        )
        last = self._last(order)
        then = ""
        if last.status is OrderStatus.DENIED:
            then = f", then order {last.order_id} was denied: {_reason(last)}"
        self._discrepancies.note(
            _KIND,
            _subject(order),
            f"exit order {order.order_id} ({order.summary}) was refused {refusals} "
            f"times: {_reason(order)}{then}; it is not tried again, and its position "
            "is open",
            "close it in the broker's terminal or send another exit, then acknowledge "
            "it: shoonyactl discrepancy list",
            order,
        )

    def note_failed(self, order: Order) -> None:
        """Note an exit of which nothing follows, if what it would close is held."""
        refused = {each.subject for each in self._store.discrepancies.unresolved(_KIND)}
        if _subject(order) in refused or not self._is_held(order):
            return
        self._discrepancies.note(
            _FAILED,
            _subject(order),
            f"exit order {order.order_id} ({order.summary}) is {order.status}: "
            f"{_reason(order)}; it is not tried again, and its position is open",
            "send another exit or close it in the broker's terminal, then acknowledge "
            "it: shoonyactl discrepancy list",
            order,
        )

    def look(self, held: Holdings | None) -> None:
        """
        Resolve what is taken, closed or acknowledged.

        Args:
            held: The broker's positions; None if they are not known.
        """
        for found in self._store.discrepancies.unresolved(*KINDS):
            order = (
                None
                if found.order_id is None
                else self._store.orders.get(found.order_id)
            )
            is_old = self._clock.now() >= found.first_seen_at + POSITION_PATIENCE
            if (
                order is None
                or found.acknowledged_at is not None
                or not self._is_held(order)
                or (found.kind is _KIND and self._is_taken(order))
                or (
                    held is not None
                    and is_old
                    and not held_at_broker(self._store, order, held)
                )
            ):
                self._discrepancies.resolve(found.kind, found.subject)
                continue
            if found.kind is _FAILED:
                continue
            stored = self._store.alerts.get(order.alert_id)
            if stored is None or stored.status is not AlertStatus.PLANNED:
                # What followed the refusal has ended too, perhaps otherwise.
                self.note_last(order)

    def _attempts(self, order: Order) -> list[Order]:
        return [
            other
            for other in self._store.orders.of_alert(order.alert_id)
            if (other.leg, other.part, other.side)
            == (order.leg, order.part, order.side)
        ]

    def _is_taken(self, order: Order) -> bool:
        """Return whether a later try went the way of all orders."""
        last = self._last(order)
        # One for less leaves a part of the position.
        is_done = last.status is OrderStatus.FILLED and last.quantity >= order.quantity
        return is_done or last.status in _TAKEN or self._is_closed_otherwise(order)

    def _is_closed_otherwise(self, order: Order) -> bool:
        """Return whether the broker has another exit of what an order closes."""
        return any(
            other.intent is Intent.EXIT
            and (other.strategy, other.exchange, other.tradingsymbol, other.product)
            == (order.strategy, order.exchange, order.tradingsymbol, order.product)
            and other.side is order.side
            for other in self._store.orders.in_status(*sorted(WORKING - IN_FLIGHT))
        )

    def _last(self, order: Order) -> Order:
        return max(self._attempts(order), key=lambda other: other.attempt)

    def _is_closed_at_broker(self, order: Order, held: Holdings | None) -> bool:
        return held is not None and not held_at_broker(self._store, order, held)

    def _is_held(self, order: Order) -> bool:
        return any(
            position.product is order.product
            and position.quantity * order.side.sign < 0
            for position in self._store.positions.get(
                order.strategy, order.exchange, order.tradingsymbol
            )
        )


def _subject(order: Order) -> str:
    return refused_holding(
        order.strategy, order.exchange, order.tradingsymbol, order.product
    )


def _reason(order: Order) -> str:
    return order.reason or "no reason given"
