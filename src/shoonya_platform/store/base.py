"""
The order store's port: what every implementation promises.

A service reads the rows that are its to move, decides, and records, inside one
`transaction()`.  A transaction excludes every other writer, so the step it takes
is taken once, however many processes of the service there are.  Each recording
moves the row *and* writes its event; neither is ever seen without the other.

All methods raise `StoreBusy` (try later) and `StoreDamaged` (fetch a human).

Long, as it is one list of promises: whoever writes a store has to read all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from shoonya_platform.domain.alerts import Alert, AlertStatus, StoredAlert
from shoonya_platform.domain.discrepancies import (
    Discrepancy,
    DiscrepancyKind,
    StoredDiscrepancy,
)
from shoonya_platform.domain.instruments import Exchange, PriceBand, Product
from shoonya_platform.domain.margins import MarginReading
from shoonya_platform.domain.orders import (
    AlertId,
    BrokerOrderId,
    ClientOrderId,
    Fill,
    NewOrder,
    Order,
    OrderEvent,
    OrderId,
    OrderStatus,
    OrderTrigger,
    OrderType,
    TradeId,
)
from shoonya_platform.domain.positions import Position
from shoonya_platform.domain.refused_alerts import RefusedAlert, StoredRefusal
from shoonya_platform.domain.terms import ModifyRequest, ModifyStage, Terms
from shoonya_platform.domain.trading import TradingState, TradingStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBeat:
    """What a service last said of itself."""

    service: str
    run_id: str
    pid: int
    status: str  #: the sentence that is its `STATUS=`
    started_at: datetime
    beat_at: datetime
    ended_at: datetime | None = None  #: in order; None after a crash
    crashes: int = 0  #: runs that did not end in order
    #: Of the slowest of the broker's late answers in its last minute; 0 without any.
    slow_answer_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReconciliation:
    """One comparison with the broker, as recovery_service wrote it down."""

    succeeded: bool
    run_id: str
    finished_at: datetime
    summary: str  #: one sentence
    report: str  #: JSON; `execution.recovery_report` reads it


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformStart:
    """A start of the whole platform."""

    started_at: datetime
    #: Every service had ended in order before; else the store may be a copy made
    #: while they ran.
    is_orderly: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """Somebody wants an order gone; command_service sees to it."""

    order_id: OrderId
    requested_by: str
    requested_at: datetime


class AlertTable(Protocol):
    def add(
        self, alert: Alert, alert_id: AlertId, *, received_at: datetime
    ) -> tuple[AlertId, bool]:
        """
        Store an alert, unless it is already there.

        Returns:
            The stored alert's id, and whether it is this one: False means that
            an alert with the same `dedupe_key` came within `duplicate_seconds`.
        """
        ...

    def get(self, alert_id: AlertId) -> StoredAlert | None: ...

    def in_status(self, status: AlertStatus, *, limit: int) -> list[StoredAlert]:
        """Return the oldest alerts that have the status."""
        ...

    def recent(self, *, limit: int) -> list[StoredAlert]:
        """Return the newest alerts, newest first."""
        ...

    def last_of(self, strategy: str, *, until: datetime) -> StoredAlert | None:
        """Return a strategy's newest alert that came by then."""
        ...

    def received_between(self, begin: datetime, end: datetime) -> list[StoredAlert]:
        """Return the alerts that came from `begin` on and before `end`, in order."""
        ...

    def record(
        self, alert_id: AlertId, status: AlertStatus, *, outcome: str, text: str
    ) -> None:
        """Move an alert and write its event."""
        ...

    def finished(self, *, limit: int) -> list[AlertId]:
        """Return the planned alerts whose orders are all at an end, oldest first."""
        ...


class RefusalTable(Protocol):
    """Alerts that the webhook refused: the newest few hundred."""

    def add(self, refused: RefusedAlert, *, at: datetime, times: int = 1) -> None:
        """
        Record a refusal; those without a body are one row a code and day.

        Args:
            times: How often it happened.
        """
        ...

    def recent(self, *, limit: int) -> list[StoredRefusal]:
        """Return the newest, newest first."""
        ...

    def after(self, refusal_id: int, *, limit: int) -> list[StoredRefusal]:
        """Return those with a larger number, oldest first."""
        ...

    def counts(self) -> dict[str, int]:
        """Return how many there ever were by code; absent means none."""
        ...


