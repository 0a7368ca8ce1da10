"""
Makes a recording out of a day of the store.

The store keeps no ticks.  It knows the prices at which orders filled: those are the
day's prices, and for what filled at once they stand before the alert that caused it.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from shoonya_platform.config.settings import Settings
from shoonya_platform.domain.days import INDIA
from shoonya_platform.replay.recording import (
    SECTIONS,
    AlertEvent,
    Event,
    PriceEvent,
    Recording,
    RecordingError,
)
from shoonya_platform.store.base import OrderStore

#: What filled within this time of its alert filled at the price of that moment.
AT_ONCE = timedelta(seconds=5)

#: Who takes alerts from outside; the others are the platform's own, made anew.
_INTAKE = "execution_service"


def record(store: OrderStore, settings: Settings, day: date) -> Recording:
    """
    Return a day, in India, with the settings that decide about orders.

    Raises:
        RecordingError: No alert came that day.
    """
    begin = datetime.combine(day, time(0), tzinfo=INDIA)
    end = begin + timedelta(days=1)
    events: list[Event] = list(_prices(store, begin, end))
    alerts = [
        AlertEvent(
            line=0,
            at=stored.received_at.astimezone(INDIA),
            body=msgspec.json.decode(stored.alert.body),
        )
        for stored in store.alerts.received_between(begin, end)
        if store.orders.events(alert_id=stored.alert_id)[0].service == _INTAKE
    ]
    if not alerts:
        raise RecordingError(
            f"no alert came on {day}", hint="see the days: shoonyactl order list"
        )
    # Of two things at one moment the price comes first.
    events = sorted([*events, *alerts], key=lambda event: event.at)
    return Recording(settings=_settings(settings), events=tuple(events))


def _prices(store: OrderStore, begin: datetime, end: datetime) -> list[PriceEvent]:
    prices = []
    for order_id, fill in store.orders.fills_between(begin, end):
        order = store.orders.get(order_id)
        if order is None:
            continue
        at = fill.filled_at
        if at - order.alerted_at <= AT_ONCE:
            at = order.alerted_at
        prices.append(
            PriceEvent(
                line=0,
                at=at.astimezone(INDIA),
                exchange=order.exchange,
                tradingsymbol=order.tradingsymbol,
                price=fill.price,
            )
        )
    return prices


def _settings(settings: Settings) -> dict[str, dict[str, Any]]:
    every = msgspec.to_builtins(settings, enc_hook=str, builtin_types=(Decimal,))
    return {name: _without_none(every[name]) for name in SECTIONS}


def _without_none(section: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in section.items()
        if value is not None
    }
