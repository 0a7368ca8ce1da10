"""
Separates a book of an earlier version, in which two accounts were mixed.

Before each account had a book of its own, a switch from paper to the broker went on in
the same file.  Each order's own event says which broker got it, and each fill is of an
order, so what is open can be told apart.  The book goes to the broker of its latest
order.  What the other one has open goes into a copy of the file that is its book from
then on; orders that are closed stay in both, as the days' figures do.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import BEFORE_BROKER, OPEN, Intent, Side
from shoonya_platform.domain.positions import Position
from shoonya_platform.errors import OtherAccount
from shoonya_platform.store._session import text_of

#: Which broker got an order last.
_SENT = (
    "SELECT order_id, max(event_id) AS event_id, text FROM events"
    " WHERE trigger = 'submitted' AND text LIKE 'to the % broker' GROUP BY order_id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fill:
    broker: str | None  #: None where that is not recorded
    product: Product
    side: Side
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class _Closing:
    """An open order that is not of the account, and why it ends here."""

    order_id: int
    alert_id: str
    reason: str


def brokers_in(connection: sqlite3.Connection) -> set[str]:
    """Return the brokers that got orders of this book."""
    rows = connection.execute(
        "SELECT DISTINCT text FROM events"
        " WHERE trigger = 'submitted' AND text LIKE 'to the % broker'"
    )
    return {_broker(row[0]) for row in rows}


def separate(
    connection: sqlite3.Connection, path: Path, broker: str, now: datetime
) -> None:
    """
    Leave only what one broker has open, inside a transaction of the caller's.

    Args:
        path: Of the book; the copies are made beside it.

        broker: Whose book it becomes.

    Raises:
        OtherAccount: What is open cannot be told apart; nothing was changed.
    """
    others = sorted(brokers_in(connection) - {broker})
    if not others:
        return
    _check(connection, path)
    for other in others:
        if not _has_open(connection, other):
            continue
        copy = path.with_name(f"orders-{other}.db")
        if copy.exists():
            raise _refusal(path, f"the book of '{other}' exists already as '{copy}'")
        with _copied(path, copy) as copied:
            _keep_only(copied, other, now)
            copied.execute("INSERT INTO account (id, name) VALUES (1, ?)", (other,))
    _keep_only(connection, broker, now)


def _broker(text: str) -> str:
    return text.split()[2]


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what is open if it cannot be said whose it is."""
    for order, status, by in _open_orders(connection):
        if by is None and status not in BEFORE_BROKER:
            raise _refusal(
                path, f"which broker got order {order['order_id']} is not recorded"
            )
    for position in _positions(connection):
        fills = _fills(connection, position)
        if len({fill.broker for fill in fills}) == 1 and fills[0].broker is not None:
            continue
        shown = sum(
            fill.side.sign * fill.quantity
            for fill in fills
            if fill.product is position.product and fill.broker is not None
        )
        if shown != position.quantity:
            raise _refusal(
                path,
                f"{position.quantity} of {position.exchange}:{position.tradingsymbol} "
                f"are held by '{position.strategy}', and the fills show {shown}",
            )


def _has_open(connection: sqlite3.Connection, broker: str) -> bool:
    return any(
        _share(position, _fills(connection, position), broker).quantity
        for position in _positions(connection)
    ) or any(by == broker for _, _, by in _open_orders(connection))


def _keep_only(connection: sqlite3.Connection, broker: str, now: datetime) -> None:
    held = set()
    for position in _positions(connection):
        own = _share(position, _fills(connection, position), broker)
        if own.quantity:
            held.add((own.strategy, own.tradingsymbol))
        terms = (position.quantity, position.average_price)
        if (own.quantity, own.average_price) == terms:
            continue
        connection.execute(
            "UPDATE positions SET quantity = ?, average_price = ?, updated_at = ?"
            " WHERE (strategy, exchange, tradingsymbol, product) = (?, ?, ?, ?)",
            (
                own.quantity,
                format(own.average_price, "f"),
                text_of(now),
                *(own.strategy, own.exchange, own.tradingsymbol, own.product),
            ),
        )
    for row, _, by in _open_orders(connection):
        if by == broker:
            continue
        if by is not None:
            reason = f"of the {by} account, which has a book of its own"
        elif (
            row["intent"] != Intent.EXIT
            or (row["strategy"], row["tradingsymbol"]) in held
        ):
            # Not sent yet: an entry is too old by now, an exit has its position here.
            continue
        else:
            reason = "its position is of another account"
        _close(connection, _Closing(row["order_id"], row["alert_id"], reason), now)


