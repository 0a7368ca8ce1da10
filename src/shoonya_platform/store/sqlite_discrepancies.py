"""Differences between our records and the broker's, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import datetime

from shoonya_platform.domain.discrepancies import (
    INCIDENTS,
    Discrepancy,
    DiscrepancyKind,
    StoredDiscrepancy,
)
from shoonya_platform.domain.orders import OrderId
from shoonya_platform.store._session import Session

_INCIDENTS = ", ".join(f"'{kind}'" for kind in sorted(INCIDENTS))
_OPEN = f"(resolved_at IS NULL OR (acknowledged_at IS NULL AND kind IN ({_INCIDENTS})))"


class SqliteDiscrepancies:
    """The `DiscrepancyTable`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def note(self, found: Discrepancy) -> bool:
        session = self._session
        now = session.now()
        known = session.query(
            "SELECT text, action FROM discrepancies"
            " WHERE kind = ? AND subject = ? AND resolved_at IS NULL",
            (found.kind, found.subject),
        )
        if known:
            session.execute(
                "UPDATE discrepancies SET text = ?, action = ?, last_seen_at = ?"
                " WHERE kind = ? AND subject = ? AND resolved_at IS NULL",
                (found.text, found.action, now, found.kind, found.subject),
            )
            return bool(known[0]["text"] != found.text)
        session.execute(
            "INSERT INTO discrepancies (kind, subject, order_id, text, action,"
            " found_by, first_seen_at, last_seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                found.kind,
                found.subject,
                found.order_id,
                found.text,
                found.action,
                session.service,
                now,
                now,
            ),
        )
        return True

    def resolve(self, kind: DiscrepancyKind, subject: str) -> bool:
        return bool(
            self._session.execute(
                "UPDATE discrepancies SET resolved_at = ?"
                " WHERE kind = ? AND subject = ? AND resolved_at IS NULL",
                (self._session.now(), kind, subject),
            )
        )

    def open(self, *kinds: DiscrepancyKind) -> list[StoredDiscrepancy]:
        where = _OPEN
        if kinds:
            where += f" AND kind IN ({', '.join('?' * len(kinds))})"
        return self._session.read(
            _discrepancy,
            f"SELECT * FROM discrepancies WHERE {where} ORDER BY discrepancy_id",
            kinds,
        )

    def unresolved(self, *kinds: DiscrepancyKind) -> list[StoredDiscrepancy]:
        return [found for found in self.open(*kinds) if found.resolved_at is None]

    def orders_with(
        self, kind: DiscrepancyKind, order_ids: Collection[OrderId]
    ) -> set[OrderId]:
        rows = self._session.query(
            "SELECT DISTINCT order_id FROM discrepancies WHERE kind = ?"
            f" AND order_id IN ({', '.join('?' * len(order_ids))})",
            (kind, *order_ids),
        )
        return {OrderId(row["order_id"]) for row in rows}

    def get(self, discrepancy_id: int) -> StoredDiscrepancy | None:
        found = self._session.read(
            _discrepancy,
            "SELECT * FROM discrepancies WHERE discrepancy_id = ?",
            (discrepancy_id,),
        )
        return found[0] if found else None

    def after(self, discrepancy_id: int, *, limit: int) -> list[StoredDiscrepancy]:
        return self._session.read(
            _discrepancy,
            "SELECT * FROM discrepancies WHERE discrepancy_id > ?"
            " ORDER BY discrepancy_id LIMIT ?",
            (discrepancy_id, limit),
        )

    def recent(self, *, limit: int) -> list[StoredDiscrepancy]:
        return self._session.read(
            _discrepancy,
            "SELECT * FROM discrepancies ORDER BY discrepancy_id DESC LIMIT ?",
            (limit,),
        )

    def acknowledge(self, discrepancy_id: int, *, by: str) -> bool:
        return bool(
            self._session.execute(
                "UPDATE discrepancies SET acknowledged_at = ?, acknowledged_by = ?"
                " WHERE discrepancy_id = ? AND acknowledged_at IS NULL",
                (self._session.now(), by, discrepancy_id),
            )
        )


def _discrepancy(row: sqlite3.Row) -> StoredDiscrepancy:
    order_id = row["order_id"]
    return StoredDiscrepancy(
        discrepancy_id=row["discrepancy_id"],
        kind=DiscrepancyKind(row["kind"]),
        subject=row["subject"],
        order_id=None if order_id is None else OrderId(order_id),
        text=row["text"],
        action=row["action"],
        found_by=row["found_by"],
        first_seen_at=datetime.fromisoformat(row["first_seen_at"]),
        last_seen_at=datetime.fromisoformat(row["last_seen_at"]),
        resolved_at=_moment(row["resolved_at"]),
        acknowledged_at=_moment(row["acknowledged_at"]),
        acknowledged_by=row["acknowledged_by"],
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
