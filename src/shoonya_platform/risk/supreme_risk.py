"""
risk_manager: lets pass what the account can bear.

Only this service lets orders pass here, so what it sees of the book just before the
transaction that records a batch has all that passed before, and the batch's own is
added to it.
"""

from __future__ import annotations

from collections.abc import Callable

from shoonya_platform.clock import Clock
from shoonya_platform.domain.orders import (
    OPEN,
    Order,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.domain.positions import ZERO
from shoonya_platform.domain.square_off import SquareOffTimes
from shoonya_platform.domain.terms import ModifyStage, Terms, with_terms
from shoonya_platform.logging import get_component_logger
from shoonya_platform.risk.day_book import day_book
from shoonya_platform.risk.day_watch import BreachRules, DayWatch
from shoonya_platform.risk.limits import (
    RiskBook,
    RiskLimits,
    judge,
    leaves_value,
    money,
)
from shoonya_platform.risk.square_off import SquareOff
from shoonya_platform.store.base import OrderStore

BATCH = 200

#: Seconds between two looks at the day's loss when no order asks for one.
WATCH_SECONDS = 5.0

#: What has passed us and may still be filled.
_PASSED = OPEN - {OrderStatus.INITIALIZED}

_SERVICE = "risk_manager"


class SupremeRiskManager:
    """
    The worker of `risk_manager`.

    Args:
        ring: Rings the named services' doorbells.

        breach: What follows when the day has lost too much; None is the usual.

        square_off: When positions are closed by the clock; None is never.
    """

    def __init__(
        self,
        store: OrderStore,
        limits: RiskLimits,
        clock: Clock,
        ring: Callable[..., None],
        breach: BreachRules | None = None,
        square_off: SquareOffTimes | None = None,
    ) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._ring = ring
        self._logger = get_component_logger(_SERVICE)
        self._watched_at = float("-inf")
        self._passed = 0
        self._denied = 0
        self._pnl = ZERO
        self._lowest = limits.lowest_pnl(ZERO)
        self._square_off = SquareOff(store, square_off or SquareOffTimes(), clock, ring)
        self._day_watch = DayWatch(store, limits, breach or BreachRules(), clock, ring)

    def begin(self) -> None:
        """Nothing is left behind: all state is in the store."""

    def status(self) -> str:
        return (
            f"{self._passed} orders passed, {self._denied} denied, "
            f"P&L today {money(self._pnl)} of at least {self._lowest}"
        )

    def step(self) -> int:
        self._watch()
        changes = self._judge_changes()
        if not self._store.orders.in_status(OrderStatus.INITIALIZED, limit=1):
            return changes
        # The longest part of the work, and the other writers need not wait for it.
        with self._store.view():
            book = self._book()
        denied = self._denied
        with self._store.transaction(durable=False):
            orders = self._store.orders.in_status(OrderStatus.INITIALIZED, limit=BATCH)
            for order in orders:
                self._judge(order, book)
        self._ring("execution_guard")
        if self._denied > denied:
            self._ring("trading_bot")
        return changes + len(orders)

    def _judge(self, order: Order, book: RiskBook) -> None:
        denial = judge(order, book, self._limits)
        if denial is not None:
            self._denied += 1
            self._store.orders.record(order, OrderTrigger.DENIED, reason=denial.text)
            self._logger.warning(
                "Order %d denied: %s",
                order.order_id,
                denial.text,
                extra={
                    **order.log_context,
                    "event": "order_denied",
                    "code": denial.code,
                },
            )
            return
        self._passed += 1
        exposure = book.exposure
        if book.shrinks(order):
            # The exposure may well be above the limit: this brings it down.
            text = f"shrinks the position, exposure {money(exposure)}"
        else:
            exposure += leaves_value(order)
            text = f"exposure {money(exposure)} <= {self._limits.max_exposure}"
        book.add(self._store.orders.record(order, OrderTrigger.RISK_PASSED, text=text))
        self._logger.info(
            "Order %d risk passed: %s",
            order.order_id,
            text,
            extra={**order.log_context, "event": "risk_passed"},
        )

    def _judge_changes(self) -> int:
        """Judge other terms for working orders: what they add, by the same rules."""
        waiting = self._store.modifies.waiting
        if not waiting(ModifyStage.REQUESTED, limit=1):
            return 0
        with self._store.transaction(durable=False):
            requests = waiting(ModifyStage.REQUESTED, limit=BATCH)
            for request in requests:
                order = self._store.orders.get(request.order_id)
                if order is not None:
                    self._judge_change(order, request.terms)
        self._ring("execution_guard")
        return len(requests)

    def _judge_change(self, order: Order, terms: Terms) -> None:
        changed = with_terms(order, terms)
        denial = None
        if leaves_value(changed) > leaves_value(order):
            # Without the order as it is, whose place the changed one takes.
            denial = judge(changed, self._book(apart_from=order), self._limits)
        if denial is None:
            self._store.modifies.pass_on(
                order, ModifyStage.RISK_PASSED, text=terms.text
            )
            return
        self._store.modifies.deny(order, denial.text)
        self._logger.warning(
            "Order %d: new terms denied: %s",
            order.order_id,
            denial.text,
            extra={**order.log_context, "event": "replace_denied", "code": denial.code},
        )

    def _book(self, apart_from: Order | None = None) -> RiskBook:
        working = [
            order
            for order in self._store.orders.in_status(*sorted(_PASSED))
            if apart_from is None or order.order_id != apart_from.order_id
        ]
        return day_book(self._store, self._limits, self._clock.now(), working)

    def _watch(self) -> None:
        now = self._clock.monotonic()
        if now - self._watched_at >= WATCH_SECONDS:
            self._watched_at = now
            book = self._book()
            self._pnl = self._day_watch.look(book)
            self._square_off.look(book.positions)
            self._lowest = self._limits.lowest_pnl(max(book.best_pnl, self._pnl))