def _close(connection: sqlite3.Connection, order: _Closing, now: datetime) -> None:
    at = text_of(now)
    connection.execute(
        "UPDATE orders SET status = 'expired', reason = ?, updated_at = ?"
        " WHERE order_id = ?",
        (order.reason, at, order.order_id),
    )
    connection.execute(
        "INSERT INTO events (alert_id, order_id, trigger, order_status, service,"
        " run_id, occurred_at, text) VALUES (?, ?, 'expired', 'expired', 'upgrade',"
        " '', ?, ?)",
        (order.alert_id, order.order_id, at, order.reason),
    )


def _positions(connection: sqlite3.Connection) -> list[Position]:
    rows = connection.execute(
        "SELECT strategy, exchange, tradingsymbol, product, quantity, average_price,"
        " price_factor FROM positions WHERE quantity <> 0"
    )
    return [
        Position(
            strategy=row["strategy"],
            exchange=Exchange(row["exchange"]),
            tradingsymbol=row["tradingsymbol"],
            product=Product(row["product"]),
            quantity=row["quantity"],
            average_price=Decimal(row["average_price"]),
            price_factor=Decimal(row["price_factor"]),
        )
        for row in rows.fetchall()
    ]


def _fills(connection: sqlite3.Connection, position: Position) -> list[_Fill]:
    """Return a strategy's fills of an instrument, of any product, in order."""
    rows = connection.execute(
        f"SELECT sent.text, product, side, fills.quantity, fills.price"  # noqa: S608
        f" FROM orders JOIN fills USING (order_id)"
        f" LEFT JOIN ({_SENT}) AS sent USING (order_id)"
        " WHERE (strategy, exchange, tradingsymbol) = (?, ?, ?)"
        " ORDER BY filled_at, fills.order_id, trade_id",
        (position.strategy, position.exchange, position.tradingsymbol),
    )
    return [
        _Fill(
            broker=text and _broker(text),
            product=Product(product),
            side=Side(side),
            quantity=quantity,
            price=Decimal(price),
        )
        for text, product, side, quantity, price in rows.fetchall()
    ]


def _share(position: Position, fills: list[_Fill], broker: str) -> Position:
    """Return what of a position is the broker's, by the fills that made it."""
    if {fill.broker for fill in fills} == {broker}:
        # All of it, also after a change of its product.
        return position
    own = replace(position, quantity=0, average_price=Decimal(0))
    for fill in fills:
        if fill.broker == broker and fill.product is position.product:
            own = own.after_fill(fill.side, fill.quantity, fill.price)
    return own


def _open_orders(
    connection: sqlite3.Connection,
) -> Iterator[tuple[sqlite3.Row, str, str | None]]:
    """Yield open orders with their status and the broker that got them, if one did."""
    statuses = ", ".join(f"'{status}'" for status in sorted(OPEN))
    rows = connection.execute(
        f"SELECT orders.*, sent.text AS sent FROM orders"  # noqa: S608
        f" LEFT JOIN ({_SENT}) AS sent USING (order_id)"
        f" WHERE status IN ({statuses})"
    )
    for row in rows.fetchall():
        yield row, row["status"], row["sent"] and _broker(row["sent"])


@contextmanager
def _copied(path: Path, copy: Path) -> Iterator[sqlite3.Connection]:
    """Copy a book; the copy gets its name once it is whole and on the disk."""
    draft = copy.with_name(f".{copy.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        with (
            closing(sqlite3.connect(path, isolation_level=None)) as source,
            closing(sqlite3.connect(draft, isolation_level=None)) as target,
        ):
            source.backup(target)
            # A file alone: its log would not get the name.
            target.execute("PRAGMA journal_mode = DELETE")
            target.row_factory = sqlite3.Row
            target.execute("BEGIN IMMEDIATE")
            yield target
            target.execute("COMMIT")
        draft.chmod(path.stat().st_mode & 0o777)
        # Who upgrades as root leaves it to the services' user.
        with contextlib.suppress(PermissionError):
            os.chown(draft, path.stat().st_uid, path.stat().st_gid)
        draft.replace(copy)
    finally:
        draft.unlink(missing_ok=True)


def _refusal(path: Path, why: str) -> OtherAccount:
    return OtherAccount(
        f"the order store '{path}' mixes two accounts that cannot be told apart: {why}",
        hint="close what is open with the broker, and let both begin with empty books: "
        f"shoonyactl stop; mv '{path}' '{path}.mixed'; shoonyactl start",
    )
