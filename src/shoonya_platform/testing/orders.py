"""Parts for tests: alerts, orders in any status, fills."""

from __future__ import annotations

import itertools
import json
from collections import deque
from dataclasses import replace
from decimal import Decimal
from typing import Any

from shoonya_platform.domain.alert_form import decode, parse
from shoonya_platform.domain.alerts import Alert, AlertStatus, client_order_id
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    TRANSITIONS,
    AlertId,
    BrokerOrderId,
    Fill,
    Intent,
    NewOrder,
    Order,
    OrderStatus,
    OrderTrigger,
    OrderType,
    Side,
    TradeId,
)
from shoonya_platform.store.base import OrderStore
from shoonya_platform.testing.clock import BEGIN

#: A future of NSE without figures of its own: any quantity goes.
SYMBOL = "NIFTY28DEC27F"

_numbers = itertools.count(1)


def a_leg(tradingsymbol: str = SYMBOL, **fields: Any) -> dict[str, Any]:
    """Return a leg as an alert's JSON has it: BUY 65 at the market."""
    return {
        "tradingsymbol": tradingsymbol,
        "direction": "BUY",
        "qty": 65,
        "order_type": "MKT",
        "price": 0.0,
        **fields,
    }


def alert_body(*legs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """
    Return an alert's JSON in the form with `legs`: an entry of one leg.

    An exit closes all that is held: its legs lose the quantity that `a_leg` gives.
    """
    if fields.get("execution_type") == "exit":
        legs = tuple(
            {key: value for key, value in leg.items() if (key, value) != ("qty", 65)}
            for leg in legs or [a_leg()]
        )
    return {
        "execution_type": "entry",
        "strategy_name": "straddle",
        "exchange": "NFO",
        "legs": list(legs) or [a_leg()],
        **fields,
    }


def an_alert(*legs: dict[str, Any], **fields: Any) -> Alert:
    """Return an alert that is no duplicate of any other."""
    body = {"id": f"alert-{next(_numbers)}", **alert_body(*legs, **fields)}
    return parse(decode(json.dumps(body).encode()))


def an_alert_id() -> AlertId:
    """Return an id that no alert has yet."""
    return AlertId(f"A261125-{next(_numbers):08d}")


def a_new_order(alert_id: AlertId | None = None, **changes: Any) -> NewOrder:
    """Return an order: BUY 65 at the market, an entry of `straddle`, 100 rupees."""
    alert_id = alert_id or an_alert_id()
    leg = changes.get("leg", 1)
    order = NewOrder(
        client_order_id=client_order_id(
            alert_id, leg, changes.get("attempt", 1), changes.get("part", 1)
        ),
        alert_id=alert_id,
        leg=leg,
        strategy="straddle",
        intent=Intent.ENTRY,
        exchange=Exchange.NFO,
        tradingsymbol=SYMBOL,
        side=Side.BUY,
        quantity=65,
        order_type=OrderType.MARKET,
        product=Product.NRML,
        reference_price=Decimal(100),
    )
    return replace(order, **changes)


def a_fill(
    quantity: int = 65, price: Decimal | int | str = 100, **changes: Any
) -> Fill:
    """Return a trade with an id of its own."""
    fill = Fill(
        trade_id=TradeId(f"trade-{next(_numbers)}"),
        quantity=quantity,
        price=Decimal(price),
        filled_at=BEGIN,
    )
    return replace(fill, **changes)


def store_alert(store: OrderStore, alert: Alert | None = None) -> AlertId:
    """Store an alert, received at `BEGIN`; return its id."""
    with store.transaction(durable=False):
        alert_id, _ = store.alerts.add(
            alert or an_alert(), an_alert_id(), received_at=BEGIN
        )
    return alert_id


def store_order(
    store: OrderStore,
    status: OrderStatus = OrderStatus.INITIALIZED,
    *,
    filled_quantity: int = 0,
    **changes: Any,
) -> Order:
    """
    Store an order and walk it to a status.

    Without `alert_id` it gets an alert of its own, which is planned, and completed if
    the order is at an end.

    Args:
        filled_quantity: What to fill on the way, where the status permits it; an
            order that is PARTIALLY_FILLED has at least 1.

        changes: To `a_new_order`.
    """
    alert_id = changes.pop("alert_id", None)
    own_alert_id = None if alert_id else store_alert(store)
    alerted_at = changes.pop("alerted_at", BEGIN)
    with store.transaction(durable=False):
        order = store.orders.add(
            a_new_order(alert_id or own_alert_id, **changes), alerted_at=alerted_at
        )
        for trigger in path_to(status):
            if trigger in (OrderTrigger.PARTIALLY_FILLED, OrderTrigger.FILLED):
                order = _filled(store, order, status, filled_quantity)
                continue
            if trigger in _PENDING and filled_quantity:
                order = _filled(store, order, status, filled_quantity)
            order = store.orders.record(order, trigger)
            if trigger is OrderTrigger.ACCEPTED:
                number = BrokerOrderId(f"B{order.order_id}")
                order = store.orders.note_number(order, number, is_confirmed=True)
        if own_alert_id is not None:
            ended = AlertStatus.COMPLETED if order.is_closed else AlertStatus.PLANNED
            store.alerts.record(own_alert_id, ended, outcome="", text="")
    return order


#: What may have been filled in part before.
_PENDING = (OrderTrigger.CANCEL_REQUESTED, OrderTrigger.REPLACE_REQUESTED)


def _filled(
    store: OrderStore, order: Order, status: OrderStatus, quantity: int
) -> Order:
    if status is OrderStatus.FILLED:
        quantity = order.quantity
    after = store.orders.fill(order, a_fill(quantity or 1))
    if after is None:
        raise AssertionError("expected a fill of its own")
    return after


def path_to(status: OrderStatus) -> tuple[OrderTrigger, ...]:
    """
    Return the triggers that lead from INITIALIZED to a status, the usual way.

    An order is denied by risk_manager, canceled after it was accepted.
    """
    return _PATHS[status]


def _paths() -> dict[OrderStatus, tuple[OrderTrigger, ...]]:
    found: dict[OrderStatus, tuple[OrderTrigger, ...]] = {OrderStatus.INITIALIZED: ()}
    waiting = deque([OrderStatus.INITIALIZED])
    while waiting:
        begin = waiting.popleft()
        for (status, trigger), after in TRANSITIONS.items():
            if trigger is OrderTrigger.FOUND:
                continue
            if status is begin and after not in found:
                found[after] = (*found[begin], trigger)
                waiting.append(after)
    accepted = found[OrderStatus.ACCEPTED]
    ends = {
        OrderStatus.PARTIALLY_FILLED: OrderTrigger.PARTIALLY_FILLED,
        OrderStatus.FILLED: OrderTrigger.FILLED,
        OrderStatus.CANCELED: OrderTrigger.CANCELED,
        OrderStatus.EXPIRED: OrderTrigger.EXPIRED,
        OrderStatus.PENDING_REPLACE: OrderTrigger.REPLACE_REQUESTED,
        OrderStatus.PENDING_CANCEL: OrderTrigger.CANCEL_REQUESTED,
    }
    return found | {status: (*accepted, trigger) for status, trigger in ends.items()}


_PATHS = _paths()
