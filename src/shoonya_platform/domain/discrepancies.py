"""
A difference between our records and the broker's that the operator has to see.

A condition is open for as long as it is found.  An incident is also open until a
person has acknowledged it, however it ended: money may have moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import OrderId


class DiscrepancyKind(StrEnum):
    """What differs; the values are used in JSON, metrics and the runbook."""

    # -- conditions
    POSITION_DIFFERS = "position_differs"  #: the broker's net position is another
    #: The broker values a position by another price factor.
    PRICE_FACTOR_DIFFERS = "price_factor_differs"
    ORDER_CONTRADICTED = "order_contradicted"  #: what it claims cannot be true of it
    ORDER_MISSING = "order_missing"  #: working here, in no row of the order book
    OUTCOME_UNKNOWN = "outcome_unknown"  #: sent, and not found yet
    FOREIGN_CLAIM = "foreign_claim"  #: another order's terms under one of our ids
    CANCEL_IGNORED = "cancel_ignored"  #: confirmed, and the order still works
    ROW_UNREADABLE = "row_unreadable"  #: a row of a book or a report
    LOGIN_NEEDED = "login_needed"  #: there is no session at the broker
    EXIT_REFUSED = "exit_refused"  #: the broker or the exchange refuses to close
    EXIT_MISSED = "exit_missed"  #: it found nothing, and something similar is held
    BELIEF_DIFFERS = "belief_differs"  #: an alert states another position than ours
    EXIT_WAITS = "exit_waits"  #: its exchange is closed
    EXIT_RESTS = "exit_rests"  #: a market exit that the market has left
    EXIT_FAILED = "exit_failed"  #: an exit ended otherwise, and its position is open
    # -- incidents
    ORDER_REAPPEARED = "order_reappeared"  #: given up, and at the broker after all
    LEG_OVERFILLED = "leg_overfilled"  #: more was filled than the leg asked for
    DUPLICATE_ORDER = "duplicate_order"  #: two broker orders under one of our ids
    WRONG_NUMBER = "wrong_number"  #: a reply carried another order's number
    FILL_UNWANTED = "fill_unwanted"  #: filled after its end, and exited again
    ORDER_ADOPTED = "order_adopted"  #: ours at the broker, and not in the store
    OUTCOME_LOST = "outcome_lost"  #: its day's books are gone, and so is the answer


K = DiscrepancyKind

#: Open until acknowledged.
INCIDENTS = frozenset(
    {
        K.ORDER_REAPPEARED,
        K.LEG_OVERFILLED,
        K.DUPLICATE_ORDER,
        K.WRONG_NUMBER,
        K.ORDER_ADOPTED,
        K.OUTCOME_LOST,
        K.FILL_UNWANTED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """One difference, as it was just found."""

    kind: DiscrepancyKind
    #: What it is about: an order's `client_order_id`, a broker's number, an
    #: instrument with its product.  Kind and subject identify an open discrepancy.
    subject: str
    text: str  #: one sentence with the figures
    action: str  #: what the operator should do; a command where there is one
    order_id: OrderId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDiscrepancy(Discrepancy):
    """A discrepancy as the store has it."""

    discrepancy_id: int
    found_by: str  #: the service
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None  #: None while it lasts
    acknowledged_at: datetime | None
    acknowledged_by: str

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None or (
            self.kind in INCIDENTS and self.acknowledged_at is None
        )


def refused_holding(
    strategy: str, exchange: Exchange, tradingsymbol: str, product: Product
) -> str:
    """
    Return the subject of EXIT_REFUSED and EXIT_FAILED.

    There is one for each holding of a strategy.
    """
    return f"{strategy} {exchange}:{tradingsymbol} {product}"
