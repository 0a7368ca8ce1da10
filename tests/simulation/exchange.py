"""
The broker's own truth: orders, fills and positions, whatever anybody is told of them.

Books are kept as they were at each change, so that a stale reading is a real one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial

from shoonya_platform.brokers.base import BrokerOrder, BrokerPosition, BrokerTrade
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    Fill,
    OrderStatus,
    Side,
    TradeId,
)
from tests.simulation import rows
from tests.simulation.rows import Row
from tests.simulation.world import World

Holding = tuple[str, Product]

TICK = Decimal("0.05")
#: Tokens and first prices, in rupees.
INSTRUMENTS = {
    "NIFTY28DEC27F": ("50001", Decimal(120)),
    "NIFTY28DEC27C25000": ("50002", Decimal(100)),
    "NIFTY28DEC27P25000": ("50003", Decimal(80)),
    "NIFTY28DEC27C26000": ("50004", Decimal(60)),
}
#: Traded by another program with the same account.
FOREIGN_SYMBOL = "NIFTY28DEC27P24000"
INDEX = "26000"

_WORKING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


class Refused(Exception):
    """The broker's Not_Ok, with its emsg."""


@dataclass(slots=True)
class Placed:
    """An order at the exchange."""

    claim: BrokerOrder
    asked: Mapping[str, str]
    at: float
    waits_for_trigger: bool
    #: A cancel was confirmed, and goes on being ignored.
    ignores_cancel: bool = False
    is_foreign: bool = False
    trades: list[Fill] = field(default_factory=list)

    @property
    def number(self) -> BrokerOrderId:
        return self.claim.broker_order_id

    @property
    def name(self) -> str:
        return self.claim.client_order_id or ""

    @property
    def is_open(self) -> bool:
        return self.claim.status in _WORKING


Book = tuple[tuple[Row, ...], tuple[Row, ...], tuple[Row, ...]]


