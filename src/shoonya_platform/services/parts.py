"""Makes brokers and tables out of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from shoonya_platform.brokers.base import (
    Broker,
    BrokerPosition,
    PlaceOrder,
    Quote,
    UnreadableRow,
)
from shoonya_platform.brokers.paper import PaperBroker, PaperSettings
from shoonya_platform.brokers.shoonya_account import ShoonyaAccount
from shoonya_platform.brokers.shoonya_limits import RateLimiter
from shoonya_platform.clock import Clock
from shoonya_platform.config.calendar import calendar
from shoonya_platform.config.loader import Config
from shoonya_platform.config.settings import Settings
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange, Instrument, PriceBand, Product
from shoonya_platform.domain.margins import Margin
from shoonya_platform.domain.packaged import PackagedListing
from shoonya_platform.domain.square_off import SquareOffTimes
from shoonya_platform.domain.ticker_map import Listing, TickerMap
from shoonya_platform.errors import ConfigError
from shoonya_platform.execution.exchange_rules import (
    ExchangeRules,
    GuardRules,
    Instruments,
)
from shoonya_platform.execution.preconditions import SendPreconditions
from shoonya_platform.instruments.file import FILE_NAME, InstrumentFile
from shoonya_platform.instruments.listing import MasterListing
from shoonya_platform.instruments.lookup import ListedInstruments
from shoonya_platform.risk.limits import RiskLimits
from shoonya_platform.services.attended import AttendedBroker
from shoonya_platform.store.base import OrderStore

if TYPE_CHECKING:
    from shoonya_platform.brokers.shoonya import ShoonyaBroker
    from shoonya_platform.brokers.shoonya_download import Downloader
    from shoonya_platform.instruments.refresh import MasterRefresh
    from shoonya_platform.instruments.writer import InstrumentWriter

__all__ = [
    "Quotes",
    "catalogue",
    "guard_rules",
    "instrument_refresh",
    "instruments",
    "instruments_path",
    "open_broker",
    "open_paper",
    "open_shoonya",
    "risk_limits",
    "send_preconditions",
    "shoonya_account",
    "tickers",
]


def catalogue(settings: Settings) -> Catalogue:
    return Catalogue(catalogue_defaults(), settings.instruments)


def instruments_path(settings: Settings) -> Path:
    """Return where the broker's lists of instruments are kept."""
    return settings.shoonya_dir / FILE_NAME


def instruments(settings: Settings) -> Instruments:
    """Return where the order path finds lot, tick, freeze quantity and expiry."""
    if settings.broker.name != "shoonya":
        return catalogue(settings)
    return ListedInstruments(
        InstrumentFile(instruments_path(settings)), catalogue(settings)
    )


def square_off_times(settings: Settings) -> SquareOffTimes:
    """Return when positions are closed by the clock."""
    guard = settings.guard
    keeps_hours = guard.market_hours == "exchange"
    return SquareOffTimes(
        mis=time.fromisoformat(guard.mis_square_off) if keeps_hours else None,
        strategies={
            strategy: time.fromisoformat(at)
            for strategy, at in guard.square_off.items()
        },
        calendar=calendar(settings) if keeps_hours else None,
    )


def tickers(settings: Settings) -> TickerMap:
    """Return what finds the instruments of alerts."""
    hours = calendar(settings)
    table = catalogue(settings)
    packaged = PackagedListing(
        table, lambda exchange, day: hours.window(exchange, day) is not None
    )
    listing: Listing = packaged
    if settings.broker.name == "shoonya":
        file = InstrumentFile(instruments_path(settings))
        listing = MasterListing(file, ListedInstruments(file, table), packaged)
    return TickerMap(listing, roll_days=settings.webhook.roll_days)


