"""
Bounds exits by the broker's own positions, so that none opens a position.

A position may be closed without us, from the broker's app or by its own square-off.
So the broker's positions are read before exits go out, and an exit is made smaller
where they show less than it would close.  A position book may be a minute old: what our
own fills of late explain is no difference.  And exits that go out at once do not depend
on the reading: where it fails, they are sent as they are.  Those that have waited, for
a session or an answer, are sent only by it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from shoonya_platform.brokers.base import Broker
from shoonya_platform.clock import Clock
from shoonya_platform.domain.denials import Denial, DenialCode
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import IN_FLIGHT, WORKING, Intent, Order, OrderId
from shoonya_platform.domain.positions import Position
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.closable import closable
from shoonya_platform.execution.holdings import Holdings, broker_holdings
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: An exit is sent within a second or two; one that took longer than this has waited.
LATE_SECONDS = 30.0
#: A reading serves so long; it is repeated while it shows nothing to close.
READING_SECONDS = 2.0
#: After a reading that failed, exits that have not waited go out without one so long.
FAILED_SECONDS = 10.0
#: The broker's position book may be so old.
BOOK_SECONDS = 60.0
#: An exit of which the broker shows no position is denied after so long.
PATIENCE_SECONDS = 2 * BOOK_SECONDS
#: Fills of so long may be missing in it.
FILLS_SECONDS = 90.0

Key = tuple[str, str, str]


class ExitCap:
    """
    The part of `command_service` that bounds exits.

    Args:
        is_held_back: Whether an order will not be sent yet, whatever the broker shows.
    """

    def __init__(
        self,
        store: OrderStore,
        broker: Broker,
        clock: Clock,
        is_held_back: Callable[[Order], bool],
    ) -> None:
        self._store = store
        self._is_held_back = is_held_back
        self._broker = broker
        self._clock = clock
        self._held: Holdings = {}
        self._read_at = float("-inf")
        self._failed_at = float("-inf")
        #: Late ones that the last reading was made for, and whether one used it.
        self._known: set[OrderId] = set()
        self._is_used = False
        #: Since when the broker shows nothing to close, monotonic.
        self._flat_since: dict[OrderId, float] = {}
        #: What was let go, and when: the broker's book may lack it.
        self._let_go: dict[OrderId, tuple[Order, float]] = {}
        #: Where the broker holds something else than we do, and until when that counts.
        self._differs_until: dict[Key, float] = {}
        self._logger = get_component_logger("command_service")

    def look(self, *, limit: int) -> None:
        """
        Read the broker's positions if an exit is ready.

        Args:
            limit: Of orders looked at: those that may be sent next, exits first.
        """
        ready = [
            order
            for order in self._store.orders.ready(limit=limit)
            if order.intent is Intent.EXIT and not self._is_held_back(order)
        ]
        late = {order.order_id for order in ready if self._is_late(order)}
        if not ready:
            self._flat_since = {}
            return
        if not self._is_due(late):
            return
        self._known = set()
        try:
            held = broker_holdings(self._broker, self._store)
        except BrokerUnavailable as e:
            self._failed_at = self._clock.monotonic()
            self._logger.warning(
                "the broker's positions are not known for %d exits, %s",
                len(ready),
                f"{len(late)} of them wait for that: {e.sentence}",
                extra={"event": "waiting"},
            )
            return
        self._held, self._read_at = held, self._clock.monotonic()
        self._known, self._is_used = late, False
        self._let_go = {
            order_id: (order, at)
            for order_id, (order, at) in self._let_go.items()
            if self._read_at - at < BOOK_SECONDS
        }
        self._note_differences(ready)
        self._flat_since = {
            order.order_id: self._flat_since.get(order.order_id, self._read_at)
            for order in ready
            if self._is_bound(order) and not self._closable(order)
        }

    def waits(self, order: Order) -> bool:
        """Return whether an exit waits until the broker shows its position."""
        if self._is_late(order) and order.order_id not in self._known:
            return True
        since = self._flat_since.get(order.order_id)
        if since is None:
            # It came after the last look, which is repeated for it.
            return self._is_bound(order) and not self._closable(order)
        return self._read_at - since < PATIENCE_SECONDS

    def bound(self, order: Order) -> Order | Denial:
        """
        Return an exit as it may go out, inside a transaction of the store.

        Returns:
            The order, made smaller if the broker shows less; else why it may not go.
        """
        if order.intent is not Intent.EXIT:
            return order
        if self._is_bound(order):
            self._is_used = True
            left = self._closable(order)
            if not left:
                return Denial(
                    DenialCode.POSITION_CLOSED,
                    {"quantity": order.quantity, "at_broker": 0},
                )
            if left < order.quantity:
                order = self._store.orders.shrink(
                    order,
                    left,
                    text=f"{order.quantity} becomes {left}: the broker shows no more",
                )
        self._let_go[order.order_id] = (order, self._clock.monotonic())
        return order

    def _is_due(self, late: set[OrderId]) -> bool:
        now = self._clock.monotonic()
        is_fresh = now - self._read_at < READING_SECONDS
        if late:
            return self._is_used or not is_fresh or not late <= self._known
        return not is_fresh and now - self._failed_at >= FAILED_SECONDS

    def _is_late(self, order: Order) -> bool:
        if order.intent is not Intent.EXIT:
            return False
        age = self._clock.now() - order.created_at
        return age >= timedelta(seconds=LATE_SECONDS)

    def _is_bound(self, order: Order) -> bool:
        """Return whether the broker's figure counts for an exit."""
        if self._is_late(order):
            return order.order_id in self._known
        until = self._differs_until.get(_key(order), float("-inf"))
        return self._clock.monotonic() < until

    def _closable(self, order: Order) -> int:
        """Return what the broker shows to close, less what may be closed by others."""
        sent = [other for other, _ in self._let_go.values()]
        return closable(self._store, order, self._held, before=WORKING, sent=sent)

    def _note_differences(self, ready: Sequence[Order]) -> None:
        """Note where the broker holds something that our own fills do not explain."""
        now = self._clock.monotonic()
        self._differs_until = {
            key: until for key, until in self._differs_until.items() if until > now
        }
        ours: dict[Key, int] = defaultdict(int)
        for position in self._store.positions.open():
            ours[_key(position)] += position.quantity
        shown = {
            found.subject
            for found in self._store.discrepancies.unresolved(
                DiscrepancyKind.POSITION_DIFFERS
            )
        }
        fills = None
        for key in {_key(order) for order in ready}:
            theirs = self._held.get(key, 0)
            if ours[key] == theirs:
                continue
            fills = self._fills() if fills is None else fills
            subject = f"{key[0]}:{key[1]} {key[2]}"
            is_explained = _explains(ours[key], theirs, fills[key], self._working(key))
            if subject in shown or not is_explained:
                self._differs_until[key] = now + FILLS_SECONDS

    def _working(self, key: Key) -> list[int]:
        """Return what orders may have filled that is not booked yet, signed."""
        rests_since = self._clock.now() - timedelta(seconds=FILLS_SECONDS)
        return [
            order.side.sign * order.leaves_quantity
            for order in self._store.orders.in_status(*sorted(WORKING))
            if _key(order) == key
            # A stop that rests for long would be known to have filled.
            and (order.status in IN_FLIGHT or order.updated_at >= rests_since)
        ]

    def _fills(self) -> Mapping[Key, list[int]]:
        """Return our fills of late, signed, the newest first."""
        now = self._clock.now()
        fills: dict[Key, list[int]] = defaultdict(list)
        begin = now - timedelta(seconds=FILLS_SECONDS)
        for order_id, fill in self._store.orders.fills_between(
            begin, now + timedelta(days=1)
        ):
            order = self._store.orders.get(order_id)
            if order is not None:
                fills[_key(order)].insert(0, order.side.sign * fill.quantity)
        return fills


def _key(held: Order | Position) -> Key:
    return held.exchange, held.tradingsymbol, held.product


def _explains(
    ours: int, theirs: int, fills: Sequence[int], working: Sequence[int]
) -> bool:
    """
    Return whether a position book of a minute ago, or of just now, may show that.

    It may lack our newest fills, and have some that we have not booked yet.

    Args:
        fills: Signed, the newest first.

        working: What orders of ours may still fill, or have filled by now.
    """
    before = [ours]
    for fill in fills:
        before.append(before[-1] - fill)
    if not working:
        return theirs in before
    less = sum(quantity for quantity in working if quantity < 0)
    more = sum(quantity for quantity in working if quantity > 0)
    return min(before) + less <= theirs <= max(before) + more
