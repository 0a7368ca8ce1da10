"""
What was told of each order, so that only changes are told.

Order messages come doubled, late and with three words for "accepted"; after a
reconnection they are missing, and the books tell instead.  Both go through here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from shoonya_platform.brokers.base import BrokerOrder, BrokerTrade, ExecutionReport
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    OrderStatus,
    TradeId,
)

_WORKING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
_TRADING = (OrderStatus.FILLED, *_WORKING)


@dataclass(slots=True)
class _Known:
    order: BrokerOrder
    trades: set[TradeId] = field(default_factory=set)


class Told:
    """
    The reports so far.

    Until `begin` nothing is known but the orders that this process has placed
    itself, which are news however late they are looked at.
    """

    def __init__(self) -> None:
        self._known: dict[BrokerOrderId, _Known] = {}
        self._own: set[BrokerOrderId] = set()
        self.has_begun = False

    def note_placed(self, broker_order_id: BrokerOrderId) -> None:
        if not self.has_begun:
            self._own.add(broker_order_id)

    def begin(
        self, orders: Iterable[BrokerOrder], trades: Iterable[BrokerTrade]
    ) -> None:
        """Take the books as known; only what changes from here on is news."""
        self.has_begun = True
        for order in orders:
            if order.broker_order_id not in self._own:
                self._known[order.broker_order_id] = _Known(order)
        for trade in trades:
            known = self._known.get(trade.broker_order_id)
            if known is not None:
                known.trades.add(trade.fill.trade_id)
        self._own.clear()

    def differs(self, orders: Iterable[BrokerOrder]) -> bool:
        """Return whether the order book has news."""
        return any(self._is_news(order) for order in orders)

    def catch_up(
        self, orders: Iterable[BrokerOrder], trades: Iterable[BrokerTrade]
    ) -> list[ExecutionReport]:
        """Return what the books have that was never told, in the order it happened."""
        fills: dict[BrokerOrderId, list[BrokerTrade]] = {}
        for trade in trades:
            fills.setdefault(trade.broker_order_id, []).append(trade)
        found = []
        for order in orders:
            if self._is_news(order):
                found += self._story(order, fills.get(order.broker_order_id, []))
        return found

    def news(self, report: ExecutionReport) -> ExecutionReport | None:
        """Return a message's report, None if it was told or overtaken."""
        order = report.order
        known = self._known.get(order.broker_order_id)
        if known is None:
            self._known[order.broker_order_id] = known = _Known(order)
            if report.fill is not None:
                known.trades.add(report.fill.trade_id)
            return report
        if report.fill is not None and report.fill.trade_id not in known.trades:
            known.trades.add(report.fill.trade_id)
            if _is_later(order, known.order):
                known.order = order
            return report
        if not _is_later(order, known.order):
            return None
        known.order = order
        return replace(report, fill=None)

    def _is_news(self, order: BrokerOrder) -> bool:
        known = self._known.get(order.broker_order_id)
        return known is None or _is_later(order, known.order)

    def _story(
        self, order: BrokerOrder, trades: list[BrokerTrade]
    ) -> list[ExecutionReport]:
        found: list[ExecutionReport] = []
        known = self._known.get(order.broker_order_id)
        last = None if known is None else known.order
        if known is None:
            known = self._known[order.broker_order_id] = _Known(order)
            if order.status is not OrderStatus.REJECTED:
                last = _at(order, 0, None)
                found.append(ExecutionReport(order=last, fill=None))
        filled, value = 0, Decimal(0)
        for trade in trades:
            fill = trade.fill
            filled += fill.quantity
            value += fill.quantity * fill.price
            if fill.trade_id in known.trades:
                continue
            known.trades.add(fill.trade_id)
            last = _at(order, filled, value / filled)
            if filled == order.filled_quantity and order.status in _TRADING:
                last = order
            found.append(ExecutionReport(order=last, fill=fill))
        # Also where the trade book lags behind: the order's word stands alone.
        if last is None or (last.status, last.filled_quantity) != (
            order.status,
            order.filled_quantity,
        ):
            found.append(ExecutionReport(order=order, fill=None))
        known.order = order
        return found


def _at(order: BrokerOrder, filled: int, average: Decimal | None) -> BrokerOrder:
    """Return the order as it was when this much of it had traded."""
    status = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED
    reason = "" if order.status not in _WORKING else order.reason
    return replace(
        order,
        status=status,
        filled_quantity=filled,
        average_price=average,
        reason=reason,
    )


def _is_later(order: BrokerOrder, known: BrokerOrder) -> bool:
    """Tell whether a claim is further on than another about the same order."""
    if order.filled_quantity != known.filled_quantity:
        return order.filled_quantity > known.filled_quantity
    if known.status in _WORKING:
        return order.status is not known.status or _terms(order) != _terms(known)
    return False


def _terms(order: BrokerOrder) -> tuple[object, ...]:
    return (order.quantity, order.price, order.trigger_price)
