"""
One account at the simulated broker.

What cannot be read is refused at once (`Refusal`); what the risk system or the exchange
does not take was accepted before, and is reported as REJECTED by an order message.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from shoonya_platform.clock import Clock
from shoonya_platform.errors import NotAllowed
from shoonya_platform.testing.noren import books, brackets, orders, rules
from shoonya_platform.testing.noren.faults import FaultKind, Faults
from shoonya_platform.testing.noren.market import Market, held_until
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.orders import Order, Trade
from shoonya_platform.testing.noren.past import Past, positions_without
from shoonya_platform.testing.noren.prices import Band, MarketSettings
from shoonya_platform.testing.noren.reading import (
    INVALID,
    Refusal,
    changed_order,
    check_fields,
    new_order,
    put,
    symbol_of,
)
from shoonya_platform.testing.noren.rules import AccountRules
from shoonya_platform.testing.noren.scrips import Scrips
from shoonya_platform.testing.noren.words import Row, money

__all__ = ["Account", "AccountRules", "Refusal"]

_NOT_FOUND = "Rejected : ORA:Order not found"


class Account:
    """
    Orders, trades, positions and money, in Noren's words.

    Args:
        folder: Where the books lie between two runs.

        tell: Gets each order message as it happens.
    """

    def __init__(
        self,
        folder: Path,
        settings: MarketSettings,
        *,
        user_id: str,
        scrips: Scrips,
        clock: Clock,
        faults: Faults,
        tell: Callable[[Row], None],
    ) -> None:
        self.rules = AccountRules()
        self.scrips = scrips
        self.settings = settings
        self.user_id = user_id
        self._clock = clock
        self._faults = faults
        self._tell = tell
        #: Held while anything is changed or read, by those who read past us too.
        self.lock = threading.RLock()
        self._past = Past()
        self._rows: dict[int, Row] = {}
        self._trade_rows: dict[int, Row] = {}
        self._ordered_at: list[float] = []
        path = folder / "books.json"
        self.market = Market(path, scrips, settings, clock, self._report)
        for order in self.market.orders():
            self._rows[order.key] = self._row(order)

    def limit_fills(self, quantity: int) -> None:
        """Let at most this many units of an order trade in one step."""
        self.market.limit_fills(quantity)

    def place(self, asked: Mapping[str, str]) -> str:
        """
        Take an order; return its norenordno.

        Raises:
            Refusal: It cannot be read.
        """
        with self.lock:
            self._note_rate()
            check_fields(asked)
            scrip = self._traded(asked)
            now = self._clock.now()
            order = new_order(asked, scrip, self.market.next_key(), now)
            if self._faults.take((FaultKind.REFUSE,)) is not None:
                raise Refusal("Rejected : refused on demand")
            reason = self._rejection(order, scrip)
            hold = self._faults.take((FaultKind.HOLD_ORDERS,))
            if hold is not None:
                order.held_until = held_until(now, hold.seconds)
            self._number(order)
            order.is_triggered = not order.needs_trigger
            if not order.is_triggered:
                order.status = orders.TRIGGER_PENDING
            if reason is not None:
                order.status, order.reason, order.margin = (
                    orders.REJECTED,
                    reason,
                    Decimal(0),
                )
            elif not self.rules.has_session(order.exch, now):
                order.status = orders.PENDING
            else:
                order.is_amo = False
            self.market.add(order)
            self.market.step()
            return order.number

    def modify(self, asked: Mapping[str, str]) -> None:
        """
        Give an order other terms.

        Raises:
            Refusal: There is no such order, or it cannot have them.
        """
        with self.lock:
            self._note_rate()
            order = self.market.find(asked.get("norenordno", ""))
            if order is None or not order.is_working:
                raise Refusal(_NOT_FOUND)
            if "tsym" in asked and symbol_of(asked) != order.tsym:
                raise Refusal(INVALID)
            if self._faults.take((FaultKind.REJECT_REPLACE,)) is not None:
                self._refuse_replace(order)
                return
            changes = changed_order(order, asked)
            before = {name: getattr(order, name) for name in (*changes, "margin")}
            put(order, changes)
            refused = self._replace_refusal(order)
            if refused is not None:
                put(order, before)
                raise Refusal(f"Rejected : {refused}")
            if not order.needs_trigger and order.status == orders.TRIGGER_PENDING:
                order.is_triggered, order.status = True, orders.OPEN
            self.market.replaced(order)
            self.market.step()

    def cancel(self, number: str) -> None:
        """
        Cancel an order.

        Raises:
            Refusal: There is no such order, or it is at its end.
        """
        with self.lock:
            self._note_rate()
            order = self.market.find(number)
            if order is None:
                raise Refusal("Rejected : ORA:Order not found to Cancel")
            if not order.is_working:
                raise Refusal(f"Rejected : ORA:Order is {order.status}")
            self.market.end(order, orders.CANCELED)
            self.market.step()

    def exit(self, number: str, prd: str) -> None:
        """
        End a bracket or cover order: cancel what rests, close what is held.

        Raises:
            Refusal: There is no such order of this product.
        """
        with self.lock:
            order = self.market.find(number)
            if prd not in ("B", "H") or order is None or order.prd != prd:
                raise Refusal("Rejected : ORA:Order not found to Exit")
            brackets.exit_all(self.market, order)
            self.market.step()

    def order_book(self) -> list[Row]:
        with self.lock:
            return [self._rows[order.key] for order in self.market.orders()]

    def history(self, number: str) -> list[Row]:
        """Return what happened to an order, newest first."""
        with self.lock:
            return self._past.history(number)

    def book_before(self, route: str, seconds: float) -> list[Row]:
        """Return OrderBook, TradeBook or PositionBook as it was so long ago."""
        with self.lock:
            at = self._clock.now() - timedelta(seconds=seconds)
            if route == "OrderBook":
                return self._past.orders(at)
            later = sum(trade.at > at for trade in self.market.trades())
            trades = self.trade_book()
            if route == "TradeBook":
                return trades[: len(trades) - later]
            return positions_without(self.positions(), trades[len(trades) - later :])

    def trade_book(self) -> list[Row]:
        with self.lock:
            return [
                self._trade_rows[trade.number]
                for trade in self.market.trades()
                if trade.number in self._trade_rows
            ]

    def positions(self) -> list[Row]:
        with self.lock:
            found = []
            for position in self.market.positions():
                scrip = self.scrips.named(position.exch, position.tsym)
                if scrip is not None:
                    last = self.market.prices.last(scrip)
                    found.append(
                        books.position_row(position, scrip, last, self.user_id)
                    )
            return found

    def convert(self, asked: Mapping[str, str]) -> None:
        """
        Move a position from one product to another.

        Raises:
            Refusal: There is not so much of it.
        """
        with self.lock:
            scrip = self._traded(asked)
            if asked.get("postype", "").upper() not in ("DAY", "CF"):
                raise Refusal("Invalid Input :  Invalid Position Type")
            try:
                quantity = abs(int(asked["qty"]))
                new, old, side = asked["prd"], asked["prevprd"], asked["trantype"]
            except (KeyError, ValueError) as e:
                raise Refusal(INVALID) from e
            sign = 1 if side == "B" else -1
            held = self.market.position(*scrip.key, old)
            if new not in self.rules.products(scrip.exchange) or new == old:
                raise Refusal(INVALID)
            if not 0 < quantity <= held.net * sign:
                raise Refusal("Rejected : RED:Position quantity is not available")
            price = held.average
            held.add(-sign, quantity, price, scrip.factor)
            target = self.market.position(*scrip.key, new)
            target.add(sign, quantity, price, scrip.factor)

    def last_price(self, exchange: str, tradingsymbol: str) -> Decimal | None:
        with self.lock:
            scrip = self.scrips.named(exchange, tradingsymbol)
            return None if scrip is None else self.market.prices.last(scrip)

    def band(self, exchange: str, tradingsymbol: str) -> Band:
        with self.lock:
            scrip = self.scrips.named(exchange, tradingsymbol)
            return (None, None) if scrip is None else self.market.prices.band(scrip)

    def set_bands(self, bands: Mapping[str, Band]) -> None:
        """Take only prices within these bands, by `EXCHANGE:TRADINGSYMBOL`."""
        with self.lock:
            self.market.prices.set_bands(bands)

    def set_price(self, exchange: str, tradingsymbol: str, price: Decimal) -> None:
        """
        Let the market trade at a price, in rupees; orders that it touches fill.

        Raises:
            NotAllowed: It cannot be a price, or the masters have no such instrument.
        """
        with self.lock:
            scrip = self.scrips.named(exchange, tradingsymbol)
            if scrip is None:
                raise NotAllowed(f"no master lists '{exchange}:{tradingsymbol}'")
            self.market.prices.set(scrip, price)
            self.market.step_scrip(scrip)
            self.market.step()

    def step(self) -> None:
        """Let every working order trade once."""
        with self.lock:
            now = self._clock.now()
            for order in self.market.working():
                if order.status == orders.PENDING and self.rules.has_session(
                    order.exch, now
                ):
                    self.market.activate(order)
            self.market.step()

    def release(self) -> None:
        """Let go the orders that a fault holds."""
        with self.lock:
            self.market.release()
            self.market.step()

    def close(self) -> None:
        with self.lock:
            self.market.keep()

    def _traded(self, asked: Mapping[str, str]) -> Scrip:
        scrip = self.scrips.named(asked.get("exch", ""), symbol_of(asked))
        if scrip is None or not scrip.is_traded:
            raise Refusal("Invalid Input : Invalid Trading Symbol")
        return scrip

    def _rejection(self, order: Order, scrip: Scrip) -> str | None:
        if self._faults.take((FaultKind.REJECT,)) is not None:
            return "RED:Margin Shortfall:INR 28,030.64 Available:INR 29.36 on demand"
        if self._faults.take((FaultKind.REJECT_TICK,)) is not None:
            return rules.OFF_TICK
        now = self._clock.now()
        if not order.is_amo and not self.rules.has_session(order.exch, now):
            return rules.MARKET_CLOSED
        band = self.market.prices.band(scrip)
        reason = rules.rejection(order, scrip, self.rules, band, now)
        return reason or self._block(order, scrip)

    def _replace_refusal(self, order: Order) -> str | None:
        scrip = self.scrips.named(order.exch, order.tsym)
        if scrip is None:
            return "ORA:Order not found"
        if order.leaves <= 0:
            return f"RED:{order.filled} are filled already"
        band = self.market.prices.band(scrip)
        now = self._clock.now()
        reason = rules.rejection(order, scrip, self.rules, band, now)
        return reason or self._block(order, scrip)

    def _block(self, order: Order, scrip: Scrip) -> str | None:
        """Block an order's margin; say what is missing, if anything is."""
        needed = self.market.margin_needed(order, scrip)
        known = order.key in self._rows
        used = self.market.margin_used
        if known:
            # What the order blocked until now is free for its new terms.
            used -= order.blocked
        available = self.market.cash - used
        if needed > max(available, Decimal(0)):
            return (
                f"RED:Margin Shortfall:INR {money(needed - available)} "
                f"Available:INR {money(available)} for C-{self.user_id}"
            )
        order.margin = needed * order.quantity / order.leaves
        return None

    def _number(self, order: Order) -> None:
        others = self.market.orders()
        fault = self._faults.take((FaultKind.DUPLICATE_NUMBER,)) if others else None
        if fault is not None:
            order.number = others[-1].number

    def _refuse_replace(self, order: Order) -> None:
        row = self._rows[order.key]
        word = row["status"]
        self._tell(books.order_message(row, "PendingReplace", word, None))
        frame = books.order_message(row, "ReplaceRejected", word, None)
        self._tell({**frame, "rejreason": "RED:new terms refused on demand"})

    def _note_rate(self) -> None:
        limit = self.rules.orders_per_second
        now = self._clock.monotonic()
        self._ordered_at = [at for at in self._ordered_at if now - at < 1.0]
        if limit and len(self._ordered_at) >= limit:
            raise Refusal("Rejected : order rate limit exceeded")
        self._ordered_at.append(now)

    def _row(self, order: Order) -> Row:
        scrip = self.scrips.named(order.exch, order.tsym)
        if scrip is None:
            raise NotAllowed(f"no master lists '{order.exch}:{order.tsym}' any more")
        return books.order_row(order, scrip, self.user_id)

    def _report(self, order: Order, report: str, trade: Trade | None) -> None:
        row = self._rows[order.key] = self._row(order)
        status = row["status"]
        steps = {
            "New": [("NewAck", "PENDING"), ("PendingNew", "PENDING"), ("New", status)],
            "Rejected": [("NewAck", "PENDING"), ("Rejected", status)],
            "Canceled": [("PendingCancel", "OPEN"), ("Canceled", status)],
            "Replaced": [("PendingReplace", status), ("Replaced", status)],
            "Fill": [("Fill", status)],
        }[report]
        fill: Row | None = None
        if trade is not None:
            scrip = self.scrips.named(order.exch, order.tsym)
            if scrip is not None:
                fill = books.fill_fields(trade, scrip)
                self._trade_rows[trade.number] = books.trade_row(row, fill)
        for report_type, word in steps:
            self._past.note(self._clock.now(), {**row, "status": word}, report_type)
            frame = books.order_message(row, report_type, word, fill)
            self._tell(frame)
        if trade is not None:
            brackets.after_fill(self.market, order)
