"""
Whether new orders may go out at all.

What closes a position passes in every state: an exit, one that undoes half an entry,
an order that closes what a leg has too much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shoonya_platform.domain.orders import Intent, Order


class TradingState(StrEnum):
    """The kill switch.  Exits and cancels pass in every state."""

    ACTIVE = "ACTIVE"  #: everything
    REDUCING = "REDUCING"  #: also other orders that only shrink a position
    HALTED = "HALTED"  #: nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStatus:
    """The state, who set it, when and why."""

    state: TradingState
    reason: str
    set_by: str
    set_at: datetime


def lets_out(state: TradingState, order: Order, shrinks: Callable[[], bool]) -> bool:
    """
    Return whether an order may go out in a state.

    Args:
        shrinks: Whether it can only make its strategy's position smaller.
    """
    if state is TradingState.ACTIVE or order.intent is Intent.EXIT:
        return True
    return state is TradingState.REDUCING and shrinks()
