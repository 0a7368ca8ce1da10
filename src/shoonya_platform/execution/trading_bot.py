"""
trading_bot: turns an alert into one order for each leg, and says how it ended.

An exit takes quantity and side from what the strategy holds.  While entries of the
same strategy in the same instrument are still on their way, they are canceled first
and the exit waits, so that nothing is left behind.  An entry that could not even be
planned before its exit came never will be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    IN_FLIGHT,
    OPEN,
    WORKING,
    AlertId,
    Intent,
    Order,
    OrderId,
    OrderStatus,
)
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.account import AccountKeeper
from shoonya_platform.execution.bands import BandKeeper, Told
from shoonya_platform.execution.chase import ExitChaser
from shoonya_platform.execution.exchange_rules import Instruments
from shoonya_platform.execution.figures import FigureKeeper
from shoonya_platform.execution.holdings import Holdings, broker_holdings
from shoonya_platform.execution.missed_exits import MissedExits
from shoonya_platform.execution.planning import LegPlanner, Prices, is_of
from shoonya_platform.execution.price_factors import FactorKeeper
from shoonya_platform.execution.refused import RefusedExits
from shoonya_platform.execution.same_moment import SameMoment
from shoonya_platform.execution.settling import BATCH, Settler
from shoonya_platform.execution.stated_positions import StatedPositions
from shoonya_platform.execution.surplus import SurplusCloser
from shoonya_platform.execution.takeover import Takeover
from shoonya_platform.execution.taking_back import FOR_EXIT
from shoonya_platform.execution.watched_targets import WatchedTargets
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: A broker may refuse a cancel, and the entry rests on: seconds until the next try.
CANCEL_AGAIN_SECONDS = 5.0

#: A quote that fails is asked for again this long; without any price the entry of an
#: instrument nobody has traded yet would be denied.
PRICE_PATIENCE_SECONDS = 5.0


_AT_BROKER = WORKING - IN_FLIGHT | {OrderStatus.PENDING_CANCEL}

#: When the questions for one batch took longer, the next one is of a single alert.
ASK_SECONDS = 2.0

#: An exit waits so long for entries of which the broker's answer is missing; what turns
#: up of them later is canceled, or closed.
UNKNOWN_PATIENCE = timedelta(seconds=10)


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


@dataclass(slots=True)
class _WaitingExit:
    """An exit, and the entries it waits for: not for those that come later."""

    entries: set[OrderId]
    asked_at: float  #: when their cancels were last asked for, monotonic


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
        self._targets = WatchedTargets(store, clock)
        self._takeover = Takeover(store, clock, self._targets)
        self._stated = StatedPositions(store, clock, reaches=reaches_stated)
        self._moment = SameMoment(store, clock, self._stated)
        self._missed = MissedExits(store, instruments, clock)
        self._waiting: dict[AlertId, _WaitingExit] = {}
        #: Exits that wait for others to make way.
        self._taking_over: set[AlertId] = set()
        #: Alerts without a price, and when the first question for one failed.
        self._unpriced: dict[AlertId, float] = {}
        self._planned = 0
        self._is_slow = False
        self._logger = get_component_logger("trading_bot")
        self._factors = FactorKeeper(store, instruments, clock, self._logger)

    def begin(self) -> None:
        """Nothing is left behind: planning is one transaction."""

    def status(self) -> str:
        if self._waiting:
            return f"{len(self._waiting)} exits wait for entries to be canceled"
        if self._taking_over:
            return f"{len(self._taking_over)} exits wait for others to make way"
        return f"{self._planned} orders planned, waiting for alerts"

    def step(self) -> int:
        self._factors.look()
        self._missed.look()
        self._stated.look()
        planned = self._plan_alerts()
        settled = self._settler.settle() + self._surplus.step() + self._chaser.step()
        planned += self._targets.look()
        if self._takeover.trim():
            self._ring("command_service", "risk_manager")
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
                    passed_over = self._give_up_entries(passed_over, stored)
                elif self._moment.waits(stored, received):
                    continue
                planned += self._plan(stored, prices)
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

    def _plan(self, received: StoredAlert, prices: Prices) -> int:
        stored = self._stated.settle(received)
        if stored is None:
            return 0
        alert = stored.alert
        if alert.intent is Intent.EXIT and self._entries_under_way(stored):
            return 0
        self._waiting.pop(stored.alert_id, None)
        waiting = (
            self._takeover.waiting(stored) if alert.intent is Intent.EXIT else set()
        )
        orders = []
        new = []
        skipped = []
        watched: AlertId | None = None
        targets: list[AlertId] = []
        # Adopted from the broker's order book: the store was a copy of before.
        known = {
            order.leg: order for order in self._store.orders.of_alert(stored.alert_id)
        }
        for number, leg in enumerate(alert.legs, start=1):
            if number in known:
                orders.append(known[number])
                continue
            if number in waiting:
                continue
            planned = self._planner.plan(stored, number, leg, prices)
            if alert.intent is Intent.EXIT:
                watched = self._targets.watch_rest(stored, number, planned)
                if watched is not None:
                    targets.append(watched)
            if planned is None and watched is None:
                skipped.append(number)
            elif planned is None:
                continue
            else:
                new.append(
                    self._store.orders.add(planned, alerted_at=_alerted_at(stored))
                )
        orders += new
        for order in new:
            self._logger.info(
                "Order %d planned: %s",
                order.order_id,
                order.summary,
                extra={**order.log_context, "event": "order_created"},
            )
        self._taking_over.discard(stored.alert_id)
        if waiting - known.keys():
            # The other legs do not wait for it.
            self._taking_over.add(stored.alert_id)
            self._ring("command_service")
            return len(new)
        status, why = self._missed.explain(stored, skipped)
        if targets:
            status = AlertStatus.COMPLETED if not skipped else status
            watching = f"watched as {', '.join(targets)}: a stop rests"
            why = f"{why}; {watching}" if why else watching
        if not orders:
            self._store.alerts.record(stored.alert_id, status, outcome=why, text=why)
            return 0
        text = f"{len(orders)} order{'s' * (len(orders) != 1)}"
        if why:
            text += f"; {why}"
        self._store.alerts.record(
            stored.alert_id, AlertStatus.PLANNED, outcome="", text=text
        )
        return len(new)

    def _give_up_entries(
        self, alerts: list[StoredAlert], exit_alert: StoredAlert
    ) -> list[StoredAlert]:
        """Skip the entries that an exit has overtaken; return the others."""
        exited = exit_alert.alert
        symbols = {leg.tradingsymbol for leg in exited.legs}
        left = []
        for stored in alerts:
            alert = stored.alert
            if (
                alert.intent is Intent.EXIT
                or self._moment.is_reversal(stored)
                or alert.strategy != exited.strategy
                or alert.exchange is not exited.exchange
                or symbols.isdisjoint(leg.tradingsymbol for leg in alert.legs)
            ):
                left.append(stored)
                continue
            outcome = f"its exit {exit_alert.alert_id} came before it was planned"
            self._store.alerts.record(
                stored.alert_id, AlertStatus.SKIPPED, outcome=outcome, text=outcome
            )
            self._logger.warning(
                "Alert %s is not traded: %s",
                stored.alert_id,
                outcome,
                extra={
                    "alert_id": stored.alert_id,
                    "strategy": alert.strategy,
                    "event": "entry_overtaken",
                },
            )
        return left

    def _entries_under_way(self, stored: StoredAlert) -> bool:
        """Have unfinished entries canceled; return whether the exit must wait."""
        alert = stored.alert
        symbols = {leg.tradingsymbol for leg in alert.legs}
        # Given up, and still to be planned again: not after this exit.
        for order in self._store.orders.unreplaced(since=self._settler.replan_since()):
            if order.intent is not Intent.EXIT and is_of(order, alert, symbols):
                self._request_cancel(order, stored)
        entries = {
            order.order_id: order
            for order in self._store.orders.in_status(*OPEN)
            if order.intent is not Intent.EXIT and is_of(order, alert, symbols)
        }
        now = self._clock.monotonic()
        waiting = self._waiting.get(stored.alert_id)
        if waiting is None:
            waiting = _WaitingExit(set(entries), float("-inf"))
        awaited = [o for o in entries.values() if o.order_id in waiting.entries]
        if all(self._is_lost(order) for order in awaited):
            for order in awaited:
                self._request_cancel(order, stored)
            return False
        self._waiting[stored.alert_id] = waiting
        if now - waiting.asked_at >= CANCEL_AGAIN_SECONDS:
            waiting.asked_at = now
            for order in awaited:
                self._request_cancel(order, stored)
            self._ring("command_service")
        return True

    def _is_lost(self, order: Order) -> bool:
        """Return whether an exit must not wait for what became of an entry."""
        is_out_of_reach = order.status is OrderStatus.OUTCOME_UNKNOWN or (
            # Its number is another order's too: it may be that nothing cancels it.
            order.status in _AT_BROKER and order.broker_order_id is None
        )
        return is_out_of_reach and (
            self._clock.now() >= order.updated_at + UNKNOWN_PATIENCE
        )

    def _request_cancel(self, order: Order, exit_alert: StoredAlert) -> None:
        self._store.orders.request_cancel(
            order.order_id, by=f"{FOR_EXIT} {exit_alert.alert_id}"
        )
        self._logger.info(
            "Order %d is canceled before the exit of '%s'",
            order.order_id,
            order.strategy,
            extra={**order.log_context, "event": "exit_waits"},
        )


def _alerted_at(stored: StoredAlert) -> datetime:
    sent = stored.alert.sent_at
    return stored.received_at if sent is None else min(sent, stored.received_at)
