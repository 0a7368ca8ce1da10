"""What is promised: each check by its name, and a case in which it does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Promise(StrEnum):
    """What is wrong where a check does not hold; the words are printed."""

    # Services.
    GIVEN_UP = "a service was given up"
    CRASHED = "a service crashed"
    # At the moment an order leaves.
    PRICE = "an order has a price that is not its instrument's"
    HALT = "an entry was sent after a halt"
    AGE = "an entry was sent past its age"
    HOURS = "an order was sent to a closed market"
    BOOKS = "an entry was sent before this start's books were read"
    EXIT_HELD_BACK = "an exit was kept back by a halt"
    # Alerts and ids.
    SENT_TWICE = "an id was sent twice"
    ALERT_LOST = "an accepted alert is lost"
    ALERT_TWICE = "an alert was taken twice"
    # What the exchange has.
    NOT_CLOSED = "a leg filled beyond its quantity, not closed"
    OPENED = "an exit opened a position, not closed"
    CONTRADICTED = "a strategy holds what none of its alerts states"
    POSITIONS = "positions differ"
    NO_END = "an order does not come to an end"
    OPEN_HERE = "an order is open here alone"
    OPEN_THERE = "an order is open at the broker alone"
    NOT_BOOKED = "a fill is not booked"
    NEVER_WAS = "a fill is booked that never was"
    STILL_HELD = "everything was closed, and the exchange still holds some"
    # What the operator sees.
    BEYOND_UNSEEN = "a leg filled beyond its quantity, not reported"
    POSITION_UNSEEN = "a position differs, not reported"
    FOREIGN_UNSEEN = "a foreign order with a name of ours, not reported"
    HALF_UNSEEN = "half an entry is held, not reported"
    NO_CONDITION = "a discrepancy is open, and 'check' does not name it"
    NO_ERROR = "a discrepancy began without an ERROR"
    NO_NOTIFICATION = "a discrepancy began without a notification"
    STILL_NAMED = "'check' names what is over"


@dataclass(slots=True)
class Failure:
    """Something that does not hold."""

    reason: Promise | str  #: a text where the simulation itself has failed
    text: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.text}"
