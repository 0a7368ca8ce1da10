"""What is held, on its way and made today, read from the store for the rules."""

from __future__ import annotations

from datetime import datetime

from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.orders import Order
from shoonya_platform.domain.positions import ZERO
from shoonya_platform.risk.day_watch import losing_days
from shoonya_platform.risk.limits import RiskBook, RiskLimits
from shoonya_platform.store.base import OrderStore


def day_book(
    store: OrderStore, limits: RiskLimits, now: datetime, working: list[Order]
) -> RiskBook:
    """
    Return the book of the day that it is at *now*.

    Args:
        working: The orders whose value counts as being entered.
    """
    today = trading_day(now)
    day = store.risk.day(today)
    return RiskBook(
        positions=store.positions.open(),
        working=working,
        realised_today=store.positions.realised_on(today),
        best_pnl=ZERO if day is None else day.best_pnl,
        orders_today=store.orders.passed_on(today),
        losing_days=losing_days(store.risk.days_before(today, limit=limits.loss_days)),
    )
