"""Tables that travel with the package, read once by whoever puts things together."""

from __future__ import annotations

import tomllib
from pathlib import Path

from shoonya_platform.domain.calendar import MarketCalendar, parse_calendar
from shoonya_platform.domain.catalogue import Defaults, parse_catalogue


def catalogue_defaults() -> Defaults:
    """Return the packaged table of instruments."""
    return parse_catalogue(_read("instruments.toml"))


def market_calendar() -> MarketCalendar:
    """Return the packaged calendar."""
    return parse_calendar(_read("market_calendar.toml"))


def _read(name: str) -> dict[str, object]:
    # Not importlib.resources: it brings half a megabyte into each of the eight.
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    return tomllib.loads(text)
