"""
execution_guard: the last look before the broker.

Is trading allowed, is the market open, is the order one the exchange can take, and
is it not the same entry again?  Only this service lets orders pass here, so what it
sees of the book just before the transaction that records a batch has all that passed
before, and the batch's own is added to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from shoonya_platform.clock import Clock
from shoonya_platform.domain.book import Book
from shoonya_platform.domain.denials import Denial, DenialCode, denied_by
from shoonya_platform.domain.orders import (
    WORKING,
    Intent,
    Order,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.domain.positions import Position, shrinks
from shoonya_platform.domain.trading import lets_out
from shoonya_platform.execution.account_rules import AccountRules
from shoonya_platform.execution.exchange_rules import (
    ExchangeRules,
    GuardRules,
    Instruments,
)
from shoonya_platform.execution.market_wait import MarketWait
from shoonya_platform.execution.modify_guard import ModifyGuard
from shoonya_platform.execution.protection import protect
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

BATCH = 200

#: After its begin the guard lets entries wait this long for the first reconciliation,
#: which takes less than a second where the broker answers, and for the first list of
#: instruments, which takes a few; then they are denied.
PATIENCE_SECONDS = 10.0

_PASSED = WORKING | {OrderStatus.GUARD_PASSED}


class ExecutionGuard:
    """
    The worker of `execution_guard`.

    Args:
        ring: Rings the named services' doorbells.
    """

    def __init__(
        self,
        store: OrderStore,
        instruments: Instruments,
        rules: GuardRules,
        clock: Clock,
        ring: Callable[..., None],
    ) -> None:
        self._store = store
        self._instruments = instruments
        self._rules = rules
        self._exchange = ExchangeRules(store, instruments, rules, clock)
        self._account = AccountRules(
            store,
            clock,
            checks_margin=rules.checks_margin,
            needs_margin=rules.needs_margin,
        )
        self._changes = ModifyGuard(store, self._exchange)
        self._market = MarketWait(store, self._exchange)
        self._clock = clock
        self._ring = ring
        self._passed = 0
        self._denied = 0
        self._trading = store.trading.status()
        self._book = Book((), ())
        self._is_awaiting = rules.awaits_reconciliation
        self._patient_until = clock.monotonic() + PATIENCE_SECONDS
        self._logger = get_component_logger("execution_guard")

    def begin(self) -> None:
        """Nothing is left behind: all state is in the store."""

    def status(self) -> str:
        hours = "exchange hours" if self._rules.calendar else "round the clock"
        waits = "entries wait for the first reconciliation; " * self._is_awaiting
        exits = f"{self._market.number} exits wait for their market; "
        waits += exits * bool(self._market.number)
        table = "" if self._rules.needs_list else "lots and ticks of our own table; "
        return (
            f"trading is {self._trading.state}, {hours}; {table}{waits}"
            f"{self._passed} orders passed, {self._denied} denied"
        )

    def step(self) -> int:
        self._trading = self._store.trading.status()
        if self._is_awaiting:
            # Once it is there it stays: a start outlives each of its services.
            self._is_awaiting = self._store.recovery.is_awaited()
        changes = self._changes.step()
        if changes:
            self._ring("command_service")
        self._market.look()
        if not self._market.next_orders(limit=1):
            return changes
        # The longest part of the work, and the other writers need not wait for it.
        with self._store.view():
            self._book = self._read_book()
            self._account.refresh()
        denied = self._denied
        with self._store.transaction(durable=False):
            self._trading = self._store.trading.status()
            orders = self._market.next_orders(limit=BATCH)
            if self._clock.monotonic() < self._patient_until:
                orders = [order for order in orders if not self._waits(order)]
            for _, legs in itertools.groupby(orders, lambda order: order.alert_id):
                for order, denial in self._judge_together(list(legs)):
                    self._record(order, denial)
        if orders:
            self._ring("command_service")
        if self._denied > denied:
            self._ring("trading_bot")
        return changes + len(orders)

    def _judge_together(self, legs: list[Order]) -> list[tuple[Order, Denial | None]]:
        """Judge an alert's legs: an entry goes out whole or not at all."""
        verdicts = [(order, self._judge(order)) for order in legs]
        if legs[0].intent is not Intent.ENTRY:
            return verdicts
        denied = [order.leg for order, denial in verdicts if denial is not None] or [
            order.leg
            for order in self._store.orders.of_alert(legs[0].alert_id)
            if order.status is OrderStatus.DENIED
        ]
        if not denied:
            return verdicts
        sibling = Denial(DenialCode.SIBLING_DENIED, {"leg": denied[0]})
        return [(order, denial or sibling) for order, denial in verdicts]

    def _judge(self, order: Order) -> Denial | None:
        """Return why the order may not go out, or None."""
        return (
            self._trading_state(order)
            or self._reconciliation(order)
            or self._exchange.moment(order)
            or self._exchange.limits(order, may_split=self._splits(order))
            or self._exchange.price_band(order)
            or self._duplicate(order)
            or self._conflict(order)
            or self._account_rules(order)
        )

    def _account_rules(self, order: Order) -> Denial | None:
        """Deny what the account may not use or cannot afford; what closes passes."""
        if shrinks(order, self._book.positions(order), self._book.working(order)):
            return None
        return self._account.product(order) or self._account.margin(order)

    def _read_book(self) -> Book:
        return Book(
            self._store.positions.open(),
            self._store.orders.in_status(*sorted(_PASSED)),
        )

    def _trading_state(self, order: Order) -> Denial | None:
        def only_shrinks() -> bool:
            return shrinks(
                order, self._book.positions(order), self._book.working(order)
            )

        if lets_out(self._trading.state, order, only_shrinks):
            return None
        return denied_by(self._trading)

    def _reconciliation(self, order: Order) -> Denial | None:
        """Deny entries while nobody knows what the broker holds."""
        if not self._is_awaiting or shrinks(
            order, self._book.positions(order), self._book.working(order)
        ):
            return None
        last = self._store.recovery.last()
        why = "not done yet" if last is None or last.succeeded else last.summary
        return Denial(DenialCode.AWAITING_RECONCILIATION, {"first": why})

    def _waits(self, order: Order) -> bool:
        return self._reconciliation(order) is not None or self._exchange.lacks_list(
            order
        )

    def _splits(self, order: Order) -> bool:
        # Parts have their quantity already, and what replaces one is no larger.
        return self._rules.splits and (order.part, order.attempt) == (1, 1)

    def _duplicate(self, order: Order) -> Denial | None:
        """Deny an entry into what the strategy already holds or is entering."""
        if order.intent is not Intent.ENTRY:
            return None
        for position in self._book.positions(order):
            if (
                position.strategy == order.strategy
                and position.quantity
                and not self._has_entered(order, position)
            ):
                return Denial(
                    DenialCode.DUPLICATE_ENTRY,
                    {"strategy": order.strategy, "held": position.quantity},
                )
        for other in self._book.working(order):
            if (
                other.intent is Intent.ENTRY
                and other.alert_id != order.alert_id
                and other.strategy == order.strategy
            ):
                return Denial(
                    DenialCode.DUPLICATE_ENTRY,
                    {"strategy": order.strategy, "order_under_way": other.order_id},
                )
        return None

    def _has_entered(self, order: Order, position: Position) -> bool:
        """Return whether the order's own alert has filled all of a position."""
        own = sum(
            other.side.sign * other.filled_quantity
            for other in self._store.orders.of_alert(order.alert_id)
            if other.tradingsymbol == position.tradingsymbol
            and other.product is position.product
        )
        # By now it may have filled more than the book shows.
        return own * position.quantity > 0 and abs(position.quantity) <= abs(own)

    def _conflict(self, order: Order) -> Denial | None:
        """Deny an entry against what another strategy holds or is entering."""
        if self._rules.allows_conflicts or order.intent is not Intent.ENTRY:
            return None
        for position in self._book.positions(order):
            if (
                position.strategy != order.strategy
                and position.quantity * order.side.sign < 0
            ):
                return Denial(
                    DenialCode.CROSS_STRATEGY_CONFLICT,
                    {"strategy": position.strategy, "held": position.quantity},
                )
        for other in self._book.working(order):
            if (
                other.strategy != order.strategy
                and other.intent is not Intent.EXIT
                and other.side is not order.side
            ):
                return Denial(
                    DenialCode.CROSS_STRATEGY_CONFLICT,
                    {"strategy": other.strategy, "order_under_way": other.order_id},
                )
        return None

    def _protect(self, order: Order) -> Order:
        if not self._rules.protects_market_orders:
            return order
        instrument = self._instruments.find(order.exchange, order.tradingsymbol)
        if instrument is None:
            return order
        last = self._exchange.last_price(order) or order.reference_price
        protected = protect(order, last, instrument)
        if protected is None:
            return order
        price = self._exchange.within_band(order, protected.price)
        return self._store.orders.reprice(
            order,
            protected.order_type,
            price,
            text=f"{order.order_type} becomes {protected.order_type} "
            f"{price}, last price {last}",
        )

    def _record(self, order: Order, denial: Denial | None) -> None:
        if denial is None:
            for part in self._cut(self._protect(order)):
                self._pass(part)
            return
        self._denied += 1
        self._store.orders.record(order, OrderTrigger.DENIED, reason=denial.text)
        self._logger.warning(
            "Order %d denied: %s",
            order.order_id,
            denial.text,
            extra={**order.log_context, "event": "order_denied", "code": denial.code},
        )

    def _cut(self, order: Order) -> list[Order]:
        """Return the order in parts that the exchange takes, each an order."""
        instrument = self._instruments.find(order.exchange, order.tradingsymbol)
        largest = None if instrument is None else instrument.largest_quantity
        quantities = parts(order.quantity, largest)
        if len(quantities) == 1:
            return [order]
        return self._store.orders.split(order, quantities)

    def _pass(self, order: Order) -> None:
        self._passed += 1
        if order.intent is not Intent.EXIT:
            self._account.note_passed(order)
        self._book.add(self._store.orders.record(order, OrderTrigger.GUARD_PASSED))
        self._logger.info(
            "Order %d guard passed: %s",
            order.order_id,
            order.summary,
            extra={**order.log_context, "event": "guard_passed"},
        )


def parts(quantity: int, largest: int | None) -> list[int]:
    """Return a quantity in as few orders as may be, all but the last full."""
    if largest is None:
        return [quantity]
    full, rest = divmod(quantity, largest)
    return [largest] * full + [rest] * bool(rest)
