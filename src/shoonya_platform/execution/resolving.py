"""Finds the instruments of an alert, with what its strategy holds in mind."""

from __future__ import annotations

from datetime import datetime

from shoonya_platform.domain.alert_instruments import with_instruments
from shoonya_platform.domain.alerts import Alert
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.orders import Intent
from shoonya_platform.domain.ticker_map import TickerMap
from shoonya_platform.store.base import OrderStore


def resolved(
    alert: Alert, store: OrderStore, tickers: TickerMap, now: datetime
) -> Alert:
    """
    Return the alert with exchange and symbols as the broker writes them.

    Raises:
        AlertRefused: It names no instrument, or several exchanges.
    """
    held = set()
    if alert.intent is not Intent.ENTRY:
        held = {
            (position.exchange, position.tradingsymbol)
            for position in store.positions.open()
            if position.strategy == alert.strategy
        }
    return with_instruments(alert, tickers, trading_day(now), held)
