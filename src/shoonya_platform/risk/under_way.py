"""Which positions no exit is closing."""

from __future__ import annotations

from collections.abc import Iterable

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.discrepancies import DiscrepancyKind, refused_holding
from shoonya_platform.domain.exits import ExitKind, exit_kind
from shoonya_platform.domain.orders import OPEN, Intent, Order
from shoonya_platform.domain.positions import Position
from shoonya_platform.store.base import OrderStore

#: Seconds until what an exit has not closed is exited once more.
EXIT_AGAIN_SECONDS = 60.0

#: Waiting alerts looked at for exits; a longer queue has other troubles.
ALERTS = 200


def without_exit(store: OrderStore, positions: Iterable[Position]) -> list[Position]:
    """
    Return the positions that need an exit.

    A target or a stop that rests is none: another exit takes it over.  Nor does it
    help to send one that was refused as often as it may be; a person has to look, or
    acknowledge it.
    """
    under_way = {
        (order.strategy, order.exchange, order.tradingsymbol, order.product)
        for order in store.orders.in_status(*sorted(OPEN))
        if order.intent is Intent.EXIT and _is_market(store, order)
    }
    waiting = {
        (stored.alert.strategy, stored.alert.exchange)
        for stored in store.alerts.in_status(AlertStatus.RECEIVED, limit=ALERTS)
        if stored.alert.intent is Intent.EXIT
    }
    refused = {
        found.subject
        for found in store.discrepancies.unresolved(DiscrepancyKind.EXIT_REFUSED)
    }
    return [
        position
        for position in positions
        if (position.strategy, position.exchange) not in waiting
        and refused_holding(
            position.strategy,
            position.exchange,
            position.tradingsymbol,
            position.product,
        )
        not in refused
        and (
            position.strategy,
            position.exchange,
            position.tradingsymbol,
            position.product,
        )
        not in under_way
    ]


def _is_market(store: OrderStore, order: Order) -> bool:
    stored = store.alerts.get(order.alert_id)
    return exit_kind(order, None if stored is None else stored.alert) is ExitKind.MARKET
