"""
An order and the one table that says how it may live.

    initialized → risk_passed → guard_passed → submitted → accepted → filled
         └────────────┴─→ denied                  │           │
                                                  ├→ rejected ├→ partially_filled
                                 outcome_unknown ←┘           ├→ pending_replace
                                   └→ not_placed              ├→ pending_cancel
                                                              └→ canceled, expired

Denied is our refusal, rejected is theirs.  An order whose outcome is unknown is
never sent again: it is found at the broker, or given up after a long absence; even
then it may turn up, and `found` takes it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NewType

from shoonya_platform.domain.instruments import Exchange, Product

#: Our short number for an order, for people and `grep`.
OrderId = NewType("OrderId", int)
#: Our name for an order at the broker (FIX ClOrdID; Noren's `remarks`).
ClientOrderId = NewType("ClientOrderId", str)
#: The broker's number for an order (Noren's `norenordno`).
BrokerOrderId = NewType("BrokerOrderId", str)
#: The broker's number for one fill.
TradeId = NewType("TradeId", str)
AlertId = NewType("AlertId", str)


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP_LIMIT = "STOP_LIMIT"
    STOP_MARKET = "STOP_MARKET"

    @property
    def needs_price(self) -> bool:
        return self in (OrderType.LIMIT, OrderType.STOP_LIMIT)

    @property
    def needs_trigger(self) -> bool:
        return self in (OrderType.STOP_LIMIT, OrderType.STOP_MARKET)


class TimeInForce(StrEnum):
    DAY = "DAY"
    IOC = "IOC"


class Intent(StrEnum):
    """What the order is meant to do to the strategy's position."""

    ENTRY = "entry"
    EXIT = "exit"
    ADJUST = "adjust"


class OrderStatus(StrEnum):
    INITIALIZED = "initialized"  #: trading_bot made it; risk_manager is next
    RISK_PASSED = "risk_passed"  #: execution_guard is next
    GUARD_PASSED = "guard_passed"  #: command_service is next
    DENIED = "denied"  #: refused by us, never sent
    SUBMITTED = "submitted"  #: the intention is durable; the broker may know it
    OUTCOME_UNKNOWN = "outcome_unknown"  #: no clear answer; recovery_service asks
    NOT_PLACED = "not_placed"  #: given up: absent at the broker for long
    ACCEPTED = "accepted"  #: the broker has it, nothing filled yet
    REJECTED = "rejected"  #: refused by the broker or the exchange
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_REPLACE = "pending_replace"  #: new terms may have reached the broker
    PENDING_CANCEL = "pending_cancel"  #: the cancel may have reached the broker
    CANCELED = "canceled"  #: what was not filled never will be
    EXPIRED = "expired"  #: the exchange's day ended first


S = OrderStatus

#: Ours alone so far: the broker has not heard of it.
BEFORE_BROKER = frozenset({S.INITIALIZED, S.RISK_PASSED, S.GUARD_PASSED})
#: Sent, answer outstanding.
IN_FLIGHT = frozenset(
    {S.SUBMITTED, S.OUTCOME_UNKNOWN, S.PENDING_REPLACE, S.PENDING_CANCEL}
)
#: The broker may still fill it.
WORKING = IN_FLIGHT | {S.ACCEPTED, S.PARTIALLY_FILLED}
#: Not at an end.
OPEN = BEFORE_BROKER | WORKING
#: At an end.
CLOSED = frozenset(OrderStatus) - OPEN
#: Came to nothing, and it is known why.
REFUSED = frozenset({S.DENIED, S.REJECTED, S.NOT_PLACED})


class OrderTrigger(StrEnum):
    """What can happen to an order; each is recorded as an event."""

    CREATED = "created"
    ADOPTED = "adopted"  #: created from a row of the broker's order book
    RISK_PASSED = "risk_passed"
    REPRICED = "repriced"  #: moves nothing: a market order got a protecting limit
    SPLIT = "split"  #: moves nothing: what is too large for one order went to others
    GUARD_PASSED = "guard_passed"
    DENIED = "denied"
    SUBMITTED = "submitted"
    UNSENT = "unsent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    OUTCOME_UNKNOWN = "outcome_unknown"
    NOT_PLACED = "not_placed"
    FOUND = "found"  #: the broker has what we took for unsent, refused or ended
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    OVERFILLED = "overfilled"  #: moves nothing: more was filled than was ordered
    REPLACE_RISK_PASSED = "replace_risk_passed"  #: moves nothing
    REPLACE_GUARD_PASSED = "replace_guard_passed"  #: moves nothing
    REPLACE_DENIED = "replace_denied"  #: moves nothing: we refused the new terms
    REPLACE_REQUESTED = "replace_requested"
    REPLACED = "replaced"
    REPLACE_REJECTED = "replace_rejected"
    CANCEL_REQUESTED = "cancel_requested"
    CANCEL_REJECTED = "cancel_rejected"
    CANCELED = "canceled"
    EXPIRED = "expired"


