"""The platform's starts, and what recovery_service found out, in SQLite."""

from __future__ import annotations

from datetime import datetime, timedelta

from shoonya_platform.domain.orders import Order, OrderId
from shoonya_platform.store._session import Session, text_of
from shoonya_platform.store.base import (
    Absence,
    PlatformStart,
    StoredReconciliation,
)


class SqliteRecovery:
    """The `RecoveryTable`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self, *, silent_seconds: float) -> bool:
        session = self._session
        heard = text_of(session.clock.now() - timedelta(seconds=silent_seconds))
        alive = session.query(
            "SELECT 1 FROM services WHERE ended_at IS NULL AND beat_at > ?"
            " AND EXISTS (SELECT 1 FROM starts) LIMIT 1",
            (heard,),
        )
        if alive:
            return False
        session.execute(
            "INSERT INTO starts (begun_by, started_at, is_orderly) VALUES (?, ?,"
            " NOT EXISTS (SELECT 1 FROM services WHERE ended_at IS NULL))",
            (session.service, session.now()),
        )
        return True

    def is_awaited(self) -> bool:
        return not self._session.query(
            "SELECT 1 FROM reconciliations WHERE succeeded = 1"
            " AND start_id = (SELECT max(start_id) FROM starts)"
        )

    def starts(self) -> int:
        found = self._session.query("SELECT max(start_id) AS number FROM starts")
        return int(found[0]["number"] or 0)

    def last_start(self) -> PlatformStart | None:
        found = self._session.query(
            "SELECT started_at, is_orderly FROM starts ORDER BY start_id DESC LIMIT 1"
        )
        if not found:
            return None
        return PlatformStart(
            started_at=datetime.fromisoformat(found[0]["started_at"]),
            is_orderly=bool(found[0]["is_orderly"]),
        )

    def record(self, *, succeeded: bool, summary: str, report: str) -> bool:
        session = self._session
        was_awaited = self.is_awaited()
        session.execute(
            "INSERT OR REPLACE INTO reconciliations"
            " (start_id, succeeded, run_id, finished_at, summary, report, number)"
            " SELECT max(start_id), ?, ?, ?, ?, ?,"
            " (SELECT coalesce(max(number), 0) + 1 FROM reconciliations)"
            " FROM starts HAVING max(start_id) IS NOT NULL",
            (
                succeeded,
                session.run_id,
                session.now(),
                summary,
                report,
            ),
        )
        return was_awaited and not self.is_awaited()

    def last(self) -> StoredReconciliation | None:
        rows = self._session.query(
            "SELECT succeeded, run_id, finished_at, summary, report"
            " FROM reconciliations ORDER BY start_id DESC, number DESC,"
            " finished_at DESC, succeeded DESC LIMIT 1"
        )
        if not rows:
            return None
        row = rows[0]
        return StoredReconciliation(
            succeeded=bool(row["succeeded"]),
            run_id=row["run_id"],
            finished_at=datetime.fromisoformat(row["finished_at"]),
            summary=row["summary"],
            report=row["report"],
        )

    def note_absence(self, order: Order, *, read_at: float) -> Absence:
        updated_at = text_of(order.updated_at)
        self._session.execute(
            "DELETE FROM absences"
            " WHERE order_id = ? AND (updated_at <> ? OR first_at > ?)",
            (order.order_id, updated_at, read_at),
        )
        self._session.execute(
            "INSERT INTO absences (order_id, updated_at, first_at, reads)"
            " VALUES (?, ?, ?, 1)"
            " ON CONFLICT (order_id) DO UPDATE SET reads = reads + 1",
            (order.order_id, updated_at, read_at),
        )
        row = self._session.query(
            "SELECT first_at, reads FROM absences WHERE order_id = ?",
            (order.order_id,),
        )[0]
        return Absence(first_at=row["first_at"], reads=row["reads"])

    def forget_absence(self, order_id: OrderId) -> None:
        self._session.execute("DELETE FROM absences WHERE order_id = ?", (order_id,))