def guard_rules(settings: Settings) -> GuardRules:
    """Return what execution_guard and command_service go by."""
    guard = settings.guard
    keeps_hours = guard.market_hours == "exchange"
    return GuardRules(
        calendar=calendar(settings) if keeps_hours else None,
        max_alert_age_seconds=guard.max_alert_age_seconds,
        exits_wait=guard.exits_outside_hours == "wait",
        protects_market_orders=guard.market_orders == "protect",
        max_price_deviation=guard.max_price_deviation,
        square_off_times=square_off_times(settings),
        awaits_reconciliation=settings.recovery.entries_wait,
        allows_conflicts=guard.allow_conflicts,
        needs_band=guard.without_price_band == "deny",
        splits=guard.freeze == "split",
        needs_list=settings.broker.name == "shoonya",
        checks_margin=guard.margin == "check",
        needs_margin=guard.without_margin == "deny",
    )


def send_preconditions(
    settings: Settings, store: OrderStore, clock: Clock
) -> SendPreconditions:
    """Return what command_service asks at the moment of sending."""
    rules = guard_rules(settings)
    return SendPreconditions(
        store,
        ExchangeRules(store, instruments(settings), rules, clock),
        awaits_reconciliation=rules.awaits_reconciliation,
    )


def risk_limits(settings: Settings) -> RiskLimits:
    """Return the limits that the configuration sets."""
    risk = settings.risk
    return RiskLimits(
        max_daily_loss=risk.max_daily_loss,
        max_exposure=risk.max_exposure,
        max_open_positions=risk.max_open_positions,
        max_order_value=risk.max_order_value,
        max_symbol_exposure=risk.max_symbol_exposure,
        max_strategy_exposure=risk.max_strategy_exposure,
        max_orders_per_day=risk.max_orders_per_day,
        trail_step=risk.trail_step,
        warning_share=risk.warning_share,
        loss_days=risk.loss_days,
    )


def open_broker(config: Config, clock: Clock, tell: Callable[[str], None]) -> Broker:
    """
    Open the broker that the configuration names.

    Args:
        tell: Gets a sentence for the operator about what the broker tolerates.
    """
    if config.settings.broker.name == "shoonya":
        return open_shoonya(config, clock, tell)
    return open_paper(config.settings, clock)


def open_shoonya(
    config: Config, clock: Clock, tell: Callable[[str], None]
) -> ShoonyaBroker:
    """
    Open the account at Shoonya; nothing is asked of it yet.

    Raises:
        ConfigError: A secret or a library is missing.
    """
    for name in config.settings.broker_secrets:
        config.secrets.get(name)
    try:
        # Its libraries take 10 MB in each process, which paper money need not pay.
        from shoonya_platform.brokers.shoonya import ShoonyaBroker

        if find_spec("websockets") is None:
            raise ModuleNotFoundError(name="websockets")
    except ModuleNotFoundError as e:
        raise _library_missing(e.name) from e
    return ShoonyaBroker(shoonya_account(config), clock, tell=tell)


def instrument_refresh(config: Config, clock: Clock) -> InstrumentRefresh:
    """
    Return what loads the broker's lists of instruments.

    Raises:
        ConfigError: A library is missing.
    """
    settings = config.settings
    try:
        # Only the process that loads them pays for the reader and an HTTP client.
        from shoonya_platform.brokers.shoonya_download import Downloader
        from shoonya_platform.instruments.refresh import MasterRefresh
        from shoonya_platform.instruments.writer import InstrumentWriter
    except ModuleNotFoundError as e:
        raise _library_missing(e.name) from e
    account = shoonya_account(config)
    file = InstrumentWriter(instruments_path(settings))
    downloader = Downloader(account, clock)
    return InstrumentRefresh(
        MasterRefresh(
            file,
            account.scrip_url,
            calendar(settings),
            clock,
            download=downloader.download,
        ),
        file,
        downloader,
    )


#: Shoonya's own places, by generation.
_API_URLS = {
    "quickauth": "https://api.shoonya.com/NorenWClientTP/",
    "oauth": "https://api.shoonya.com/NorenWClientAPI/",
}
_WEBSOCKET_URLS = {
    "quickauth": "wss://api.shoonya.com/NorenWSTP/",
    "oauth": "wss://api.shoonya.com/NorenWSAPI/",
}
_LOGIN_URL = "https://trade.shoonya.com/OAuthlogin/authorize/oauth"


