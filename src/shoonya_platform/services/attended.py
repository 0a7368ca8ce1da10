"""A broker that feeds the watchdog: each call may take as long as its time-out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from shoonya_platform.brokers.base import (
    Broker,
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    ExecutionReport,
    Limits,
    ModifyOrder,
    PlaceOrder,
    Quote,
    UnreadableRow,
)
from shoonya_platform.clock import Clock
from shoonya_platform.domain.instruments import Exchange, Instrument, Product
from shoonya_platform.domain.margins import Margin
from shoonya_platform.domain.orders import BrokerOrderId

T = TypeVar("T")

#: An answer that takes so long is slow.
SLOW_SECONDS = 2.0
#: A slow one is logged at most so often, and remembered for so long.
WARN_SECONDS = 60.0


class AttendedBroker:
    """
    A `Broker` that reports progress before and after each call.

    A step of many calls to a slow broker is progress, and only a call that never
    returns is a hang; it is still the working loop that feeds the watchdog.

    Args:
        beat: Feeds the watchdog.

        warn: Gets a sentence when a call was slow, at most once in WARN_SECONDS.
    """

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        *,
        beat: Callable[[], None],
        warn: Callable[[str], None],
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._beat = beat
        self._warn = warn
        self._warned_at = float("-inf")
        #: Slow answers: when they came, monotonic, and how long they took.
        self._slow: deque[tuple[float, float]] = deque()

    def slow_answer_seconds(self) -> float:
        """Return how long the slowest slow answer took lately, 0 if none was slow."""
        since = self._clock.monotonic() - WARN_SECONDS
        while self._slow and self._slow[0][0] <= since:
            self._slow.popleft()
        return max((seconds for _, seconds in self._slow), default=0.0)

    @property
    def plain(self) -> Broker:
        """The broker itself."""
        return self._broker

    @property
    def name(self) -> str:
        return self._broker.name

    def place(self, order: PlaceOrder) -> BrokerOrderId:
        return self._attended(lambda: self._broker.place(order))

    def modify(self, change: ModifyOrder) -> None:
        self._attended(lambda: self._broker.modify(change))

    def cancel(self, broker_order_id: BrokerOrderId) -> None:
        self._attended(lambda: self._broker.cancel(broker_order_id))

    def reports(self) -> list[ExecutionReport]:
        return self._attended(self._broker.reports)

    def order_book(self) -> list[BrokerOrder]:
        return self._attended(self._broker.order_book)

    def trade_book(self) -> list[BrokerTrade]:
        return self._attended(self._broker.trade_book)

    def positions(self) -> list[BrokerPosition]:
        return self._attended(self._broker.positions)

    def unreadable(self) -> list[UnreadableRow]:
        return self._broker.unreadable()

    def limits(self) -> Limits:
        return self._attended(self._broker.limits)

    def margin(self, orders: Sequence[PlaceOrder]) -> Margin:
        return self._attended(lambda: self._broker.margin(orders))

    def products(self) -> Mapping[Exchange, frozenset[Product]] | None:
        return self._attended(self._broker.products)

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None:
        return self._attended(lambda: self._broker.last_price(exchange, tradingsymbol))

    def quote(self, exchange: Exchange, tradingsymbol: str) -> Quote | None:
        return self._attended(lambda: self._broker.quote(exchange, tradingsymbol))

    def instrument(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        return self._attended(lambda: self._broker.instrument(exchange, tradingsymbol))

    def close(self) -> None:
        self._broker.close()

    def _attended(self, call: Callable[[], T]) -> T:
        self._beat()
        began = self._clock.monotonic()
        try:
            return call()
        finally:
            self._beat()
            now = self._clock.monotonic()
            if now - began >= SLOW_SECONDS:
                self._note_slow(now, now - began)

    def _note_slow(self, now: float, seconds: float) -> None:
        self._slow.append((now, seconds))
        if now - self._warned_at >= WARN_SECONDS:
            self._warned_at = now
            self._warn(
                f"the broker is slow: its last answer took {seconds:.1f} s, "
                "orders go out one by one"
            )