class OrderTable(Protocol):
    def add(self, order: NewOrder, *, alerted_at: datetime) -> Order:
        """Store a new order, `initialized`, and write its event."""
        ...

    def get(self, order_id: OrderId) -> Order | None: ...

    def by_client_order_id(self, client_order_id: ClientOrderId) -> Order | None: ...

    def by_broker_order_id(self, broker_order_id: BrokerOrderId) -> Order | None: ...

    def by_trade_id(self, trade_id: TradeId) -> Order | None: ...

    def of_alert(self, alert_id: AlertId) -> list[Order]:
        """Return an alert's orders by leg, part and attempt."""
        ...

    def in_status(
        self, *statuses: OrderStatus, limit: int | None = None
    ) -> list[Order]:
        """Return the oldest orders that have one of the statuses."""
        ...

    def ready(self, *, limit: int) -> list[Order]:
        """Return what the guard let pass: exits first, then the oldest."""
        ...

    def confirmed_numbers(self, *, since: datetime, limit: int) -> set[BrokerOrderId]:
        """Return those confirmed of the newest orders that were created since then."""
        ...

    def count_in(self, *statuses: OrderStatus) -> int:
        """Return how many orders have one of the statuses."""
        ...

    def count(self) -> dict[OrderStatus, int]:
        """Return how many orders have each status; absent means none."""
        ...

    def passed_on(self, day: date) -> int:
        """Return how many of a day's orders risk_manager let pass; days are India's."""
        ...

    def recent(
        self,
        *,
        limit: int,
        statuses: Collection[OrderStatus] = (),
        strategy: str = "",
        tradingsymbol: str = "",
        before: int = 0,
    ) -> list[Order]:
        """
        Return the newest orders, newest first.

        Args:
            statuses: Only these; empty means all.

            strategy: Only this strategy's; empty means all.

            tradingsymbol: Only of this instrument; empty means all.

            before: Only orders with a smaller `order_id`; 0 means from the newest.
        """
        ...

    def unreplaced(self, *, since: datetime) -> list[Order]:
        """
        Return orders given up as not placed that no later attempt replaces.

        Only of alerts that are planned: what has ended stays as it ended.
        Not those whose cancel was ever requested: nobody wants them any more.

        Args:
            since: Entries only of alerts that came after this; exits of a day.
        """
        ...

    def refused_exits(self) -> list[Order]:
        """
        Return exits of a day that were rejected and that no later attempt replaces.

        Only of alerts that are planned, and not those whose cancel was ever requested,
        as with `unreplaced`.
        """
        ...

    def beside_failed(self, *, limit: int) -> list[Order]:
        """
        Return open entries of alerts of which another order came to nothing.

        Not those whose cancel was ever requested.
        """
        ...

    def record(
        self,
        order: Order,
        trigger: OrderTrigger,
        *,
        text: str = "",
        reason: str | None = None,
        broker_order_id: BrokerOrderId | None = None,
    ) -> Order:
        """
        Move an order one step through the transition table and write the event.

        Args:
            order: As just read in the same transaction.

            text: What the event says beyond its name.

            reason: Replaces the order's reason; None leaves it.

            broker_order_id: The broker's number, when this step tells it.

        Raises:
            IllegalTransition: The table has no such step.
            NotAllowed: The order has moved since it was read, or another order has
                that number.
        """
        ...

    def adopt(
        self,
        order: NewOrder,
        broker_order_id: BrokerOrderId | None,
        *,
        alerted_at: datetime,
        text: str,
    ) -> Order:
        """
        Store an order that the broker has and the store lacked, `accepted`.

        Args:
            broker_order_id: None if another order has that number.
        """
        ...

    def note_number(
        self, order: Order, number: BrokerOrderId | None, *, is_confirmed: bool
    ) -> Order:
        """
        Set the broker's number for an order; None removes one that was wrong.

        Raises:
            NotAllowed: Another order has that number.
        """
        ...

    def reprice(
        self, order: Order, order_type: OrderType, price: Decimal, *, text: str
    ) -> Order:
        """Give an order that was not sent yet another type and price, with an event."""
        ...

    def shrink(self, order: Order, quantity: int, *, text: str) -> Order:
        """Give an order that was not sent yet a smaller quantity, with an event."""
        ...

    def replace(self, order: Order, terms: Terms, *, text: str = "") -> Order:
        """
        Record that other terms hold at the broker, and end the request for them.

        Raises:
            IllegalTransition: The order does not work at the broker.
            NotAllowed: The order has moved since it was read.
        """
        ...

    def note(self, order: Order, trigger: OrderTrigger, text: str) -> None:
        """Write an event that moves nothing: one of `NOTES`."""
        ...

    def split(self, order: Order, quantities: Sequence[int]) -> list[Order]:
        """
        Cut an order that was not sent yet into several of the same status.

        Args:
            order: The first part so far.  It keeps its name and the first quantity.

            quantities: Of the parts, in units; their sum is the order's quantity.
        """
        ...

    def fill(self, order: Order, fill: Fill) -> Order | None:
        """
        Record one trade: the order, the position, the last price, the event.

        A position that was flat gets the order's price factor, another keeps its own.

        What it fills beyond the order's quantity counts as `overfilled_quantity`.

        Returns:
            The order after it, or None if this trade was recorded before.

        Raises:
            IllegalTransition: The order cannot be filled; nothing was written.
        """
        ...

    def events(
        self, *, alert_id: AlertId | None = None, order_id: OrderId | None = None
    ) -> list[OrderEvent]:
        """Return the events of an alert with all its orders, or of one order."""
        ...

    def fills_of(self, order_id: OrderId) -> list[Fill]:
        """Return an order's trades as they came."""
        ...

    def fills_between(
        self, begin: datetime, end: datetime
    ) -> list[tuple[OrderId, Fill]]:
        """Return the fills from `begin` on and before `end`, in order."""
        ...

    def events_after(self, event_id: int, *, limit: int) -> list[OrderEvent]:
        """Return the events of all alerts and orders after one, oldest first."""
        ...

    def newest_event_id(self) -> int:
        """Return the id of the last event, 0 if there is none."""
        ...

    def count_on(self, day: date) -> dict[OrderStatus, int]:
        """Return how many of a day's orders have each status; days are India's."""
        ...

    def request_cancel(self, order_id: OrderId, *, by: str) -> None:
        """Leave a request for command_service, unless one waits already."""
        ...

    def cancel_requests(self, *, limit: int) -> list[CancelRequest]:
        """
        Return the requests nobody has seen to yet, oldest first.

        Behind all others those that have to wait: for an order of which nobody knows
        whether the broker has it.
        """
        ...

    def cancel_request(self, order_id: OrderId) -> CancelRequest | None:
        """Return the request for an order's cancel that is not done yet, if any."""
        ...

    def canceled_by(self, order_id: OrderId) -> str:
        """Return who asked for an order's cancel, done or not; empty if nobody did."""
        ...

    def finish_cancel(self, order_id: OrderId, *, result: str) -> None:
        """Say what became of a cancel request."""
        ...


