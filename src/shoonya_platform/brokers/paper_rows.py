"""What lies in the paper broker's books, and how it is read from them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shoonya_platform.brokers.base import BrokerOrder
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    Fill,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    TradeId,
)
from shoonya_platform.domain.positions import Position

#: Numbers are YYMMDD and eight digits.
NUMBERS_A_DAY = 10**8
_PAISE = Decimal("0.01")
_ZERO = Decimal(0)
_WORKING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOrder:
    """
    An order as the book has it.

    Prices are as the exchange quotes them; `filled_value` is the sum of quantity times
    price, for the average.  `margin` is in rupees.
    """

    number: int
    client_order_id: ClientOrderId | None
    exchange: Exchange
    tradingsymbol: str
    side: Side
    product: Product
    quantity: int
    order_type: OrderType
    price: Decimal | None
    trigger_price: Decimal | None
    time_in_force: TimeInForce
    status: OrderStatus
    #: Always true of an order without a trigger price.
    is_triggered: bool
    held_until: datetime | None
    filled_quantity: int
    filled_value: Decimal
    #: What the account must have for the whole quantity.
    margin: Decimal
    reason: str
    updated_at: datetime

    @property
    def broker_order_id(self) -> BrokerOrderId:
        return BrokerOrderId(f"{self.number:014d}")

    @property
    def is_working(self) -> bool:
        return self.status in _WORKING

    @property
    def leaves_quantity(self) -> int:
        return self.quantity - self.filled_quantity if self.is_working else 0

    @property
    def blocked(self) -> Decimal:
        """The margin that the order itself blocks; what is filled, positions do."""
        if not self.margin:
            return _ZERO
        return (self.margin * self.leaves_quantity / self.quantity).quantize(_PAISE)

    @property
    def claim(self) -> BrokerOrder:
        return BrokerOrder(
            broker_order_id=self.broker_order_id,
            client_order_id=self.client_order_id,
            exchange=self.exchange,
            tradingsymbol=self.tradingsymbol,
            side=self.side,
            product=self.product,
            quantity=self.quantity,
            status=self.status,
            filled_quantity=self.filled_quantity,
            average_price=(
                self.filled_value / self.filled_quantity
                if self.filled_quantity
                else None
            ),
            reason=self.reason,
            updated_at=self.updated_at,
            price=self.price,
            trigger_price=self.trigger_price,
        )


def first_number(moment: datetime) -> int:
    """Return the first order number of a moment's trading day."""
    day = int(f"{trading_day(moment):%y%m%d}")
    return day * NUMBERS_A_DAY + 1


def position_margin(position: Position) -> Decimal:
    """Return what a position blocks: its full value, as there is no leverage."""
    value = abs(position.quantity) * position.average_price * position.price_factor
    return value.quantize(_PAISE)


def decimal_text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def order_of(row: sqlite3.Row) -> PaperOrder:
    held_until = row["held_until"]
    return PaperOrder(
        number=row["number"],
        client_order_id=row["client_order_id"],
        exchange=Exchange(row["exchange"]),
        tradingsymbol=row["tradingsymbol"],
        side=Side(row["side"]),
        product=Product(row["product"]),
        quantity=row["quantity"],
        order_type=OrderType(row["order_type"]),
        price=_decimal(row["price"]),
        trigger_price=_decimal(row["trigger_price"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        status=OrderStatus(row["status"]),
        is_triggered=bool(row["is_triggered"]),
        held_until=None if held_until is None else datetime.fromisoformat(held_until),
        filled_quantity=row["filled_quantity"],
        filled_value=Decimal(row["filled_value"]),
        margin=Decimal(row["margin"]),
        reason=row["reason"],
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def fill_of(row: sqlite3.Row) -> Fill:
    return Fill(
        trade_id=TradeId(f"{row['trade_number']:014d}"),
        quantity=row["trade_quantity"],
        price=Decimal(row["trade_price"]),
        filled_at=datetime.fromisoformat(row["filled_at"]),
    )


def position_of(row: sqlite3.Row) -> Position:
    return Position(
        strategy="",
        exchange=Exchange(row["exchange"]),
        tradingsymbol=row["tradingsymbol"],
        product=Product(row["product"]),
        quantity=row["quantity"],
        average_price=Decimal(row["average_price"]),
        realised_pnl=Decimal(row["realised"]),
        price_factor=Decimal(row["price_factor"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
