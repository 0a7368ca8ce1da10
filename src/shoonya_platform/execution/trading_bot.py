"""
trading_bot: turns an alert into one order for each leg, and says how it ended.

An exit takes quantity and side from what the strategy holds.  What is in its way is
cleared first: entries by `overtaking`, exits that rest by `takeover`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from shoonya_platform.brokers.base import (
    BrokerPosition,
    PlaceOrder,
    Quote,
    UnreadableRow,
)
from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import (
    AlertStatus,
    Leg,
    StoredAlert,
)
from shoonya_platform.domain.instruments import Exchange, Instrument, Product
from shoonya_platform.domain.margins import Margin
from shoonya_platform.domain.orders import (
    AlertId,
    Intent,
)
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.account import AccountKeeper
from shoonya_platform.execution.alert_planning import AlertPlanner
from shoonya_platform.execution.bands import BandKeeper, Told
from shoonya_platform.execution.chase import ExitChaser
from shoonya_platform.execution.exchange_rules import Instruments
from shoonya_platform.execution.figures import FigureKeeper
from shoonya_platform.execution.holdings import Holdings, broker_holdings
from shoonya_platform.execution.overtaking import Overtaking
from shoonya_platform.execution.planning import LegPlanner, Prices
from shoonya_platform.execution.price_factors import FactorKeeper
from shoonya_platform.execution.refused import RefusedExits
from shoonya_platform.execution.same_moment import SameMoment
from shoonya_platform.execution.settling import BATCH, Settler
from shoonya_platform.execution.stated_positions import StatedPositions
from shoonya_platform.execution.surplus import SurplusCloser
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: A quote that fails is asked for again this long; without any price the entry of an
#: instrument nobody has traded yet would be denied.
PRICE_PATIENCE_SECONDS = 5.0

#: When the questions for one batch took longer, the next one is of a single alert.
ASK_SECONDS = 2.0


class Quotes(Protocol):
    """Where prices come from, and where an alert's own price is passed on."""

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None: ...

    def quote(self, exchange: Exchange, tradingsymbol: str) -> Quote | None: ...

    def instrument(
        self, exchange: Exchange, tradingsymbol: str
    ) -> Instrument | None: ...

    def margin(self, orders: Sequence[PlaceOrder]) -> Margin: ...

    def products(self) -> Mapping[Exchange, frozenset[Product]] | None: ...

    def positions(self) -> list[BrokerPosition]: ...

    def unreadable(self) -> list[UnreadableRow]: ...

    def note_price(
        self, exchange: Exchange, tradingsymbol: str, price: Decimal
    ) -> None: ...


