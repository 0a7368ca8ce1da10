"""From any id, of whatever kind, to the order or the alert that has it."""

from __future__ import annotations

from shoonya_platform.domain.orders import (
    AlertId,
    BrokerOrderId,
    ClientOrderId,
    Order,
    OrderId,
    TradeId,
)
from shoonya_platform.errors import NotFound
from shoonya_platform.store.base import OrderStore


def find(store: OrderStore, name: str) -> OrderId | AlertId:
    """
    Return the order or the alert that has an id, whichever kind of id it is.

    Args:
        name: An alert's id, a client order id, the broker's number of an order or
            of a trade, or our own number.

    Raises:
        NotFound: Nothing has it.
    """
    stored = store.alerts.get(AlertId(name))
    if stored is not None:
        return stored.alert_id
    try:
        return find_order(store, name).order_id
    except NotFound as e:
        raise NotFound(
            f"no alert and no order has the id '{name[:80]}'", hint=e.hint
        ) from e


def find_order(store: OrderStore, name: str) -> Order:
    """
    Return an order by any of its ids.

    Raises:
        NotFound: No order has this id.
    """
    orders = store.orders
    found = orders.by_client_order_id(ClientOrderId(name))
    if found is None:
        found = orders.by_broker_order_id(BrokerOrderId(name))
    if found is None:
        found = orders.by_trade_id(TradeId(name))
    if found is None and name.isascii() and name.isdigit() and len(name) < 19:
        found = orders.get(OrderId(int(name)))
    if found is None:
        raise NotFound(
            f"no order has the id '{name[:80]}'",
            hint="see the newest: shoonyactl order list",
        )
    return found
