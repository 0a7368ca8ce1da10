"""
Turns market orders into limit orders that trade at once, but not at any price.

Exchanges and Noren refuse plain market orders from programs.  The distance from the
last price follows what brokers of the field use; a limit never becomes a market
order again.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from shoonya_platform.domain.instruments import Instrument, Kind
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
    order: Order, last_price: Decimal | None, instrument: Instrument
) -> Protected | None:
    """
    Return what takes the place of a market order.

    Its limit is on a tick, rounded away from the last price: a BUY up, a SELL down,
    so that it protects the fill as much as the share of the price asks for.

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
    distance = reference * _share(instrument, reference)
    if order.side is Side.BUY:
        price = instrument.on_tick(reference + distance, ROUND_CEILING)
    else:
        price = max(
            instrument.on_tick(reference - distance, ROUND_FLOOR), instrument.tick_size
        )
    return Protected(order_type, price)


def _share(instrument: Instrument, price: Decimal) -> Decimal:
    shares = _OPTION_SHARES if instrument.kind is Kind.OPTION else _SHARES
    return next(share for limit, share in shares if price < limit)