class ModifyTable(Protocol):
    """Requests for other terms of orders, one for each order at a time."""

    def request(self, order_id: OrderId, terms: Terms, *, by: str) -> bool:
        """Leave a request for risk_manager; False if one is under way."""
        ...

    def get(self, order_id: OrderId) -> ModifyRequest | None:
        """Return an order's newest request, finished or not."""
        ...

    def waiting(self, *stages: ModifyStage, limit: int) -> list[ModifyRequest]:
        """Return the requests under way in one of the stages, oldest first."""
        ...

    def pass_on(self, order: Order, stage: ModifyStage, *, text: str = "") -> None:
        """Move a request on; with an event if a check was passed."""
        ...

    def deny(self, order: Order, reason: str) -> None:
        """End a request by our own refusal, with an event."""
        ...

    def finish(self, order_id: OrderId, *, result: str) -> None:
        """Say what became of a request, unless that was said before."""
        ...


class PositionTable(Protocol):
    def all(self) -> list[Position]:
        """Return every position ever held, flat ones too, by strategy and symbol."""
        ...

    def open(self) -> list[Position]:
        """Return the positions that are not flat."""
        ...

    def flat(self, *, limit: int) -> list[Position]:
        """Return the flat positions that moved last, the latest first."""
        ...

    def get(
        self, strategy: str, exchange: Exchange, tradingsymbol: str
    ) -> list[Position]:
        """Return a strategy's positions in one instrument, one for each product."""
        ...

    def realised_on(self, day: date) -> Decimal:
        """Return what the fills of a day have realised, in rupees; days are India's."""
        ...

    def realised(self) -> Decimal:
        """Return what all fills have realised, in rupees."""
        ...

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None:
        """Return the last price heard of, in rupees."""
        ...

    def convert(self, position: Position, product: Product, quantity: int) -> None:
        """
        Move part of a position to another product, at its average price.

        Args:
            position: As just read in the same transaction.

            quantity: In units, positive, at most what is held.
        """
        ...

    def note_factor(
        self, exchange: Exchange, tradingsymbol: str, price_factor: Decimal
    ) -> None:
        """Value what is open of an instrument by another factor from now on."""
        ...

    def note_prices(self, prices: Mapping[tuple[Exchange, str], Decimal]) -> None:
        """Remember last prices, for the positions too."""
        ...

    def band(
        self, exchange: Exchange, tradingsymbol: str, *, since: datetime
    ) -> PriceBand | None:
        """Return the price band noted since then, None if none was."""
        ...

    def note_bands(self, bands: Mapping[tuple[Exchange, str], PriceBand]) -> None:
        """Remember price bands."""
        ...


