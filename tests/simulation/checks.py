"""
What must hold once the faults have stopped and everything has settled.

Each is judged from the exchange's side, by what it did; none goes by how the platform
is meant to achieve it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime

from shoonya_platform.domain.alerts import named_order
from shoonya_platform.domain.denials import DenialCode
from shoonya_platform.domain.discrepancies import DiscrepancyKind, refused_holding
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    CLOSED,
    IN_FLIGHT,
    AlertId,
    Intent,
    Order,
    Side,
)
from shoonya_platform.domain.positions import Position
from shoonya_platform.domain.stated import stated_after
from shoonya_platform.execution.planning import asked
from shoonya_platform.execution.undo import failed
from shoonya_platform.store.base import OrderStore
from tests.simulation.attention import Attention
from tests.simulation.exchange import FOREIGN_SYMBOL, Holding, Market, Placed
from tests.simulation.ledger import Ledger
from tests.simulation.promises import Failure, Promise

_MORE = 100_000

#: An alert and the number of its leg.
Leg = tuple[str, int]


K = DiscrepancyKind

#: How the reasons of denials by the trading state begin.
_TRADING = (DenialCode.TRADING_HALTED, DenialCode.TRADING_REDUCING)
#: What a leg that has too much may be reported as.
_TOO_MUCH = (K.LEG_OVERFILLED, K.DUPLICATE_ORDER, K.ORDER_REAPPEARED, K.ORDER_ADOPTED)
#: What another program's order under a name of ours may be reported as.
_FOREIGN = (K.FOREIGN_CLAIM, K.ORDER_CONTRADICTED, K.ORDER_ADOPTED)


class Checks:
    """Compares what the store says with what the exchange did."""

    def __init__(
        self, store: OrderStore, market: Market, ledger: Ledger, attention: Attention
    ) -> None:
        self._store = store
        self._market = market
        self._ledger = ledger
        self._orders = store.orders.recent(limit=_MORE)
        self._by_number = {o.broker_order_id: o for o in self._orders}
        self._ours = [
            placed
            for placed in market.orders.values()
            if placed.name and not placed.is_foreign
        ]
        self._attention = attention
        self.failures: list[Failure] = []

    def judge(self) -> list[Failure]:
        self._kept_running()
        self._rules_of_sending()
        self._exits()
        self._half_entries()
        self._sent_once()
        self._alerts()
        self._legs()
        self._openings()
        self._statements()
        self._positions()
        self._by_hand()
        self._at_an_end()
        self._fills()
        self._foreign_orders()
        self.failures += self._attention.failures()
        return self.failures

    def judge_flat(self) -> list[Failure]:
        """Judge what is left where everything was closed."""
        for (symbol, product), quantity in sorted(self._market.positions.items()):
            if quantity and symbol != FOREIGN_SYMBOL:
                self._fail(Promise.STILL_HELD, f"{symbol} {product}: {quantity}")
        return self.judge()

    def _fail(self, reason: Promise, text: str) -> None:
        self.failures.append(Failure(reason, text))

    def _kept_running(self) -> None:
        for name, why in self._ledger.given_up.items():
            self._fail(Promise.GIVEN_UP, f"{name}, {why}"[:200])
        for name, why in self._ledger.crashes:
            self._fail(Promise.CRASHED, f"{name}, {why}"[:200])

    def _rules_of_sending(self) -> None:
        for reason, text in self._ledger.violations:
            self._fail(reason, text)

    def _exits(self) -> None:
        for order in self._orders:
            if order.intent is Intent.EXIT and order.reason.startswith(_TRADING):
                self._fail(
                    Promise.EXIT_HELD_BACK, f"{order.client_order_id}: {order.reason}"
                )

    def _half_entries(self) -> None:
        """An entry of which a leg came to nothing is not held in part, or named."""
        entered = Counter(
            alert.strategy
            for alert in self._ledger.alerts.values()
            if alert.intent is not Intent.EXIT
        )
        for alert_id, alert in self._ledger.alerts.items():
            orders = self._store.orders.of_alert(AlertId(alert_id))
            # What is held has to be of this entry.
            if alert.intent is not Intent.ENTRY or entered[alert.strategy] > 1:
                continue
            if not all(order.is_closed for order in orders) or not failed(orders):
                continue
            signs = {leg.tradingsymbol: asked(leg)[0].sign for leg in alert.legs}
            for held in self._store.positions.open():
                if (
                    held.strategy == alert.strategy
                    # Held the other way round it is of an exit that came late.
                    and held.quantity * signs.get(held.tradingsymbol, 0) > 0
                    and not self._is_named(held)
                ):
                    text = f"{alert_id}: {held.tradingsymbol} {held.quantity}"
                    self._fail(Promise.HALF_UNSEEN, text)

    def _is_named(self, held: Position) -> bool:
        """Return whether a position is named as open, or was left so by a person."""
        subject = refused_holding(
            held.strategy, held.exchange, held.tradingsymbol, held.product
        )
        return self._attention.names({subject}, K.EXIT_FAILED, K.EXIT_REFUSED) or any(
            order.intent is Intent.EXIT
            and (order.strategy, order.tradingsymbol)
            == (held.strategy, held.tradingsymbol)
            and self._store.orders.canceled_by(order.order_id)
            for order in self._orders
        )

    def _sent_once(self) -> None:
        counts = Counter(
            (sent.name, sent.restores)
            for sent in self._ledger.sent
            if sent.is_ambiguous
        )
        for (name, _), count in counts.items():
            if count > 1:
                self._fail(Promise.SENT_TWICE, f"{name}, {count} times")

    def _alerts(self) -> None:
        for alert_id in self._ledger.accepted:
            if alert_id in self._ledger.lost_by_restore:
                continue
            if self._store.alerts.get(AlertId(alert_id)) is None:
                self._fail(Promise.ALERT_LOST, alert_id)
        # By the store's own key: what it adopted after a restore has another one.
        stored = (
            self._store.alerts.get(AlertId(alert_id))
            for alert_id in self._ledger.alerts
            if alert_id not in self._ledger.lost_by_restore
        )
        taken = Counter(each.alert.dedupe_key for each in stored if each is not None)
        for key, count in taken.items():
            if count > 1:
                self._fail(Promise.ALERT_TWICE, f"{key}, {count} times")

    def _legs(self) -> None:
        legs: dict[Leg, list[Placed]] = defaultdict(list)
        for placed in self._ours:
            leg = self._ledger.leg_of(placed.name)
            if leg is not None:
                legs[leg].append(placed)
        for leg, orders in legs.items():
            allowed, side = self._allowed(leg, orders), self._side(leg, orders)
            filled = sum(
                placed.claim.filled_quantity
                for placed in orders
                if placed.claim.side is side
            )
            if allowed is None or filled <= allowed:
                continue
            closed = sum(placed.claim.filled_quantity for placed in orders) - filled
            text = f"leg {leg[1]} of {leg[0]}: {filled} filled of {allowed}"
            words = {str(word) for o in orders for word in (o.name, o.number)}
            if not self._attention.names({leg[0], *words}, *_TOO_MUCH):
                self._fail(Promise.BEYOND_UNSEEN, text)
            if filled - closed > allowed and not self._is_exited(leg, legs):
                self._fail(
                    Promise.NOT_CLOSED,
                    f"{text}, {closed} closed",
                )

    def _side(self, leg: Leg, orders: list[Placed]) -> Side:
        """Return the side of what a leg asked for; the other one closes it."""
        alert = self._ledger.alerts.get(leg[0])
        if alert is None or alert.intent is Intent.EXIT:
            return orders[0].claim.side
        return asked(alert.legs[leg[1] - 1])[0]

    def _allowed(self, leg: Leg, orders: list[Placed]) -> int | None:
        """Return how much a leg may fill, None if that is not known."""
        alert = self._ledger.alerts.get(leg[0])
        if alert is None:
            return None
        more = self._ledger.asked_quantities.get(leg, 0)
        if alert.intent is not Intent.EXIT:
            return asked(alert.legs[leg[1] - 1])[1] + more
        # An exit's quantity is the position's at its time.
        parts: dict[int, int] = {}
        for placed in orders:
            named = named_order(placed.name)
            if named is not None and placed.claim.side is orders[0].claim.side:
                parts.setdefault(named.part, int(placed.asked["qty"]))
        return sum(parts.values()) + more

    def _is_exited(self, leg: Leg, legs: dict[Leg, list[Placed]]) -> bool:
        """Return whether a strategy's position is within what its entries may hold."""
        alert = self._ledger.alerts[leg[0]]
        symbol = legs[leg][0].claim.tradingsymbol
        held, longest, shortest = 0, 0, 0
        for other_leg, orders in legs.items():
            other = self._ledger.alerts.get(other_leg[0])
            if (
                other is None
                or other.strategy != alert.strategy
                or orders[0].claim.tradingsymbol != symbol
            ):
                continue
            held += sum(
                placed.claim.side.sign * placed.claim.filled_quantity
                for placed in orders
            )
            if other.intent is not Intent.EXIT:
                wanted = self._allowed(other_leg, orders) or 0
                if self._side(other_leg, orders) is Side.BUY:
                    longest += wanted
                else:
                    shortest -= wanted
        return shortest <= held <= longest

    def _statements(self) -> None:
        """What is held is no more, and on no other side, than some alert states."""
        stated: dict[tuple[str, str], set[int]] = defaultdict(lambda: {0})
        for alert in self._ledger.alerts.values():
            after = stated_after(alert)
            if after is not None and after.quantity is not None:
                key = alert.strategy, alert.legs[0].tradingsymbol
                stated[key].add(after.quantity)
        by_hand = {symbol for symbol, *_ in self._ledger.closed_by_hand}
        for key, quantities in stated.items():
            strategy, symbol = key
            if symbol in by_hand:
                continue
            held = sum(
                position.quantity
                for position in self._store.positions.open()
                if (position.strategy, position.tradingsymbol) == key
            )
            # An operator may have asked for more.
            more = sum(
                quantity
                for (alert_id, _), quantity in self._ledger.asked_quantities.items()
                if (found := self._ledger.alerts.get(alert_id)) is not None
                and found.strategy == strategy
            )
            if not min(quantities) - more <= held <= max(quantities) + more:
                self._fail(
                    Promise.CONTRADICTED,
                    f"'{strategy}' holds {held} {symbol}, stated are "
                    f"{sorted(quantities)}",
                )

    def _openings(self) -> None:
        """No strategy holds what none of its entries has made."""
        if self._ledger.restores:
            # What the store has forgotten belongs to other strategies now.
            return
        held: Counter[tuple[str, Holding]] = Counter()
        entered: Counter[tuple[str, Holding, Side]] = Counter()
        for placed in self._ours:
            alert = self._ledger.alert_of(placed.name)
            leg = self._ledger.leg_of(placed.name)
            if alert is None or leg is None:
                continue
            claim = placed.claim
            key = alert.strategy, (claim.tradingsymbol, claim.product)
            held[key] += claim.side.sign * claim.filled_quantity
            if alert.intent is not Intent.EXIT and claim.side is self._side(leg, []):
                entered[*key, claim.side] += claim.filled_quantity
        by_hand = {each[:2] for each in self._ledger.closed_by_hand}
        for key, quantity in held.items():
            if key[1] in by_hand:
                continue
            side = Side.BUY if quantity > 0 else Side.SELL
            if abs(quantity) > entered[*key, side]:
                strategy, (symbol, product) = key
                self._fail(
                    Promise.OPENED, f"'{strategy}' holds {quantity} {symbol} {product}"
                )

    def _positions(self) -> None:
        ours: Counter[Holding] = Counter()
        for held in self._store.positions.open():
            ours[held.tradingsymbol, held.product] += held.quantity
        theirs = self._market.positions
        by_hand = {each[:2] for each in self._ledger.closed_by_hand}
        for key in sorted({*ours, *theirs}):
            if ours[key] == theirs[key]:
                continue
            text = f"{key[0]} {key[1]}: {ours[key]} here, {theirs[key]} there"
            subject = f"{Exchange.NFO}:{key[0]} {key[1]}"
            if key[0] != FOREIGN_SYMBOL and key not in by_hand:
                self._fail(Promise.POSITIONS, text)
            if not self._attention.names_position(subject):
                self._fail(Promise.POSITION_UNSEEN, text)

    def _by_hand(self) -> None:
        """No exit closes again what a person has closed."""
        for symbol, product, sign, at in self._ledger.closed_by_hand:
            quantity = self._market.positions[symbol, product]
            if quantity * sign < 0 and not self._was_entered(symbol, product, at):
                self._fail(
                    Promise.OPENED,
                    f"{quantity} {symbol} {product}, after a trade by hand",
                )

    def _was_entered(self, symbol: str, product: Product, since: datetime) -> bool:
        """Return whether something else than exits may have filled since then."""
        return any(
            placed.claim.tradingsymbol == symbol
            and placed.claim.product is product
            and (placed.is_open or placed.claim.updated_at >= since)
            and (
                (alert := self._ledger.alert_of(placed.name)) is None
                or alert.intent is not Intent.EXIT
            )
            for placed in self._market.orders.values()
            if placed.name
        )

    def _at_an_end(self) -> None:
        for order in self._orders:
            if order.status in CLOSED:
                continue
            there = self._market.orders.get(order.broker_order_id or "")
            text = f"{order.client_order_id} is {order.status}"
            if order.status in BEFORE_BROKER | IN_FLIGHT:
                self._fail(Promise.NO_END, text)
            elif there is None or not there.is_open:
                ended = "not there" if there is None else there.claim.status
                self._fail(Promise.OPEN_HERE, f"{text}, {ended}")
        for placed in self._ours:
            if not placed.is_open:
                continue
            ours = self._order_of(placed)
            if ours is None or ours.status in CLOSED:
                here = "unknown" if ours is None else ours.status
                self._fail(
                    Promise.OPEN_THERE,
                    f"{placed.name} as {placed.number}, {here} here",
                )

    def _fills(self) -> None:
        for placed in self._ours:
            filled = placed.claim.filled_quantity
            order = self._order_of(placed)
            booked = 0 if order is None else order.traded_quantity
            if booked != filled:
                here = "unknown" if order is None else order.status
                self._fail(
                    Promise.NOT_BOOKED,
                    f"{placed.name} as {placed.number}: {filled} there, {booked} here "
                    f"({here})",
                )
        known = {placed.number for placed in self._ours}
        for order in self._orders:
            if (
                order.traded_quantity
                and order.broker_order_id not in known
                and not self._is_taken_over(order)
            ):
                self._fail(
                    Promise.NEVER_WAS,
                    f"{order.client_order_id} as {order.broker_order_id}",
                )

    def _is_taken_over(self, order: Order) -> bool:
        """Return whether an order explains what a person has traded."""
        first, *_ = self._store.orders.events(order_id=order.order_id)
        return first.text.startswith("adopted by")

    def _foreign_orders(self) -> None:
        for placed in self._market.orders.values():
            if not placed.is_foreign or not placed.name:
                continue
            if not self._attention.names({str(placed.number)}, *_FOREIGN):
                self._fail(
                    Promise.FOREIGN_UNSEEN,
                    f"broker order {placed.number} named '{placed.name}'",
                )

    def _order_of(self, placed: Placed) -> Order | None:
        return self._by_number.get(placed.number)
