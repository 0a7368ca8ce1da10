"""A broker that answers, tells and keeps silent as a test wants it to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from shoonya_platform.brokers.base import (
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
from shoonya_platform.domain.instruments import Exchange, Instrument, PriceBand, Product
from shoonya_platform.domain.margins import Margin
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    Fill,
    OrderStatus,
    TradeId,
)
from shoonya_platform.errors import BrokerRejected, BrokerUnavailable


@dataclass(frozen=True, slots=True)
class _Answer:
    error: Exception | None
    arrives: bool


class RecordingBroker:
    """
    A `Broker` for what the paper broker cannot produce: reports in any order.

    What happens to an order (`fill`, `end`) stands in the books at once; the report
    about it lies in `news`, where a test may drop it, double it or move it, until
    `reports` hands it out.
    """

    name = "recording"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.placed: list[PlaceOrder] = []
        self.modified: list[ModifyOrder] = []
        self.canceled: list[BrokerOrderId] = []
        self.news: list[ExecutionReport] = []
        self.book: dict[BrokerOrderId, BrokerOrder] = {}
        self.trades: list[BrokerTrade] = []
        self.held: list[BrokerPosition] = []
        #: What `unreadable` returns; its `reports` are returned once.
        self.passed_over: list[UnreadableRow] = []
        #: What `margin` returns.
        self.needs = Margin(required=Decimal(0), available=Decimal(1_000_000))
        self.margins_asked: list[list[PlaceOrder]] = []
        #: What `products` returns.
        self.allowed: Mapping[Exchange, frozenset[Product]] | None = None
        self.prices: dict[tuple[Exchange, str], Decimal] = {}
        self.bands: dict[tuple[Exchange, str], PriceBand] = {}
        #: While true, nobody answers: every call raises `BrokerUnavailable`.
        self.is_down = False
        #: How often each reading was asked for.
        self.readings: dict[str, int] = {}
        #: Called before an order is answered; for what happens meanwhile.
        self.on_place: Callable[[PlaceOrder], None] | None = None
        self.on_modify: Callable[[ModifyOrder], None] | None = None
        self._place_answers: deque[_Answer] = deque()
        self._modify_answers: deque[_Answer] = deque()
        self._cancel_answers: deque[_Answer] = deque()
        self._trades_made = 0

    # -- what a test says ------------------------------------------------------

    def answer_place(
        self, error: Exception | None = None, *, arrives: bool = False
    ) -> None:
        """
        Say how the next order that has no answer yet is answered.

        Args:
            error: Raised; None accepts the order.

            arrives: The order is in the book in spite of the error.
        """
        self._place_answers.append(_Answer(error, arrives))

    def answer_cancel(
        self, error: Exception | None = None, *, arrives: bool = False
    ) -> None:
        """Say how the next cancel is answered; see `answer_place`."""
        self._cancel_answers.append(_Answer(error, arrives))

    def answer_modify(
        self, error: Exception | None = None, *, arrives: bool = False
    ) -> None:
        """Say how the next modify is answered; see `answer_place`."""
        self._modify_answers.append(_Answer(error, arrives))

    def accept(
        self, order: PlaceOrder, number: BrokerOrderId | None = None
    ) -> BrokerOrder:
        """Put an order into the book, as if it had been placed."""
        number = number or BrokerOrderId(f"R{len(self.book) + 1}")
        return self.add(
            BrokerOrder(
                broker_order_id=number,
                client_order_id=order.client_order_id,
                exchange=order.exchange,
                tradingsymbol=order.tradingsymbol,
                side=order.side,
                product=order.product,
                quantity=order.quantity,
                status=OrderStatus.ACCEPTED,
                filled_quantity=0,
                average_price=None,
                reason="",
                updated_at=self._clock.now(),
                price=order.price,
                trigger_price=order.trigger_price,
            )
        )

    def add(self, claim: BrokerOrder, fill: Fill | None = None) -> BrokerOrder:
        """Let the book claim this, and report it."""
        self.book[claim.broker_order_id] = claim
        self.news.append(ExecutionReport(order=claim, fill=fill))
        return claim

    def fill(
        self, number: BrokerOrderId, quantity: int, price: Decimal | int = 100
    ) -> ExecutionReport:
        """Let an order trade."""
        self._trades_made += 1
        claim = self.book[number]
        filled = claim.filled_quantity + quantity
        before = (claim.average_price or Decimal(0)) * claim.filled_quantity
        status = claim.status
        if filled >= claim.quantity:
            status = OrderStatus.FILLED
        elif status is OrderStatus.ACCEPTED:
            status = OrderStatus.PARTIALLY_FILLED
        fill = Fill(
            trade_id=TradeId(f"T{self._trades_made}"),
            quantity=quantity,
            price=Decimal(price),
            filled_at=self._clock.now(),
        )
        self.trades.append(
            BrokerTrade(
                broker_order_id=number,
                client_order_id=claim.client_order_id,
                fill=fill,
            )
        )
        self.add(
            replace(
                claim,
                status=status,
                filled_quantity=filled,
                average_price=(before + fill.price * quantity) / filled,
                updated_at=self._clock.now(),
            ),
            fill,
        )
        return self.news[-1]

    def end(
        self, number: BrokerOrderId, status: OrderStatus, reason: str = ""
    ) -> ExecutionReport:
        """Let an order end otherwise than filled."""
        self.add(
            replace(
                self.book[number],
                status=status,
                reason=reason,
                updated_at=self._clock.now(),
            )
        )
        return self.news[-1]

    # -- the port --------------------------------------------------------------

    def place(self, order: PlaceOrder) -> BrokerOrderId:
        self._raise_if_down()
        self.placed.append(order)
        if self.on_place is not None:
            self.on_place(order)
        answer = (
            self._place_answers.popleft()
            if self._place_answers
            else _Answer(None, arrives=True)
        )
        if answer.error is None:
            return self.accept(order).broker_order_id
        if answer.arrives:
            self.accept(order)
        raise answer.error

    def cancel(self, broker_order_id: BrokerOrderId) -> None:
        self._raise_if_down()
        self.canceled.append(broker_order_id)
        answer = (
            self._cancel_answers.popleft()
            if self._cancel_answers
            else _Answer(None, arrives=True)
        )
        if answer.error is None or answer.arrives:
            claim = self.book.get(broker_order_id)
            if claim is None or claim.status not in (
                OrderStatus.ACCEPTED,
                OrderStatus.PARTIALLY_FILLED,
            ):
                raise BrokerRejected("no such open order")
            self.end(broker_order_id, OrderStatus.CANCELED)
        if answer.error is not None:
            raise answer.error

    def modify(self, change: ModifyOrder) -> None:
        self._raise_if_down()
        self.modified.append(change)
        if self.on_modify is not None:
            self.on_modify(change)
        answer = (
            self._modify_answers.popleft()
            if self._modify_answers
            else _Answer(None, arrives=True)
        )
        if answer.error is None or answer.arrives:
            claim = self.book.get(change.broker_order_id)
            if claim is None or claim.status not in (
                OrderStatus.ACCEPTED,
                OrderStatus.PARTIALLY_FILLED,
            ):
                raise BrokerRejected("no such open order")
            self.add(
                replace(
                    claim,
                    quantity=change.quantity,
                    price=change.price,
                    trigger_price=change.trigger_price,
                    updated_at=self._clock.now(),
                )
            )
        if answer.error is not None:
            raise answer.error

    def reports(self) -> list[ExecutionReport]:
        self._read("reports")
        told, self.news = self.news, []
        return told

    def order_book(self) -> list[BrokerOrder]:
        self._read("order_book")
        return list(self.book.values())

    def trade_book(self) -> list[BrokerTrade]:
        self._read("trade_book")
        return list(self.trades)

    def positions(self) -> list[BrokerPosition]:
        self._read("positions")
        return list(self.held)

    def unreadable(self) -> list[UnreadableRow]:
        found = self.passed_over
        self.passed_over = [row for row in found if row.book != "reports"]
        return list(found)

    def limits(self) -> Limits:
        self._read("limits")
        return Limits(cash=Decimal(1_000_000), margin_used=Decimal(0))

    def margin(self, orders: Sequence[PlaceOrder]) -> Margin:
        self._read("margin")
        self.margins_asked.append(list(orders))
        return self.needs

    def products(self) -> Mapping[Exchange, frozenset[Product]] | None:
        self._read("products")
        return self.allowed

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None:
        self._read("last_price")
        return self.prices.get((exchange, tradingsymbol))

    def quote(self, exchange: Exchange, tradingsymbol: str) -> Quote | None:
        self._read("quote")
        band = self.bands.get((exchange, tradingsymbol), PriceBand())
        last = self.prices.get((exchange, tradingsymbol))
        return Quote(last_price=last, band=band)

    def instrument(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        self._read("instrument")
        return Instrument(exchange=exchange, tradingsymbol=tradingsymbol)

    def close(self) -> None:
        """Nothing is held."""

    def _read(self, what: str) -> None:
        self.readings[what] = self.readings.get(what, 0) + 1
        self._raise_if_down()

    def _raise_if_down(self) -> None:
        if self.is_down:
            raise BrokerUnavailable("the broker is down")
