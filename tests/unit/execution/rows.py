"""What the tests of the order path do to rows, and look at in them."""

from __future__ import annotations

from decimal import Decimal

from shoonya_platform.brokers.base import BrokerPosition
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.orders import Order, OrderStatus, OrderTrigger
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.store.base import OrderStore

S, T = OrderStatus, OrderTrigger

INSTRUMENTS = Catalogue(catalogue_defaults())


def current(store: OrderStore, order: Order) -> Order:
    found = store.orders.get(order.order_id)
    assert found is not None
    return found


def status_of(store: OrderStore, order: Order) -> OrderStatus:
    return current(store, order).status


def state(store: OrderStore, order: Order) -> tuple[OrderStatus, int]:
    """Return the status and the quantity that is filled."""
    found = current(store, order)
    return found.status, found.filled_quantity


def triggers(store: OrderStore, order: Order) -> list[str]:
    return [event.trigger for event in store.orders.events(order_id=order.order_id)]


HALTED = "TRADING_HALTED: by=tests, reason=a test"
REDUCING = "TRADING_REDUCING: by=tests, reason=a test"


def set_trading(store: OrderStore, state: TradingState) -> None:
    with store.transaction(durable=True):
        store.trading.set(state, reason="a test", by="tests")


def broker_holds(order, quantity, *, product=None):
    return BrokerPosition(
        exchange=order.exchange,
        tradingsymbol=order.tradingsymbol,
        product=product or order.product,
        quantity=quantity,
        average_price=Decimal(100),
        last_price=None,
        realised_pnl=Decimal(0),
    )
