"""
Chases market exits that rest, because the price has run away from their limit.

The guard sends a market exit as a limit order, which rests when the price is gone
before it arrives.  Its limit follows the market then, a step every PACE_SECONDS, within
the day's band; what is still open after REPORT_SECONDS is shown to the operator.  Where
new terms are not taken, an exit of its own takes the order's place.  So it does for a
stop that was to become a market order and that the price has jumped over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from shoonya_platform.brokers.base import Quote
from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import StoredAlert
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.exits import ExitKind, exit_kind
from shoonya_platform.domain.instruments import Exchange, Instrument, PriceBand
from shoonya_platform.domain.orders import (
    Intent,
    Order,
    OrderId,
    OrderStatus,
    OrderType,
    Side,
)
from shoonya_platform.domain.terms import Terms
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.execution.protection import protect
from shoonya_platform.execution.retry_prices import allowed_price
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore
from shoonya_platform.store.flatten import add_exits

#: Seconds from one price to the next, and from its arrival to the first.
PACE_SECONDS = 5.0
#: Seconds until an exit that is chased is shown to the operator.
REPORT_SECONDS = 60.0
#: New terms that were not taken before another exit takes an order's place.
TRIES = 2
#: Orders looked at in one step: each is a question to the broker.
BATCH = 8

_KIND = DiscrepancyKind.EXIT_RESTS
_AT_BROKER = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


class Quotes(Protocol):
    def quote(self, exchange: Exchange, tradingsymbol: str) -> Quote | None: ...


class Instruments(Protocol):
    def find(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None: ...


@dataclass(frozen=True, slots=True)
class _Resting:
    """An order, and its limit in rupees."""

    order: Order
    limit: Decimal


@dataclass(slots=True)
class _Chase:
    """What was done about a resting order; times are monotonic."""

    since: float
    looked_at: float
    limit: Decimal  #: when the first new terms were asked for
    asked: int = 0  #: how often since it had that limit


class ExitChaser:
    """
    The part of `trading_bot` that reprices exits which rest.

    Args:
        ring: Rings the named services' doorbells.
    """

    def __init__(
        self,
        store: OrderStore,
        quotes: Quotes,
        instruments: Instruments,
        clock: Clock,
        ring: Callable[..., None],
    ) -> None:
        self._store = store
        self._quotes = quotes
        self._instruments = instruments
        self._clock = clock
        self._ring = ring
        self._chases: dict[OrderId, _Chase] = {}
        self._logger = get_component_logger("trading_bot")
        self._discrepancies = Discrepancies(store, self._logger)

    def step(self) -> int:
        """Reprice what is due; return how many orders that were."""
        now = self._clock.monotonic()
        resting = self._resting()
        due = []
        for each in resting:
            chase = self._chases.setdefault(
                each.order.order_id, _Chase(now, now, each.limit)
            )
            if now - chase.looked_at >= PACE_SECONDS:
                due.append(each)
        is_over = self._chases.keys() - {each.order.order_id for each in resting}
        for order_id in is_over:
            del self._chases[order_id]
        moved = 0
        for each in due[:BATCH]:
            self._chases[each.order.order_id].looked_at = now
            moved += self._chase(each)
        if due or is_over:
            self._report([each.order for each in resting])
        return moved

    def _resting(self) -> list[_Resting]:
        """Return the exits that wait for nothing but the market."""
        return [
            _Resting(order, order.price)
            for order in self._store.orders.in_status(*_AT_BROKER)
            if order.intent is Intent.EXIT
            and order.price is not None
            and (self._is_market(order) or self._is_jumped_over(order, order.price))
        ]

    def _is_market(self, order: Order) -> bool:
        stored = self._store.alerts.get(order.alert_id)
        alert = None if stored is None else stored.alert
        return exit_kind(order, alert) is ExitKind.MARKET

    def _is_jumped_over(self, order: Order, limit: Decimal) -> bool:
        """Return whether a stop without a limit of its own was left behind."""
        last = self._store.positions.last_price(order.exchange, order.tradingsymbol)
        if last is None or order.trigger_price is None:
            return False
        stored = self._store.alerts.get(order.alert_id)
        return (
            _names_no_limit(order, stored)
            and (last - order.trigger_price) * order.side.sign >= 0
            and (last - limit) * order.side.sign > 0
        )

    def _chase(self, resting: _Resting) -> int:
        order = resting.order
        if self._store.orders.cancel_request(order.order_id) is not None:
            return 0
        chase = self._chases[order.order_id]
        if resting.limit != chase.limit:
            chase.limit, chase.asked = resting.limit, 0
        if order.order_type is OrderType.STOP_LIMIT or chase.asked >= TRIES:
            return self._replace(order)
        price = self._better(resting)
        if price is None:
            return 0
        terms = Terms(quantity=order.quantity, price=price, trigger_price=None)
        with self._store.transaction(durable=False):
            is_asked = self._store.modifies.request(
                order.order_id, terms, by="trading_bot, following the market"
            )
        if not is_asked:
            return 0
        chase.asked += 1
        self._logger.warning(
            "Order %d rests at %s, the market has left it: asking for %s",
            order.order_id,
            order.price,
            price,
            extra={**order.log_context, "event": "exit_chased"},
        )
        self._ring("risk_manager")
        return 1

    def _better(self, resting: _Resting) -> Decimal | None:
        """Return a limit nearer to the market; None if there is none."""
        order, limit = resting.order, resting.limit
        instrument = self._instruments.find(order.exchange, order.tradingsymbol)
        if instrument is None:
            return None
        try:
            quote = self._quotes.quote(order.exchange, order.tradingsymbol)
        except BrokerUnavailable as e:
            self._logger.warning(
                "Order %d rests, and there is no quote to follow: %s",
                order.order_id,
                e.sentence,
                extra={**order.log_context, "event": "waiting"},
            )
            return None
        band = PriceBand() if quote is None else quote.band
        last = None if quote is None else quote.last_price
        # Where the last price is no worse than the limit, somebody else traded there:
        # one step more than the limit gave then.
        worst = min if order.side is Side.SELL else max
        reference = limit if last is None else worst(last, limit)
        market = replace(order, order_type=OrderType.MARKET, price=None)
        protected = protect(market, reference, instrument)
        if protected is None:
            return None
        price = allowed_price(protected.price, order.side, instrument.tick_size, band)
        return price if (price - limit) * order.side.sign > 0 else None

    def _replace(self, order: Order) -> int:
        """Store an exit of its own, which takes the order over."""
        held = [
            position
            for position in self._store.positions.get(
                order.strategy, order.exchange, order.tradingsymbol
            )
            if position.product is order.product
        ]
        with self._store.transaction(durable=False):
            exits = add_exits(
                self._store, held, key=f"chase-{order.order_id}", at=self._clock.now()
            )
        self._chases[order.order_id].asked = 0
        if not exits:
            return 0
        self._logger.warning(
            "Order %d rests at %s, the market has left it: exit %s takes its place",
            order.order_id,
            order.price,
            exits[0],
            extra={**order.log_context, "event": "exit_chased"},
        )
        return 1

    def _report(self, resting: list[Order]) -> None:
        now = self._clock.monotonic()
        late = [
            order
            for order in resting
            if now - self._chases[order.order_id].since >= REPORT_SECONDS
        ]
        if not late and not self._store.discrepancies.unresolved(_KIND):
            return
        with self._store.transaction(durable=False):
            for order in late:
                self._discrepancies.note(
                    _KIND,
                    order.client_order_id,
                    f"exit order {order.order_id} ({order.side} "
                    f"{order.exchange}:{order.tradingsymbol}) is not filled after "
                    f"{REPORT_SECONDS:.0f} s: its limit follows the market within "
                    "today's band",
                    f"shoonyactl trace {order.order_id}",
                    order,
                )
            self._discrepancies.keep_only(
                _KIND, {order.client_order_id for order in resting}
            )


def _names_no_limit(order: Order, stored: StoredAlert | None) -> bool:
    if stored is None or order.leg > len(stored.alert.legs):
        return False
    leg = stored.alert.legs[order.leg - 1]
    return leg.order_type is OrderType.STOP_MARKET