T = OrderTrigger

#: Recorded of an order without moving it.
NOTES = frozenset(
    {
        T.REPRICED,
        T.SPLIT,
        T.REPLACE_RISK_PASSED,
        T.REPLACE_GUARD_PASSED,
        T.REPLACE_DENIED,
    }
)


def _table() -> dict[tuple[OrderStatus, OrderTrigger], OrderStatus]:
    table = {
        (S.INITIALIZED, T.RISK_PASSED): S.RISK_PASSED,
        (S.INITIALIZED, T.DENIED): S.DENIED,
        (S.RISK_PASSED, T.GUARD_PASSED): S.GUARD_PASSED,
        (S.RISK_PASSED, T.DENIED): S.DENIED,
        (S.GUARD_PASSED, T.SUBMITTED): S.SUBMITTED,
        # Trading was halted between the guard's look and the sending.
        (S.GUARD_PASSED, T.DENIED): S.DENIED,
        (S.SUBMITTED, T.OUTCOME_UNKNOWN): S.OUTCOME_UNKNOWN,
        # Proven unsent, the broker could not be reached: when it can be, the
        # guard has to look again, as the alert may have grown stale meanwhile.
        (S.SUBMITTED, T.UNSENT): S.RISK_PASSED,
        (S.OUTCOME_UNKNOWN, T.NOT_PLACED): S.NOT_PLACED,
        (S.ACCEPTED, T.CANCEL_REQUESTED): S.PENDING_CANCEL,
        (S.PARTIALLY_FILLED, T.CANCEL_REQUESTED): S.PENDING_CANCEL,
        (S.PENDING_CANCEL, T.CANCEL_REJECTED): S.ACCEPTED,
        (S.ACCEPTED, T.REPLACE_REQUESTED): S.PENDING_REPLACE,
        (S.PARTIALLY_FILLED, T.REPLACE_REQUESTED): S.PENDING_REPLACE,
        (S.PENDING_REPLACE, T.REPLACED): S.ACCEPTED,
        (S.PENDING_REPLACE, T.REPLACE_REJECTED): S.ACCEPTED,
        # A cancel does not wait for new terms; whether they hold the broker tells.
        (S.PENDING_REPLACE, T.CANCEL_REQUESTED): S.PENDING_CANCEL,
        # A fill that crosses our replace; the replace is still outstanding.
        (S.PENDING_REPLACE, T.PARTIALLY_FILLED): S.PENDING_REPLACE,
        # Terms that came late, or were changed elsewhere.
        (S.ACCEPTED, T.REPLACED): S.ACCEPTED,
        (S.PARTIALLY_FILLED, T.REPLACED): S.PARTIALLY_FILLED,
        (S.PENDING_CANCEL, T.REPLACED): S.PENDING_CANCEL,
        # A fill that crosses our cancel; the cancel is still outstanding.
        (S.PENDING_CANCEL, T.PARTIALLY_FILLED): S.PENDING_CANCEL,
        # The exchange filled what it had already confirmed as ended: a fill is
        # money, and counts whatever was said before it.
        (S.CANCELED, T.PARTIALLY_FILLED): S.CANCELED,
        (S.CANCELED, T.FILLED): S.FILLED,
        (S.EXPIRED, T.PARTIALLY_FILLED): S.EXPIRED,
        (S.EXPIRED, T.FILLED): S.FILLED,
        (S.REJECTED, T.PARTIALLY_FILLED): S.REJECTED,
        (S.REJECTED, T.FILLED): S.FILLED,
        (S.FILLED, T.OVERFILLED): S.FILLED,
    }
    # The order book is right about what exists: the request was late, an answer was
    # another order's, or the store is a copy from before it was sent.
    for status in BEFORE_BROKER | REFUSED | {S.CANCELED, S.EXPIRED}:
        table[status, T.FOUND] = S.ACCEPTED
    # The number in the answer turned out to be another order's.
    for status in (S.ACCEPTED, S.PENDING_REPLACE, S.PENDING_CANCEL):
        table[status, T.OUTCOME_UNKNOWN] = S.OUTCOME_UNKNOWN
    for status in BEFORE_BROKER:
        table[status, T.CANCELED] = S.CANCELED
    # The broker's word about an order that it has.  A report may overtake the
    # answer to the request, so each holds from SUBMITTED on; and an order proven
    # absent may turn up after all, which must then be believed.
    for status in WORKING | {S.NOT_PLACED}:
        table.setdefault((status, T.PARTIALLY_FILLED), S.PARTIALLY_FILLED)
        table[status, T.FILLED] = S.FILLED
        table[status, T.REJECTED] = S.REJECTED
        table[status, T.CANCELED] = S.CANCELED
        table[status, T.EXPIRED] = S.EXPIRED
    for status in (S.SUBMITTED, S.OUTCOME_UNKNOWN, S.NOT_PLACED):
        table[status, T.ACCEPTED] = S.ACCEPTED
    return table


