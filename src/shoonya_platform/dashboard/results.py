"""
What the dashboard shows, as frozen values: the page and the API render the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode

from shoonya_platform.assessment.conditions import Condition
from shoonya_platform.dashboard.curve import Curve
from shoonya_platform.dashboard.meter import EventMeter, LogMeter
from shoonya_platform.domain.alerts import StoredAlert
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import Order, OrderStatus
from shoonya_platform.domain.positions import ZERO, Position
from shoonya_platform.domain.story import Hop
from shoonya_platform.domain.trading import TradingStatus
from shoonya_platform.logging.usage import DiskUse
from shoonya_platform.services.units import ServiceView


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """Whether orders go out, and to whom."""

    status: TradingStatus
    broker: str
    has_real_money: bool  #: not on paper, and not at a simulator
    market_hours: str  #: `round_the_clock` or `exchange`
    awaits_reconciliation: bool  #: entries are denied until it has succeeded

    @property
    def set_at(self) -> datetime | None:
        """When the state was set; None if nobody ever did."""
        return self.status.set_at if self.status.set_by else None


DEFAULT_LIMIT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    """Which orders are asked for; what is empty asks for all."""

    limit: int = DEFAULT_LIMIT
    status: str = ""  #: the word that `statuses` was asked by
    statuses: frozenset[OrderStatus] = frozenset()
    strategy: str = ""
    symbol: str = ""
    before: int = 0  #: only smaller order ids; 0 means from the newest

    def address(self, before: int) -> str:
        """Return where the page with the orders before that one is."""
        given = {
            "status": self.status,
            "strategy": self.strategy,
            "symbol": self.symbol,
            "before": before,
        }
        return "/orders?" + urlencode({k: v for k, v in given.items() if v})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPage:
    """Some orders, newest first, and how many there are altogether."""

    orders: Sequence[Order]
    counts: dict[OrderStatus, int]
    next_before: int | None  #: ask on with this; None if these are the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The open positions, the latest flat ones behind them, and all in rupees."""

    positions: Sequence[Position]
    realised_pnl: Decimal  #: by all fills there ever were
    realised_today: Decimal  #: by fills since midnight in India
    curve: Curve | None = None  #: of the day's profit and loss

    @property
    def open_positions(self) -> int:
        return sum(1 for position in self.positions if position.quantity)

    @property
    def unrealised_pnl(self) -> Decimal:
        return sum((p.unrealised_pnl for p in self.positions), ZERO)

    @property
    def total_pnl(self) -> Decimal:
        return self.realised_pnl + self.unrealised_pnl

    @property
    def exposure(self) -> Decimal:
        return sum((p.exposure for p in self.positions), ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStory:
    """An order, what it came from, and its way through the services."""

    order: Order
    alert: StoredAlert | None
    siblings: Sequence[Order]  #: the other orders of its alert
    hops: Sequence[Hop]

    @property
    def total_ms(self) -> float:
        """From the first event to the last."""
        return self.hops[-1].begin_ms if self.hops else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStory:
    """An alert, its orders, and their common way through the services."""

    alert: StoredAlert
    orders: Sequence[Order]
    hops: Sequence[Hop]

    @property
    def total_ms(self) -> float:
        """From the first event to the last."""
        return self.hops[-1].begin_ms if self.hops else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits for a service."""

    service: str
    depth: int
    age_seconds: float  #: of the oldest; 0 if nothing waits


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """A service as its supervisor sees it, with what it takes and what waits for it."""

    view: ServiceView
    cpu_share: float | None  #: of one core, lately; None if that is not told
    queue: Queue | None  #: None if it has none, or the store does not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What `/metrics` tells."""

    services: Sequence[ServiceView]
    conditions: Sequence[Condition]  #: what needs attention
    discrepancies: Mapping[DiscrepancyKind, int]  #: open; absent means none
    queues: Sequence[Queue]
    orders: dict[OrderStatus, int]
    trading: Trading
    reconciled: bool | None  #: whether the last comparison succeeded, if there was one
    book: Book
    events: EventMeter
    refusals: Mapping[str, int]  #: alerts that the webhook refused, by code
    log: LogMeter
    disk: DiskUse
