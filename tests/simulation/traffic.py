"""What comes in: alerts of many strategies, and an operator's cancels and new terms."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from shoonya_platform.domain.alerts import Alert
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.terms import Terms
from shoonya_platform.store.base import OrderStore
from tests.simulation.exchange import INSTRUMENTS, TICK, Market
from tests.simulation.ledger import Ledger
from tests.simulation.platform import Platform
from tests.simulation.stating import Stating
from tests.simulation.world import World

LOT = 65
_PRODUCTS = ("M", "I")


class Traffic:
    """
    Sends alerts over the active part of a history.

    Args:
        seconds: How long that part is.
    """

    def __init__(
        self, world: World, platform: Platform, market: Market, ledger: Ledger
    ) -> None:
        self._world = world
        self._platform = platform
        self._market = market
        self._ledger = ledger
        self._sent = 0
        self.symbols = frozenset(INSTRUMENTS)

    def plan(self, seconds: float) -> None:
        random = self._world.random
        # Often many at one moment, as at a candle's end: then orders go in batches.
        together = random.uniform(0.1, seconds * 0.8)
        share = random.choice((0.0, 0.5, 1.0))
        for number in range(random.randint(2, 7)):
            at = random.uniform(0.1, seconds * 0.8)
            if random.random() < share:
                at = together + random.uniform(0.0, 0.1)
            self._plan_strategy(f"s{number}", at, seconds)
        Stating(self._world, self.state).plan(seconds)

    def state(self, strategy: str, fields: dict[str, object]) -> None:
        """Send an alert that states what its strategy holds."""
        self._sent += 1
        words = (
            f"{fields['action']} {fields['contracts']} {fields['ticker']}, now "
            f"{fields['market_position']} {fields['market_position_size']}"
        )
        self._world.note("sender", f"{strategy}: {words}")
        self._post(
            {
                "strategy_name": strategy,
                "exchange": "NFO",
                "id": f"alert-{self._sent}",
                **fields,
            },
            f"alert of {strategy}",
        )

    def send(
        self,
        strategy: str,
        kind: str,
        legs: list[dict[str, object]],
    ) -> None:
        """Send one alert."""
        self._sent += 1
        body: dict[str, object] = {
            "execution_type": kind,
            "strategy_name": strategy,
            "exchange": "NFO",
            "id": f"alert-{self._sent}",
            "legs": legs,
        }
        words = ", ".join(
            f"{leg['direction']} {leg.get('qty', 'all')} {leg['tradingsymbol']}"
            for leg in legs
        )
        self._world.note("sender", f"{kind} of {strategy}: {words}")
        self._post(body, f"{kind} of {strategy}")

    def _post(self, body: dict[str, object], what: str) -> None:
        def answered(alert_id: str, alert: Alert) -> None:
            self._world.note("sender", f"{what} is taken, {alert_id}")
            self._ledger.accept(alert_id, alert, self._world.time)

        self._platform.post(body, answered)

    def leg(
        self, symbol: str, side: str, lots: int, **fields: object
    ) -> dict[str, object]:
        return {
            "tradingsymbol": symbol,
            "direction": side,
            "qty": lots * LOT,
            "order_type": "MKT",
            "product_type": "M",
            **fields,
        }

    def _plan_strategy(self, strategy: str, at: float, seconds: float) -> None:
        random, world = self._world.random, self._world
        legs = []
        for symbol in random.sample(sorted(INSTRUMENTS), random.choice((1, 1, 2, 3))):
            lots = random.choice((1, 1, 2, 4, 30))
            legs.append(
                (symbol, random.choice(("BUY", "SELL")), lots, random.choice(_PRODUCTS))
            )
        type_ = random.choice(("MKT", "MKT", "LMT", "SL"))

        def enter() -> None:
            self.send(
                strategy,
                "entry",
                [self._priced(*leg, type_) for leg in legs],
            )

        def leave(type_: str) -> None:
            self.send(
                strategy,
                "exit",
                [
                    self._priced(symbol, _other(side), lots, product, type_)
                    for symbol, side, lots, product in legs
                ],
            )

        world.after(at, enter)
        for _ in range(random.choice((0, 0, 1, 1, 1, 2, 3))):
            later = at + random.choice((1.0, 5.0, 30.0, 120.0)) * random.uniform(0.5, 2)
            kind = random.choice(("MKT", "MKT", "LMT", "SL"))
            world.after(min(later, seconds), partial(leave, kind))
        if random.random() < 0.2:
            later = at + random.uniform(5, 60)
            other = [(each[0], _other(each[1]), each[2], each[3]) for each in legs]
            # A reversal: both at a candle's end, in either order of arrival.
            world.after(later + random.random(), partial(leave, "MKT"))
            world.after(
                later + random.random(),
                lambda: self.send(
                    strategy, "entry", [self._priced(*leg, "MKT") for leg in other]
                ),
            )
        if random.random() < 0.2:
            symbol, side, _, product = legs[0]
            world.after(
                at + random.uniform(1, 60),
                lambda: self.send(
                    strategy,
                    "adjust",
                    [self.leg(symbol, side, 1, product_type=product)],
                ),
            )

    def _priced(
        self, symbol: str, side: str, lots: int, product: str, type_: str
    ) -> dict[str, object]:
        price = self._market.prices[symbol]
        sign = 1 if side == "BUY" else -1
        fields: dict[str, object] = {"order_type": type_, "product_type": product}
        if type_ == "LMT":
            steps = self._world.random.choice((-40, -10, 4))
            fields["price"] = str(price + sign * steps * TICK)
        elif type_ == "SL":
            fields["trigger_price"] = str(price + sign * 8 * TICK)
            fields["price"] = str(price + sign * 14 * TICK)
        return self.leg(symbol, side, lots, **fields)


def ask_cancel(world: World, store: OrderStore) -> None:
    """Have an operator cancel an order that works."""
    with store.transaction(durable=True):
        working = store.orders.in_status(
            OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED
        )
        if working:
            order = world.random.choice(working)
            store.orders.request_cancel(order.order_id, by="operator")
            world.note("operator", f"cancels order {order.order_id}")


def ask_terms(world: World, store: OrderStore, ledger: Ledger) -> None:
    """Have an operator ask other terms of an order that works."""
    with store.transaction(durable=True):
        working = [
            order
            for order in store.orders.in_status(
                OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED
            )
            if order.price is not None
        ]
        if not working:
            return
        order = world.random.choice(working)
        assert order.price is not None
        quantity = order.quantity + world.random.choice((0, 0, LOT))
        terms = Terms(
            quantity=quantity,
            price=order.price + TICK * world.random.choice((-4, 2, 10)),
            trigger_price=order.trigger_price,
        )
        if terms.price is None or terms.price <= Decimal(0):
            return
        store.modifies.request(order.order_id, terms, by="operator")
        key = (str(order.alert_id), order.leg)
        more = quantity - order.quantity
        ledger.asked_quantities[key] = ledger.asked_quantities.get(key, 0) + more
        world.note("operator", f"asks order {order.order_id} for {terms.text}")


def _other(side: str) -> str:
    return "SELL" if side == "BUY" else "BUY"
