"""
The broker's port: what every broker promises.

The caller distinguishes three failures, because each asks for another action:
`BrokerUnavailable` (proven unsent, try later), `BrokerRejected` (a no with its
reason), `OutcomeUnknown` (it may have arrived: look for the `client_order_id` in
the order book, never send again).  Everything else that goes wrong after the
request may have left is `OutcomeUnknown`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from shoonya_platform.domain.instruments import (
    Exchange,
    Instrument,
    PriceBand,
    Product,
)
from shoonya_platform.domain.margins import Margin
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    Fill,
    Intent,
    Order,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """What the broker is asked to do."""

    client_order_id: ClientOrderId
    exchange: Exchange
    tradingsymbol: str
    side: Side
    quantity: int  #: units
    order_type: OrderType
    price: Decimal | None  #: rupees, for LIMIT and STOP_LIMIT
    trigger_price: Decimal | None
    product: Product
    time_in_force: TimeInForce
    is_exit: bool = False  #: it goes before entries where room is scarce

    @classmethod
    def of(cls, order: Order) -> PlaceOrder:
        """Return what is asked for an order of ours."""
        return cls(
            client_order_id=order.client_order_id,
            exchange=order.exchange,
            tradingsymbol=order.tradingsymbol,
            side=order.side,
            quantity=order.quantity,
            order_type=order.order_type,
            price=order.price,
            trigger_price=order.trigger_price,
            product=order.product,
            time_in_force=order.time_in_force,
            is_exit=order.intent is Intent.EXIT,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyOrder:
    """Other terms for an order that works at the broker."""

    broker_order_id: BrokerOrderId
    exchange: Exchange
    tradingsymbol: str
    order_type: OrderType  #: as it is
    time_in_force: TimeInForce  #: as it is
    quantity: int  #: the new total in units, with what is filled already
    price: Decimal | None  #: rupees, for LIMIT and STOP_LIMIT
    trigger_price: Decimal | None  #: rupees, for STOP_LIMIT and STOP_MARKET


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """
    What the broker claims about one order: an order book's row, or a report.

    `status` is one of ACCEPTED, PARTIALLY_FILLED, FILLED, CANCELED, REJECTED,
    EXPIRED.  A canceled order may have been filled in part.
    """

    broker_order_id: BrokerOrderId
    client_order_id: ClientOrderId | None  #: None for an order that is not ours
    exchange: Exchange
    tradingsymbol: str
    side: Side
    product: Product
    quantity: int
    status: OrderStatus
    filled_quantity: int
    average_price: Decimal | None
    reason: str  #: why rejected or canceled; empty otherwise
    updated_at: datetime
    #: In rupees; None for an order without one, or where the broker does not say.
    price: Decimal | None = None
    trigger_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTrade:
    """One row of the trade book."""

    broker_order_id: BrokerOrderId
    client_order_id: ClientOrderId | None
    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReport:
    """A change of an order, told unasked; with the fill, if it is one."""

    order: BrokerOrder
    fill: Fill | None
    #: The exchange refused other terms that the broker had taken; `order.reason`
    #: may say why.
    is_replace_refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPosition:
    """The account's net position in one instrument and product."""

    exchange: Exchange
    tradingsymbol: str
    product: Product
    quantity: int  #: signed
    average_price: Decimal
    last_price: Decimal | None
    realised_pnl: Decimal  #: rupees
    #: Rupees that one unit gains when its price rises by one, by the broker; None
    #: if its row does not say.
    price_factor: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The account's money, in rupees."""

    cash: Decimal
    margin_used: Decimal

    @property
    def available(self) -> Decimal:
        return self.cash - self.margin_used


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What an instrument costs, and within which prices it trades today."""

    last_price: Decimal | None  #: rupees; None is not known
    band: PriceBand


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRow:
    """A row of a book, or a report, that cannot be used; it affects only itself."""

    book: str  #: `order_book`, `trade_book`, `positions` or `reports`
    #: The broker's order number or the symbol where that can be read, else a short
    #: digest of the row.  The same row has the same subject each time.
    subject: str
    why: str  #: one sentence: which field, and what was found; no secrets
    #: It may be about an order or a holding of ours: its id is one of our making or
    #: cannot be read; its product, for a position, is one that is traded here.
    may_be_ours: bool = True
    tradingsymbol: str = ""  #: empty if it cannot be read

    def may_hide(self, tradingsymbol: str) -> bool:
        """Return whether a holding of ours may be in this row of the positions."""
        return (
            self.book == "positions"
            and self.may_be_ours
            and self.tradingsymbol in ("", tradingsymbol)
        )


class Broker(Protocol):
    """
    A broker account.  Not thread-safe; each process has its own.

    Every method may raise `BrokerUnavailable`; reading methods raise nothing else,
    and a failed reading never looks like an empty answer.
    """

    @property
    def name(self) -> str:
        """`paper` or `shoonya`."""
        ...

    def place(self, order: PlaceOrder) -> BrokerOrderId:
        """
        Send an order.

        Returning means that the broker has the order, not that the exchange does:
        a rejection may still come as a report.

        Raises:
            BrokerRejected: The broker refused it; nothing was placed.
            OutcomeUnknown: It may have been placed.
        """
        ...

    def modify(self, change: ModifyOrder) -> None:
        """
        Ask for other terms of a working order; the report tells when they hold.

        Raises:
            BrokerRejected: The order is unknown or at an end, or cannot have these
                terms; the old ones hold.
            OutcomeUnknown: The request may have arrived: read the order book.
        """
        ...

    def cancel(self, broker_order_id: BrokerOrderId) -> None:
        """
        Ask for an order to be canceled; the report tells when it is.

        Raises:
            BrokerRejected: The order is unknown or at an end already.
            OutcomeUnknown: The request may have arrived; asking again is safe.
        """
        ...

    def reports(self) -> list[ExecutionReport]:
        """
        Return what changed since the last call, oldest first.

        Begins when the object was made, and replays nothing: read the books first.
        Reports may be missing, doubled, late and out of order.
        """
        ...

    def order_book(self) -> list[BrokerOrder]:
        """
        Return every order of the day, those of other programs too.

        A row that cannot be used is left out, here and in the other books, and
        `unreadable` lists it.  It may be any order's: while `unreadable` lists a row
        of this book, an order's absence from the book proves nothing.
        """
        ...

    def trade_book(self) -> list[BrokerTrade]:
        """Return every fill of the day."""
        ...

    def positions(self) -> list[BrokerPosition]: ...

    def unreadable(self) -> list[UnreadableRow]:
        """
        Return the rows that the last reading of each book passed over.

        Asks the broker nothing and raises nothing.  The newest reading of a book
        replaces what was known of it, so a row that can be used again disappears.
        Reports are different: those that could not be used since the last call are
        returned once, as no later reading repeats them.
        """
        ...

    def limits(self) -> Limits: ...

    def margin(self, orders: Sequence[PlaceOrder]) -> Margin:
        """
        Return what these orders would need together, were they placed now.

        Args:
            orders: At least one, with a price each: a market order with the price it
                is expected to get.
        """
        ...

    def products(self) -> Mapping[Exchange, frozenset[Product]] | None:
        """Return what the account may use, None if the broker does not say."""
        ...

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None:
        """Return the last traded price in rupees, None if there is none."""
        ...

    def quote(self, exchange: Exchange, tradingsymbol: str) -> Quote | None:
        """Return price and band as of now; None if there is no such thing."""
        ...

    def instrument(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        """Return lot, tick and freeze quantity; None if there is no such thing."""
        ...

    def close(self) -> None: ...
