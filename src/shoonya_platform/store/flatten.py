"""Closes positions by exit alerts, which go the way of all alerts."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shoonya_platform.domain.alerts import AlertStatus, alert_id
from shoonya_platform.domain.closing import closing_alerts
from shoonya_platform.domain.orders import OPEN, AlertId, Intent, Order, OrderId
from shoonya_platform.domain.positions import Position
from shoonya_platform.store.base import OrderStore

#: Who has to look after `flatten`.
CONCERNED = ("trading_bot", "command_service")
#: Alerts without orders looked at; a longer queue has other troubles.
_ALERTS = 1_000


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be closed; None is all."""

    strategy: str | None = None
    tradingsymbol: str | None = None

    def has(self, what: Position | Order) -> bool:
        return self.strategy in (None, what.strategy) and self.tradingsymbol in (
            None,
            what.tradingsymbol,
        )


@dataclass(frozen=True, slots=True)
class Flattening:
    """What was asked for."""

    positions: tuple[Position, ...]
    exits: tuple[AlertId, ...]
    #: Entries that are canceled.
    canceled: tuple[OrderId, ...]


def add_exits(
    store: OrderStore, positions: Iterable[Position], *, key: str, at: datetime
) -> list[AlertId]:
    """
    Store exit alerts for positions; inside a transaction of the store.

    Args:
        key: As `closing_alerts` takes it.

    Returns:
        The ids of those that were not stored before.
    """
    added = []
    for alert in closing_alerts(positions, key):
        new_id = alert_id(at, secrets.token_bytes(5))
        stored_id, is_new = store.alerts.add(alert, new_id, received_at=at)
        if is_new:
            added.append(stored_id)
    return added


def positions_in(store: OrderStore, scope: Scope) -> list[Position]:
    """Return what is held of that."""
    return [position for position in store.positions.open() if scope.has(position)]


def flatten(store: OrderStore, scope: Scope, *, by: str, at: datetime) -> Flattening:
    """
    Cancel entries and exit positions, halted or not.

    Args:
        by: Who wants it; it is in the id of the exits' alerts.
    """
    with store.transaction(durable=True):
        canceled = []
        for order in store.orders.in_status(*sorted(OPEN)):
            if order.intent is not Intent.EXIT and scope.has(order):
                store.orders.request_cancel(order.order_id, by=f"{by}: flatten")
                canceled.append(order.order_id)
        _skip_entries(store, scope, by)
        positions = positions_in(store, scope)
        exits = add_exits(
            store, positions, key=f"flatten-{by}-{at:%Y%m%d-%H%M%S-%f}", at=at
        )
    return Flattening(tuple(positions), tuple(exits), tuple(canceled))


def _skip_entries(store: OrderStore, scope: Scope, by: str) -> None:
    """Let nothing be planned of alerts that came before."""
    for stored in store.alerts.in_status(AlertStatus.RECEIVED, limit=_ALERTS):
        alert = stored.alert
        if (
            alert.intent is not Intent.EXIT
            and scope.strategy in (None, alert.strategy)
            and any(
                scope.tradingsymbol in (None, leg.tradingsymbol) for leg in alert.legs
            )
        ):
            outcome = f"{by} closed everything before it was planned"
            store.alerts.record(
                stored.alert_id, AlertStatus.SKIPPED, outcome=outcome, text=outcome
            )
