"""
The end of a day: the operator cancels entries and closes all that is held.

Exits that rest are not canceled: an exit has to get out whatever rests before it.

Whatever a history has left, an operator has to be able to end it with the platform's
own means; what the book does not know of, or cannot close, stays at the exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from shoonya_platform.domain.orders import Intent, OrderStatus, Side
from shoonya_platform.execution.position_adoption import (
    STRATEGY,
    adopt,
    differences,
)
from shoonya_platform.store.base import OrderStore
from tests.simulation.exchange import Market
from tests.simulation.operator import Operator
from tests.simulation.traffic import Traffic
from tests.simulation.world import World

#: An exit may have been planned before a cancel had its effect.
ROUNDS = 3
_WORKING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


class Flattening:
    """
    Cancels and closes.

    Args:
        settle: Lets the world run until nothing moves.
    """

    def __init__(
        self,
        world: World,
        operator: Operator,
        market: Market,
        traffic: Traffic,
        settle: Callable[[], None],
    ) -> None:
        self._world = world
        self._operator = operator
        self._market = market
        self._traffic = traffic
        self._settle = settle

    def run(self) -> None:
        if self._market.orders_by_hand():
            self._world.note("operator", "takes over what the broker holds")
            self._operator.command(self._cancel_all)
            self._settle()
            self._operator.command(self._adopt)
            self._settle()
        self._world.note("operator", "closes everything")
        for _ in range(ROUNDS):
            self._operator.command(self._cancel)
            self._settle()
            held: list[bool] = []
            self._operator.command(partial(self._exit, held))
            self._settle()
            if not held:
                return

    def _cancel_all(self, store: OrderStore) -> None:
        with store.transaction(durable=True):
            for order in store.orders.in_status(*_WORKING):
                store.orders.request_cancel(order.order_id, by="operator")

    def _adopt(self, store: OrderStore) -> None:
        for found in differences(store, self._market.held()):
            if found.tradingsymbol not in self._traffic.symbols:
                continue
            strategy = next(iter(found.ours), STRATEGY)
            order = adopt(
                store, found, strategy, by="operator", at=self._world.clock.now()
            )
            self._world.note("operator", f"adopts {order.summary} as {order.order_id}")

    def _cancel(self, store: OrderStore) -> None:
        with store.transaction(durable=True):
            for order in store.orders.in_status(*_WORKING):
                if order.intent is Intent.EXIT:
                    continue
                store.orders.request_cancel(order.order_id, by="operator")

    def _exit(self, held: list[bool], store: OrderStore) -> None:
        """Send an exit for each position; those of lost alerts have a strategy too."""
        for position in store.positions.open():
            if position.tradingsymbol not in self._traffic.symbols:
                # An order of another program under a lost name of ours.
                continue
            held.append(True)
            side = Side.SELL if position.quantity > 0 else Side.BUY
            leg = self._traffic.leg(
                position.tradingsymbol,
                side.value,
                1,
                product_type="I" if position.product == "MIS" else "M",
            )
            # All that is held by then.
            del leg["qty"]
            self._traffic.send(position.strategy, "exit", [leg])
