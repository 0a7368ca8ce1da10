"""What a replayed day came to: the same for the same file, each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.orders import AlertId, OrderStatus
from shoonya_platform.domain.positions import ZERO, Position
from shoonya_platform.store.base import OrderStore

#: Far more than any day has.
_ALL = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedOrder:
    """An order without the ids that are random."""

    order_id: int
    alert_line: int | None  #: in the file; None for exits that the platform made
    created_at: datetime
    strategy: str
    intent: str
    summary: str
    filled_quantity: int
    average_price: Decimal | None
    status: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedAlert:
    """An alert that the webhook did not take."""

    line: int
    at: datetime
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPosition:
    strategy: str
    instrument: str
    quantity: int
    average_price: Decimal
    unrealised_pnl: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    begin: datetime
    end: datetime
    events: int
    orders: Sequence[ReplayedOrder]
    denied: int
    refused: Sequence[RefusedAlert]
    positions: Sequence[HeldPosition]
    realised_pnl: Decimal
    unrealised_pnl: Decimal
    total_pnl: Decimal
    trading_state: str
    trading_reason: str


def collect(
    store: OrderStore,
    *,
    begin: datetime,
    end: datetime,
    events: int,
    lines: Mapping[AlertId, int],
    refused: Sequence[RefusedAlert],
) -> ReplayResult:
    """
    Read the day's end out of its store.

    Args:
        lines: Which alert came from which line of the file.
    """
    orders = [
        ReplayedOrder(
            order_id=order.order_id,
            alert_line=lines.get(order.alert_id),
            created_at=order.created_at,
            strategy=order.strategy,
            intent=order.intent,
            summary=order.summary,
            filled_quantity=order.filled_quantity,
            average_price=order.average_price,
            status=order.status,
            reason=order.reason,
        )
        for order in reversed(store.orders.recent(limit=_ALL))
    ]
    positions = store.positions.open()
    realised = store.positions.realised_on(trading_day(begin))
    unrealised = sum((each.unrealised_pnl for each in positions), ZERO)
    trading = store.trading.status()
    return ReplayResult(
        begin=begin,
        end=end,
        events=events,
        orders=orders,
        denied=sum(order.status == OrderStatus.DENIED for order in orders),
        refused=list(refused),
        positions=[_held(each) for each in positions],
        realised_pnl=realised,
        unrealised_pnl=unrealised,
        total_pnl=realised + unrealised,
        trading_state=trading.state,
        trading_reason=trading.reason,
    )


def _held(position: Position) -> HeldPosition:
    return HeldPosition(
        strategy=position.strategy,
        instrument=f"{position.exchange}:{position.tradingsymbol}",
        quantity=position.quantity,
        average_price=position.average_price,
        unrealised_pnl=position.unrealised_pnl,
    )
