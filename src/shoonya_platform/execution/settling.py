"""How alerts end: lost legs are planned anew, halves undone, outcomes told."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.alerts import alert_id as new_alert_id
from shoonya_platform.domain.orders import BEFORE_BROKER, AlertId, Order, OrderStatus
from shoonya_platform.execution.planning import LegPlanner, Prices
from shoonya_platform.execution.undo import attempts_that_count, failed, undoing
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

BATCH = 50

#: Seconds between two looks for entries of which a leg has failed.
WITHDRAW_SECONDS = 1.0

#: A leg is planned at most this often, however often it is proven not placed.
MAX_ATTEMPTS = 3


class Settler:
    """
    Settles alerts whose orders are at an end.

    Args:
        replan_seconds: A leg proven not placed is planned anew while its alert is
            younger than this; 0 never does.

        all_or_nothing: Whether an entry of which a leg failed is exited.
    """

    def __init__(
        self,
        store: OrderStore,
        planner: LegPlanner,
        clock: Clock,
        *,
        replan_seconds: float,
        all_or_nothing: bool,
    ) -> None:
        self._store = store
        self._planner = planner
        self._clock = clock
        self._replan_seconds = replan_seconds
        self._all_or_nothing = all_or_nothing
        self._withdrew_at = float("-inf")
        self._logger = get_component_logger("trading_bot")

    def settle(self) -> int:
        """Plan lost legs anew, then say how finished alerts ended."""
        return self._withdraw() + self._settle()

    def _settle(self) -> int:
        since = self.replan_since()
        if not (
            self._store.orders.unreplaced(since=since)
            or self._store.alerts.finished(limit=1)
        ):
            return 0
        settled = 0
        with self._store.transaction(durable=False):
            for order in self._store.orders.unreplaced(since=since):
                settled += self._replan(order)
            for alert_id in self._store.alerts.finished(limit=BATCH):
                self._report(alert_id)
                settled += 1
        return settled

    def replan_since(self) -> datetime:
        """Return from when on an alert's lost legs are planned anew."""
        return self._clock.now() - timedelta(seconds=self._replan_seconds)

    def _withdraw(self) -> int:
        """Have what still works of an entry canceled once a leg has failed."""
        now = self._clock.monotonic()
        if not self._all_or_nothing or now - self._withdrew_at < WITHDRAW_SECONDS:
            return 0
        self._withdrew_at = now
        if not self._store.orders.beside_failed(limit=1):
            return 0
        withdrawn = 0
        with self._store.transaction(durable=False):
            for order in self._store.orders.beside_failed(limit=BATCH):
                cause = self._failed_beside(order)
                if cause is not None:
                    self._request_cancel(order, cause)
                    withdrawn += 1
        return withdrawn

    def _failed_beside(self, order: Order) -> Order | None:
        """Return the failed order for whose sake this one is not wanted any more."""
        for other in failed(self._store.orders.of_alert(order.alert_id)):
            if self._will_be_replanned(other):
                continue
            # The guard denies these together, and says so.
            if other.status is OrderStatus.DENIED and order.status in BEFORE_BROKER:
                continue
            return other
        return None

    def _will_be_replanned(self, order: Order) -> bool:
        return (
            order.status is OrderStatus.NOT_PLACED
            and order.attempt < MAX_ATTEMPTS
            and order.alerted_at > self.replan_since()
        )

    def _request_cancel(self, order: Order, cause: Order) -> None:
        self._store.orders.request_cancel(
            order.order_id, by=f"trading_bot as leg {cause.leg} is {cause.status}"
        )
        self._logger.warning(
            "Order %d is canceled: leg %d of its entry is %s",
            order.order_id,
            cause.leg,
            cause.status,
            extra={**order.log_context, "event": "entry_withdrawn"},
        )

    def _replan(self, lost: Order) -> int:
        stored = self._store.alerts.get(lost.alert_id)
        if (
            stored is None
            or stored.status is not AlertStatus.PLANNED
            or lost.attempt >= MAX_ATTEMPTS
        ):
            return 0
        leg = stored.alert.legs[lost.leg - 1]
        prices: Prices = {}
        if lost.reference_price is not None:
            prices = {(lost.exchange, lost.tradingsymbol): lost.reference_price}
        planned = self._planner.plan(stored, lost.leg, leg, prices, lost)
        if planned is None:
            return 0
        order = self._store.orders.add(planned, alerted_at=lost.alerted_at)
        self._logger.warning(
            "Order %d planned anew as %d: the first was proven not placed",
            lost.order_id,
            order.order_id,
            extra={**order.log_context, "event": "order_replanned"},
        )
        return 1

    def _report(self, alert_id: AlertId) -> None:
        orders = self._store.orders.of_alert(alert_id)
        outcome = describe_outcome(orders)
        undo = undoing(orders) if self._all_or_nothing else None
        if undo is not None:
            now = self._clock.now()
            undo_id, _ = self._store.alerts.add(
                undo, new_alert_id(now, secrets.token_bytes(5)), received_at=now
            )
            outcome += f"; what was filled is exited by {undo_id}"
        self._store.alerts.record(
            alert_id, AlertStatus.COMPLETED, outcome=outcome, text=outcome
        )
        self._logger.info(
            "Alert %s completed: %s",
            alert_id,
            outcome,
            extra={
                "alert_id": alert_id,
                "strategy": orders[0].strategy,
                "event": "alert_completed",
            },
        )


def describe_outcome(orders: list[Order]) -> str:
    """Return how an alert ended: `filled`, or how many legs did and why not."""
    counting = attempts_that_count(orders)
    filled = [o for o in counting if o.status is OrderStatus.FILLED]
    if len(filled) == len(counting):
        return "filled"
    others = "; ".join(
        f"leg {order.leg}{_part(order)} {order.status}"
        + (
            f" ({order.filled_quantity} of {order.quantity})"
            * bool(order.filled_quantity)
        )
        + (f": {order.reason}" if order.reason else "")
        for order in counting
        if order.status is not OrderStatus.FILLED
    )
    parts = "orders" if any(order.part > 1 for order in counting) else "legs"
    return f"{len(filled)} of {len(counting)} {parts} filled; {others}"


def _part(order: Order) -> str:
    return f" part {order.part}" if order.part > 1 else ""
