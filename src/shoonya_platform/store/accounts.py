"""
One book for each account: which file is whose, and what the others still hold.

The first account that is used gets `orders.db`; each further one gets a file named
after it.  So paper money and real money never meet in one book, and an installation
that has used one account alone keeps its file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from shoonya_platform.domain.orders import OPEN
from shoonya_platform.store.base import OtherBook

FIRST = "orders.db"
#: Symbols named in a sentence; the rest is counted.
_NAMED = 4
_BUSY_SECONDS = 1.0


def find_store(folder: Path, account: str) -> Path:
    """
    Return the path of an account's store, whether it exists or not.

    Args:
        folder: The state directory.

        account: `paper`, or for example `shoonya-FA12345`.
    """
    first, named = folder / FIRST, folder / f"orders-{account}.db"
    if named.exists() or not first.exists():
        return named if named.exists() else first
    owner = account_of(first)
    if owner is None or is_of(owner, account):
        return first
    # Separated from a mixed book, which knew the broker and not the user.
    separated = folder / f"orders-{account.partition('-')[0]}.db"
    is_ours = separated.exists() and is_of(account_of(separated) or "", account)
    return separated if is_ours else named


def is_store_name(name: str) -> bool:
    """Return whether a file of the state directory is a store by its name."""
    return name == FIRST or (
        name.startswith("orders-") and name.endswith(".db") and "/" not in name
    )


def stores_in(folder: Path) -> list[Path]:
    """Return the stores of all accounts."""
    return sorted(path for path in folder.glob("*.db") if is_store_name(path.name))


def is_of(owner: str, account: str) -> bool:
    """Return whether an owner, which may be a broker alone, is the account."""
    return owner == account or account.startswith(f"{owner}-")


def account_of(path: Path) -> str | None:
    """
    Return whose book a store is; None if it was never used, or cannot be read.

    A store of an earlier version does not say so itself: then it is the broker that
    got its latest order, without the user's id.
    """
    try:
        with _reading(path) as store:
            if store.execute(
                "SELECT 1 FROM sqlite_schema WHERE name = 'account'"
            ).fetchone():
                row = store.execute("SELECT name FROM account").fetchone()
                if row is not None:
                    return str(row[0])
            row = store.execute(
                "SELECT text FROM events WHERE trigger = 'submitted'"
                " AND text LIKE 'to the % broker' ORDER BY event_id DESC LIMIT 1"
            ).fetchone()
    except sqlite3.Error:
        # Who opens it next says what is wrong with it.
        return None
    return None if row is None else str(row[0]).split()[2]


def other_books(ours: Path) -> list[OtherBook]:
    """Return the books beside this one that still have positions or working orders."""
    found = []
    for path in stores_in(ours.parent):
        if path.name == ours.name:
            continue
        try:
            book = _left_in(path)
        except sqlite3.Error as e:
            book = OtherBook(account=path.name, text=f"it cannot be read: {e}")
        if book is not None:
            found.append(book)
    return found


def _left_in(path: Path) -> OtherBook | None:
    statuses = ", ".join(f"'{status}'" for status in sorted(OPEN))
    with _reading(path) as store:
        positions = [
            f"{exchange}:{symbol} {quantity:+d}"
            for exchange, symbol, quantity in store.execute(
                "SELECT exchange, tradingsymbol, quantity FROM positions"
                " WHERE quantity <> 0 ORDER BY exchange, tradingsymbol"
            )
        ]
        orders = store.execute(
            f"SELECT count(*) FROM orders WHERE status IN ({statuses})"  # noqa: S608
        ).fetchone()[0]
    parts = []
    if positions:
        more = len(positions) - _NAMED
        names = ", ".join(positions[:_NAMED])
        rest = f" and {more} more" if more > 0 else ""
        parts.append(f"{len(positions)} open positions ({names}{rest})")
    if orders:
        parts.append(f"{orders} orders that are not finished")
    if not parts:
        return None
    account = account_of(path) or path.stem.removeprefix("orders-")
    return OtherBook(account=account, text=" and ".join(parts))


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    # Without a log beside it no process has it open, and SQLite would make one.
    is_used = path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.absolute().as_uri()}?mode=ro{'' if is_used else '&immutable=1'}"
    with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as store:
        yield store
