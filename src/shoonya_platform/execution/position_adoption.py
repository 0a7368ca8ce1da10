"""
Brings our book in line with the broker's positions, for a person who says so.

A position that was opened or closed without us, from the broker's app or by its own
square-off, is booked as an order that was filled elsewhere: so the position, the day's
result and the order's story explain it.  Nothing is sent.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shoonya_platform.brokers.base import BrokerPosition
from shoonya_platform.domain.alert_form import parse
from shoonya_platform.domain.alerts import AlertStatus, alert_id, client_order_id
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    OPEN,
    Fill,
    Intent,
    NewOrder,
    Order,
    OrderType,
    Side,
    TradeId,
)
from shoonya_platform.errors import NotAllowed
from shoonya_platform.store.base import OrderStore

#: The strategy of what no strategy of ours holds.
STRATEGY = "recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One instrument and product of which the broker holds something else."""

    exchange: Exchange
    tradingsymbol: str
    product: Product
    ours: dict[str, int]  #: by strategy, signed, in units
    theirs: int
    price: Decimal | None  #: the broker's last price or average, in rupees

    @property
    def missing(self) -> int:
        """What our book has to gain, signed."""
        return self.theirs - sum(self.ours.values())


def differences(
    store: OrderStore, positions: Iterable[BrokerPosition]
) -> list[Difference]:
    """Return where the broker's net positions are not ours."""
    theirs: dict[tuple[Exchange, str, Product], int] = defaultdict(int)
    prices: dict[tuple[Exchange, str, Product], Decimal | None] = {}
    for position in positions:
        key = (position.exchange, position.tradingsymbol, position.product)
        theirs[key] += position.quantity
        prices[key] = position.last_price or position.average_price or None
    ours: dict[tuple[Exchange, str, Product], dict[str, int]] = defaultdict(dict)
    for held in store.positions.open():
        key = (held.exchange, held.tradingsymbol, held.product)
        ours[key][held.strategy] = held.quantity
        prices.setdefault(key, held.last_price or held.average_price)
    return [
        Difference(
            exchange=key[0],
            tradingsymbol=key[1],
            product=key[2],
            ours=ours[key],
            theirs=theirs[key],
            price=prices.get(key),
        )
        for key in sorted({*theirs, *ours})
        if theirs[key] != sum(ours[key].values())
    ]


def adopt(
    store: OrderStore, found: Difference, strategy: str, *, by: str, at: datetime
) -> Order:
    """
    Book what a difference lacks as a strategy's; return the order that explains it.

    Raises:
        NotAllowed: The difference is not shown (a position book may be a minute old),
            orders of the instrument are under way, or no price is known.
    """
    where = f"{found.exchange}:{found.tradingsymbol}"
    subject = f"{where} {found.product}"
    shown = store.discrepancies.unresolved(DiscrepancyKind.POSITION_DIFFERS)
    if subject not in {each.subject for each in shown}:
        raise NotAllowed(
            f"recovery_service does not show that {subject} differs",
            hint="the broker's book may be a minute old: try again then",
        )
    working = [
        order.order_id
        for order in store.orders.in_status(*sorted(OPEN))
        if f"{order.exchange}:{order.tradingsymbol}" == where
    ]
    if working:
        raise NotAllowed(
            f"order {working[0]} of {where} is under way",
            hint=f"wait for it, or cancel it: shoonyactl order cancel {working[0]}",
        )
    if found.price is None:
        raise NotAllowed(
            f"no price of {where} is known", hint="try again once it has traded"
        )
    with store.transaction(durable=True):
        return _book(store, found, strategy, found.price, by=by, at=at)


def _book(
    store: OrderStore,
    found: Difference,
    strategy: str,
    price: Decimal,
    *,
    by: str,
    at: datetime,
) -> Order:
    side = Side.BUY if found.missing > 0 else Side.SELL
    quantity = abs(found.missing)
    new_id = alert_id(at, secrets.token_bytes(5))
    text = f"adopted by {by}: the broker holds {found.theirs}"
    alert = parse(
        {
            "execution_type": Intent.ADJUST.value,
            "strategy_name": strategy,
            "exchange": found.exchange.value,
            "dedupe_id": f"adopt-{new_id}",
            "legs": [
                {
                    "tradingsymbol": found.tradingsymbol,
                    "direction": side.value,
                    "qty": quantity,
                    "product_type": found.product.value,
                }
            ],
        }
    )
    store.alerts.add(alert, new_id, received_at=at)
    store.alerts.record(new_id, AlertStatus.COMPLETED, outcome=text, text=text)
    held = store.positions.get(strategy, found.exchange, found.tradingsymbol)
    factor = next((p.price_factor for p in held), Decimal(1))
    order = store.orders.adopt(
        NewOrder(
            client_order_id=client_order_id(new_id, 1, 1),
            alert_id=new_id,
            leg=1,
            strategy=strategy,
            intent=Intent.ADJUST,
            exchange=found.exchange,
            tradingsymbol=found.tradingsymbol,
            side=side,
            quantity=quantity,
            order_type=OrderType.MARKET,
            product=found.product,
            reference_price=price,
            price_factor=factor,
        ),
        None,
        alerted_at=at,
        text=text,
    )
    fill = Fill(
        trade_id=TradeId(f"adopt-{new_id}"),
        quantity=quantity,
        price=price,
        filled_at=at,
    )
    store.discrepancies.resolve(
        DiscrepancyKind.POSITION_DIFFERS,
        f"{found.exchange}:{found.tradingsymbol} {found.product}",
    )
    return store.orders.fill(order, fill) or order
