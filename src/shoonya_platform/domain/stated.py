"""
What an alert states that its strategy holds, before and after it.

TradingView sends it with every order of a strategy.  The result of the alert never
contradicts what it states for afterwards; what it states for before shows whether an
alert was missed, denied or done twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from shoonya_platform.domain.alerts import Alert, MarketPosition
from shoonya_platform.domain.orders import Side

_SIGN = {MarketPosition.LONG: 1, MarketPosition.FLAT: 0, MarketPosition.SHORT: -1}


@dataclass(frozen=True, slots=True)
class Stated:
    """A position as an alert states it."""

    position: MarketPosition
    size: int | None  #: units, not negative; None is not stated

    @property
    def quantity(self) -> int | None:
        """Signed, in units; None if only the side is stated."""
        if self.position is MarketPosition.FLAT:
            return 0
        return None if self.size is None else _SIGN[self.position] * self.size

    def agrees(self, held: int) -> bool:
        """Return whether so much, signed, is what is stated."""
        if self.quantity is not None:
            return held == self.quantity
        return held * _SIGN[self.position] > 0

    def __str__(self) -> str:
        if self.size is None or self.position is MarketPosition.FLAT:
            return str(self.position)
        return f"{self.position} {self.size}"


def stated_after(alert: Alert) -> Stated | None:
    """Return what is stated to be held once the alert is done."""
    if alert.market_position is None:
        return None
    return Stated(alert.market_position, alert.market_position_size)


def stated_before(alert: Alert) -> Stated | None:
    """Return what is stated to have been held before it."""
    if alert.prev_market_position is None:
        return None
    return Stated(alert.prev_market_position, alert.prev_market_position_size)


class Outcome(Enum):
    """What is to be done about an alert."""

    ORDER = "order"  #: what it asks for, or less
    REACHED = "reached"  #: the position is as stated already
    DIFFERS = "differs"  #: the position is not what it goes out from
    REACH = "reach"  #: an order that brings the position to what is stated


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done; the order's side and quantity where there is one."""

    outcome: Outcome
    side: Side
    quantity: int = 0


def step_of(
    alert: Alert, side: Side, quantity: int, held: int, *, reaches: bool
) -> Step:
    """
    Return what an alert of one leg leads to, given what its strategy holds.

    Args:
        side: What the alert asks for, with `quantity` in units.

        held: Signed, in units.

        reaches: Whether a position that differs is brought to what is stated.
    """
    after, before = stated_after(alert), stated_before(alert)
    if after is not None and after.quantity == held:
        return Step(Outcome.REACHED, side)
    if before is not None and not before.agrees(held):
        if not reaches or after is None or after.quantity is None:
            return Step(Outcome.DIFFERS, side)
        missing = after.quantity - held
        towards = Side.BUY if missing > 0 else Side.SELL
        return Step(Outcome.REACH, towards, abs(missing))
    if after is not None:
        quantity = min(quantity, _most(after, side, held))
    if quantity <= 0:
        return Step(Outcome.DIFFERS, side)
    return Step(Outcome.ORDER, side, quantity)


def _most(after: Stated, side: Side, held: int) -> int:
    """Return how much an order may fill without contradicting what is stated."""
    if after.quantity is not None:
        return max(0, (after.quantity - held) * side.sign)
    sign = _SIGN[after.position]
    if side.sign == sign:
        # It goes to that side, as far as it goes.
        return 10**9
    # It may make smaller what is held there, and not turn it.
    return max(0, held * sign)
