"""What an entry would need of the account's money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """What orders together need, and what the account has for them, in rupees."""

    required: Decimal
    available: Decimal
    #: The broker itself says that it is not enough, whatever the figures are.
    is_refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginReading:
    """A margin as it was asked for an alert; the figures are None where that failed."""

    required: Decimal | None
    available: Decimal | None
    failure: str = ""  #: why there are no figures; empty with them
    is_refused: bool = False  #: as `Margin` has it
    asked_at: datetime
