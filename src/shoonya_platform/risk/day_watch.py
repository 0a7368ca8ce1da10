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
from shoonya_platform.domain.alerts import MAX_LEGS, alert_id
from shoonya_platform.domain.days import day_begin, trading_day
from shoonya_platform.domain.orders import OPEN, Side
from shoonya_platform.domain.positions import ZERO, Position
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.logging import get_component_logger
from shoonya_platform.risk.limits import RiskBook, RiskLimits, money
from shoonya_platform.store.base import OrderStore, PnlSample, RiskDay

_SERVICE = "risk_manager"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachRules:
    """What follows when the day has lost too much."""

    #: `reduce` lets exits out; `halt` nothing more, once everything is closed.
    then: Literal["reduce", "halt"] = "reduce"
    #: Whether every position is closed, by alerts that go the usual way.
    exit_all: bool = True


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
        self._noted_at: datetime | None = None
        self._noted = (ZERO, ZERO)

    def look(self, book: RiskBook) -> Decimal:
        """Take in the P&L as it is now, do what follows from it, and return it."""
        pnl = book.daily_pnl
        self._note(book)
        today = trading_day(self._clock.now())
        known = self._store.risk.day(today) or RiskDay(
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
            if day != known:
                with self._store.transaction(durable=False):
                    self._store.risk.save(day)
            self._follow(day)
        return pnl

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
            if self._breach.exit_all:
                exits = self._exit_all(day.day, positions)
        self._logger.critical(
            "no more entries today: %s; %d exits sent",
            reason,
            exits,
            extra={"event": "risk_breach"},
        )
        self._ring("trading_bot", "execution_guard", "command_service")

    def _exit_all(self, day: date, positions: Sequence[Position]) -> int:
        """Store an exit alert for each strategy and exchange; return how many."""
        legs = defaultdict(list)
        for position in positions:
            side = Side.SELL if position.quantity > 0 else Side.BUY
            legs[position.strategy, position.exchange].append(
                {
                    "tradingsymbol": position.tradingsymbol,
                    "direction": side.value,
                    "qty": abs(position.quantity),
                    "product_type": position.product.value,
                }
            )
        now = self._clock.now()
        count = 0
        for (strategy, exchange), all_legs in legs.items():
            for begin in range(0, len(all_legs), MAX_LEGS):
                alert = parse(
                    {
                        "execution_type": "exit",
                        "strategy_name": strategy,
                        "exchange": exchange.value,
                        "dedupe_id": f"risk-{day}-{exchange}-{begin}",
                        "legs": all_legs[begin : begin + MAX_LEGS],
                    }
                )
                new_id = alert_id(now, secrets.token_bytes(5))
                _, is_new = self._store.alerts.add(alert, new_id, received_at=now)
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
