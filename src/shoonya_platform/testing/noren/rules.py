"""
What the account and its exchange do not take, and in whose words.

An exchange's refusal begins with `EXCH:`, the risk system's with `RED:`.  The text for
a tick is the exchanges' own; the others are near it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal

from shoonya_platform.testing.noren.figures import FREEZE
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.orders import Order
from shoonya_platform.testing.noren.prices import Band
from shoonya_platform.testing.noren.words import INDIA, india_day, plain

OFF_TICK = "EXCH:16283:The order price is not multiple of the tick size"
MARKET_CLOSED = "RED:Market is closed"
CASH = ("NSE", "BSE")
#: When each exchange trades, on weekdays in India.
SESSIONS = {
    **dict.fromkeys(("NSE", "BSE", "NFO", "BFO"), (time(9, 15), time(15, 30))),
    "CDS": (time(9), time(17)),
    "MCX": (time(9), time(23, 30)),
}


@dataclass(slots=True, kw_only=True)
class AccountRules:
    """What the account and its exchange allow, changeable at any time."""

    #: Plain market orders by API are rejected, as since April 2026.
    market_orders: bool = True
    #: Whether the exchanges are open; orders are rejected while they are not.
    is_open: bool = True
    #: Whether they are open at their own hours only.
    session_hours: bool = False
    #: Expired contracts are refused.
    expiry: bool = True
    #: Orders beyond the day's band are rejected.
    band: bool = True
    #: Orders and cancels a second, more are refused; 0 is no limit.
    orders_per_second: int = 0
    #: Products as the log-in's `prarr` has them: cash and derivatives.
    cash_products: str = "CIBH"
    derivative_products: str = "MIBH"

    def products(self, exchange: str) -> str:
        return self.cash_products if exchange in CASH else self.derivative_products

    def has_session(self, exchange: str, now: datetime) -> bool:
        """Tell whether an exchange takes orders at a moment."""
        if not self.is_open:
            return False
        if not self.session_hours:
            return True
        local = now.astimezone(INDIA)
        begin, end = SESSIONS[exchange]
        return local.weekday() < 5 and begin <= local.time() < end

    def prarr(self) -> list[dict[str, object]]:
        """Return the log-in's list of products."""
        names = {"C": "CNC", "M": "NRML", "I": "MIS", "B": "BO", "H": "CO", "F": "MTF"}
        found: list[dict[str, object]] = []
        for code, name in names.items():
            exchanges = [each for each in SESSIONS if code in self.products(each)]
            if exchanges:
                found.append({"prd": code, "s_prdt_ali": name, "exch": exchanges})
        return found


def freeze_quantity(scrip: Scrip) -> int | None:
    """Return the largest quantity of one order; None where none is known."""
    return FREEZE.get(scrip.root) if scrip.is_derivative else None


def rejection(
    order: Order, scrip: Scrip, rules: AccountRules, band: Band, now: datetime
) -> str | None:
    """Say why an order that was read is not taken, None if it is."""
    if order.prd not in rules.products(order.exch):
        return f"RED:Product {order.prd} is not enabled for {order.exch}"
    if rules.expiry and scrip.expiry is not None and scrip.expiry < india_day(now):
        return f"EXCH:16115:The contract has expired on {scrip.expiry:%d-%m-%Y}"
    if not rules.market_orders and order.prctyp in ("MKT", "SL-MKT"):
        return "RED:Market orders are not allowed through API"
    if order.quantity % scrip.lot_size:
        return (
            f"EXCH:16387:The order quantity {order.quantity} is not multiple of the "
            f"board lot {scrip.lot_size}"
        )
    freeze = freeze_quantity(scrip)
    if freeze is not None and order.quantity > freeze:
        return f"RED:Order quantity {order.quantity} exceeds freeze quantity {freeze}"
    return _price_rejection(order, scrip, band if rules.band else (None, None))


def _price_rejection(order: Order, scrip: Scrip, band: Band) -> str | None:
    lower, upper = band
    prices = [order.price] if order.needs_price else []
    prices += [order.trigger] if order.needs_trigger else []
    for price in prices:
        if price % scrip.tick_size:
            return OFF_TICK
        if (lower is not None and price < lower) or (
            upper is not None and price > upper
        ):
            return (
                f"RED:Order price {plain(price)} is outside the circuit limits "
                f"{plain(lower or Decimal(0))} to {plain(upper or Decimal(0))}"
            )
    if len(prices) == 2 and (order.price - order.trigger) * order.sign < 0:
        return (
            f"RED:Trigger price {plain(order.trigger)} lies beyond the limit price "
            f"{plain(order.price)}"
        )
    return None
