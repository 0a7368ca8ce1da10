"""
Faults on demand: what real brokers do at the worst moment, when you want it.

They lie in the paper broker's database, so that one process can order what another
one suffers.  Each is used up once for every count, by whichever process comes first.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shoonya_platform.errors import NotAllowed


class FaultKind(StrEnum):
    #: The order is placed (or canceled), and the caller gets no answer.
    ACCEPT_THEN_TIMEOUT = "accept_then_timeout"
    #: Nothing is placed (or canceled), and the caller gets no answer.
    LOSE_REQUEST = "lose_request"
    #: Placing (or canceling) is answered after `seconds`; too late is no answer.
    SLOW = "slow"
    #: Placing is refused at once, with a reason.
    REFUSE = "refuse"
    #: Any call fails, certainly unsent.
    UNAVAILABLE = "unavailable"
    #: A report is never told; the books have what it would have said.
    DROP_REPORT = "drop_report"
    #: A report is told twice.
    DOUBLE_REPORT = "double_report"
    #: An order is accepted, and filled only after `seconds`, or once the faults are
    #: cleared if there are none.
    HOLD_ORDERS = "hold_orders"


#: What may befall the request to place an order.
PLACING = (
    FaultKind.ACCEPT_THEN_TIMEOUT,
    FaultKind.LOSE_REQUEST,
    FaultKind.SLOW,
    FaultKind.REFUSE,
)
CANCELING = (FaultKind.ACCEPT_THEN_TIMEOUT, FaultKind.LOSE_REQUEST, FaultKind.SLOW)
REPORTING = (FaultKind.DROP_REPORT, FaultKind.DOUBLE_REPORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    A fault that waits for its moment.

    `count` is how often it will still happen.  An outage (`UNAVAILABLE`) with
    `seconds` lasts that long from `added_at` on, however often it is met.
    """

    kind: FaultKind
    count: int
    seconds: float
    added_at: datetime


def add(
    connection: sqlite3.Connection,
    kind: FaultKind,
    count: int,
    seconds: float,
    now: datetime,
) -> None:
    if count < 1 or not 0 <= seconds <= 86_400:
        raise NotAllowed(
            f"expected a count of at least 1 and 0 to 86400 seconds, was {count} "
            f"and {seconds:g}"
        )
    connection.execute(
        "INSERT INTO faults (kind, count, seconds, added_at) VALUES (?, ?, ?, ?)",
        (kind, count, seconds, now.isoformat()),
    )


def waiting(connection: sqlite3.Connection) -> list[Fault]:
    """Return the faults that are still to come, oldest first."""
    rows = connection.execute("SELECT * FROM faults ORDER BY fault_id").fetchall()
    return [_fault(row) for row in rows]


def take(
    connection: sqlite3.Connection, kinds: tuple[FaultKind, ...], now: datetime
) -> Fault | None:
    """
    Use up one count of the oldest fault of these kinds, if there is one.

    Needs a writing transaction, and is undone with it.
    """
    rows = connection.execute("SELECT * FROM faults ORDER BY fault_id").fetchall()
    for row in rows:
        fault = _fault(row)
        if fault.kind not in kinds:
            continue
        lasts = fault.kind is FaultKind.UNAVAILABLE and fault.seconds > 0
        if lasts and now < fault.added_at + timedelta(seconds=fault.seconds):
            return fault
        if fault.count > 1 and not lasts:
            connection.execute(
                "UPDATE faults SET count = count - 1 WHERE fault_id = ?",
                (row["fault_id"],),
            )
        else:
            connection.execute(
                "DELETE FROM faults WHERE fault_id = ?", (row["fault_id"],)
            )
        if not lasts:
            return fault
    return None


def _fault(row: sqlite3.Row) -> Fault:
    return Fault(
        kind=FaultKind(row["kind"]),
        count=row["count"],
        seconds=row["seconds"],
        added_at=datetime.fromisoformat(row["added_at"]),
    )
