"""
Bracket and cover orders: exits that rest beside each other once an order has filled.

The exits of a buy are sells: one at a profit of `bpprc`, one that stops a loss of
`blprc`.  When one of them fills, the other is canceled.
"""

from __future__ import annotations

from decimal import Decimal

from shoonya_platform.testing.noren import orders
from shoonya_platform.testing.noren.market import Market
from shoonya_platform.testing.noren.orders import Order

PROFIT, LOSS = "0", "1"


def after_fill(market: Market, order: Order) -> None:
    """Place the exits of an order that has filled; cancel the other of two exits."""
    if order.prd not in ("B", "H") or order.status != orders.COMPLETE:
        return
    if order.parent:
        for other in exits_of(market, order.parent):
            market.end(other, orders.CANCELED)
        return
    price = order.average
    if order.prd == "B":
        profit = price + order.profit * order.sign
        market.add(_exit(market, order, PROFIT, "LMT", profit, Decimal(0)))
    stop = price - order.loss * order.sign
    market.add(_exit(market, order, LOSS, "SL-MKT", Decimal(0), stop))


def exits_of(market: Market, parent: str) -> list[Order]:
    return [order for order in market.working() if order.parent == parent]


def exit_all(market: Market, order: Order) -> None:
    """Cancel an order or its exits, and close what was held at the market."""
    parent = order.parent or order.number
    first = market.find(parent)
    if first is None:
        return
    resting = exits_of(market, parent)
    for each in resting:
        market.end(each, orders.CANCELED)
    if first.is_working:
        market.end(first, orders.CANCELED)
    if resting:
        closing = _exit(market, first, LOSS, "MKT", Decimal(0), Decimal(0))
        market.add(closing)


def _exit(
    market: Market, of: Order, leg: str, prctyp: str, price: Decimal, trigger: Decimal
) -> Order:
    key = market.next_key()
    waits = bool(trigger)
    return Order(
        key=key,
        number=f"{key:014d}",
        exch=of.exch,
        tsym=of.tsym,
        token=of.token,
        trantype="S" if of.trantype == "B" else "B",
        prd=of.prd,
        prctyp=prctyp,
        ret="DAY",
        quantity=of.filled,
        price=price,
        trigger=trigger,
        remarks=of.remarks,
        parent=of.number,
        leg=leg,
        status=orders.TRIGGER_PENDING if waits else orders.OPEN,
        is_triggered=not waits,
        placed_at=of.updated_at,
        updated_at=of.updated_at,
    )
