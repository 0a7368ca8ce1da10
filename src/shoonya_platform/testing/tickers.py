"""Finds instruments as the paper broker's installation does, without a list."""

from __future__ import annotations

from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults, market_calendar
from shoonya_platform.domain.packaged import PackagedListing
from shoonya_platform.domain.ticker_map import TickerMap


def packaged_listing() -> PackagedListing:
    """Return the packaged table with the packaged calendar."""
    calendar = market_calendar()
    return PackagedListing(
        Catalogue(catalogue_defaults()),
        lambda exchange, day: calendar.window(exchange, day) is not None,
    )


def packaged_tickers() -> TickerMap:
    """Return what finds the instruments of alerts."""
    return TickerMap(packaged_listing())
