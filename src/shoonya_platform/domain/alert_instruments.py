"""Puts the broker's instruments in place of the names that an alert has for them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date

from shoonya_platform.domain.alerts import Alert, Leg
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.products import default_product
from shoonya_platform.domain.ticker_map import Holding, TickerMap
from shoonya_platform.errors import AlertRefused


def with_instruments(
    alert: Alert, tickers: TickerMap, today: date, held: Collection[Holding]
) -> Alert:
    """
    Return the alert with exchange and symbols as the broker writes them.

    Args:
        held: What its strategy holds, if it may close or change that.

    Raises:
        AlertRefused: A leg names nothing, or the legs are of several exchanges.
    """
    found = [
        _resolved(alert, number, leg, tickers, today, held)
        for number, leg in enumerate(alert.legs)
    ]
    exchange = found[0][0]
    for number, (other, _) in enumerate(found):
        if other is not exchange:
            raise AlertRefused(
                "EXCHANGES_DIFFER",
                f"legs[{number}]: it is of {other}, and the first leg is of {exchange}",
                hint="send an alert for each exchange",
            )
    return replace(
        alert,
        exchange=exchange,
        legs=tuple(
            _leg(alert, leg, exchange, symbol)
            for leg, (_, symbol) in zip(alert.legs, found, strict=True)
        ),
    )


def _resolved(
    alert: Alert,
    number: int,
    leg: Leg,
    tickers: TickerMap,
    today: date,
    held: Collection[Holding],
) -> Holding:
    try:
        return tickers.resolve(alert.exchange, leg.tradingsymbol, today, held)
    except AlertRefused as e:
        where = f"legs[{number}]." if len(alert.legs) > 1 else ""
        raise AlertRefused(
            e.code, f"{where}tradingsymbol: {e.message}", hint=e.hint
        ) from e


def _leg(alert: Alert, leg: Leg, exchange: Exchange, symbol: str) -> Leg:
    if (exchange, symbol) == (alert.exchange, leg.tradingsymbol):
        return leg
    return replace(
        leg,
        tradingsymbol=symbol,
        received=f"{alert.exchange}:{leg.tradingsymbol}",
        # A default goes by the segment, which is known only now.
        product=(
            leg.product
            if leg.names_product
            else default_product(exchange, leg.side, alert.intent)
        ),
    )
