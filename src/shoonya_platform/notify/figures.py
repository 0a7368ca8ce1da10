"""The state of things in a few plain lines, for a message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shoonya_platform.assessment.assess import assess
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.orders import OPEN, OrderStatus
from shoonya_platform.risk.day_book import day_book
from shoonya_platform.risk.figures import day_figures
from shoonya_platform.risk.limits import RiskBook, RiskLimits, money
from shoonya_platform.store.base import OrderStore

#: Of what needs attention.
MOST_CONDITIONS = 5

#: More lines than that are no message any more.
MOST_POSITIONS = 20


@dataclass(frozen=True, slots=True)
class DailyReport:
    text: str
    orders: int  #: made that day


def status(store: OrderStore, now: datetime) -> str:
    """Return the trading state, what needs attention, services and open orders."""
    trading = store.trading.status()
    lines = [f"trading is {trading.state}: {trading.reason}"]
    found = [each for each in assess(store, now) if each.kind != "trading_not_active"]
    lines += [f"{each.severity}: {each.text}" for each in found[:MOST_CONDITIONS]]
    if len(found) > MOST_CONDITIONS:
        lines.append(f"and {len(found) - MOST_CONDITIONS} more conditions")
    for beat in store.services.all():
        seconds = (now - beat.beat_at).total_seconds()
        state = "ended" if beat.ended_at else f"heard of {seconds:.0f} s ago"
        lines.append(f"{beat.service}: {state}, {beat.status}")
    counts = store.orders.count()
    open_orders = sum(counts.get(each, 0) for each in OPEN)
    lines.append(f"{open_orders} open orders")
    return "\n".join(lines)


def risk(store: OrderStore, limits: RiskLimits, now: datetime) -> str:
    """Return each risk figure beside its limit."""
    book = day_book(store, limits, now, store.orders.in_status(*sorted(OPEN)))
    figures = day_figures(book, limits)
    trading = store.trading.status()
    pnl = figures.pop("daily_pnl")
    return "\n".join(
        [
            f"trading is {trading.state}: {trading.reason}",
            f"P&L {pnl.value}, entries end at {money(Decimal(pnl.limit or 0))}",
            *(
                f"{name.replace('_', ' ')} {each.value} of "
                f"{'any' if each.limit is None else each.limit}"
                + (f" ({each.of})" if each.of else "")
                for name, each in figures.items()
            ),
        ]
    )


def positions(store: OrderStore) -> str:
    """Return what is held, a line each."""
    held = store.positions.open()
    lines = [
        f"{each.quantity:+d} {each.exchange}:{each.tradingsymbol} {each.product} "
        f"at {each.average_price:.2f}, P&L {money(each.unrealised_pnl)} "
        f"({each.strategy})"
        for each in held[:MOST_POSITIONS]
    ]
    if len(held) > MOST_POSITIONS:
        lines.append(f"and {len(held) - MOST_POSITIONS} more")
    return "\n".join(lines) or "flat: no open positions"


def pnl(store: OrderStore, now: datetime) -> str:
    """Return what the day has made."""
    realised = store.positions.realised_on(trading_day(now))
    book = _book(store, now)
    return (
        f"P&L today {money(book.daily_pnl)}: {money(realised)} realised, "
        f"{money(book.daily_pnl - realised)} unrealised"
    )


def daily_report(store: OrderStore, now: datetime) -> DailyReport:
    """Return the day in figures."""
    counts = store.orders.count_on(trading_day(now))
    total = sum(counts.values())
    words = ", ".join(
        f"{count} {_word(each)}" for each, count in sorted(counts.items()) if count
    )
    held = len(store.positions.open())
    lines = [
        f"the day {trading_day(now)} in figures",
        pnl(store, now),
        f"{total} orders" + (f": {words}" if words else ""),
        f"{held} open positions, trading is {store.trading.status().state}",
    ]
    if differ := len(store.discrepancies.open()):
        lines.append(f"{differ} open discrepancies (shoonyactl discrepancy list)")
    return DailyReport("\n".join(lines), total)


def _word(each: OrderStatus) -> str:
    return each.replace("_", " ")


def _book(store: OrderStore, now: datetime) -> RiskBook:
    return RiskBook(
        positions=store.positions.open(),
        working=store.orders.in_status(*sorted(OPEN)),
        realised_today=store.positions.realised_on(trading_day(now)),
    )
