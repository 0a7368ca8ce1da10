"""
Charts: TPSeries, EODChartData.

There is no history here: candles wander around the last price, the same ones for the
same instrument and time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from shoonya_platform.testing.noren.books import price_text
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.rules import SESSIONS
from shoonya_platform.testing.noren.words import (
    Row,
    exchange_time,
    india_day,
    india_moment,
    to_tick,
)

INTERVALS = ("1", "3", "5", "10", "15", "30", "60", "120", "240")
_MOST = 2000


def candles(scrip: Scrip, last: Decimal, asked: Row, now: datetime) -> list[Row]:
    """
    Return TPSeries' answer, newest first.

    Raises:
        ValueError: A time or the interval cannot be.
    """
    interval = asked.get("intrv", "1")
    if interval not in INTERVALS:
        raise ValueError(f"no interval of {interval} minutes")
    begin = _moment(asked.get("st"), india_moment(india_day(now), time(0)))
    end = min(_moment(asked.get("et"), now), now)
    step = timedelta(minutes=int(interval))
    found: list[Row] = []
    for at in _in_session(scrip.exchange, begin, end, step):
        row = _candle(scrip, last, at)
        found.append({"stat": "Ok", "time": exchange_time(at), **row})
    return found[::-1]


def days(scrip: Scrip, last: Decimal, asked: Row, now: datetime) -> list[str]:
    """
    Return EODChartData's answer, newest first: each row is JSON within the JSON.

    Raises:
        ValueError: A time cannot be.
    """
    begin = _moment(asked.get("from"), now - timedelta(days=7))
    end = min(_moment(asked.get("to"), now), now)
    found: list[str] = []
    day = india_day(end)
    while day >= india_day(begin) and len(found) < _MOST:
        if day.weekday() < 5:
            at = india_moment(day, time(0))
            row = _candle(scrip, last, at)
            kept = {name: row[name] for name in ("into", "inth", "intl", "intc")}
            named = {"time": f"{day:%d-%b-%Y}".upper(), **kept, "intv": row["intv"]}
            found.append(json.dumps({**named, "ssboe": str(int(at.timestamp()))}))
        day -= timedelta(days=1)
    return found


def _candle(scrip: Scrip, last: Decimal, at: datetime) -> Row:
    tick = scrip.tick_size or Decimal("0.05")
    source = f"{scrip.exchange}|{scrip.token}|{at:%Y%m%d%H%M}"
    noise = hashlib.sha256(source.encode()).digest()
    stride = max(tick, to_tick(last / 2000, tick))
    begin, end = (last + stride * (each % 9 - 4) for each in noise[:2])
    high = max(begin, end) + stride * (noise[2] % 3)
    low = max(tick, min(begin, end) - stride * (noise[3] % 3))
    volume = (1 + noise[4]) * scrip.lot_size
    figures = {"into": begin, "inth": high, "intl": low, "intc": end}
    return {
        **{name: price_text(scrip, value) for name, value in figures.items()},
        "intvwap": price_text(scrip, (high + low) / 2),
        "intv": str(volume),
        "intoi": "0",
        "v": str(100 * volume),
        "oi": str(50 * volume if scrip.is_derivative else 0),
    }


def _in_session(
    exchange: str, begin: datetime, end: datetime, step: timedelta
) -> Iterator[datetime]:
    opens, closes = SESSIONS[exchange]
    day = max(india_day(begin), india_day(end) - timedelta(days=30))
    while day <= india_day(end):
        at = india_moment(day, opens)
        while day.weekday() < 5 and at < min(india_moment(day, closes), end):
            if at >= begin:
                yield at
            at += step
        day += timedelta(days=1)


def _moment(text: str | None, otherwise: datetime) -> datetime:
    if not text:
        return otherwise
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except OverflowError as e:
        raise ValueError(f"no time: {text}") from e
