"""The guard's second look: other terms for an order are judged as orders are."""

from __future__ import annotations

from shoonya_platform.domain.book import Book
from shoonya_platform.domain.denials import Denial, DenialCode, denied_by
from shoonya_platform.domain.orders import CLOSED, OPEN, WORKING, Intent, Order
from shoonya_platform.domain.positions import closes_only, shrinks
from shoonya_platform.domain.terms import (
    ModifyRequest,
    ModifyStage,
    asks_for_more,
    with_terms,
)
from shoonya_platform.domain.trading import lets_out
from shoonya_platform.execution.exchange_rules import ExchangeRules
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

BATCH = 50


class ModifyGuard:
    """The part of `execution_guard` that judges new terms."""

    def __init__(self, store: OrderStore, exchange: ExchangeRules) -> None:
        self._store = store
        self._exchange = exchange
        self._logger = get_component_logger("execution_guard")

    def step(self) -> int:
        waiting = self._store.modifies.waiting
        if not waiting(ModifyStage.RISK_PASSED, limit=1):
            return 0
        with self._store.transaction(durable=False):
            requests = waiting(ModifyStage.RISK_PASSED, limit=BATCH)
            for request in requests:
                self._judge(request)
        return len(requests)

    def _judge(self, request: ModifyRequest) -> None:
        order = self._store.orders.get(request.order_id)
        if order is None or order.status in CLOSED:
            ended = "gone" if order is None else order.status
            self._store.modifies.finish(
                request.order_id, result=f"the order is {ended}"
            )
            return
        denial = self._denial(order, with_terms(order, request.terms))
        if denial is None:
            self._store.modifies.pass_on(
                order, ModifyStage.GUARD_PASSED, text=request.terms.text
            )
            self._logger.info(
                "Order %d: new terms passed: %s",
                order.order_id,
                request.terms.text,
                extra={**order.log_context, "event": "replace_guard_passed"},
            )
            return
        self._store.modifies.deny(order, denial.text)
        self._logger.warning(
            "Order %d: new terms denied: %s",
            order.order_id,
            denial.text,
            extra={**order.log_context, "event": "replace_denied", "code": denial.code},
        )

    def _denial(self, order: Order, changed: Order) -> Denial | None:
        if changed.quantity <= order.filled_quantity:
            return Denial(
                DenialCode.QUANTITY_FILLED_ALREADY,
                {"quantity": changed.quantity, "filled": order.filled_quantity},
            )
        grows = changed.quantity > order.quantity
        return (
            self._trading_state(order, changed)
            or (self._exit_beyond(changed) if grows else None)
            or (self._exchange.square_off(changed) if grows else None)
            or self._exchange.hours(changed)
            or self._exchange.limits(changed)
            or self._exchange.price_band(changed)
        )

    def _exit_beyond(self, changed: Order) -> Denial | None:
        """Deny an exit that would close more than is held: an entry by another name."""
        if changed.intent is not Intent.EXIT:
            return None
        held = self._store.positions.get(
            changed.strategy, changed.exchange, changed.tradingsymbol
        )
        under_way = self._store.orders.in_status(*sorted(OPEN))
        if closes_only(changed, held, under_way):
            return None
        return Denial(
            DenialCode.EXIT_EXCEEDS_POSITION,
            {
                "quantity": changed.quantity,
                "held": sum(
                    position.quantity
                    for position in held
                    if position.product is changed.product
                ),
            },
        )

    def _trading_state(self, order: Order, changed: Order) -> Denial | None:
        trading = self._store.trading.status()

        def adds_nothing() -> bool:
            if not asks_for_more(order, changed):
                return True
            book = Book(
                self._store.positions.open(),
                self._store.orders.in_status(*sorted(WORKING)),
            )
            return shrinks(changed, book.positions(changed), book.working(changed))

        if lets_out(trading.state, changed, adds_nothing):
            return None
        return denied_by(trading)
