"""Fills a real store as the services would, with a clock of the test's own."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alert_form import decode, parse
from shoonya_platform.domain.alerts import AlertStatus, alert_id, client_order_id
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    AlertId,
    BrokerOrderId,
    Fill,
    Intent,
    NewOrder,
    Order,
    OrderTrigger,
    OrderType,
    Side,
    TradeId,
)
from shoonya_platform.store.sqlite import SqliteOrderStore

#: 14:30 in India.
BEGIN = datetime(2026, 2, 9, 9, 0, tzinfo=UTC)


class StandingClock:
    """Moves only when it is told to."""

    def __init__(self, now: datetime = BEGIN) -> None:
        self.time = now
        self.seconds = 1000.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.seconds += seconds


class Ledger:
    """
    A store, and what each service would write into it.

    Every step takes `step_seconds`, when the clock is one that stands.
    """

    def __init__(self, path: Path, clock: Clock, step_seconds: float = 0.001) -> None:
        self._path = path
        self._clock = clock
        self._step_seconds = step_seconds
        self._stores: dict[str, SqliteOrderStore] = {}
        self._numbers = itertools.count(1)

    def store(self, service: str) -> SqliteOrderStore:
        if service not in self._stores:
            self._stores[service] = SqliteOrderStore(
                self._path, service=service, run_id=f"run-{service}", clock=self._clock
            )
        if isinstance(self._clock, StandingClock):
            self._clock.advance(self._step_seconds)
        return self._stores[service]

    def close(self) -> None:
        for store in self._stores.values():
            store.close()

    def alert(self, strategy: str = "Momentum", symbol: str = "SBIN-EQ") -> AlertId:
        number = next(self._numbers)
        fields = {
            "execution_type": "entry",
            "strategy_name": strategy,
            "exchange": "NSE",
            "legs": [{"tradingsymbol": symbol, "direction": "BUY", "qty": 10}],
            "id": str(number),
        }
        alert = parse(decode(json.dumps(fields).encode()))
        store = self.store("execution_service")
        with store.transaction(durable=False):
            return store.alerts.add(
                alert,
                alert_id(self._clock.now(), number.to_bytes(5, "big")),
                received_at=self._clock.now(),
            )[0]

    def order(
        self,
        *,
        strategy: str = "Momentum",
        symbol: str = "SBIN-EQ",
        side: Side = Side.BUY,
        quantity: int = 10,
        price: Decimal | None = None,
        alert: AlertId | None = None,
        leg: int = 1,
    ) -> Order:
        """Return a new order, `initialized`."""
        alert = alert or self.alert()
        store = self.store("trading_bot")
        with store.transaction(durable=False):
            order = store.orders.add(
                NewOrder(
                    client_order_id=client_order_id(alert, leg, 1),
                    alert_id=alert,
                    leg=leg,
                    strategy=strategy,
                    intent=Intent.ENTRY,
                    exchange=Exchange.NSE,
                    tradingsymbol=symbol,
                    side=side,
                    quantity=quantity,
                    order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
                    price=price,
                    product=Product.MIS,
                ),
                alerted_at=self._clock.now(),
            )
            store.alerts.record(alert, AlertStatus.PLANNED, outcome="", text="1 order")
        return order

    def move(
        self,
        service: str,
        order: Order,
        trigger: OrderTrigger,
        *,
        reason: str | None = None,
        broker_order_id: BrokerOrderId | None = None,
    ) -> Order:
        store = self.store(service)
        with store.transaction(durable=False):
            return store.orders.record(
                order,
                trigger,
                reason=reason,
                broker_order_id=broker_order_id,
            )

    def accepted(self, order: Order) -> Order:
        order = self.move("risk_manager", order, OrderTrigger.RISK_PASSED)
        order = self.move("execution_guard", order, OrderTrigger.GUARD_PASSED)
        order = self.move("command_service", order, OrderTrigger.SUBMITTED)
        return self.move(
            "command_service",
            order,
            OrderTrigger.ACCEPTED,
            broker_order_id=BrokerOrderId(f"2602{order.order_id:06d}"),
        )

    def filled(self, order: Order, price: str, quantity: int | None = None) -> Order:
        """Return the order after it was accepted and filled."""
        order = self.accepted(order)
        store = self.store("order_watcher")
        with store.transaction(durable=False):
            moved = store.orders.fill(
                order,
                Fill(
                    trade_id=TradeId(f"T{order.order_id}"),
                    quantity=quantity or order.quantity,
                    price=Decimal(price),
                    filled_at=self._clock.now(),
                ),
            )
        assert moved is not None
        return moved
