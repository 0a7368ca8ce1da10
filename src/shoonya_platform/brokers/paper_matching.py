"""
What happens to an order at the paper exchange.

There is no other side: whatever touches the last price trades at once.  An order
that arrives trades at the last price, as the first in line for what is there; one
that rested trades at its own limit, as the one that was waiting.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.brokers.paper_book import Book
from shoonya_platform.brokers.paper_rows import PaperOrder, first_number
from shoonya_platform.domain.instruments import Instrument, PriceBand
from shoonya_platform.domain.orders import OrderStatus, OrderType, Side, TimeInForce

#: Why an order expired.
DAY_ENDED = "the trading day ended"


def refusal(order: PlaceOrder, instrument: Instrument | None) -> str | None:
    """Say why an order cannot even be read, as the broker does at once."""
    if instrument is None:
        return f"Invalid Input : no instrument {order.exchange}:{order.tradingsymbol}"
    if order.quantity <= 0:
        return f"Invalid Input : quantity {order.quantity}"
    for name, needed, value in (
        ("price", order.order_type.needs_price, order.price),
        ("trigger price", order.order_type.needs_trigger, order.trigger_price),
    ):
        if needed and value is None:
            return f"Invalid Input : {name} missing"
        if needed and value is not None and not (value.is_finite() and value > 0):
            return f"Invalid Input : {name} {value}"
    return None


def rejection(order: PlaceOrder, instrument: Instrument, band: PriceBand) -> str | None:
    """Say why the exchange does not take an order that the broker took."""
    if order.quantity % instrument.lot_size:
        return (
            f"RED:quantity {order.quantity} is not a multiple of the lot size "
            f"{instrument.lot_size}"
        )
    largest = instrument.largest_quantity
    if largest is not None and order.quantity > largest:
        return (
            f"RED:quantity {order.quantity} exceeds the freeze quantity, at most "
            f"{largest} in one order"
        )
    price = order.price if order.order_type.needs_price else None
    trigger = order.trigger_price if order.order_type.needs_trigger else None
    for name, value in (("price", price), ("trigger price", trigger)):
        if value is not None and value % instrument.tick_size:
            return (
                f"RED:{name} {value} is not a multiple of the tick size "
                f"{instrument.tick_size}"
            )
        if value is not None and not band.has(value):
            return f"RED:{name} {value} lies outside {band.lower} to {band.upper}"
    if price is not None and trigger is not None:
        beyond = price < trigger if order.side is Side.BUY else price > trigger
        if beyond:
            return f"RED:trigger price {trigger} lies beyond the limit price {price}"
    return None


def margin_needed(
    book: Book,
    order: PlaceOrder,
    price: Decimal,
    price_factor: Decimal,
    *,
    apart_from: int = 0,
) -> Decimal:
    """
    Return what an order blocks: the full value of what does not close a position.

    Orders that are already working towards closing it have the first claim.

    Args:
        apart_from: The number of the order itself, if it is working already.
    """
    held = book.position(order.exchange, order.tradingsymbol, order.product).quantity
    closing = max(0, -held * order.side.sign)
    if closing:
        closing -= sum(
            other.leaves_quantity
            for other in book.working(order.exchange, order.tradingsymbol)
            if other.side is order.side
            and other.product is order.product
            and other.number != apart_from
        )
    return max(0, order.quantity - max(0, closing)) * price * price_factor


def advance(
    book: Book,
    order: PaperOrder,
    price: Decimal | None,
    *,
    is_arriving: bool,
    max_fill_quantity: int,
) -> None:
    """
    Take one step with an order: expire, trigger, fill once, as the price has it.

    Args:
        price: The last one.

        is_arriving: This is the order's first step.

        max_fill_quantity: Of this step, in units; 0 is no limit.
    """
    if is_overdue(order, book.now):
        book.end(order, OrderStatus.EXPIRED, DAY_ENDED)
        return
    if price is None or _is_held(order, book.now):
        return
    if not order.is_triggered and _triggers(order, price):
        order = book.trigger(order)
        is_arriving = True
    if order.is_triggered:
        at = _trade_price(order, price, is_arriving=is_arriving)
        if at is not None:
            quantity = order.leaves_quantity
            if max_fill_quantity:
                quantity = min(quantity, max_fill_quantity)
            order = book.fill(order, quantity, at)
    if order.is_working and order.time_in_force is TimeInForce.IOC:
        book.end(order, OrderStatus.CANCELED, "IOC: not filled at once")


def is_overdue(order: PaperOrder, now: datetime) -> bool:
    """Tell whether an order's trading day has ended with the order still working."""
    return order.is_working and order.number < first_number(now)


def _is_held(order: PaperOrder, now: datetime) -> bool:
    return order.held_until is not None and now < order.held_until


def _triggers(order: PaperOrder, price: Decimal) -> bool:
    if order.trigger_price is None:
        return True
    if order.side is Side.BUY:
        return price >= order.trigger_price
    return price <= order.trigger_price


def _trade_price(
    order: PaperOrder, last: Decimal, *, is_arriving: bool
) -> Decimal | None:
    if order.price is None or order.order_type in (
        OrderType.MARKET,
        OrderType.STOP_MARKET,
    ):
        return last
    touched = last <= order.price if order.side is Side.BUY else last >= order.price
    if not touched:
        return None
    return last if is_arriving else order.price
