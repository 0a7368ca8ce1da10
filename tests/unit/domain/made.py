"""Orders and positions as a store would return them, without a store."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import NewOrder, Order, OrderId, OrderStatus
from shoonya_platform.domain.positions import Position
from shoonya_platform.testing.orders import SYMBOL, a_new_order

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def an_order(number: int = 1, **changes: Any) -> Order:
    """Return an order: BUY 100 at the market, INITIALIZED, nothing filled."""
    stored: dict[str, Any] = {
        "order_id": OrderId(number),
        "status": OrderStatus.INITIALIZED,
        "broker_order_id": None,
        "filled_quantity": 0,
        "overfilled_quantity": 0,
        "average_price": None,
        "reason": "",
        "alerted_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    stored |= {name: changes.pop(name) for name in stored.keys() & changes.keys()}
    new = a_new_order(**{"quantity": 100, **changes})
    return Order(
        **stored, **{name: getattr(new, name) for name in NewOrder.__dataclass_fields__}
    )


def held(
    quantity: int,
    tradingsymbol: str = SYMBOL,
    average: int = 100,
    last: int | str | None = None,
    **changes: Any,
) -> Position:
    """Return a position of `straddle`, as `an_order` would change it."""
    return Position(
        **{
            "strategy": "straddle",
            "exchange": Exchange.NFO,
            "tradingsymbol": tradingsymbol,
            "product": Product.NRML,
            "quantity": quantity,
            "average_price": Decimal(average),
            "last_price": None if last is None else Decimal(last),
            **changes,
        }
    )
