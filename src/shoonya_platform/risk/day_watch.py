"""
Watches the trading day's profit and loss, and acts once when it has lost too much.

What it remembers lies in the store: a restart in the middle of a bad day changes
nothing.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alert_form import parse
from shoonya_platform.domain.alerts import MAX_LEGS, AlertStatus, alert_id
from shoonya_platform.domain.calendar import MarketCalendar
from shoonya_platform.domain.days import day_begin, trading_day
from shoonya_platform.domain.discrepancies import DiscrepancyKind, refused_holding
from shoonya_platform.domain.orders import OPEN, Intent
from shoonya_platform.domain.positions import ZERO, Position, shrinks
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.logging import get_component_logger
from shoonya_platform.risk.limits import RiskBook, RiskLimits, money
from shoonya_platform.store.base import OrderStore, PnlSample, RiskDay

_SERVICE = "risk_manager"

#: Seconds until what a breach has not closed is exited once more.
EXIT_AGAIN_SECONDS = 60.0

#: Waiting alerts looked at for exits; a longer queue has other troubles.
ALERTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachRules:
    """What follows when the day has lost too much."""

    #: `reduce` lets exits out; `halt` nothing more, once everything is closed.
    then: Literal["reduce", "halt"] = "reduce"
    #: Whether every position is closed, by alerts that go the usual way.
    exit_all: bool = True
    #: When exits can go out; None is round the clock.
    calendar: MarketCalendar | None = None


class DayWatch:
    """
    Keeps the day's best P&L, warns, and on a breach stops entries.

    Args:
        ring: Rings the named services' doorbells.
    """

    def __init__(
        self,
        store: OrderStore,
        limits: RiskLimits,
        breach: BreachRules,
        clock: Clock,
        ring: Callable[..., None],
    ) -> None:
        self._store = store
        self._limits = limits
        self._breach = breach
        self._clock = clock
        self._ring = ring
        self._logger = get_component_logger(_SERVICE)
        self._exited_at = float("-inf")
        self._noted_at: datetime | None = None
        self._noted = (ZERO, ZERO)

    def look(self, book: RiskBook) -> Decimal:
        """Take in the P&L as it is now, do what follows from it, and return it."""
        pnl = book.daily_pnl
        self._note(book)
        today = trading_day(self._clock.now())
        stored = self._store.risk.day(today)
        known = stored or RiskDay(
            day=today, best_pnl=ZERO, last_pnl=ZERO, warned=False, breached=False
        )
        day = replace(known, best_pnl=max(known.best_pnl, pnl), last_pnl=pnl)
        lowest = self._limits.lowest_pnl(day.best_pnl)
        if pnl <= lowest and not day.breached:
            day = replace(day, breached=True, warned=True)
            self._on_breach(day, lowest, book.positions)
        else:
            if pnl <= lowest * self._limits.warning_share < 0 and not day.warned:
                day = replace(day, warned=True)
                self._warn(pnl, lowest)
            # A day without any trade ends a row of losing days, and its cool-down.
            if day != known or (stored is None and self._is_open()):
                with self._store.transaction(durable=False):
                    self._store.risk.save(day)
            self._follow(day)
            self._exit_again(day, book.positions)
        return pnl

    def _is_open(self) -> bool:
        calendar, now = self._breach.calendar, self._clock.now()
        return calendar is None or calendar.is_any_open(now)

    def _note(self, book: RiskBook) -> None:
        """Leave the day's curve for the dashboard, a point a minute."""
        now = self._clock.now()
        figures = (book.realised_today, book.daily_pnl - book.realised_today)
        minute = now.replace(second=0, microsecond=0)
        if minute == self._noted_at or figures == self._noted:
            return
        self._noted_at, self._noted = minute, figures
        sample = PnlSample(at=minute, realised=figures[0], unrealised=figures[1])
        with self._store.transaction(durable=False):
            self._store.risk.note_pnl(sample)

    def _warn(self, pnl: Decimal, lowest: Decimal) -> None:
        self._logger.warning(
            "the day's P&L is %s, entries end at %s",
            money(pnl),
            money(lowest),
            extra={"event": "risk_warning"},
        )

    def _on_breach(
        self, day: RiskDay, lowest: Decimal, positions: Sequence[Position]
    ) -> None:
        reason = f"daily P&L {money(day.last_pnl)} reached {money(lowest)}"
        exits = 0
        with self._store.transaction(durable=True):
            self._store.risk.save(day)
            # A halt by an operator is stricter, and stays.
            if self._store.trading.status().state is TradingState.ACTIVE:
                self._store.trading.set(
                    TradingState.REDUCING, reason=reason, by=_SERVICE
                )
            self._cancel_entries(positions)
            if self._breach.exit_all:
                exits = self._exit_all(day.day, positions)
        self._logger.critical(
            "no more entries today: %s; %d exits sent",
            reason,
            exits,
            extra={"event": "risk_breach"},
        )
        self._ring("trading_bot", "execution_guard", "command_service")

    def _cancel_entries(self, positions: Sequence[Position]) -> None:
        """Have canceled what would still make a position larger."""
        open_orders = self._store.orders.in_status(*sorted(OPEN))
        for order in open_orders:
            if not shrinks(order, positions, open_orders):
                self._store.orders.request_cancel(order.order_id, by=_SERVICE)

    def _exit_again(self, day: RiskDay, positions: Sequence[Position]) -> None:
        """
        Exit what a breach has left open: it came later, or its exit failed.

        Not once somebody has opened trading again, or while an exit is under way.
        """
        now = self._clock.monotonic()
        if (
            not (day.breached and self._breach.exit_all and positions)
            or now - self._exited_at < EXIT_AGAIN_SECONDS
            or self._store.trading.status().state is not TradingState.REDUCING
        ):
            return
        left = self._without_exit(positions)
        if not left:
            return
        with self._store.transaction(durable=True):
            exits = self._exit_all(day.day, left)
        if exits:
            self._logger.warning(
                "%d positions are still open after the breach: %d exits sent",
                len(left),
                exits,
                extra={"event": "risk_exit_again"},
            )
            self._ring("trading_bot")

    def _without_exit(self, positions: Sequence[Position]) -> list[Position]:
        under_way = {
            (order.strategy, order.exchange, order.tradingsymbol, order.product)
            for order in self._store.orders.in_status(*sorted(OPEN))
            if order.intent is Intent.EXIT
        }
        waiting = {
            (stored.alert.strategy, stored.alert.exchange)
            for stored in self._store.alerts.in_status(
                AlertStatus.RECEIVED, limit=ALERTS
            )
            if stored.alert.intent is Intent.EXIT
        }
        # Tried as often as it may be; a person has to look, or acknowledge it.
        refused = {
            found.subject
            for found in self._store.discrepancies.unresolved(
                DiscrepancyKind.EXIT_REFUSED
            )
        }
        return [
            position
            for position in positions
            if (position.strategy, position.exchange) not in waiting
            and refused_holding(
                position.strategy,
                position.exchange,
                position.tradingsymbol,
                position.product,
            )
            not in refused
            and (
                position.strategy,
                position.exchange,
                position.tradingsymbol,
                position.product,
            )
            not in under_way
        ]

    def _exit_all(self, day: date, positions: Sequence[Position]) -> int:
        """Store an exit alert for each strategy and exchange; return how many."""
        legs = defaultdict(list)
        calendar, at = self._breach.calendar, self._clock.now()
        for position in positions:
            if calendar is not None and not calendar.is_open(position.exchange, at):
                # It would be denied; `_exit_again` sends it when the market opens.
                continue
            self._exited_at = self._clock.monotonic()
            legs[position.strategy, position.exchange].append(
                {
                    "tradingsymbol": position.tradingsymbol,
                    "product_type": position.product.value,
                }
            )
        count = 0
        for (strategy, exchange), all_legs in legs.items():
            for begin in range(0, len(all_legs), MAX_LEGS):
                alert = parse(
                    {
                        "execution_type": "exit",
                        "strategy_name": strategy,
                        "exchange": exchange.value,
                        "dedupe_id": f"risk-{day}-{exchange}-{begin}-{at:%H%M%S}",
                        "legs": all_legs[begin : begin + MAX_LEGS],
                    }
                )
                new_id = alert_id(at, secrets.token_bytes(5))
                _, is_new = self._store.alerts.add(alert, new_id, received_at=at)
                count += is_new
        return count

    def _follow(self, day: RiskDay) -> None:
        """Halt after the exits of a breach; open again on the next day."""
        status = self._store.trading.status()
        change: tuple[TradingState, str] | None = None
        if status.set_by == _SERVICE and status.state is not TradingState.ACTIVE:
            if not day.breached and status.set_at < day_begin(self._clock.now()):
                change = TradingState.ACTIVE, "a new trading day"
            elif (
                day.breached
                and self._breach.then == "halt"
                and status.state is TradingState.REDUCING
                and not self._store.positions.open()
                and not self._store.orders.in_status(*sorted(OPEN), limit=1)
            ):
                change = TradingState.HALTED, f"all closed after: {status.reason}"
        if change is None:
            return
        state, reason = change
        with self._store.transaction(durable=True):
            # Look again: somebody may have set it since.
            if self._store.trading.status() != status:
                return
            self._store.trading.set(state, reason=reason, by=_SERVICE)
        self._logger.warning(
            "trading is %s: %s",
            state,
            reason,
            extra={"event": "trading_state", "state": state},
        )


def losing_days(days: Sequence[RiskDay]) -> int:
    """Return how many of these days, newest first, were lost in a row."""
    count = 0
    for day in days:
        if day.last_pnl >= 0:
            break
        count += 1
    return count
