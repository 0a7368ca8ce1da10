"""
The file of a recorded day: JSON lines in the order of time.

    {"kind": "day", "version": 1, "settings": {"guard": {"market_hours": "exchange"}}}
    {"kind": "price", "at": "2026-11-25T09:15:00+05:30",
     "instrument": "NFO:NIFTY28DEC27F", "price": "26000"}
    {"kind": "alert", "at": "2026-11-25T09:20:00+05:30", "body": {...}}

The first line says what the day is run with; the others what happened.  An alert's
body is what TradingView posted, without the secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import ShoonyaError

VERSION = 1

#: The sections of the configuration that a day may bring along: what decides about
#: orders, and nothing that leads out of the replay's directory.
SECTIONS = ("risk", "guard", "paper", "recovery", "instruments")


class RecordingError(ShoonyaError):
    """The file of a recorded day cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEvent:
    """An instrument trades at a price, in rupees."""

    line: int
    at: datetime
    exchange: Exchange
    tradingsymbol: str
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """An alert arrives."""

    line: int
    at: datetime
    body: Mapping[str, Any]


Event = PriceEvent | AlertEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A whole day."""

    settings: Mapping[str, Mapping[str, Any]]
    events: tuple[Event, ...]

    @property
    def begin(self) -> datetime:
        return self.events[0].at

    @property
    def end(self) -> datetime:
        return self.events[-1].at


def read(lines: Iterable[str]) -> Recording:
    """
    Read a day.

    Raises:
        RecordingError: Names the line and what would be right.
    """
    settings: Mapping[str, Mapping[str, Any]] | None = None
    events: list[Event] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line, parse_float=Decimal)
            if not isinstance(fields, dict):
                raise ValueError("expected an object")
            if settings is None:
                settings = _settings(fields)
                continue
            event = _event(number, fields)
            if events and event.at < events[-1].at:
                raise ValueError("expected a time not before that of the line above")
            events.append(event)
        except (ValueError, KeyError, InvalidOperation) as e:
            what = f"'{e.args[0]}' is missing" if isinstance(e, KeyError) else e
            raise RecordingError(
                f"line {number}: {what}",
                hint="docs/replay.md has the form; see 'shoonyactl record'",
            ) from e
    if settings is None or not events:
        raise RecordingError("nothing happens in this file")
    return Recording(settings=settings, events=tuple(events))


def _settings(fields: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    if fields.get("kind") != "day" or fields.get("version") != VERSION:
        raise ValueError(f'expected {{"kind": "day", "version": {VERSION}}} first')
    settings = fields.get("settings", {})
    for name, section in settings.items():
        if name not in SECTIONS or not isinstance(section, dict):
            raise ValueError(f"settings: expected of {', '.join(SECTIONS)}, was {name}")
    return dict(settings)


def _event(number: int, fields: Mapping[str, Any]) -> Event:
    at = datetime.fromisoformat(fields["at"])
    if at.tzinfo is None:
        raise ValueError("at: expected a time with its zone, such as +05:30")
    if fields["kind"] == "price":
        exchange, _, tradingsymbol = str(fields["instrument"]).partition(":")
        price = Decimal(str(fields["price"]))
        if not (tradingsymbol and price.is_finite() and price > 0):
            raise ValueError("expected an instrument and a price above 0")
        return PriceEvent(
            line=number,
            at=at,
            exchange=Exchange(exchange),
            tradingsymbol=tradingsymbol,
            price=price,
        )
    if fields["kind"] == "alert":
        if not isinstance(fields["body"], dict):
            raise ValueError("body: expected an object")
        return AlertEvent(line=number, at=at, body=fields["body"])
    raise ValueError(f"kind: expected price or alert, was {fields['kind']}")


def write(recording: Recording) -> Iterator[str]:
    """Yield the lines of a day, without their ends."""
    yield _line(kind="day", version=VERSION, settings=recording.settings)
    for event in recording.events:
        at = event.at.isoformat()
        if isinstance(event, PriceEvent):
            yield _line(
                kind="price",
                at=at,
                instrument=f"{event.exchange}:{event.tradingsymbol}",
                price=format(event.price, "f"),
            )
        else:
            yield _line(kind="alert", at=at, body=event.body)


def _line(**fields: object) -> str:
    return json.dumps(fields, default=str, ensure_ascii=False)