TRANSITIONS = _table()


class IllegalTransition(Exception):
    """The order's status does not permit the trigger."""

    def __init__(self, status: OrderStatus, trigger: OrderTrigger) -> None:
        super().__init__(f"an order that is '{status}' cannot become '{trigger}'")
        self.status = status
        self.trigger = trigger


def next_status(
    status: OrderStatus, trigger: OrderTrigger, *, filled_quantity: int = 0
) -> OrderStatus:
    """
    Return the status that the trigger leads to.

    Args:
        filled_quantity: What is filled already, in units: an order that returns to
            the book after a refused cancel may have been filled in part.

    Raises:
        IllegalTransition: The table has no such step.
    """
    try:
        status = TRANSITIONS[status, trigger]
    except KeyError:
        raise IllegalTransition(status, trigger) from None
    if status is S.ACCEPTED and filled_quantity:
        return S.PARTIALLY_FILLED
    return status


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order before it is stored."""

    client_order_id: ClientOrderId
    alert_id: AlertId
    leg: int  #: position in the alert, from 1
    attempt: int = 1  #: 2 when the first was proven not placed
    part: int = 1  #: of a leg too large for one order, from 1
    strategy: str
    intent: Intent
    exchange: Exchange
    tradingsymbol: str
    side: Side
    quantity: int  #: total, in units, not lots
    order_type: OrderType
    price: Decimal | None = None  #: rupees; for LIMIT and STOP_LIMIT
    trigger_price: Decimal | None = None  #: rupees; for STOP_LIMIT and STOP_MARKET
    product: Product
    time_in_force: TimeInForce = TimeInForce.DAY
    #: The price the order's value is judged by, in rupees; None if none is known.
    reference_price: Decimal | None = None
    #: Rupees that one unit gains when its price rises by one; see `Instrument`.
    price_factor: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(NewOrder):
    """An order as the store has it."""

    order_id: OrderId
    status: OrderStatus
    broker_order_id: BrokerOrderId | None
    #: A row of the broker's, with our id and our terms, has shown the number.
    is_number_confirmed: bool = False
    filled_quantity: int
    #: Filled beyond the quantity, in units: it should not be, and is real money.
    overfilled_quantity: int = 0
    average_price: Decimal | None  #: of all that was traded, in rupees
    reason: str  #: why denied, rejected, unknown, overfilled; empty otherwise
    alerted_at: datetime  #: when the alert was received
    created_at: datetime
    updated_at: datetime

    @property
    def leaves_quantity(self) -> int:
        """What may still be filled, in units."""
        return self.quantity - self.filled_quantity if self.status in OPEN else 0

    @property
    def traded_quantity(self) -> int:
        """All that was filled, in units, also beyond the quantity."""
        return self.filled_quantity + self.overfilled_quantity

    @property
    def is_closed(self) -> bool:
        return self.status in CLOSED

    @property
    def log_context(self) -> dict[str, object]:
        """The ids that every log line about this order carries."""
        context: dict[str, object] = {
            "order_id": self.order_id,
            "client_order_id": self.client_order_id,
            "alert_id": self.alert_id,
            "strategy": self.strategy,
        }
        if self.broker_order_id is not None:
            context["broker_order_id"] = self.broker_order_id
        return context

    @property
    def summary(self) -> str:
        """`BUY 75 NFO:NIFTY27JAN26C25700 @ MARKET`, for log lines."""
        at = str(self.order_type) if self.price is None else f"{self.price}"
        return (
            f"{self.side} {self.quantity} {self.exchange}:{self.tradingsymbol} @ {at}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One trade of one order."""

    trade_id: TradeId
    quantity: int  #: units
    price: Decimal  #: rupees
    filled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """
    One line in an order's story.

    An event about an alert alone has no order.  `order_status` is the status
    *after* the event.
    """

    event_id: int
    alert_id: AlertId | None
    order_id: OrderId | None
    trigger: str
    order_status: str
    service: str  #: which of the eight recorded it
    run_id: str  #: which process of that service
    occurred_at: datetime
    text: str
