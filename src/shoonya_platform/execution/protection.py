"""
Turns market orders into limit orders that trade at once, but not at any price.

Exchanges and Noren refuse plain market orders from programs.  The distance from the
last price follows what brokers of the field use; a limit never becomes a market
order again.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from shoonya_platform.domain.catalogue import Kind, parse_symbol
from shoonya_platform.domain.orders import Order, OrderType, Side

#: Up to which price, in rupees, which share of it; the last holds above.
_SHARES = (
    (Decimal(100), Decimal("0.02")),
    (Decimal(500), Decimal("0.01")),
    (Decimal("Infinity"), Decimal("0.005")),
)
_OPTION_SHARES = (
    (Decimal(10), Decimal("0.05")),
    (Decimal(100), Decimal("0.03")),
    (Decimal(500), Decimal("0.02")),
    (Decimal("Infinity"), Decimal("0.01")),
)


@dataclass(frozen=True, slots=True)
class Protected:
    """The order type and the limit, in rupees, that take a market order's place."""

    order_type: OrderType
    price: Decimal


def protect(
    order: Order, last_price: Decimal | None, tick_size: Decimal
) -> Protected | None:
    """
    Return what takes the place of a market order.

    Args:
        last_price: In rupees; a stop order goes by its trigger instead.

    Returns:
        None for an order that has a limit, or when no price is known.
    """
    if order.order_type is OrderType.STOP_MARKET:
        reference = order.trigger_price
        order_type = OrderType.STOP_LIMIT
    elif order.order_type is OrderType.MARKET:
        reference = last_price
        order_type = OrderType.LIMIT
    else:
        return None
    if reference is None:
        return None
    distance = reference * _share(order, reference)
    if order.side is Side.BUY:
        price = _on_tick(reference + distance, tick_size, ROUND_CEILING)
    else:
        price = max(_on_tick(reference - distance, tick_size, ROUND_FLOOR), tick_size)
    return Protected(order_type, price)


def _share(order: Order, price: Decimal) -> Decimal:
    symbol = parse_symbol(order.exchange, order.tradingsymbol)
    is_option = symbol is not None and symbol.kind is Kind.OPTION
    shares = _OPTION_SHARES if is_option else _SHARES
    return next(share for limit, share in shares if price < limit)


def _on_tick(price: Decimal, tick_size: Decimal, rounding: str) -> Decimal:
    return (price / tick_size).to_integral_value(rounding) * tick_size
