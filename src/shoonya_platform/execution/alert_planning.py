"""One alert becomes its orders, or an answer that says why there are none."""

from __future__ import annotations

from collections.abc import Callable

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import AlertStatus, StoredAlert
from shoonya_platform.domain.orders import AlertId, Intent, NewOrder
from shoonya_platform.execution.exchange_rules import Instruments
from shoonya_platform.execution.missed_exits import MissedExits
from shoonya_platform.execution.planning import LegPlanner, Prices
from shoonya_platform.execution.stated_positions import StatedPositions
from shoonya_platform.execution.takeover import Takeover
from shoonya_platform.execution.watched_targets import WatchedTargets
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore


class AlertPlanner:
    """
    The part of `trading_bot` that plans alerts.

    Args:
        planner: Plans the legs.

        ring: Rings the named services' doorbells.
    """

    def __init__(
        self,
        store: OrderStore,
        planner: LegPlanner,
        stated: StatedPositions,
        instruments: Instruments,
        clock: Clock,
        ring: Callable[..., None],
    ) -> None:
        self._store = store
        self._planner = planner
        self._stated = stated
        self._ring = ring
        self._targets = WatchedTargets(store, clock)
        self._takeover = Takeover(store, clock, self._targets)
        self._missed = MissedExits(store, instruments, clock)
        #: Exits that wait for others to make way.
        self._taking_over: set[AlertId] = set()
        self._logger = get_component_logger("trading_bot")

    @property
    def number(self) -> int:
        """How many exits wait for others to make way."""
        return len(self._taking_over)

    def look(self) -> int:
        """Look after what was planned; return how much has changed."""
        self._missed.look()
        changed = self._targets.look()
        if self._takeover.trim():
            self._ring("command_service", "risk_manager")
        return changed

    def plan(self, received: StoredAlert, prices: Prices) -> int:
        """
        Plan what of an alert does not have to wait; inside a transaction.

        Returns:
            How many orders were planned.
        """
        stored = self._stated.settle(received)
        if stored is None:
            return 0
        is_exit = stored.alert.intent is Intent.EXIT
        waiting = self._takeover.waiting(stored) if is_exit else set()
        # Adopted from the broker's order book: the store was a copy of before.
        known = {order.leg for order in self._store.orders.of_alert(stored.alert_id)}
        planned, idle, targets = 0, [], []
        for number, leg in enumerate(stored.alert.legs, start=1):
            if number in known | waiting:
                continue
            new = self._planner.plan(stored, number, leg, prices)
            target = None
            if is_exit:
                target = self._targets.watch_rest(stored, number, new)
            if target is not None:
                targets.append(target)
            if new is not None:
                self._add(new, stored)
                planned += 1
            elif target is None:
                idle.append(number)
        self._taking_over.discard(stored.alert_id)
        if waiting:
            # The other legs do not wait for it.
            self._taking_over.add(stored.alert_id)
            self._ring("command_service")
            return planned
        self._answer(stored, len(known) + planned, idle, targets)
        return planned

    def _add(self, new: NewOrder, stored: StoredAlert) -> None:
        sent = stored.alert.sent_at
        alerted_at = (
            stored.received_at if sent is None else min(sent, stored.received_at)
        )
        order = self._store.orders.add(new, alerted_at=alerted_at)
        self._logger.info(
            "Order %d planned: %s",
            order.order_id,
            order.summary,
            extra={**order.log_context, "event": "order_created"},
        )

    def _answer(
        self,
        stored: StoredAlert,
        orders: int,
        idle: list[int],
        targets: list[AlertId],
    ) -> None:
        """
        Say what became of an alert.

        Args:
            idle: The numbers of legs with nothing to do.

            targets: The alerts that are watched for its legs.
        """
        status, why = self._missed.explain(stored, idle)
        if targets:
            status = status if idle else AlertStatus.COMPLETED
            watching = f"watched as {', '.join(targets)}: a stop rests"
            why = f"{why}; {watching}" if why else watching
        if not orders:
            self._store.alerts.record(stored.alert_id, status, outcome=why, text=why)
            return
        text = f"{orders} order{'s' * (orders != 1)}"
        self._store.alerts.record(
            stored.alert_id,
            AlertStatus.PLANNED,
            outcome="",
            text=f"{text}; {why}" if why else text,
        )
