"""How alerts end: lost legs are planned again, halves undone, outcomes recorded."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.alerts import alert_id as new_alert_id
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    AlertId,
    Intent,
    Order,
    OrderStatus,
    OrderType,
)
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution import refusal_watch
from shoonya_platform.execution.closable import held_at_broker
from shoonya_platform.execution.holdings import Holdings
from shoonya_platform.execution.planning import LegPlanner
from shoonya_platform.execution.refusal_watch import POSITION_PATIENCE
from shoonya_platform.execution.refused import RefusedExits
from shoonya_platform.execution.taking_back import FOR_LEG
from shoonya_platform.execution.undo import (
    attempts_that_count,
    failed,
    failed_exits,
    undoing,
)
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

BATCH = 50

#: Seconds between two looks for entries of which a leg has failed.
WITHDRAW_SECONDS = 1.0

#: A leg is planned at most this often, however often it is given up.
MAX_ATTEMPTS = 3
MAX_EXIT_ATTEMPTS = 10

#: Seconds between two looks at whether the position of a refused exit is closed.
REFUSAL_SECONDS = 10.0


class Settler:
    """
    Settles alerts whose orders are at an end.

    Args:
        holdings: Asks for the broker's positions; a lost or refused exit is planned
            again for no more than they show at that moment.

        refused: Tries refused exits again.

        replan_seconds: An entry that was given up is planned again while its alert is
            younger than this; 0 never does.

        all_or_nothing: Whether an entry of which a leg failed is exited.
    """

    def __init__(
        self,
        store: OrderStore,
        planner: LegPlanner,
        clock: Clock,
        holdings: Callable[[], Holdings],
        refused: RefusedExits,
        *,
        replan_seconds: float,
        all_or_nothing: bool,
    ) -> None:
        self._store = store
        self._planner = planner
        self._holdings = holdings
        self._refused = refused
        self._refusals_at = float("-inf")
        self._clock = clock
        self._replan_seconds = replan_seconds
        self._all_or_nothing = all_or_nothing
        self._withdrew_at = float("-inf")
        self._logger = get_component_logger("trading_bot")

    def settle(self) -> int:
        """Plan lost legs again, then record how finished alerts ended."""
        return self._withdraw() + self._settle()

    def _settle(self) -> int:
        since = self.replan_since()
        lost = self._store.orders.unreplaced(since=since)
        refused = self._store.orders.refused_exits()
        looks = self._looks_at_refusals()
        if not (lost or refused or looks or self._store.alerts.finished(limit=1)):
            return 0
        due = self._refused.due(refused)
        held = self._ask_holdings([*lost, *due], always=looks)
        settled = 0
        waiting: set[AlertId] = set()
        with self._store.transaction(durable=False):
            for order in self._store.orders.unreplaced(since=since):
                if self._waits(order, held):
                    waiting.add(order.alert_id)
                else:
                    settled += self._replan(order, held or {})
            for order in self._store.orders.refused_exits():
                is_waiting, planned = self._refused.settle(order, held)
                settled += planned
                if is_waiting:
                    waiting.add(order.alert_id)
            for alert_id in self._store.alerts.finished(limit=BATCH + len(waiting)):
                if alert_id not in waiting:
                    self._report(alert_id)
                    settled += 1
            if looks:
                self._refused.watch.look(held)
        return settled

    def _looks_at_refusals(self) -> bool:
        """Return whether it is time to see what became of refused exits."""
        now = self._clock.monotonic()
        if now - self._refusals_at < REFUSAL_SECONDS:
            return False
        self._refusals_at = now
        return bool(self._store.discrepancies.unresolved(*refusal_watch.KINDS))

    def _ask_holdings(self, lost: Sequence[Order], *, always: bool) -> Holdings | None:
        """Return the broker's positions if an exit needs them, None without."""
        if not (always or any(order.intent is Intent.EXIT for order in lost)):
            return None
        try:
            return self._holdings()
        except BrokerUnavailable as e:
            self._logger.warning(
                "no positions for %d lost or refused orders: %s, asking again",
                len(lost),
                e.sentence,
                extra={"event": "waiting"},
            )
            return None

    def _waits(self, lost: Order, held: Holdings | None) -> bool:
        """Return whether a lost exit has to wait for the broker's positions."""
        if lost.intent is not Intent.EXIT or lost.attempt >= MAX_EXIT_ATTEMPTS:
            return False
        if held is None:
            return True
        is_held = held_at_broker(self._store, lost, held) > 0
        return not is_held and self._clock.now() < lost.updated_at + POSITION_PATIENCE

    def replan_since(self) -> datetime:
        """Return from when on an alert's lost entries are planned again."""
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
            and order.intent is not Intent.EXIT
            and order.attempt < MAX_ATTEMPTS
            and order.alerted_at > self.replan_since()
        )

    def _request_cancel(self, order: Order, cause: Order) -> None:
        self._store.orders.request_cancel(
            order.order_id, by=f"{FOR_LEG} {cause.leg} is {cause.status}"
        )
        self._logger.warning(
            "Order %d is canceled: leg %d of its entry is %s",
            order.order_id,
            cause.leg,
            cause.status,
            extra={**order.log_context, "event": "entry_withdrawn"},
        )

    def _replan(self, lost: Order, held: Holdings) -> int:
        stored = self._store.alerts.get(lost.alert_id)
        is_exit = lost.intent is Intent.EXIT
        if (
            stored is None
            or stored.status is not AlertStatus.PLANNED
            or lost.leg > len(stored.alert.legs)
            or lost.attempt >= (MAX_EXIT_ATTEMPTS if is_exit else MAX_ATTEMPTS)
        ):
            return 0
        at_most = held_at_broker(self._store, lost, held) if is_exit else None
        if at_most == 0:
            self._logger.error(
                "Order %d is not sent again: the broker shows no position to exit",
                lost.order_id,
                extra={**lost.log_context, "event": "exit_lost"},
            )
            return 0
        planned = self._planner.again(stored, lost, at_most=at_most)
        if planned is None:
            return 0
        order = self._store.orders.add(planned, alerted_at=lost.alerted_at)
        self._logger.warning(
            "Order %d planned again as %d: the first was given up",
            lost.order_id,
            order.order_id,
            extra={**order.log_context, "event": "order_replanned"},
        )
        return 1

    def _report(self, alert_id: AlertId) -> None:
        orders = self._store.orders.of_alert(alert_id)
        outcome = describe_outcome(orders)
        for order in failed_exits(orders):
            if not self._is_as_asked(order):
                self._refused.watch.note_failed(order)
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

    def _is_as_asked(self, order: Order) -> bool:
        """Return whether an exit was canceled here, or was a limit of its day."""
        if order.status is OrderStatus.CANCELED:
            return bool(self._store.orders.canceled_by(order.order_id))
        stored = self._store.alerts.get(order.alert_id)
        # The order itself may be a market order with a protecting limit.
        return (
            order.status is OrderStatus.EXPIRED
            and stored is not None
            and order.leg <= len(stored.alert.legs)
            and stored.alert.legs[order.leg - 1].order_type is not OrderType.MARKET
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