class AllowanceTable(Protocol):
    """What the broker's account may do and afford."""

    def products(self) -> dict[Exchange, frozenset[Product]]:
        """Return the products it may use; empty if the broker has not said."""
        ...

    def note_products(self, products: Mapping[Exchange, frozenset[Product]]) -> None:
        """Replace all that was known of its products."""
        ...

    def margin(self, alert_id: AlertId) -> MarginReading | None:
        """Return what was asked last for an alert; None if nothing was."""
        ...

    def note_margin(self, alert_id: AlertId, reading: MarginReading) -> None: ...


class ServiceTable(Protocol):
    def beat(
        self,
        *,
        pid: int,
        status: str,
        started_at: datetime,
        slow_answer_seconds: float = 0.0,
    ) -> None:
        """Note that the store's own service is alive, and what a `ServiceBeat` has."""
        ...

    def end(self) -> None:
        """Note that the store's own service ends in order."""
        ...

    def all(self) -> list[ServiceBeat]: ...


class TradingTable(Protocol):
    def status(self) -> TradingStatus:
        """Return the trading state; ACTIVE if nobody ever set one."""
        ...

    def set(self, state: TradingState, *, reason: str, by: str) -> bool:
        """Set the state; return False if it was that already."""
        ...

    def sending(self) -> AbstractContextManager[TradingStatus]:
        """
        Enter the section in which one order is sent, and return the state to obey.

        No other process is in it.  To be used outside a transaction: the state is
        the one committed last.
        """
        ...

    def wait_for_sending(self, seconds: float) -> bool:
        """
        Wait until a process that was sending when this was called has finished.

        After a state was set and committed, and this has returned True, nothing goes
        out that the state forbids.

        Returns:
            False if that took longer than `seconds`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskDay:
    """What is remembered of one trading day's profit and loss, in rupees."""

    day: date  #: in India
    best_pnl: Decimal  #: the highest so far, at least 0
    last_pnl: Decimal
    warned: bool  #: the warning threshold was told of
    breached: bool  #: the loss limit was reached


@dataclass(frozen=True, slots=True, kw_only=True)
class PnlSample:
    """The day's profit and loss in a minute, in rupees."""

    at: datetime  #: the minute's begin
    realised: Decimal
    unrealised: Decimal

    @property
    def total(self) -> Decimal:
        return self.realised + self.unrealised


