"""
What must hold at the moment an order is sent, whatever it has passed before.

Between execution_guard's look and the sending lie a batch, a restart, or a night: what
was fresh is old by then, the market closed, trading halted, and the broker's books
unread.
"""

from __future__ import annotations

from typing import Protocol

from shoonya_platform.domain.denials import Denial, DenialCode, denied_by
from shoonya_platform.domain.orders import WORKING, Order
from shoonya_platform.domain.positions import shrinks
from shoonya_platform.domain.trading import TradingStatus, lets_out
from shoonya_platform.store.base import OrderStore


class Moments(Protocol):
    """Where age, market hours and square-off times are known."""

    def moment(self, order: Order) -> Denial | None: ...

    def awaits_market(self, order: Order) -> bool: ...


class SendPreconditions:
    """
    Decides whether an order may still be sent.

    Args:
        moments: The guard's own rules of time.

        awaits_reconciliation: Whether entries wait for this start's first
            reconciliation.
    """

    def __init__(
        self, store: OrderStore, moments: Moments, *, awaits_reconciliation: bool
    ) -> None:
        self._store = store
        self._moments = moments
        self._is_awaiting = awaits_reconciliation

    def denial(self, order: Order, trading: TradingStatus) -> Denial | None:
        """
        Return why the order may not go out now, or None.

        Args:
            trading: The state committed last.
        """
        return self._trading_state(order, trading) or self._time(order)

    def awaits_market(self, order: Order) -> bool:
        """Return whether an exit waits for its exchange to open."""
        return self._moments.awaits_market(order)

    def is_awaiting(self) -> bool:
        """Return whether this start's first reconciliation is still awaited."""
        if self._is_awaiting:
            # Once it is there it stays: a start outlives each of its services.
            self._is_awaiting = self._store.recovery.is_awaited()
        return self._is_awaiting

    def _trading_state(self, order: Order, trading: TradingStatus) -> Denial | None:
        if lets_out(trading.state, order, lambda: self._shrinks(order)):
            return None
        return denied_by(trading)

    def _time(self, order: Order) -> Denial | None:
        denial = self._moments.moment(order)
        if denial is not None or not self.is_awaiting() or self._shrinks(order):
            return denial
        last = self._store.recovery.last()
        why = "not done yet" if last is None or last.succeeded else last.summary
        return Denial(DenialCode.AWAITING_RECONCILIATION, {"first": why})

    def _shrinks(self, order: Order) -> bool:
        return shrinks(
            order,
            self._store.positions.get(
                order.strategy, order.exchange, order.tradingsymbol
            ),
            self._store.orders.in_status(*sorted(WORKING)),
        )
