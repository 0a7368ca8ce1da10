"""
One account at the simulated broker: its market is the paper broker's.

What cannot be read is refused at once (`Refusal`); what the RMS or the exchange does
not take was accepted before, and is told as REJECTED by an order message.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

from shoonya_platform.brokers.base import (
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    ExecutionReport,
    ModifyOrder,
    PlaceOrder,
)
from shoonya_platform.brokers.paper import FaultKind as PaperFault
from shoonya_platform.brokers.paper import PaperBroker, PaperSettings
from shoonya_platform.brokers.paper_prices import Prices
from shoonya_platform.brokers.paper_rows import first_number, order_of
from shoonya_platform.brokers.remembered import Remembered
from shoonya_platform.clock import Clock
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.instruments import Exchange, PriceBand
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    OrderStatus,
    TimeInForce,
)
from shoonya_platform.errors import BrokerRejected
from shoonya_platform.testing.noren import rows
from shoonya_platform.testing.noren.faults import FaultKind, Faults
from shoonya_platform.testing.noren.past import Past, positions_without
from shoonya_platform.testing.noren.rows import Row
from shoonya_platform.testing.noren.scrips import Scrips

_NEEDED = ("actid", "exch", "tsym", "qty", "prc", "prd", "trantype", "prctyp", "ret")
#: What std::string says of an empty price, as it was seen live.
_EMPTY_PRICE = "Invalid Input : basic_string::at: __n (which is 0) >= this->size()"
#: Numbers of orders that never reached the market begin here within their day.
_REFUSED_FROM = 9 * 10**7


class Refusal(Exception):
    """The request is answered with Not_Ok; the message is its emsg."""


@dataclass(slots=True, kw_only=True)
class AccountRules:
    """What the account and its exchange allow, changeable at any time."""

    #: Plain market orders by API are rejected, as since April 2026.
    market_orders: bool = True
    #: Whether the exchange is open; orders are rejected while it is not.
    is_open: bool = True
    #: Orders and cancels a second, more are refused; 0 is no limit.
    orders_per_second: int = 0


class _Market(PaperBroker):
    def limit_fills(self, quantity: int) -> None:
        self._settings = replace(self._settings, max_fill_quantity=quantity)

    def set_bands(self, bands: Mapping[str, PriceBand]) -> None:
        self._settings = replace(self._settings, bands=bands)
        self._prices = Prices(self._settings)

    def rows(self) -> list[sqlite3.Row]:
        with self._reading() as book:
            return book.order_rows()


class Account:
    """
    Orders, trades, positions and money, in Noren's words.

    Args:
        tell: Gets each order message as it happens.
    """

    def __init__(
        self,
        folder: Path,
        settings: PaperSettings,
        *,
        user_id: str,
        catalogue: Catalogue,
        clock: Clock,
        faults: Faults,
        tell: Callable[[Row], None],
    ) -> None:
        self.rules = AccountRules()
        self.scrips = Scrips(catalogue)
        self.user_id = user_id
        self._clock = clock
        self._faults = faults
        self._tell = tell
        self._catalogue = catalogue
        self._lock = threading.RLock()
        self._market = _Market(
            folder / "market.db",
            settings,
            catalogue=catalogue,
            clock=clock,
            timeout_seconds=5.0,
        )
        self._asked: dict[str, Mapping[str, str]] = {}
        self._placed_at: dict[str, datetime] = {}
        self._past = Past()
        self._refused: list[BrokerOrder] = []
        self._ordered_at: list[float] = []
        self._booked = Remembered[int, sqlite3.Row, Row](self._booked_row)
        self._traded = Remembered[str, tuple[BrokerTrade, Row], Row](
            lambda source: rows.trade_row(*source)
        )

    def limit_fills(self, quantity: int) -> None:
        """Let at most this many units of an order trade in one step."""
        self._market.limit_fills(quantity)

    def place(self, asked: Mapping[str, str]) -> str:
        """
        Take an order; return its norenordno.

        Raises:
            Refusal: It cannot be read.
        """
        with self._lock:
            self._note_rate()
            order = self._read(asked)
            if self._faults.take((FaultKind.REFUSE,)) is not None:
                raise Refusal("Rejected : refused on demand")
            rejected = self._rejection(asked)
            if rejected is not None:
                return self._reject(order, asked, rejected)
            hold = self._faults.take((FaultKind.HOLD_ORDERS,))
            if hold is not None:
                self._market.add_fault(PaperFault.HOLD_ORDERS, 1, hold.seconds)
            try:
                if asked.get("remarks"):
                    number = self._market.place(order)
                else:
                    number = self._market.place_external(order)
            except BrokerRejected as e:
                raise Refusal(e.message.removeprefix("Rejected : ")) from e
            self._remember(number, asked)
            self._publish()
            return number

    def modify(self, asked: Mapping[str, str]) -> None:
        """
        Give an order other terms.

        Raises:
            Refusal: There is no such order, or it cannot have them.
        """
        with self._lock:
            self._note_rate()
            number = asked.get("norenordno", "")
            try:
                change = ModifyOrder(
                    broker_order_id=BrokerOrderId(number),
                    exchange=Exchange(asked["exch"]),
                    tradingsymbol=asked["tsym"].replace("%26", "&"),
                    order_type=rows.TYPES[asked["prctyp"]],
                    time_in_force=TimeInForce(asked["ret"]),
                    quantity=int(asked["qty"]),
                    price=Decimal(asked["prc"]),
                    trigger_price=_trigger(asked),
                )
            except (KeyError, ValueError, InvalidOperation) as e:
                raise Refusal('Error Occurred : 2 "invalid input"') from e
            if self._faults.take((FaultKind.REJECT_REPLACE,)) is not None:
                self._refuse_replace(number)
                return
            before = self._asked.get(number)
            if before is None:
                raise Refusal("Rejected : ORA:Order not found")
            kept = {key: asked[key] for key in ("qty", "prc", "trgprc") if key in asked}
            # Before the market moves: its reports show the new terms.
            self._asked[number] = {**before, **kept}
            try:
                self._market.modify(change)
            except BrokerRejected as e:
                self._asked[number] = before
                raise Refusal(e.message) from e
            self._publish()

    def _refuse_replace(self, number: str) -> None:
        row = self._rows().get(number)
        if row is None:
            raise Refusal("Rejected : ORA:Order not found")
        word = row["status"]
        self._tell(rows.order_message(row, "PendingReplace", word, None))
        frame = rows.order_message(row, "ReplaceRejected", word, None)
        self._tell({**frame, "rejreason": "RED:new terms refused on demand"})

    def cancel(self, number: str) -> None:
        """
        Cancel an order.

        Raises:
            Refusal: There is no such order, or it is at an end.
        """
        with self._lock:
            self._note_rate()
            try:
                self._market.cancel(BrokerOrderId(number))
            except BrokerRejected as e:
                raise Refusal(e.message) from e
            self._publish()

    def order_book(self) -> list[Row]:
        with self._lock:
            return list(self._rows().values())

    def history(self, number: str) -> list[Row]:
        """Return what happened to an order, newest first."""
        with self._lock:
            return self._past.history(number)

    def book_before(self, route: str, seconds: float) -> list[Row]:
        """Return OrderBook, TradeBook or PositionBook as it was so long ago."""
        with self._lock:
            at = self._clock.now() - timedelta(seconds=seconds)
            if route == "OrderBook":
                return self._past.orders(at)
            later = [
                (trade.fill, row)
                for trade, row in self._trades()
                if trade.fill.filled_at > at
            ]
            if route == "TradeBook":
                return self.trade_book()[: -len(later) or None]
            return positions_without(self.positions(), later)

    def trade_book(self) -> list[Row]:
        with self._lock:
            trades = {each[0].fill.trade_id: each for each in self._trades()}
            found = [self._traded.of(*each) for each in trades.items()]
            self._traded.keep(trades)
            return found

    def positions(self) -> list[Row]:
        with self._lock:
            return [
                rows.position_row(
                    position,
                    self.user_id,
                    self.scrips.token(position.exchange, position.tradingsymbol),
                )
                for position in self._market.positions()
            ]

    def claims(self) -> list[BrokerOrder]:
        """Return the order book in the platform's words."""
        with self._lock:
            orders = [order_of(row).claim for row in self._market.rows()]
            return orders + self._refused

    def holdings(self) -> list[BrokerPosition]:
        """Return the positions in the platform's words."""
        with self._lock:
            return self._market.positions()

    def limits(self) -> Row:
        with self._lock:
            limits = self._market.limits()
        return {
            "stat": "Ok",
            "actid": self.user_id,
            "prfname": "SIMULATED",
            "cash": rows.money(limits.cash),
            "payin": "0.00",
            "payout": "0.00",
            "marginused": rows.money(limits.margin_used),
            "request_time": rows.request_time(self._clock.now()),
        }

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None:
        with self._lock:
            return self._market.last_price(exchange, tradingsymbol)

    def band(self, exchange: Exchange, tradingsymbol: str) -> PriceBand:
        with self._lock:
            quote = self._market.quote(exchange, tradingsymbol)
        return PriceBand() if quote is None else quote.band

    def set_bands(self, bands: Mapping[str, PriceBand]) -> None:
        """Take only prices within these bands, by `EXCHANGE:TRADINGSYMBOL`."""
        with self._lock:
            self._market.set_bands(bands)

    def set_price(self, exchange: Exchange, tradingsymbol: str, price: Decimal) -> None:
        """Let the market trade at a price, in rupees; orders that it touches fill."""
        with self._lock:
            self._market.set_price(exchange, tradingsymbol, price)
            self._publish()

    def step(self) -> None:
        """Let every working order trade once."""
        with self._lock:
            self._publish()

    def release(self) -> None:
        """Let go the orders that a fault holds."""
        with self._lock:
            self._market.clear_faults()
            self._publish()

    def close(self) -> None:
        self._market.close()

    def _read(self, asked: Mapping[str, str]) -> PlaceOrder:
        missing = [name for name in _NEEDED if name not in asked]
        if missing:
            raise Refusal(f"Invalid Input : Missing {' or '.join(missing)}.")
        if asked["prc"] == "":
            raise Refusal(_EMPTY_PRICE)
        try:
            return PlaceOrder(
                client_order_id=ClientOrderId(asked.get("remarks") or ""),
                exchange=Exchange(asked["exch"]),
                tradingsymbol=asked["tsym"].replace("%26", "&"),
                side=rows.SIDES[asked["trantype"]],
                quantity=int(asked["qty"]),
                order_type=rows.TYPES[asked["prctyp"]],
                price=Decimal(asked["prc"]),
                trigger_price=_trigger(asked),
                product=rows.PRODUCTS[asked["prd"]],
                time_in_force=TimeInForce(asked["ret"]),
            )
        except (KeyError, ValueError, InvalidOperation) as e:
            raise Refusal('Error Occurred : 2 "invalid input"') from e

    def _rejection(self, asked: Mapping[str, str]) -> str | None:
        if self._faults.take((FaultKind.REJECT,)) is not None:
            return "RED:Margin Shortfall:INR 28,030.64 Available:INR 29.36 on demand"
        if not self.rules.is_open and asked.get("amo", "").upper() != "YES":
            return "RED:Market is closed"
        if not self.rules.market_orders and asked["prctyp"] in ("MKT", "SL-MKT"):
            return "RED:Market orders are not allowed through API"
        return None

    def _reject(
        self, order: PlaceOrder, asked: Mapping[str, str], reason: str
    ) -> BrokerOrderId:
        now = self._clock.now()
        number = first_number(now) + _REFUSED_FROM + len(self._refused)
        claim = BrokerOrder(
            broker_order_id=BrokerOrderId(f"{number:014d}"),
            client_order_id=order.client_order_id or None,
            exchange=order.exchange,
            tradingsymbol=order.tradingsymbol,
            side=order.side,
            product=order.product,
            quantity=order.quantity,
            status=OrderStatus.REJECTED,
            filled_quantity=0,
            average_price=None,
            reason=reason,
            updated_at=now,
        )
        self._refused.append(claim)
        self._remember(claim.broker_order_id, asked)
        self._report(ExecutionReport(order=claim, fill=None))
        return claim.broker_order_id

    def _note_rate(self) -> None:
        limit = self.rules.orders_per_second
        now = self._clock.monotonic()
        self._ordered_at = [at for at in self._ordered_at if now - at < 1.0]
        if limit and len(self._ordered_at) >= limit:
            raise Refusal("Rejected : order rate limit exceeded")
        self._ordered_at.append(now)

    def _remember(self, number: str, asked: Mapping[str, str]) -> None:
        self._asked[number] = asked
        self._placed_at[number] = self._clock.now()

    def _trades(self) -> list[tuple[BrokerTrade, Row]]:
        orders = self._rows()
        return [
            (trade, orders[trade.broker_order_id])
            for trade in self._market.trade_book()
        ]

    def _rows(self) -> dict[str, Row]:
        booked = {row["number"]: row for row in self._market.rows()}
        found = {
            row["norenordno"]: row
            for row in (self._booked.of(*each) for each in booked.items())
        }
        self._booked.keep(booked)
        for claim in self._refused:
            if self._clock.now() - claim.updated_at < timedelta(days=1):
                found[claim.broker_order_id] = self._row(claim)
        return found

    def _booked_row(self, stored: sqlite3.Row) -> Row:
        order = order_of(stored)
        return self._row(order.claim, waits_for_trigger=not order.is_triggered)

    def _row(self, order: BrokerOrder, *, waits_for_trigger: bool = False) -> Row:
        number = order.broker_order_id
        return rows.order_row(
            order,
            self._asked[number],
            placed_at=self._placed_at[number],
            waits_for_trigger=waits_for_trigger,
            instrument=self._catalogue.find(order.exchange, order.tradingsymbol),
            token=self.scrips.token(order.exchange, order.tradingsymbol),
        )

    def _publish(self) -> None:
        for report in self._market.reports():
            self._report(report)

    def _report(self, report: ExecutionReport) -> None:
        order = report.order
        asked = self._asked[order.broker_order_id]
        waits = asked["prctyp"].startswith("SL") and not order.filled_quantity
        row = self._row(order, waits_for_trigger=waits)
        status = row["status"]
        known = self._past.has(order.broker_order_id)
        steps: list[tuple[str, str]] = []
        if not known:
            steps.append(("NewAck", "PENDING"))
        if report.fill is not None:
            steps.append(("Fill", status))
        elif order.status is OrderStatus.REJECTED:
            steps.append(("Rejected", status))
        elif status == "CANCELED":
            steps += [("PendingCancel", "OPEN"), ("Canceled", status)]
        elif known:
            steps += [("PendingReplace", status), ("Replaced", status)]
        else:
            steps += [("PendingNew", "PENDING"), ("New", status)]
        for report_type, word in steps:
            fill = report.fill if report_type == "Fill" else None
            self._past.note(self._clock.now(), {**row, "status": word}, report_type)
            frame = rows.order_message(row, report_type, word, fill)
            if word != "CANCELED":
                frame.pop("cancelqty", None)
            if word != "REJECTED":
                frame["rejreason"] = row["rejreason"] if word == "CANCELED" else " "
            self._tell(frame)


def _trigger(asked: Mapping[str, str]) -> Decimal | None:
    trigger = asked.get("trgprc")
    return None if trigger in (None, "", "None") else Decimal(trigger)
