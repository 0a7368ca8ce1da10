"""
The simulated exchange: orders, trades, positions and money.

There is no other side: whatever touches the last price trades at once.  An order that
arrives trades at the last price; one that rested trades at its own limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec

from shoonya_platform.clock import Clock
from shoonya_platform.errors import ConfigError
from shoonya_platform.testing.noren import orders
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.orders import (
    Order,
    Position,
    Trade,
    position_margin,
    value_of,
)
from shoonya_platform.testing.noren.prices import MarketSettings, Prices
from shoonya_platform.testing.noren.scrips import Scrips
from shoonya_platform.testing.noren.words import INDIA, india_day

_ZERO = Decimal(0)
_NUMBERS_A_DAY = 10**8
DAY_ENDED = "the trading day ended"
#: Gets an order, the report's type and the trade if there is one.
Changed = Callable[[Order, str, Trade | None], None]


class Books(msgspec.Struct):
    """All that is kept from one run to the next."""

    orders: list[Order] = []
    trades: list[Trade] = []
    positions: list[Position] = []
    realised: Decimal = _ZERO


class Market:
    """
    Matches orders with the last price.

    Args:
        path: Where the books lie between two runs.

        changed: Is called for each change of an order, as it happens.
    """

    def __init__(
        self,
        path: Path,
        scrips: Scrips,
        settings: MarketSettings,
        clock: Clock,
        changed: Changed,
    ) -> None:
        self.prices = Prices(settings, clock)
        self._path = path
        self._scrips = scrips
        self._settings = settings
        self._clock = clock
        self._changed = changed
        self._books = _read(path)
        self._by_key = {order.key: order for order in self._books.orders}
        self._by_number: dict[str, list[Order]] = {}
        for order in self._books.orders:
            self._by_number.setdefault(order.number, []).append(order)
        self._working = {o.key: o for o in self._books.orders if o.is_working}
        self._positions = {(p.exch, p.tsym, p.prd): p for p in self._books.positions}

    def limit_fills(self, quantity: int) -> None:
        self._settings = replace(self._settings, max_fill_quantity=quantity)

    def next_key(self) -> int:
        """Return the next order's number: the day, and a count of that day."""
        now = self._clock.now()
        day = int(f"{now.astimezone(INDIA):%y%m%d}") * _NUMBERS_A_DAY
        last = max(self._by_key, default=0)
        if last > day:
            return last + 1
        # Not the day's first: an earlier run may have given those away.
        local = now.astimezone(INDIA)
        seconds = local.hour * 3600 + local.minute * 60 + local.second
        return day + 1000 * seconds + 1

    def orders(self) -> list[Order]:
        """Return the orders of the day, oldest first."""
        day = india_day(self._clock.now())
        return [o for o in self._books.orders if india_day(o.placed_at) == day]

    def trades(self) -> list[Trade]:
        day = india_day(self._clock.now())
        return [trade for trade in self._books.trades if india_day(trade.at) == day]

    def positions(self) -> list[Position]:
        return list(self._positions.values())

    def position(self, exch: str, tsym: str, prd: str) -> Position:
        key = (exch, tsym, prd)
        known = self._positions.get(key)
        if known is None:
            known = self._positions[key] = Position(exch=exch, tsym=tsym, prd=prd)
        return known

    def order(self, key: int) -> Order:
        return self._by_key[key]

    def find(self, number: str) -> Order | None:
        """Return the order that shows a number; of two, the one that works."""
        found = self._by_number.get(number, [])
        working = [order for order in found if order.is_working]
        return next(iter(working or found), None)

    def working(self, key_of_scrip: tuple[str, str] | None = None) -> list[Order]:
        return [
            order
            for order in self._working.values()
            if key_of_scrip is None or order.key_of_scrip == key_of_scrip
        ]

    @property
    def cash(self) -> Decimal:
        return self._settings.cash + self._books.realised

    @property
    def realised(self) -> Decimal:
        return self._books.realised

    @property
    def margin_used(self) -> Decimal:
        held = [
            position_margin(each, self._scrips.named(each.exch, each.tsym))
            for each in self._positions.values()
            if each.net
        ]
        blocked = [order.blocked for order in self._working.values()]
        return sum(held, _ZERO) + sum(blocked, _ZERO)

    def margin_needed(self, order: Order, scrip: Scrip) -> Decimal:
        """
        Return what an order would block: the value of what closes no position.

        Orders that already work towards closing it come first.
        """
        price = order.price if order.needs_price else order.trigger
        if order.prctyp in ("MKT", "SL-MKT"):
            price = order.trigger or self.prices.last(scrip)
        known = self._positions.get((order.exch, order.tsym, order.prd))
        closing = 0 if known is None else max(0, -known.net * order.sign)
        for other in self.working(order.key_of_scrip):
            if (other.trantype, other.prd) == (order.trantype, order.prd):
                closing -= other.leaves if other.key != order.key else 0
        return value_of(max(0, order.leaves - max(0, closing)), price, scrip)

    def add(self, order: Order) -> None:
        """Take an order as it is: working or rejected."""
        self._books.orders.append(order)
        self._by_key[order.key] = order
        self._by_number.setdefault(order.number, []).append(order)
        if not order.is_working:
            self._changed(order, "Rejected", None)
            return
        self._working[order.key] = order
        self._changed(order, "New", None)
        self.advance(order, is_arriving=True)

    def replaced(self, order: Order) -> None:
        """Go on with an order that has other terms now."""
        order.updated_at = self._clock.now()
        self._changed(order, "Replaced", None)
        self.advance(order, is_arriving=True)

    def end(self, order: Order, status: str, reason: str = "") -> None:
        order.status, order.reason = status, reason
        order.updated_at = self._clock.now()
        self._working.pop(order.key, None)
        report = "Rejected" if status == orders.REJECTED else "Canceled"
        self._changed(order, report, None)

    def step(self) -> None:
        """Let every working order trade once."""
        for order in self.working():
            self.advance(order, is_arriving=False)

    def step_scrip(self, scrip: Scrip) -> None:
        for order in self.working(scrip.key):
            self.advance(order, is_arriving=False)

    def release(self) -> None:
        """Let go the orders that are held."""
        for order in self._working.values():
            order.held_until = None

    def activate(self, order: Order) -> None:
        """Bring an after-market order to the market that has opened."""
        order.status = orders.OPEN if order.is_triggered else orders.TRIGGER_PENDING
        order.updated_at = self._clock.now()
        self._changed(order, "New", None)
        self.advance(order, is_arriving=True)

    def advance(self, order: Order, *, is_arriving: bool) -> None:
        """Take one step with an order: expire, trigger, fill once."""
        now = self._clock.now()
        if not order.is_working:
            return
        if india_day(order.placed_at) < india_day(now) and not order.is_amo:
            self.end(order, orders.CANCELED, DAY_ENDED)
            return
        scrip = self._scrips.named(order.exch, order.tsym)
        if scrip is None or order.status == orders.PENDING or _is_held(order, now):
            return
        last = self.prices.last(scrip)
        if not order.is_triggered and (last - order.trigger) * order.sign >= 0:
            order.is_triggered, is_arriving = True, True
            order.status = orders.OPEN
        if order.is_triggered:
            at = _trade_price(order, last, is_arriving=is_arriving)
            if at is not None:
                most = self._settings.max_fill_quantity or order.leaves
                self._fill(order, scrip, min(order.leaves, most), at)
        if order.leaves and order.ret == "IOC":
            self.end(order, orders.CANCELED, "IOC: not filled at once")

    def keep(self) -> None:
        """Write the books down for the next run."""
        self._books.positions = self.positions()
        self._path.write_bytes(msgspec.json.encode(self._books))

    def _fill(self, order: Order, scrip: Scrip, quantity: int, price: Decimal) -> None:
        now = self._clock.now()
        order.filled += quantity
        order.value += quantity * price
        order.updated_at = now
        if not order.leaves:
            order.status = orders.COMPLETE
            self._working.pop(order.key, None)
        trades = self._books.trades
        trade = Trade(
            number=trades[-1].number + 1 if trades else 1,
            order=order.key,
            quantity=quantity,
            price=price,
            at=now,
        )
        trades.append(trade)
        position = self.position(order.exch, order.tsym, order.prd)
        gained = position.add(order.sign, quantity, price, scrip.factor)
        self._books.realised += gained
        self._changed(order, "Fill", trade)


def held_until(now: datetime, seconds: float) -> datetime:
    """Return until when an order is held; 0 seconds are for ever."""
    return now + timedelta(seconds=seconds or 10**9)


def _is_held(order: Order, now: datetime) -> bool:
    return order.held_until is not None and now < order.held_until


def _trade_price(order: Order, last: Decimal, *, is_arriving: bool) -> Decimal | None:
    if not order.needs_price:
        return last
    if (order.price - last) * order.sign < 0:
        return None
    return last if is_arriving else order.price


def _read(path: Path) -> Books:
    if not path.exists():
        return Books()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Books)
    except (OSError, msgspec.MsgspecError) as e:
        raise ConfigError(
            f"the simulator's books in '{path}' cannot be read: {e}",
            hint="remove the file to begin with empty ones",
        ) from e
