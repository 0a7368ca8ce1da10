"""Orders, trades and positions as the simulated market keeps them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from shoonya_platform.testing.noren.masters import Scrip

_ZERO = Decimal(0)
#: A working order's words; any other is its end.
OPEN, TRIGGER_PENDING, PENDING = "OPEN", "TRIGGER_PENDING", "PENDING"
COMPLETE, REJECTED, CANCELED = "COMPLETE", "REJECTED", "CANCELED"
WORKING = (OPEN, TRIGGER_PENDING, PENDING)
PRICE_TYPES = ("LMT", "MKT", "SL-LMT", "SL-MKT")
RETENTIONS = ("DAY", "IOC", "EOS")
PRODUCTS = ("C", "M", "I", "B", "H", "F")


class Order(msgspec.Struct, kw_only=True):
    """One order; it changes as the market goes on."""

    #: The market's own number; the one that is shown may be another order's too.
    key: int
    number: str
    exch: str
    tsym: str
    token: str
    trantype: str
    prd: str
    prctyp: str
    ret: str
    quantity: int
    price: Decimal = _ZERO
    trigger: Decimal = _ZERO
    remarks: str = ""
    disclosed: str = "0"
    is_amo: bool = False
    #: Distances of the exits of a bracket or cover order, in rupees.
    profit: Decimal = _ZERO
    loss: Decimal = _ZERO
    trail: str = ""
    #: Of an exit: its first order's number, and 0 for the profit, 1 for the loss.
    parent: str = ""
    leg: str = ""
    status: str = OPEN
    filled: int = 0
    value: Decimal = _ZERO
    reason: str = ""
    #: What the whole order would block.
    margin: Decimal = _ZERO
    is_triggered: bool = True
    held_until: datetime | None = None
    placed_at: datetime
    updated_at: datetime

    @property
    def is_working(self) -> bool:
        return self.status in WORKING

    @property
    def leaves(self) -> int:
        return self.quantity - self.filled

    @property
    def sign(self) -> int:
        return 1 if self.trantype == "B" else -1

    @property
    def average(self) -> Decimal:
        return self.value / self.filled if self.filled else _ZERO

    @property
    def needs_price(self) -> bool:
        return self.prctyp in ("LMT", "SL-LMT")

    @property
    def needs_trigger(self) -> bool:
        return self.prctyp.startswith("SL")

    @property
    def blocked(self) -> Decimal:
        """What it blocks beside what its fills do."""
        if not self.is_working:
            return _ZERO
        return self.margin * self.leaves / self.quantity

    @property
    def key_of_scrip(self) -> tuple[str, str]:
        return self.exch, self.tsym


class Trade(msgspec.Struct, kw_only=True, frozen=True):
    """A fill."""

    number: int
    order: int
    quantity: int
    price: Decimal
    at: datetime


class Position(msgspec.Struct, kw_only=True):
    """What is held of one instrument under one product."""

    exch: str
    tsym: str
    prd: str
    net: int = 0
    average: Decimal = _ZERO
    realised: Decimal = _ZERO
    buy_quantity: int = 0
    buy_value: Decimal = _ZERO
    sell_quantity: int = 0
    sell_value: Decimal = _ZERO

    def add(self, sign: int, quantity: int, price: Decimal, factor: Decimal) -> Decimal:
        """Take a fill; return what it gained, in rupees."""
        if sign > 0:
            self.buy_quantity += quantity
            self.buy_value += quantity * price
        else:
            self.sell_quantity += quantity
            self.sell_value += quantity * price
        gained = _ZERO
        closing = min(quantity, max(0, -self.net * sign))
        if closing:
            gained = (self.average - price) * closing * sign * factor
            self.net += sign * closing
        opening = quantity - closing
        if opening:
            held = abs(self.net)
            self.average = (self.average * held + price * opening) / (held + opening)
            self.net += sign * opening
        if not self.net:
            self.average = _ZERO
        self.realised += gained
        return gained


def position_margin(position: Position, scrip: Scrip | None) -> Decimal:
    return value_of(abs(position.net), position.average, scrip)


#: The share of a future's value that is blocked; an invented one, near the exchanges'.
FUTURES_MARGIN = Decimal("0.15")


def value_of(quantity: int, price: Decimal, scrip: Scrip | None) -> Decimal:
    """Return what a quantity at a price blocks: a future's margin, else its value."""
    if scrip is None:
        return quantity * price
    share = FUTURES_MARGIN if scrip.right == "XX" else Decimal(1)
    return quantity * price * scrip.factor * share
