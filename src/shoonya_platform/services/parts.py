"""Makes brokers and tables out of the configuration."""

from __future__ import annotations

from decimal import Decimal

from shoonya_platform.brokers.base import Broker
from shoonya_platform.brokers.paper import PaperBroker, PaperSettings
from shoonya_platform.clock import Clock
from shoonya_platform.config.settings import Settings
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults, market_calendar
from shoonya_platform.domain.instruments import Exchange

__all__ = ["Quotes", "catalogue", "market_calendar", "open_broker", "open_paper"]


def catalogue(settings: Settings) -> Catalogue:
    return Catalogue(catalogue_defaults(), settings.instruments)


def open_broker(settings: Settings, clock: Clock) -> Broker:
    """Open the broker that the configuration names."""
    return open_paper(settings, clock)


def open_paper(settings: Settings, clock: Clock) -> PaperBroker:
    paper = settings.paper
    return PaperBroker(
        settings.paper_path,
        PaperSettings(
            cash=paper.cash,
            price_source=paper.price_source,
            first_price=paper.first_price,
            prices=paper.prices,
            seed=paper.seed,
            max_fill_quantity=paper.max_fill_quantity,
        ),
        catalogue=catalogue(settings),
        clock=clock,
        timeout_seconds=settings.broker.timeout_seconds,
    )


class Quotes:
    """The broker's prices; the paper broker learns its own from the alerts."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None:
        return self._broker.last_price(exchange, tradingsymbol)

    def note_price(
        self, exchange: Exchange, tradingsymbol: str, price: Decimal
    ) -> None:
        if isinstance(self._broker, PaperBroker):
            self._broker.set_price(exchange, tradingsymbol, price)
