"""Positions and last prices in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange, PriceBand, Product
from shoonya_platform.domain.orders import Fill, Order, Side
from shoonya_platform.domain.positions import Position
from shoonya_platform.store._session import Session, decimal_of, decimal_text, text_of

_SELECT = (
    "SELECT strategy, exchange, tradingsymbol, product, quantity, average_price,"
    " realised_pnl, price_factor, positions.updated_at, last_price FROM positions"
    " LEFT JOIN prices USING (exchange, tradingsymbol) "
)


class SqlitePositions:
    """The `PositionTable`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> list[Position]:
        return self._select("ORDER BY strategy, exchange, tradingsymbol, product")

    def open(self) -> list[Position]:
        return self._select(
            "WHERE quantity != 0 ORDER BY strategy, exchange, tradingsymbol, product"
        )

    def flat(self, *, limit: int) -> list[Position]:
        return self._select(
            "WHERE quantity = 0 ORDER BY positions.updated_at DESC, strategy, exchange,"
            " tradingsymbol, product LIMIT ?",
            (limit,),
        )

    def get(
        self, strategy: str, exchange: Exchange, tradingsymbol: str
    ) -> list[Position]:
        return self._select(
            "WHERE strategy = ? AND exchange = ? AND tradingsymbol = ?"
            " ORDER BY product",
            (strategy, exchange, tradingsymbol),
        )

    def realised_on(self, day: date) -> Decimal:
        rows = self._session.query(
            "SELECT realised_pnl FROM realised_days WHERE day = ?", (day.isoformat(),)
        )
        return Decimal(rows[0]["realised_pnl"]) if rows else Decimal(0)

    def realised(self) -> Decimal:
        rows = self._session.query("SELECT realised_pnl FROM realised_days")
        return sum((Decimal(row["realised_pnl"]) for row in rows), Decimal(0))

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None:
        rows = self._session.query(
            "SELECT last_price FROM prices WHERE exchange = ? AND tradingsymbol = ?",
            (exchange, tradingsymbol),
        )
        return Decimal(rows[0]["last_price"]) if rows else None

    def convert(self, position: Position, product: Product, quantity: int) -> None:
        sign = 1 if position.quantity > 0 else -1
        others = self.get(position.strategy, position.exchange, position.tradingsymbol)
        target = next(
            (other for other in others if other.product is product),
            replace(position, product=product, quantity=0, realised_pnl=Decimal(0)),
        )
        if not target.quantity:
            target = replace(target, price_factor=position.price_factor)
        self._save(
            target.after_fill(
                Side.BUY if sign > 0 else Side.SELL, quantity, position.average_price
            )
        )
        left = position.quantity - sign * quantity
        average = position.average_price if left else Decimal(0)
        self._save(replace(position, quantity=left, average_price=average))

    def note_prices(self, prices: Mapping[tuple[Exchange, str], Decimal]) -> None:
        now = self._session.now()
        for (exchange, tradingsymbol), price in prices.items():
            self._session.execute(
                "INSERT INTO prices (exchange, tradingsymbol, last_price, updated_at)"
                " VALUES (?, ?, ?, ?) ON CONFLICT (exchange, tradingsymbol)"
                " DO UPDATE SET last_price = excluded.last_price,"
                " updated_at = excluded.updated_at",
                (exchange, tradingsymbol, str(price), now),
            )

    def band(
        self, exchange: Exchange, tradingsymbol: str, *, since: datetime
    ) -> PriceBand | None:
        rows = self._session.query(
            "SELECT lower, upper FROM bands"
            " WHERE exchange = ? AND tradingsymbol = ? AND updated_at >= ?",
            (exchange, tradingsymbol, text_of(since)),
        )
        if not rows:
            return None
        return PriceBand(
            lower=decimal_of(rows[0]["lower"]), upper=decimal_of(rows[0]["upper"])
        )

    def note_bands(self, bands: Mapping[tuple[Exchange, str], PriceBand]) -> None:
        now = self._session.now()
        for (exchange, tradingsymbol), band in bands.items():
            self._session.execute(
                "INSERT INTO bands (exchange, tradingsymbol, lower, upper, updated_at)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (exchange, tradingsymbol)"
                " DO UPDATE SET lower = excluded.lower, upper = excluded.upper,"
                " updated_at = excluded.updated_at",
                (
                    exchange,
                    tradingsymbol,
                    decimal_text(band.lower),
                    decimal_text(band.upper),
                    now,
                ),
            )

    def note_factor(
        self, exchange: Exchange, tradingsymbol: str, price_factor: Decimal
    ) -> None:
        self._session.execute(
            "UPDATE positions SET price_factor = ?"
            " WHERE exchange = ? AND tradingsymbol = ? AND quantity != 0",
            (str(price_factor), exchange, tradingsymbol),
        )

    def apply(self, order: Order, fill: Fill) -> Decimal:
        """
        Move the position by one fill; return what that realised, in rupees.

        What is open keeps its price factor: an order that was planned on a guess, as
        no list was at hand, must not change what an exit realises.
        """
        held = self._select(
            "WHERE strategy = ? AND exchange = ? AND tradingsymbol = ? AND product = ?",
            (order.strategy, order.exchange, order.tradingsymbol, order.product),
        )
        before = (
            held[0]
            if held
            else Position(
                strategy=order.strategy,
                exchange=order.exchange,
                tradingsymbol=order.tradingsymbol,
                product=order.product,
            )
        )
        if not before.quantity:
            before = replace(before, price_factor=order.price_factor)
        after = before.after_fill(order.side, fill.quantity, fill.price)
        self._save(after)
        self.note_prices({(order.exchange, order.tradingsymbol): fill.price})
        realised = after.realised_pnl - before.realised_pnl
        if realised:
            self._add_realised(trading_day(fill.filled_at), realised)
        return realised

    def _save(self, after: Position) -> None:
        self._session.execute(
            "INSERT INTO positions (strategy, exchange, tradingsymbol, product,"
            " quantity, average_price, realised_pnl, price_factor, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (strategy, exchange, tradingsymbol, product) DO UPDATE SET"
            " quantity = excluded.quantity, average_price = excluded.average_price,"
            " realised_pnl = excluded.realised_pnl,"
            " price_factor = excluded.price_factor, updated_at = excluded.updated_at",
            (
                after.strategy,
                after.exchange,
                after.tradingsymbol,
                after.product,
                after.quantity,
                str(after.average_price),
                str(after.realised_pnl),
                str(after.price_factor),
                self._session.now(),
            ),
        )

    def _add_realised(self, day: date, realised: Decimal) -> None:
        self._session.execute(
            "INSERT INTO realised_days (day, realised_pnl) VALUES (?, ?)"
            " ON CONFLICT (day) DO UPDATE SET realised_pnl = excluded.realised_pnl",
            (day.isoformat(), str(self.realised_on(day) + realised)),
        )

    def _select(
        self, where: str, parameters: tuple[object, ...] = ()
    ) -> list[Position]:
        return self._session.read(_position, _SELECT + where, parameters)


def _position(row: sqlite3.Row) -> Position:
    return _position_of(*row)


# Every step of three services reads all that is held, and little of it has moved.
@lru_cache(maxsize=4096)
def _position_of(
    strategy: str,
    exchange: str,
    tradingsymbol: str,
    product: str,
    quantity: int,
    average_price: str,
    realised_pnl: str,
    price_factor: str,
    updated_at: str,
    last_price: str | None,
) -> Position:
    return Position(
        strategy=strategy,
        exchange=Exchange(exchange),
        tradingsymbol=tradingsymbol,
        product=Product(product),
        quantity=quantity,
        average_price=Decimal(average_price),
        realised_pnl=Decimal(realised_pnl),
        last_price=decimal_of(last_price),
        price_factor=Decimal(price_factor),
        updated_at=datetime.fromisoformat(updated_at),
    )
