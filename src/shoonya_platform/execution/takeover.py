"""
A new exit takes over the exits that rest.

What an exit asks for may be bound by others of the same position: a target, a stop, or
a market exit that the price has run away from.  They are canceled, or made smaller
where a part of them remains, and the new exit waits until that has happened, so that
never both are filled.  A market exit takes over whatever rests, a stop other
stops and targets, a target other targets.  A target that gives way to a stop is watched
from then on.  A market exit that is just going out is left to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
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
from shoonya_platform.execution.watched_targets import WatchedTargets
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: A market exit that the broker has had for longer than this rests.
RESTS_AFTER = timedelta(seconds=3)
#: Seconds between two looks at stops and targets that exceed their position.
TRIM_SECONDS = 2.0
#: Seconds until what is in the way is asked for again.
AGAIN_SECONDS = 5.0

#: What each kind takes over beside its own.
_TAKES: Mapping[ExitKind, frozenset[ExitKind]] = {
    ExitKind.MARKET: frozenset(ExitKind),
    ExitKind.STOP: frozenset({ExitKind.TARGET}),
    ExitKind.TARGET: frozenset(),
}
_AT_BROKER = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


class Takeover:
    """The part of `trading_bot` that makes way for exits."""

    def __init__(
        self, store: OrderStore, clock: Clock, targets: WatchedTargets
    ) -> None:
        self._store = store
        self._targets = targets
        self._clock = clock
        self._trimmed_at = float("-inf")
        #: When each order was last asked to make way, monotonic.
        self._asked_at: dict[OrderId, float] = {}
        self._logger = get_component_logger("trading_bot")

    def waiting(self, stored: StoredAlert) -> set[int]:
        """
        Have canceled what is in an exit's way; inside a transaction of the store.

        Returns:
            The numbers of the legs that have to wait for it, from 1.
        """
        self._forget()
        planned = {o.leg for o in self._store.orders.of_alert(stored.alert_id)}
        return {
            number
            for number, leg in enumerate(stored.alert.legs, start=1)
            if number not in planned and list(self._of_leg(stored, leg))
        }

    def trim(self) -> int:
        """Shrink stops and targets that exceed their position; return how many."""
        now = self._clock.monotonic()
        if now - self._trimmed_at < TRIM_SECONDS:
            return 0
        self._trimmed_at = now
        exits = [
            order
            for order in self._store.orders.in_status(*sorted(OPEN))
            if order.intent is Intent.EXIT
        ]
        trimmed = 0
        for order in sorted(exits, key=lambda each: -each.order_id):
            if order.status not in _AT_BROKER or self._kind(order) is ExitKind.MARKET:
                continue
            with self._store.transaction(durable=False):
                trimmed += self._trim(order, exits)
        return trimmed

    def _trim(self, order: Order, exits: list[Order]) -> int:
        held = sum(
            max(0, -position.quantity * order.side.sign)
            for position in self._store.positions.get(
                order.strategy, order.exchange, order.tradingsymbol
            )
            if position.product is order.product
        )
        others = sum(
            other.leaves_quantity
            for other in exits
            if other.order_id < order.order_id and _is_beside(other, order)
        )
        excess = min(order.leaves_quantity, others + order.leaves_quantity - held)
        if excess <= 0:
            return 0
        return self._take(order, excess, "trading_bot as its position is smaller")

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
            elif kind is found or found in _TAKES[kind]:
                yield order
                taken = min(missing, order.leaves_quantity)
                if (kind, found) == (ExitKind.STOP, ExitKind.TARGET):
                    self._watch(order, taken)
                self._take(order, taken, f"trading_bot for exit {stored.alert_id}")
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

    def _watch(self, order: Order, quantity: int) -> None:
        """Go on with a target that gives way to a stop."""
        target = self._store.alerts.get(order.alert_id)
        if target is not None and order.leg <= len(target.alert.legs):
            self._targets.watch(
                target.alert,
                replace(
                    target.alert.legs[order.leg - 1],
                    product=order.product,
                    price=order.price,
                ),
                quantity,
                key=f"watch-{order.order_id}",
            )

    def _take(self, order: Order, quantity: int, by: str) -> int:
        """Free so much of a resting order; return 1 if that was asked for now."""
        now = self._clock.monotonic()
        if now - self._asked_at.get(order.order_id, float("-inf")) < AGAIN_SECONDS:
            return 0
        self._asked_at[order.order_id] = now
        if quantity < order.leaves_quantity and self._shrink(order, quantity, by):
            what = f"gives up {quantity} of its {order.leaves_quantity}"
        else:
            self._store.orders.request_cancel(order.order_id, by=by)
            what = "is canceled"
        self._logger.info(
            "Order %d %s, by %s",
            order.order_id,
            what,
            by,
            extra={**order.log_context, "event": "exit_taken_over"},
        )
        return 1

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


def _is_beside(other: Order, order: Order) -> bool:
    """Return whether both exits close one position."""
    return all(
        getattr(other, name) == getattr(order, name)
        for name in ("strategy", "exchange", "tradingsymbol", "product", "side")
    )
