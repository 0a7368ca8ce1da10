"""Whether new orders may go out at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TradingState(StrEnum):
    """The kill switch.  Cancels always pass, in every state."""

    ACTIVE = "ACTIVE"  #: entries and exits
    REDUCING = "REDUCING"  #: only orders that shrink a position
    HALTED = "HALTED"  #: nothing new


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStatus:
    """The state, who set it, when and why."""

    state: TradingState
    reason: str
    set_by: str
    set_at: datetime
