"""
Entries that an exit has overtaken: canceled, or never planned.

While entries of the same strategy in the same instrument are still on their way, they
are canceled first and the exit waits, so that nothing is left behind.  An entry that
could not even be planned before its exit came never will be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import AlertStatus, StoredAlert
from shoonya_platform.domain.orders import (
    IN_FLIGHT,
    OPEN,
    WORKING,
    AlertId,
    Intent,
    Order,
    OrderId,
    OrderStatus,
)
from shoonya_platform.execution.planning import is_of
from shoonya_platform.execution.taking_back import FOR_EXIT
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: A broker may refuse a cancel, and the entry rests on: seconds until the next try.
CANCEL_AGAIN_SECONDS = 5.0
#: An exit waits no longer for entries that the broker does not cancel; what they fill
#: after it is exited too (`taking_back`).
IGNORED_SECONDS = 30.0
#: An exit waits so long for entries of which the broker's answer is missing; what turns
#: up of them later is canceled, or closed.
UNKNOWN_PATIENCE = timedelta(seconds=10)

_AT_BROKER = WORKING - IN_FLIGHT | {OrderStatus.PENDING_CANCEL}


@dataclass(slots=True)
class _WaitingExit:
    """An exit, and the entries it waits for: not for those that come later."""

    entries: set[OrderId]
    since: float  #: monotonic
    asked_at: float  #: when their cancels were last asked for, monotonic


class Overtaking:
    """
    The part of `trading_bot` that clears entries away; inside a transaction.

    Args:
        replan_since: Returns from when on lost entries are planned again.

        is_reversal: Whether an entry follows an exit instead.

        ring: Rings the named services' doorbells.
    """

    def __init__(
        self,
        store: OrderStore,
        clock: Clock,
        replan_since: Callable[[], datetime],
        is_reversal: Callable[[StoredAlert], bool],
        ring: Callable[..., None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._replan_since = replan_since
        self._is_reversal = is_reversal
        self._ring = ring
        self._waiting: dict[AlertId, _WaitingExit] = {}
        self._logger = get_component_logger("trading_bot")

    @property
    def number(self) -> int:
        """How many exits wait for entries to be canceled."""
        return len(self._waiting)

    def give_up(
        self, alerts: list[StoredAlert], exit_alert: StoredAlert
    ) -> list[StoredAlert]:
        """Skip the entries that an exit has overtaken; return the others."""
        exited = exit_alert.alert
        symbols = {leg.tradingsymbol for leg in exited.legs}
        left = []
        for stored in alerts:
            alert = stored.alert
            if (
                alert.intent is Intent.EXIT
                or self._is_reversal(stored)
                or alert.strategy != exited.strategy
                or alert.exchange is not exited.exchange
                or symbols.isdisjoint(leg.tradingsymbol for leg in alert.legs)
            ):
                left.append(stored)
                continue
            outcome = f"its exit {exit_alert.alert_id} came before it was planned"
            self._store.alerts.record(
                stored.alert_id, AlertStatus.SKIPPED, outcome=outcome, text=outcome
            )
            self._logger.warning(
                "Alert %s is not traded: %s",
                stored.alert_id,
                outcome,
                extra={
                    "alert_id": stored.alert_id,
                    "strategy": alert.strategy,
                    "event": "entry_overtaken",
                },
            )
        return left

    def waits(self, stored: StoredAlert) -> bool:
        """Have unfinished entries canceled; return whether the exit must wait."""
        alert = stored.alert
        symbols = {leg.tradingsymbol for leg in alert.legs}
        # Given up, and still to be planned again: not after this exit.
        for order in self._store.orders.unreplaced(since=self._replan_since()):
            if order.intent is not Intent.EXIT and is_of(order, alert, symbols):
                self._request_cancel(order, stored)
        entries = {
            order.order_id: order
            for order in self._store.orders.in_status(*OPEN)
            if order.intent is not Intent.EXIT and is_of(order, alert, symbols)
        }
        now = self._clock.monotonic()
        waiting = self._waiting.get(stored.alert_id)
        if waiting is None:
            waiting = _WaitingExit(set(entries), now, float("-inf"))
        awaited = [o for o in entries.values() if o.order_id in waiting.entries]
        is_ignored = now - waiting.since >= IGNORED_SECONDS
        if is_ignored or all(self._is_lost(order) for order in awaited):
            for order in awaited:
                self._request_cancel(order, stored)
            self._waiting.pop(stored.alert_id, None)
            return False
        self._waiting[stored.alert_id] = waiting
        if now - waiting.asked_at >= CANCEL_AGAIN_SECONDS:
            waiting.asked_at = now
            for order in awaited:
                self._request_cancel(order, stored)
            self._ring("command_service")
        return True

    def _is_lost(self, order: Order) -> bool:
        """Return whether an exit must not wait for what became of an entry."""
        is_out_of_reach = order.status is OrderStatus.OUTCOME_UNKNOWN or (
            # Its number is another order's too: it may be that nothing cancels it.
            order.status in _AT_BROKER and order.broker_order_id is None
        )
        return is_out_of_reach and (
            self._clock.now() >= order.updated_at + UNKNOWN_PATIENCE
        )

    def _request_cancel(self, order: Order, exit_alert: StoredAlert) -> None:
        self._store.orders.request_cancel(
            order.order_id, by=f"{FOR_EXIT} {exit_alert.alert_id}"
        )
        self._logger.info(
            "Order %d is canceled before the exit of '%s'",
            order.order_id,
            order.strategy,
            extra={**order.log_context, "event": "exit_waits"},
        )