class TradingBot:
    """
    The worker of `trading_bot`.

    Args:
        ring: Rings the named services' doorbells.

        instruments: Where an order's price factor comes from.

        replan_seconds: As `Settler` takes it.

        all_or_nothing: As `Settler` takes it.

        figures: Asks for freeze quantities; None where the broker has none to ask.

        asks_margin: Whether the broker is asked what margin each entry needs.

        reaches_stated: As `StatedPositions` takes it.
    """

    def __init__(
        self,
        store: OrderStore,
        quotes: Quotes,
        clock: Clock,
        ring: Callable[..., None],
        *,
        instruments: Instruments,
        replan_seconds: float,
        all_or_nothing: bool = True,
        figures: FigureKeeper | None = None,
        asks_margin: bool = False,
        reaches_stated: bool = False,
    ) -> None:
        self._store = store
        self._quotes = quotes
        self._figures = figures
        self._clock = clock
        self._ring = ring
        self._bands = BandKeeper(store, quotes, clock)
        self._account = AccountKeeper(store, quotes, clock, asks_margin=asks_margin)
        self._planner = LegPlanner(store, instruments)
        self._settler = Settler(
            store,
            self._planner,
            clock,
            self._holdings,
            RefusedExits(store, self._planner, quotes, clock),
            replan_seconds=replan_seconds,
            all_or_nothing=all_or_nothing,
        )
        self._surplus = SurplusCloser(store, clock)
        self._chaser = ExitChaser(store, quotes, instruments, clock, ring)
        self._stated = StatedPositions(store, clock, reaches=reaches_stated)
        self._moment = SameMoment(store, clock, self._stated)
        self._overtaking = Overtaking(
            store, clock, self._settler.replan_since, self._moment.is_reversal, ring
        )
        self._alerts = AlertPlanner(
            store, self._planner, self._stated, instruments, clock, ring
        )
        #: Alerts without a price, and when the first question for one failed.
        self._unpriced: dict[AlertId, float] = {}
        self._planned = 0
        self._is_slow = False
        self._logger = get_component_logger("trading_bot")
        self._factors = FactorKeeper(store, instruments, clock, self._logger)

    def begin(self) -> None:
        """Nothing is left behind: planning is one transaction."""

    def status(self) -> str:
        if self._overtaking.number:
            return f"{self._overtaking.number} exits wait for entries to be canceled"
        if self._alerts.number:
            return f"{self._alerts.number} exits wait for others to make way"
        return f"{self._planned} orders planned, waiting for alerts"

    def step(self) -> int:
        self._factors.look()
        self._stated.look()
        planned = self._plan_alerts()
        settled = self._settler.settle() + self._surplus.step() + self._chaser.step()
        planned += self._alerts.look()
        if settled:
            self._ring("risk_manager", "command_service")
        if self._figures is not None and not planned + settled:
            self._figures.ask_one()
        return planned + settled

    def _holdings(self) -> Holdings:
        return broker_holdings(self._quotes, self._store)

    def _plan_alerts(self) -> int:
        fresh = self._store.alerts.in_status(AlertStatus.RECEIVED, limit=BATCH)
        if self._is_slow:
            # An entry may wait for the exit behind it.
            fresh = sorted(fresh, key=lambda each: each.alert.intent is not Intent.EXIT)
            fresh = fresh[:1]
        if not fresh:
            self._is_slow = False
            return 0
        began = self._clock.monotonic()
        told, prices = self._ask(fresh)
        priced = {stored.alert_id for stored in fresh} - self._unpriced.keys()
        priced -= self._bands.waiting(fresh)
        account = self._account.fetch(
            [stored for stored in fresh if stored.alert_id in priced], prices
        )
        priced -= account.waiting
        # A slow broker is asked for one alert at a time, so that none waits for all.
        self._is_slow = self._clock.monotonic() - began > ASK_SECONDS
        planned = 0
        passed_over: list[StoredAlert] = []
        with self._store.transaction(durable=False):
            self._store.positions.note_bands(told.bands)
            self._store.positions.note_prices(told.prices)
            self._account.note(account)
            # Read again inside: another process may have planned them meanwhile, and
            # what came since has no prices yet and is for the next step.
            received = self._store.alerts.in_status(AlertStatus.RECEIVED, limit=BATCH)
            for stored in received:
                if stored.alert_id not in priced:
                    passed_over.append(stored)
                    continue
                if stored.alert.intent is Intent.EXIT:
                    passed_over = self._overtaking.give_up(passed_over, stored)
                    if self._overtaking.waits(stored):
                        continue
                elif exit_alert := self._moment.overtaken_by(stored, received):
                    self._overtaking.give_up([stored], exit_alert)
                    continue
                elif self._moment.waits(stored, received):
                    continue
                planned += self._alerts.plan(stored, prices)
        if planned:
            self._planned += planned
            self._ring("risk_manager")
        return planned

    def _ask(self, alerts: list[StoredAlert]) -> tuple[Told, Prices]:
        """
        Ask the broker about each instrument once; note which alerts have to wait.

        Returns:
            What it told, and the price that each leg is measured by.
        """
        failed_at, self._unpriced = self._unpriced, {}
        legs = [(stored, leg) for stored in alerts for leg in stored.alert.legs]
        prices: dict[tuple[Exchange, str], Decimal] = {}
        # First what alerts name: on paper the market's price follows it.
        self._price(
            ((s, leg) for s, leg in legs if leg.price is not None), prices, failed_at
        )
        told = self._bands.fetch(alerts)
        if self._figures is not None:
            self._figures.fetch(alerts)
        prices = {**told.prices, **prices}
        self._price(
            ((s, leg) for s, leg in legs if leg.price is None), prices, failed_at
        )
        return told, prices

    def _price(
        self,
        legs: Iterable[tuple[StoredAlert, Leg]],
        prices: dict[tuple[Exchange, str], Decimal],
        failed_at: dict[AlertId, float],
    ) -> None:
        for stored, leg in legs:
            try:
                self._price_one(stored.alert.exchange, leg, prices)
            except BrokerUnavailable as e:
                self._without_price(stored, leg, e, failed_at)

    def _price_one(
        self,
        exchange: Exchange,
        leg: Leg,
        prices: dict[tuple[Exchange, str], Decimal],
    ) -> None:
        key = (exchange, leg.tradingsymbol)
        if leg.price is not None:
            # A limit is a wish, not a quote: it is one only where no price was ever
            # heard of.
            if (
                not leg.order_type.needs_price
                or self._store.positions.last_price(*key) is None
            ):
                self._quotes.note_price(*key, leg.price)
            prices[key] = leg.price
        elif key not in prices:
            price = self._quotes.last_price(*key)
            if price is not None:
                prices[key] = price

    def _without_price(
        self,
        stored: StoredAlert,
        leg: Leg,
        error: BrokerUnavailable,
        failed_at: dict[AlertId, float],
    ) -> None:
        """Let an alert wait a little for a price, if it cannot do without."""
        alert = stored.alert
        key = (alert.exchange, leg.tradingsymbol)
        now = self._clock.monotonic()
        since = failed_at.get(stored.alert_id, now)
        if (
            alert.intent is not Intent.EXIT
            and leg.price is None
            and self._store.positions.last_price(*key) is None
            and now - since < PRICE_PATIENCE_SECONDS
        ):
            self._unpriced[stored.alert_id] = since
            if stored.alert_id in failed_at:
                return
            what = "asking again"
        else:
            what = "proceeding without"
        self._logger.warning(
            "no price for %s:%s: %s, %s",
            *key,
            error.sentence,
            what,
            extra={"alert_id": stored.alert_id},
        )