class Market:
    """
    The exchange behind the broker.

    Args:
        tell: Gets each order message as it happens.
    """

    def __init__(self, world: World, tell: Callable[[Row], None]) -> None:
        self._world = world
        self._tell = tell
        self.orders: dict[str, Placed] = {}
        self.prices = {name: price for name, (_, price) in INSTRUMENTS.items()}
        self.prices[FOREIGN_SYMBOL] = Decimal(10)
        self.positions: Counter[Holding] = Counter()
        self._next_number = 26112500000001
        self._trades_made = 0
        self._rows: dict[str, Row] = {}
        self._trade_rows: list[Row] = []
        self._history: list[tuple[float, Book]] = [(0.0, ((), (), ()))]
        #: What becomes of an order: (delay, share) of each fill; chosen by the faults.
        self.plan: Callable[[Placed], list[tuple[float, int]]] = lambda placed: [
            (0.05, placed.claim.quantity)
        ]

    def next_number(self) -> str:
        """Return the number that the next order will get."""
        return str(self._next_number)

    def place(self, asked: Mapping[str, str], *, is_foreign: bool = False) -> str:
        """Take an order; return its number."""
        number = BrokerOrderId(str(self._next_number))
        self._next_number += 1
        now = self._world.clock.now()
        trigger = asked.get("trgprc")
        claim = BrokerOrder(
            broker_order_id=number,
            client_order_id=ClientOrderId(asked["remarks"])
            if asked.get("remarks")
            else None,
            exchange=Exchange(asked["exch"]),
            tradingsymbol=asked["tsym"],
            side=rows.SIDES[asked["trantype"]],
            product=rows.PRODUCTS[asked["prd"]],
            quantity=int(asked["qty"]),
            status=OrderStatus.ACCEPTED,
            filled_quantity=0,
            average_price=None,
            reason="",
            updated_at=now,
            price=Decimal(asked["prc"]),
            trigger_price=Decimal(trigger) if trigger else None,
        )
        placed = Placed(
            claim,
            dict(asked),
            self._world.time,
            waits_for_trigger=asked["prctyp"].startswith("SL"),
            is_foreign=is_foreign,
        )
        self.orders[number] = placed
        self._world.note("exchange", f"order {number} {_words(placed)} is here")
        self._changed(placed, "New", None)
        self._match(placed)
        return number

    def reject(self, number: str, reason: str) -> None:
        """Let the exchange refuse an order after the broker took it."""
        placed = self.orders[number]
        if placed.is_open and not placed.claim.filled_quantity:
            self._end(placed, OrderStatus.REJECTED, reason)

    def cancel(self, number: str) -> None:
        placed = self.orders.get(number)
        if placed is None:
            raise Refused("Rejected : ORA:Order not found")
        if not placed.is_open:
            raise Refused("Rejected : ORA:Order is not open")
        if not placed.ignores_cancel:
            self._end(placed, OrderStatus.CANCELED, "")

    def fill_after_end(self, number: str) -> None:
        """Let a canceled order fill: the exchange was faster than the broker knew."""
        placed = self.orders[number]
        if placed.claim.status is OrderStatus.CANCELED:
            left = placed.claim.quantity - placed.claim.filled_quantity
            self._trade(placed, min(left, 65))

    def modify(self, asked: Mapping[str, str]) -> None:
        placed = self.orders.get(asked["norenordno"])
        if placed is None or not placed.is_open:
            raise Refused("Rejected : ORA:Order not found")
        quantity = int(asked["qty"])
        if quantity < placed.claim.filled_quantity:
            raise Refused("Rejected : quantity below what is traded")
        placed.asked = {
            **placed.asked,
            **{k: asked[k] for k in ("qty", "prc", "trgprc") if k in asked},
        }
        trigger = asked.get("trgprc")
        placed.claim = replace(
            placed.claim,
            quantity=quantity,
            price=Decimal(asked["prc"]),
            trigger_price=Decimal(trigger) if trigger else None,
            updated_at=self._world.clock.now(),
        )
        self._world.note("exchange", f"order {placed.number} has other terms")
        self._changed(placed, "Replaced", None)
        if quantity == placed.claim.filled_quantity:
            self._end(placed, OrderStatus.FILLED, "")
        else:
            self._match(placed)

    def move(self, symbol: str, price: Decimal) -> None:
        """Let an instrument trade at a price; orders that it touches fill."""
        self.prices[symbol] = price
        for placed in list(self.orders.values()):
            if placed.is_open and placed.claim.tradingsymbol == symbol:
                self._match(placed)

    def is_marketable(self, placed: Placed) -> bool:
        claim = placed.claim
        price = self.prices.get(claim.tradingsymbol)
        if price is None:
            return False
        sign = claim.side.sign
        if placed.waits_for_trigger and claim.trigger_price is not None:
            if (price - claim.trigger_price) * sign < 0:
                return False
            placed.waits_for_trigger = False
        return not claim.price or (claim.price - price) * sign >= 0

    def book(self, at: float) -> Book:
        """Return order book, trade book and positions as they were."""
        index = bisect_right(self._history, at, key=lambda entry: entry[0])
        return self._history[max(index - 1, 0)][1]

    def row(self, number: str) -> Row:
        return self._rows[number]

    def _match(self, placed: Placed) -> None:
        if not self.is_marketable(placed):
            return
        for delay, quantity in self.plan(placed):
            self._world.after(delay, partial(self._fill, placed, quantity))

    def _fill(self, placed: Placed, quantity: int) -> None:
        claim = placed.claim
        quantity = min(quantity, claim.quantity - claim.filled_quantity)
        if quantity <= 0 or not placed.is_open or not self.is_marketable(placed):
            return
        self._trade(placed, quantity)

    def _trade(self, placed: Placed, quantity: int) -> None:
        claim = placed.claim
        self._trades_made += 1
        price = self.prices[claim.tradingsymbol]
        fill = Fill(
            trade_id=TradeId(str(self._trades_made)),
            quantity=quantity,
            price=price,
            filled_at=self._world.clock.now().replace(microsecond=0),
        )
        filled = claim.filled_quantity + quantity
        before = (claim.average_price or Decimal(0)) * claim.filled_quantity
        status = claim.status
        if filled == claim.quantity:
            status = OrderStatus.FILLED
        elif placed.is_open:
            status = OrderStatus.PARTIALLY_FILLED
        placed.claim = replace(
            claim,
            status=status,
            filled_quantity=filled,
            average_price=(before + price * quantity) / filled,
            updated_at=self._world.clock.now(),
        )
        placed.trades.append(fill)
        key = (claim.tradingsymbol, claim.product)
        self.positions[key] += claim.side.sign * quantity
        self._world.note(
            "exchange", f"order {placed.number} fills {quantity}, {filled} in all"
        )
        self._changed(placed, "Fill", fill)

    def _end(self, placed: Placed, status: OrderStatus, reason: str) -> None:
        placed.claim = replace(
            placed.claim,
            status=status,
            reason=reason,
            updated_at=self._world.clock.now(),
        )
        self._world.note("exchange", f"order {placed.number} is {status} {reason}")
        self._changed(placed, str(status).title(), None)

    def _changed(self, placed: Placed, report: str, fill: Fill | None) -> None:
        claim = placed.claim
        token = INSTRUMENTS.get(claim.tradingsymbol, ("59999", None))[0]
        row = rows.order_row(
            claim,
            placed.asked,
            placed_at=self._world.clock.now(),
            waits_for_trigger=placed.waits_for_trigger,
            instrument=None,
            token=token,
        )
        self._rows[placed.number] = row
        if fill is not None:
            trade = BrokerTrade(
                broker_order_id=placed.number,
                client_order_id=claim.client_order_id,
                fill=fill,
            )
            self._trade_rows.append(rows.trade_row(trade, row))
        self._history.append((self._world.time, self._now()))
        word = row["status"]
        self._tell(rows.order_message(row, report, word, fill))

    def orders_by_hand(self) -> bool:
        """Return whether a person has traded in instruments of ours."""
        return any(
            placed.is_foreign and not placed.name for placed in self.orders.values()
        )

    def held(self) -> list[BrokerPosition]:
        return [
            BrokerPosition(
                exchange=Exchange.NFO,
                tradingsymbol=symbol,
                product=product,
                quantity=quantity,
                average_price=Decimal(100),
                last_price=self.prices.get(symbol),
                realised_pnl=Decimal(0),
            )
            for (symbol, product), quantity in self.positions.items()
        ]

    def _now(self) -> Book:
        held = tuple(
            rows.position_row(
                position,
                "U1",
                INSTRUMENTS.get(position.tradingsymbol, ("59999", None))[0],
            )
            for position in self.held()
        )
        return tuple(self._rows.values()), tuple(self._trade_rows), held


def _words(placed: Placed) -> str:
    claim = placed.claim
    side = "BUY" if claim.side is Side.BUY else "SELL"
    return (
        f"'{placed.name}' {side} {claim.quantity} {claim.tradingsymbol}"
        f" @ {claim.price} {placed.asked['prctyp']}"
    )
