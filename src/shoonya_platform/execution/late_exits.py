"""
Exits that had to wait: held against the broker's positions before they are sent.

Without a session, or while the broker does not answer, an exit waits for minutes or
hours, and its position may be closed meanwhile, by hand or by the broker's own
square-off.  Sent as it was, it would open one.  So an exit that is older than
LATE_SECONDS goes out for no more than the broker shows at that moment, less what other
exits there may close.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from shoonya_platform.brokers.base import Broker
from shoonya_platform.clock import Clock
from shoonya_platform.domain.denials import Denial, DenialCode
from shoonya_platform.domain.orders import (
    WORKING,
    Intent,
    Order,
    OrderId,
)
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.holdings import broker_holdings
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: An exit is sent within a second or two; one that took longer than this has waited.
LATE_SECONDS = 30.0
#: While they show nothing to close, the positions are read again after so long.
READING_SECONDS = 2.0
#: The broker's position book may be so old.
BOOK_SECONDS = 60.0
#: An exit of which the broker shows no position is denied after so long.
PATIENCE_SECONDS = 2 * BOOK_SECONDS


class LateExits:
    """The part of `command_service` that bounds exits which have waited."""

    def __init__(self, store: OrderStore, broker: Broker, clock: Clock) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._held: Counter[tuple[str, str, str]] = Counter()
        self._read_at = float("-inf")
        self._is_used = False
        #: Those that the last reading was made for.
        self._known: set[OrderId] = set()
        #: Since when the broker shows nothing to close, monotonic.
        self._flat_since: dict[OrderId, float] = {}
        #: What was let go, and when: the broker's book may lack it.
        self._let_go: dict[OrderId, tuple[Order, float]] = {}
        self._logger = get_component_logger("command_service")

    def look(self, *, limit: int) -> None:
        """
        Read the broker's positions if an exit that has waited is ready.

        Args:
            limit: Of orders looked at: those that may be sent next, exits first.
        """
        now = self._clock.monotonic()
        ready = self._store.orders.ready(limit=limit)
        late = {o.order_id: o for o in ready if self._is_late(o)}
        if not late:
            self._flat_since = {}
            return
        is_fresh = not self._is_used and now - self._read_at < READING_SECONDS
        if is_fresh and late.keys() <= self._known:
            return
        self._known = set()
        try:
            held = broker_holdings(self._broker, self._store)
        except BrokerUnavailable as e:
            self._logger.warning(
                "%d exits that have waited wait for the broker's positions: %s",
                len(late),
                e.sentence,
                extra={"event": "waiting"},
            )
            return
        self._held, self._read_at = held, self._clock.monotonic()
        self._is_used = False
        self._known = set(late)
        self._let_go = {
            order_id: (order, at)
            for order_id, (order, at) in self._let_go.items()
            if self._read_at - at < BOOK_SECONDS
        }
        self._flat_since = {
            order_id: self._flat_since.get(order_id, self._read_at)
            for order_id, order in late.items()
            if self._closable(order) <= 0
        }

    def waits(self, order: Order) -> bool:
        """Return whether an exit waits until the broker shows its position."""
        if not self._is_late(order):
            return False
        if order.order_id not in self._known:
            return True
        since = self._flat_since.get(order.order_id)
        return since is not None and self._read_at - since < PATIENCE_SECONDS

    def bound(self, order: Order) -> Order | Denial:
        """
        Return an exit as it may go out, inside a transaction of the store.

        Returns:
            The order, made smaller if the broker shows less; else why it may not go.
        """
        if order.order_id not in self._known or not self._is_late(order):
            return order
        self._is_used = True
        closable = self._closable(order)
        if closable <= 0:
            return Denial(
                DenialCode.POSITION_CLOSED,
                {"quantity": order.quantity, "at_broker": max(0, closable)},
            )
        if closable < order.quantity:
            order = self._store.orders.shrink(
                order,
                closable,
                text=f"{order.quantity} becomes {closable}: the broker shows no more",
            )
        self._let_go[order.order_id] = (order, self._clock.monotonic())
        return order

    def _is_late(self, order: Order) -> bool:
        if order.intent is not Intent.EXIT:
            return False
        age = self._clock.now() - order.created_at
        return age >= timedelta(seconds=LATE_SECONDS)

    def _closable(self, order: Order) -> int:
        """Return what the broker shows to close, less what may be closed by others."""
        others = {
            other.order_id: other.leaves_quantity
            for other in self._store.orders.in_status(*sorted(WORKING))
            if _closes_the_same(other, order)
        }
        others |= {
            other.order_id: other.quantity
            for other, _ in self._let_go.values()
            if _closes_the_same(other, order)
        }
        key = (order.exchange, order.tradingsymbol, order.product)
        return -self._held[key] * order.side.sign - sum(others.values())


def _closes_the_same(other: Order, order: Order) -> bool:
    return other.order_id != order.order_id and (
        (other.exchange, other.tradingsymbol, other.product, other.side)
        == (order.exchange, order.tradingsymbol, order.product, order.side)
    )