class RiskTable(Protocol):
    def day(self, day: date) -> RiskDay | None: ...

    def days_before(self, day: date, *, limit: int) -> list[RiskDay]:
        """Return the remembered days before one, newest first."""
        ...

    def save(self, day: RiskDay) -> None:
        """Remember a day as it is now."""
        ...

    def note_pnl(self, sample: PnlSample) -> None:
        """Remember the profit and loss of a minute, instead of what it had before."""
        ...

    def pnl_since(self, since: datetime) -> list[PnlSample]:
        """Return what was noted since then, oldest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """How often, and since when, an order was looked for in vain."""

    first_at: float  #: seconds of the monotonic clock
    reads: int


class RecoveryTable(Protocol):
    """
    What recovery_service found out, start by start.

    A start of the platform begins with the first service that comes up after all had
    ended in order or fallen silent; a service that is restarted alone begins none.
    """

    def begin(self, *, silent_seconds: float) -> bool:
        """
        Count a new start, unless a service was heard of within that time.

        Returns:
            Whether this is a new start.
        """
        ...

    def is_awaited(self) -> bool:
        """Return whether no reconciliation of this start has succeeded yet."""
        ...

    def starts(self) -> int:
        """Return the number of this start, 0 if there was none."""
        ...

    def last_start(self) -> PlatformStart | None:
        """Return this start, None if there was none."""
        ...

    def record(self, *, succeeded: bool, summary: str, report: str) -> bool:
        """Keep a reconciliation; return whether it is the start's first success."""
        ...

    def last(self) -> StoredReconciliation | None:
        """Return the newest one, of any start."""
        ...

    def note_absence(self, order: Order, *, read_at: float) -> Absence:
        """
        Count a reading of the order book that lacks an order.

        What earlier runs counted counts on, so a service that is restarted again
        and again gets there too.  It begins anew when the order has moved since,
        and after a boot, whose clock does so as well.

        Args:
            read_at: Seconds of the monotonic clock, before the reading.
        """
        ...

    def forget_absence(self, order_id: OrderId) -> None:
        """Forget what was counted: the order is settled."""
        ...


class DiscrepancyTable(Protocol):
    """What differs between our records and the broker's; see `domain.discrepancies`."""

    def note(self, found: Discrepancy) -> bool:
        """
        Record that a discrepancy is found now.

        Returns:
            Whether it is new, or its text has changed since it was seen last.
        """
        ...

    def resolve(self, kind: DiscrepancyKind, subject: str) -> bool:
        """Record that it is found no longer; return False if it was not there."""
        ...

    def open(self, *kinds: DiscrepancyKind) -> list[StoredDiscrepancy]:
        """Return what the operator has to see, oldest first; no kinds mean all."""
        ...

    def unresolved(self, *kinds: DiscrepancyKind) -> list[StoredDiscrepancy]:
        """Return those that last, oldest first; no kinds mean all."""
        ...

    def orders_with(
        self, kind: DiscrepancyKind, order_ids: Collection[OrderId]
    ) -> set[OrderId]:
        """Return those of the orders that ever had a discrepancy of the kind."""
        ...

    def get(self, discrepancy_id: int) -> StoredDiscrepancy | None: ...

    def after(self, discrepancy_id: int, *, limit: int) -> list[StoredDiscrepancy]:
        """Return those recorded after one, open or not, oldest first."""
        ...

    def recent(self, *, limit: int) -> list[StoredDiscrepancy]:
        """Return the newest, open or not, newest first."""
        ...

    def acknowledge(self, discrepancy_id: int, *, by: str) -> bool:
        """Record that a person has seen it; False if unknown or acknowledged."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherBook:
    """What another account's book beside this one still holds."""

    account: str
    text: str  #: what it is, for a sentence


class OrderStore(Protocol):
    """
    The whole store, as one service sees it.

    It knows which service and run it was opened for, and names them in each event.
    """

    @property
    def alerts(self) -> AlertTable: ...
    @property
    def refusals(self) -> RefusalTable: ...
    @property
    def orders(self) -> OrderTable: ...
    @property
    def modifies(self) -> ModifyTable: ...
    @property
    def positions(self) -> PositionTable: ...
    @property
    def allowances(self) -> AllowanceTable: ...
    @property
    def services(self) -> ServiceTable: ...
    @property
    def trading(self) -> TradingTable: ...
    @property
    def risk(self) -> RiskTable: ...
    @property
    def recovery(self) -> RecoveryTable: ...
    @property
    def discrepancies(self) -> DiscrepancyTable: ...

    def transaction(self, *, durable: bool) -> AbstractContextManager[None]:
        """
        Begin a transaction; commit it at the end, roll it back on an exception.

        Args:
            durable: Commit only when the disk has it.  Without, a power cut (never
                a crash of the process) may undo the transaction and those after
                it, together; what it did is then simply done again.
        """
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """
        Mark off a part of a transaction: an exception undoes that part alone.

        It comes through; the transaction goes on if it is caught.
        """
        ...

    def view(self) -> AbstractContextManager[None]:
        """
        Let all reading within it see one and the same state, holding up no writer.

        Nothing is written within it, and it is no part of a transaction.
        """
        ...

    def other_books(self) -> list[OtherBook]:
        """
        Return the books of other accounts that have positions or unfinished orders.

        They are not traded while this account is: it is for the operator to see.
        """
        ...

    def close(self) -> None: ...
