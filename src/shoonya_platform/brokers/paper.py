"""
The paper broker: trades with invented money, at any hour, on holidays too.

It answers as a real one does.  What the broker cannot read is refused at once; what
the exchange would not take is accepted and then reported as rejected; an order sent
twice is placed twice.  A step of the market, in which every working order may trade
once, is each call of `reports` and `order_book`, by any of the processes that share
the book.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from shoonya_platform.brokers import paper_faults as faults
from shoonya_platform.brokers import paper_matching as matching
from shoonya_platform.brokers.base import (
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    ExecutionReport,
    Limits,
    ModifyOrder,
    PlaceOrder,
    Quote,
    UnreadableRow,
)
from shoonya_platform.brokers.paper_book import Book, prune
from shoonya_platform.brokers.paper_faults import Fault, FaultKind
from shoonya_platform.brokers.paper_prices import PaperSettings, Prices
from shoonya_platform.brokers.paper_rows import PaperOrder
from shoonya_platform.brokers.paper_session import PaperSession
from shoonya_platform.brokers.shoonya_limits import Kind, RateLimiter
from shoonya_platform.clock import Clock
from shoonya_platform.domain.instruments import Exchange, Instrument, Product
from shoonya_platform.domain.margins import Margin
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    OrderStatus,
)
from shoonya_platform.domain.products import OF_SEGMENT
from shoonya_platform.errors import (
    BrokerRejected,
    BrokerUnavailable,
    NotAllowed,
    OutcomeUnknown,
)

__all__ = ["Fault", "FaultKind", "PaperBroker", "PaperSettings"]

#: Books and reports older than this are forgotten when a broker is opened.
KEPT_DAYS = 7
_FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)


class FindsInstruments(Protocol):
    """What the paper broker wants of a catalogue."""

    def find(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None: ...


class PaperBroker:
    """
    The `Broker` over a file.

    Opening it never fails: while the file cannot be used, each call does, with
    `BrokerUnavailable`, and is answered again once the cause is mended.

    Args:
        path: The book; made if it is not there.

        timeout_seconds: How long a request may take until nobody waits for its
            answer any more, and how long to wait for other processes.

        sleep: Waits for a number of seconds; for tests.

        limiter: Holds orders back as the exchanges' limits do; None never does.
    """

    def __init__(
        self,
        path: Path,
        settings: PaperSettings,
        *,
        catalogue: FindsInstruments,
        clock: Clock,
        timeout_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._limiter = limiter
        self._prices = Prices(settings)
        self._cursor = 0
        self._book_opened_at: str | None = None
        self._session = PaperSession(
            path, clock=clock, timeout_seconds=timeout_seconds, on_open=self._opened
        )
        try:
            with self._session.writing() as connection:
                prune(connection, clock.now() - timedelta(days=KEPT_DAYS))
        except BrokerUnavailable:
            # The first call will say so, to somebody who can tell the operator.
            pass

    @property
    def name(self) -> str:
        return "paper"

    def place(self, order: PlaceOrder) -> BrokerOrderId:
        self._raise_if_down()
        self._take(Kind.EXIT if order.is_exit else Kind.PLACE, order.exchange)
        with self._session.writing(request=True) as connection:
            book = Book(connection, self._clock.now())
            fault = faults.take(connection, faults.PLACING, book.now)
            kind = None if fault is None else fault.kind
            # A lost request has no number, and no answer to hand it over with.
            number = BrokerOrderId("")
            if kind not in (FaultKind.REFUSE, FaultKind.LOSE_REQUEST):
                number = self._place(book, order, order.client_order_id)
        if kind is FaultKind.REFUSE:
            raise BrokerRejected("Rejected : RED:refused on demand")
        self._answer(fault)
        return number

    def place_external(self, order: PlaceOrder) -> BrokerOrderId:
        """Place an order as another program would: without our name on it."""
        self._raise_if_down()
        with self._session.writing(request=True) as connection:
            return self._place(Book(connection, self._clock.now()), order, None)

    def modify(self, change: ModifyOrder) -> None:
        self._raise_if_down()
        self._take(Kind.PLACE, change.exchange)
        refused = None
        with self._session.writing(request=True) as connection:
            book = Book(connection, self._clock.now())
            fault = faults.take(connection, faults.CANCELING, book.now)
            if fault is None or fault.kind is not FaultKind.LOSE_REQUEST:
                refused = self._modify(book, change)
        self._answer(fault)
        if refused is not None:
            raise BrokerRejected(refused)

    def cancel(self, broker_order_id: BrokerOrderId) -> None:
        self._raise_if_down()
        if self._limiter is not None:
            with self._reading() as book:
                order = book.find(broker_order_id)
            self._take(Kind.CANCEL, None if order is None else order.exchange)
        refused = None
        with self._session.writing(request=True) as connection:
            book = Book(connection, self._clock.now())
            fault = faults.take(connection, faults.CANCELING, book.now)
            if fault is None or fault.kind is not FaultKind.LOSE_REQUEST:
                refused = self._cancel(book, broker_order_id)
        self._answer(fault)
        if refused is not None:
            raise BrokerRejected(refused)

    def reports(self) -> list[ExecutionReport]:
        self._step()
        with self._reading() as book:
            found, self._cursor = book.reports(self._cursor)
        return found

    def order_book(self) -> list[BrokerOrder]:
        self._step()
        with self._reading() as book:
            return [order.claim for order in book.orders()]

    def trade_book(self) -> list[BrokerTrade]:
        self._raise_if_down()
        with self._reading() as book:
            return book.trades()

    def positions(self) -> list[BrokerPosition]:
        self._raise_if_down()
        with self._reading() as book:
            return [
                BrokerPosition(
                    exchange=position.exchange,
                    tradingsymbol=position.tradingsymbol,
                    product=position.product,
                    quantity=position.quantity,
                    average_price=position.average_price,
                    last_price=self._last(
                        book, position.exchange, position.tradingsymbol
                    ),
                    realised_pnl=position.realised_pnl,
                    price_factor=position.price_factor,
                )
                for position in book.positions()
            ]

    def unreadable(self) -> list[UnreadableRow]:
        return []  # its book has a schema

    def limits(self) -> Limits:
        self._raise_if_down()
        with self._reading() as book:
            return book.limits(self._settings.cash)

    def margin(self, orders: Sequence[PlaceOrder]) -> Margin:
        self._raise_if_down()
        with self._reading() as book:
            required = Decimal(0)
            for order in orders:
                instrument = self._catalogue.find(order.exchange, order.tradingsymbol)
                if instrument is not None:
                    required += matching.margin_needed(
                        book,
                        order,
                        order.price or Decimal(0),
                        book.next_factor(instrument),
                    )
            available = book.limits(self._settings.cash).available
        return Margin(required=required, available=available)

    def products(self) -> Mapping[Exchange, frozenset[Product]] | None:
        return OF_SEGMENT

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None:
        self._raise_if_down()
        with self._reading() as book:
            return self._last(book, exchange, tradingsymbol)

    def quote(self, exchange: Exchange, tradingsymbol: str) -> Quote | None:
        last = self.last_price(exchange, tradingsymbol)
        if last is None:
            return None
        return Quote(last_price=last, band=self._prices.band(exchange, tradingsymbol))

    def instrument(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        self._raise_if_down()
        return self._catalogue.find(exchange, tradingsymbol)

    def close(self) -> None:
        self._session.close()
        if self._limiter is not None:
            self._limiter.close()

    def set_price(self, exchange: Exchange, tradingsymbol: str, price: Decimal) -> None:
        """
        Let the market trade at a price, in rupees; orders that it touches fill.

        Nothing happens to a price that the settings fix.

        Raises:
            NotAllowed: It is no price.
        """
        with self._session.writing() as connection:
            book = Book(connection, self._clock.now())
            self._prices.set(connection, exchange, tradingsymbol, price, book.now)
            self._advance(book, exchange, tradingsymbol)
            book.settle()

    def add_fault(
        self, kind: FaultKind | str, count: int = 1, seconds: float = 0.0
    ) -> None:
        """
        Order a fault, for whichever process meets it first.

        Raises:
            NotAllowed: The kind, the count or the seconds cannot be.
        """
        if kind not in list(FaultKind):
            raise NotAllowed(f"expected one of {', '.join(FaultKind)}, was '{kind}'")
        with self._session.writing() as connection:
            faults.add(connection, FaultKind(kind), count, seconds, self._clock.now())

    def faults(self) -> list[Fault]:
        """Return the faults that are still to come, oldest first."""
        with self._session.reading() as connection:
            return faults.waiting(connection)

    def clear_faults(self) -> None:
        """Forget all faults, and let go the orders that one of them holds."""
        with self._session.writing() as connection:
            connection.execute("DELETE FROM faults")
            Book(connection, self._clock.now()).release()

    def _opened(self, connection: sqlite3.Connection) -> None:
        opened_at = connection.execute("SELECT opened_at FROM account").fetchone()[0]
        if opened_at != self._book_opened_at:
            self._book_opened_at = opened_at
            self._cursor = Book(connection, self._clock.now()).last_report()

    def _place(
        self, book: Book, order: PlaceOrder, client_order_id: ClientOrderId | None
    ) -> BrokerOrderId:
        instrument = self._catalogue.find(order.exchange, order.tradingsymbol)
        refused = matching.refusal(order, instrument)
        if refused is not None or instrument is None:
            raise BrokerRejected(f"Rejected : {refused}")
        last = self._prices.last(book.connection, instrument, book.now)
        needs_price = order.order_type.needs_price
        needs_trigger = order.order_type.needs_trigger
        price = order.price if needs_price else None
        trigger_price = order.trigger_price if needs_trigger else None
        rejected = matching.rejection(
            order, instrument, self._prices.band(order.exchange, order.tradingsymbol)
        )
        margin = Decimal(0)
        if rejected is None:
            factor = book.note_factor(instrument)
            margin = matching.margin_needed(
                book, order, price or trigger_price or last, factor
            )
            available = book.limits(self._settings.cash).available
            if margin and margin > available:
                rejected = (
                    f"RED:Margin Shortfall:INR {margin - available:.2f} "
                    f"Available:INR {available:.2f}"
                )
        held = None
        if rejected is None:
            held = faults.take(book.connection, (FaultKind.HOLD_ORDERS,), book.now)
        placed = PaperOrder(
            number=book.next_number(),
            client_order_id=client_order_id,
            exchange=order.exchange,
            tradingsymbol=order.tradingsymbol,
            side=order.side,
            product=order.product,
            quantity=order.quantity,
            order_type=order.order_type,
            price=price,
            trigger_price=trigger_price,
            time_in_force=order.time_in_force,
            status=(OrderStatus.ACCEPTED if rejected is None else OrderStatus.REJECTED),
            is_triggered=not needs_trigger,
            held_until=None if held is None else _until(held, book.now),
            filled_quantity=0,
            filled_value=Decimal(0),
            margin=margin if rejected is None else Decimal(0),
            reason=rejected or "",
            updated_at=book.now,
        )
        book.add(placed)
        if rejected is None:
            matching.advance(
                book,
                placed,
                last,
                is_arriving=True,
                max_fill_quantity=self._settings.max_fill_quantity,
            )
        book.settle()
        return placed.broker_order_id

    def _modify(self, book: Book, change: ModifyOrder) -> str | None:
        order = book.find(change.broker_order_id)
        if (
            order is None
            or not order.is_working
            or matching.is_overdue(order, book.now)
        ):
            return "Rejected : ORA:Order not found"
        leaves = change.quantity - order.filled_quantity
        if leaves <= 0:
            return f"Rejected : RED:{order.filled_quantity} are filled already"
        wanted = PlaceOrder(
            client_order_id=order.client_order_id or ClientOrderId(""),
            exchange=order.exchange,
            tradingsymbol=order.tradingsymbol,
            side=order.side,
            quantity=change.quantity,
            order_type=order.order_type,
            price=change.price if order.order_type.needs_price else None,
            trigger_price=(
                change.trigger_price if order.order_type.needs_trigger else None
            ),
            product=order.product,
            time_in_force=order.time_in_force,
        )
        instrument = self._catalogue.find(order.exchange, order.tradingsymbol)
        refused = matching.refusal(wanted, instrument)
        if refused is not None or instrument is None:
            return f"Rejected : {refused}"
        rejected = matching.rejection(
            wanted, instrument, self._prices.band(order.exchange, order.tradingsymbol)
        )
        if rejected is not None:
            return f"Rejected : {rejected}"
        last = self._prices.last(book.connection, instrument, book.now)
        margin = matching.margin_needed(
            book,
            replace(wanted, quantity=leaves),
            wanted.price or wanted.trigger_price or last,
            book.price_factor(order.exchange, order.tradingsymbol),
            apart_from=order.number,
        )
        missing = margin - order.blocked
        missing -= book.limits(self._settings.cash).available
        if margin and missing > 0:
            return f"Rejected : RED:Margin Shortfall:INR {missing:.2f}"
        after = book.modify(
            order,
            replace(
                order,
                quantity=wanted.quantity,
                price=wanted.price,
                trigger_price=wanted.trigger_price,
                margin=margin * wanted.quantity / leaves,
            ),
        )
        matching.advance(
            book,
            after,
            last,
            is_arriving=True,
            max_fill_quantity=self._settings.max_fill_quantity,
        )
        book.settle()
        return None

    def _cancel(self, book: Book, broker_order_id: str) -> str | None:
        order = book.find(broker_order_id)
        if order is None:
            return "Rejected : ORA:Order not found to Cancel"
        if matching.is_overdue(order, book.now):
            order = book.end(order, OrderStatus.EXPIRED, matching.DAY_ENDED)
            book.settle()
        if not order.is_working:
            return f"Rejected : ORA:Order is {order.status}"
        book.end(order, OrderStatus.CANCELED, "")
        book.settle()
        return None

    def _step(self) -> None:
        self._raise_if_down()
        # Looking first keeps a market that stands still from taking the turn of
        # those who write.
        with self._reading() as book:
            if not any(
                book.due(exchange, symbol, self._last(book, exchange, symbol))
                for exchange, symbol in book.worked()
            ):
                return
        with self._session.writing() as connection:
            book = Book(connection, self._clock.now())
            for exchange, symbol in book.worked():
                self._advance(book, exchange, symbol)
            book.settle()

    def _advance(self, book: Book, exchange: Exchange, tradingsymbol: str) -> None:
        last = self._last(book, exchange, tradingsymbol)
        for order in book.due(exchange, tradingsymbol, last):
            matching.advance(
                book,
                order,
                last,
                is_arriving=False,
                max_fill_quantity=self._settings.max_fill_quantity,
            )

    def _last(
        self, book: Book, exchange: Exchange, tradingsymbol: str
    ) -> Decimal | None:
        instrument = self._catalogue.find(exchange, tradingsymbol)
        if instrument is None:
            return None
        return self._prices.last(book.connection, instrument, book.now)

    @contextmanager
    def _reading(self) -> Iterator[Book]:
        with self._session.reading() as connection:
            yield Book(connection, self._clock.now())

    def _raise_if_down(self) -> None:
        kinds = (FaultKind.UNAVAILABLE,)
        with self._session.connected() as connection:
            query = "SELECT 1 FROM faults WHERE kind = ? LIMIT 1"
            if connection.execute(query, kinds).fetchone() is None:
                return
        with self._session.writing() as connection:
            fault = faults.take(connection, kinds, self._clock.now())
        if fault is not None:
            raise BrokerUnavailable(
                "the paper broker is down on demand",
                hint="clear its faults, or wait until they are used up",
            )

    def _take(self, kind: Kind, exchange: Exchange | None) -> None:
        if self._limiter is not None:
            self._limiter.take(kind, self._timeout_seconds, exchange)

    def _answer(self, fault: Fault | None) -> None:
        # Waits as long as the fault wants, at most until nobody listens any more.
        if fault is None:
            return
        if fault.seconds:
            self._sleep(min(fault.seconds, self._timeout_seconds))
        if fault.kind is FaultKind.SLOW and fault.seconds <= self._timeout_seconds:
            return
        raise OutcomeUnknown("no answer from the paper broker, on demand")


def _until(fault: Fault, now: datetime) -> datetime:
    return now + timedelta(seconds=fault.seconds) if fault.seconds else _FOR_EVER
