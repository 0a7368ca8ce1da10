"""
The broker's own records against what the alerts asked.

Nothing of the platform's books counts here but which alert an order was for: what was
filled is what the broker says, so an order that the platform never heard of counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from shoonya_platform.domain.alerts import StoredAlert
from shoonya_platform.domain.legs import ordering_of
from shoonya_platform.domain.orders import AlertId, ClientOrderId, Order, OrderStatus
from shoonya_platform.store.base import OrderStore
from tests.chaos.traffic import Traffic
from tests.chaos.worlds import World

#: Units of each leg, as `tests.acceptance.platform.entry` asks.
ASKED = 65
_ALL = 10**6


@dataclass(slots=True)
class Count:
    """What the broker filled."""

    legs: int = 0  #: of entries and exits, that the broker filled at all
    overfilled: int = 0  #: of these, beyond what was asked
    excess: int = 0  #: units beyond it
    closed: int = 0  #: units that the platform closed by itself
    #: Instruments whose position is not what was asked, each a sentence.
    wrong: list[str] = field(default_factory=list)


def count(world: World, store: OrderStore, traffic: Traffic) -> Count:
    """Count; the platform should be at rest."""
    orders = store.orders.recent(limit=_ALL)
    ours = {order.client_order_id: order for order in orders}
    sent = set(traffic.all())
    # The others close what a leg had too much.
    ordering = {order.order_id for order in ordering_of_each(orders)}
    found = Count()
    there: Counter[str] = Counter()
    legs: Counter[tuple[AlertId, int]] = Counter()
    for claim in world.orders():
        there[claim.tradingsymbol] += claim.side.sign * claim.filled_quantity
        order = ours.get(claim.client_order_id or ClientOrderId(""))
        if order is None or not claim.filled_quantity:
            continue
        if order.alert_id in sent and order.order_id in ordering:
            legs[order.alert_id, order.leg] += claim.filled_quantity
        else:
            found.closed += claim.filled_quantity
    found.legs = len(legs)
    beyond = [filled - ASKED for filled in legs.values() if filled > ASKED]
    found.overfilled, found.excess = len(beyond), sum(beyond)
    asked = _asked(store.alerts.recent(limit=_ALL), orders, traffic)
    for symbol in sorted({*there, *asked}):
        if there[symbol] != asked[symbol]:
            found.wrong.append(
                f"{symbol}: {there[symbol]} at the broker, {asked[symbol]} were asked"
            )
    return found


def ordering_of_each(orders: list[Order]) -> list[Order]:
    """Return the orders that do what their alerts asked for."""
    alerts: dict[AlertId, list[Order]] = {}
    for order in orders:
        alerts.setdefault(order.alert_id, []).append(order)
    return [order for each in alerts.values() for order in ordering_of(each)]


def _asked(
    alerts: list[StoredAlert], orders: list[Order], traffic: Traffic
) -> Counter[str]:
    """Return the position that the alerts ask for, by instrument."""
    undone = {
        entry
        for entry in traffic.entries.values()
        if any(f":undo-{entry}" in each.alert.dedupe_key for each in alerts)
    }
    filled = {
        (order.alert_id, order.leg)
        for order in orders
        if order.status is OrderStatus.FILLED
    }
    asked: Counter[str] = Counter()
    for number, entry in traffic.entries.items():
        is_whole = all((entry, leg) in filled for leg in (1, 2))
        # Half an entry, or one that has exited, is to be closed again.
        if number in traffic.exits or entry in undone or not is_whole:
            continue
        for symbol in traffic.legs(number):
            asked[symbol] -= ASKED
    return asked