def _library_missing(name: str | None) -> ConfigError:
    return ConfigError(
        f"the Shoonya broker needs the library '{name}'",
        hint="install the extra: pip install 'shoonya-platform[shoonya]'",
    )


def shoonya_account(config: Config) -> ShoonyaAccount:
    """Return what the configuration says of the account at Shoonya."""
    settings = config.settings
    shoonya = settings.shoonya

    def secret(name: str) -> str | None:
        # The day's token is renewed while services run.
        is_token = name == "broker_access_token"
        find = config.secrets.find_newest if is_token else config.secrets.find
        found = find(name)
        return None if found is None else found.value

    return ShoonyaAccount(
        generation=shoonya.generation,
        user_id=shoonya.user_id,
        vendor_code=shoonya.vendor_code or f"{shoonya.user_id}_U",
        imei=shoonya.imei,
        api_url=shoonya.api_url or _API_URLS[shoonya.generation],
        websocket_url=shoonya.websocket_url or _WEBSOCKET_URLS[shoonya.generation],
        login_url=shoonya.login_url or _LOGIN_URL,
        scrip_url=shoonya.scrip_url,
        folder=settings.shoonya_dir,
        timeout_seconds=settings.broker.timeout_seconds,
        orders_per_second=shoonya.orders_per_second,
        requests_per_minute=shoonya.requests_per_minute,
        secret=secret,
    )


def open_paper(settings: Settings, clock: Clock) -> PaperBroker:
    paper = settings.paper
    return PaperBroker(
        settings.paper_path,
        PaperSettings(
            cash=paper.cash,
            price_source=paper.price_source,
            first_price=paper.first_price,
            prices=paper.prices,
            bands={
                name: PriceBand(lower=lower, upper=upper)
                for name, (lower, upper) in paper.bands.items()
            },
            seed=paper.seed,
            max_fill_quantity=paper.max_fill_quantity,
        ),
        catalogue=catalogue(settings),
        clock=clock,
        timeout_seconds=settings.broker.timeout_seconds,
        limiter=_paper_limiter(settings, clock),
    )


def _paper_limiter(settings: Settings, clock: Clock) -> RateLimiter | None:
    if not settings.paper.orders_per_second:
        return None
    return RateLimiter(
        settings.paths.state_dir / "paper.calls",
        clock,
        orders_per_second=settings.paper.orders_per_second,
        requests_per_minute=60 * settings.paper.orders_per_second * len(Exchange),
    )


@dataclass(frozen=True, slots=True)
class InstrumentRefresh:
    """Loads the broker's lists; to be closed."""

    masters: MasterRefresh
    file: InstrumentWriter
    downloader: Downloader

    def close(self) -> None:
        self.file.close()
        self.downloader.close()


class Quotes:
    """The broker's prices; the paper broker learns its own from the alerts."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None:
        return self._broker.last_price(exchange, tradingsymbol)

    def quote(self, exchange: Exchange, tradingsymbol: str) -> Quote | None:
        return self._broker.quote(exchange, tradingsymbol)

    def margin(self, orders: Sequence[PlaceOrder]) -> Margin:
        return self._broker.margin(orders)

    def products(self) -> Mapping[Exchange, frozenset[Product]] | None:
        return self._broker.products()

    def positions(self) -> list[BrokerPosition]:
        return self._broker.positions()

    def unreadable(self) -> list[UnreadableRow]:
        return self._broker.unreadable()

    def instrument(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        return self._broker.instrument(exchange, tradingsymbol)

    def note_price(
        self, exchange: Exchange, tradingsymbol: str, price: Decimal
    ) -> None:
        broker = self._broker
        if isinstance(broker, AttendedBroker):
            broker = broker.plain
        if isinstance(broker, PaperBroker):
            broker.set_price(exchange, tradingsymbol, price)
