"""
A new exit takes over the exits that rest.

What an exit asks for may be bound by others of the same position: a target, a stop, or
a market exit that the price has run away from.  They are canceled, or made smaller
where a part of them remains, and the new exit waits until that has happened, so that
never both are filled.  A market exit takes over whatever rests; a stop or a target
those of its own kind.  A market exit that is just going out is left to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import Leg, StoredAlert
from shoonya_platform.domain.exits import ExitKind, exit_kind, kind_of
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    OPEN,
    WORKING,
    Intent,
    Order,
    OrderId,
    OrderStatus,
)
from shoonya_platform.domain.positions import Position
from shoonya_platform.domain.terms import Terms
from shoonya_platform.execution.planning import exit_quantity, is_of
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: A market exit that the broker has had for longer than this rests.
RESTS_AFTER = timedelta(seconds=3)
#: Seconds until what is in the way is asked for again.
AGAIN_SECONDS = 5.0

_AT_BROKER = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


class Takeover:
    """The part of `trading_bot` that makes way for an exit; in a transaction."""

    def __init__(self, store: OrderStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        #: When each order was last asked to make way, monotonic.
        self._asked_at: dict[OrderId, float] = {}
        self._logger = get_component_logger("trading_bot")

    def waiting(self, stored: StoredAlert) -> set[int]:
        """
        Have canceled what is in an exit's way.

        Returns:
            The numbers of the legs that have to wait for it, from 1.
        """
        self._forget()
        return {
            number
            for number, leg in enumerate(stored.alert.legs, start=1)
            if list(self._of_leg(stored, leg))
        }

    def _forget(self) -> None:
        oldest = self._clock.monotonic() - 2 * AGAIN_SECONDS
        self._asked_at = {k: at for k, at in self._asked_at.items() if at > oldest}

    def _of_leg(self, stored: StoredAlert, leg: Leg) -> Iterator[Order]:
        """Yield the orders that a leg waits for, each asked to make way."""
        alert = stored.alert
        exits = [
            order
            for order in self._store.orders.in_status(*sorted(OPEN))
            if order.intent is Intent.EXIT and is_of(order, alert, {leg.tradingsymbol})
        ]
        if not exits:
            return
        held = [
            (position, [order for order in exits if _closes(order, position)])
            for position in self._store.positions.get(
                alert.strategy, alert.exchange, leg.tradingsymbol
            )
            if position.quantity
        ]
        if not held:
            return
        # As the planner does: the leg's own product first, then what no exit closes.
        position, others = min(
            held,
            key=lambda each: (
                leg.names_product and each[0].product is not leg.product,
                _free(*each) <= 0,
                each[0].product is not leg.product,
            ),
        )
        free = max(0, _free(position, others))
        missing = exit_quantity(alert, leg, abs(position.quantity)) - free
        kind = kind_of(leg.order_type)
        for order in sorted(others, key=self._rank):
            if missing <= 0:
                return
            found = self._kind(order)
            if found is ExitKind.MARKET and not self._rests(order):
                # It closes its part itself.  While it is not sent it may have to wait
                # for long, and then this one has nothing to add.
                if not free and order.status in WORKING:
                    yield order
            elif kind in (ExitKind.MARKET, found):
                yield order
                self._take(stored, order, min(missing, order.leaves_quantity))
            else:
                continue
            missing -= order.leaves_quantity

    def _kind(self, order: Order) -> ExitKind:
        stored = self._store.alerts.get(order.alert_id)
        return exit_kind(order, None if stored is None else stored.alert)

    def _rank(self, order: Order) -> tuple[int, int]:
        """Return which exits make way first: targets, then stops, the newest first."""
        kinds = (ExitKind.TARGET, ExitKind.STOP, ExitKind.MARKET)
        return kinds.index(self._kind(order)), -order.order_id

    def _rests(self, order: Order) -> bool:
        return (
            order.status in _AT_BROKER
            and self._clock.now() >= order.updated_at + RESTS_AFTER
        )

    def _take(self, stored: StoredAlert, order: Order, quantity: int) -> None:
        now = self._clock.monotonic()
        if now - self._asked_at.get(order.order_id, float("-inf")) < AGAIN_SECONDS:
            return
        self._asked_at[order.order_id] = now
        by = f"trading_bot for exit {stored.alert_id}"
        if quantity < order.leaves_quantity and self._shrink(order, quantity, by):
            what = f"gives up {quantity} of its {order.leaves_quantity}"
        else:
            self._store.orders.request_cancel(order.order_id, by=by)
            what = "is canceled"
        self._logger.info(
            "Order %d %s: exit %s takes it over",
            order.order_id,
            what,
            stored.alert_id,
            extra={**order.log_context, "event": "exit_taken_over"},
        )

    def _shrink(self, order: Order, quantity: int, by: str) -> bool:
        """Make an order smaller; return whether that is under way or done."""
        left = order.quantity - quantity
        if order.status in BEFORE_BROKER:
            self._store.orders.shrink(order, left, text=f"{left}, by {by}")
            return True
        terms = Terms(
            quantity=left, price=order.price, trigger_price=order.trigger_price
        )
        before = self._store.modifies.get(order.order_id)
        if before is not None and before.terms == terms:
            # Asked for once; if it was refused, the order has to go as a whole.
            return before.result is None
        return order.status in _AT_BROKER and self._store.modifies.request(
            order.order_id, terms, by=by
        )


def _closes(order: Order, position: Position) -> bool:
    return order.product is position.product and order.side.sign * position.quantity < 0


def _free(position: Position, exits: list[Order]) -> int:
    """Return how much of a position no exit closes yet."""
    return abs(position.quantity) - sum(order.leaves_quantity for order in exits)
