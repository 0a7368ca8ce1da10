"""The newest ids of the SQLite store, at once or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

#: Longer than a reader ever waits for a writer, shorter than a person notices.
_TIMEOUT_SECONDS = 0.2

_ORDERS = """
SELECT client_order_id,
       order_id || ': ' || side || ' ' || quantity || ' ' || exchange || ':'
       || tradingsymbol || ', ' || status
FROM orders ORDER BY order_id DESC LIMIT ?
"""
_ALERTS = """
SELECT alert_id, 'alert of ' || strategy || ', ' || status
FROM alerts ORDER BY received_at DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class RecentId:
    name: str
    about: str  #: a few words for whoever has to choose


def recent_orders(path: Path, *, limit: int) -> list[RecentId]:
    """Return the newest orders, newest first; none if the store cannot be read now."""
    return _read(path, _ORDERS, limit)


def recent_alerts(path: Path, *, limit: int) -> list[RecentId]:
    """Return the newest alerts, newest first; none if the store cannot be read now."""
    return _read(path, _ALERTS, limit)


def _read(path: Path, query: str, limit: int) -> list[RecentId]:
    # Never made, migrated or written to: somebody has merely pressed a key.
    address = f"file:{quote(str(path))}?mode=ro"
    try:
        with closing(
            sqlite3.connect(address, uri=True, timeout=_TIMEOUT_SECONDS)
        ) as connection:
            rows: Sequence[tuple[str, str]] = connection.execute(
                query, (limit,)
            ).fetchall()
    except sqlite3.Error:
        return []
    return [RecentId(*row) for row in rows]
