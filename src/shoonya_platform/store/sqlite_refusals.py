"""Refused alerts in SQLite."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from shoonya_platform.domain.refused_alerts import RefusedAlert, StoredRefusal
from shoonya_platform.store._session import Session, text_of

#: Rows in the table at most; the counts go on.
MOST_ROWS = 500
#: Refusals without a body are one row for each code within this time.
_TOGETHER = timedelta(days=1)

_COLUMNS = (
    "refusal_id, refused_at, code, reason, hint, http_status, client, body, times"
)


class SqliteRefusals:
    """The `RefusalTable`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, refused: RefusedAlert, *, at: datetime, times: int = 1) -> None:
        session = self._session
        session.execute(
            "INSERT INTO refusal_counts (code, times) VALUES (?, ?)"
            " ON CONFLICT (code) DO UPDATE SET times = times + excluded.times",
            (refused.code, times),
        )
        if refused.body is None and session.execute(
            "UPDATE refused_alerts SET refused_at = ?, reason = ?, client = ?,"
            " times = times + ? WHERE refusal_id = (SELECT max(refusal_id)"
            " FROM refused_alerts WHERE code = ? AND body IS NULL)"
            " AND refused_at > ?",
            (
                text_of(at),
                refused.reason,
                refused.client,
                times,
                refused.code,
                text_of(at - _TOGETHER),
            ),
        ):
            return
        session.execute(
            "INSERT INTO refused_alerts (refused_at, code, reason, hint, http_status,"
            " client, body, times) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                text_of(at),
                refused.code,
                refused.reason,
                refused.hint,
                refused.http_status,
                refused.client,
                refused.body,
                times,
            ),
        )
        session.execute(
            "DELETE FROM refused_alerts WHERE refusal_id <="
            " (SELECT max(refusal_id) FROM refused_alerts) - ?",
            (MOST_ROWS,),
        )

    def recent(self, *, limit: int) -> list[StoredRefusal]:
        return self._select("ORDER BY refused_at DESC, refusal_id DESC LIMIT ?", limit)

    def after(self, refusal_id: int, *, limit: int) -> list[StoredRefusal]:
        return self._select(
            "WHERE refusal_id > ? ORDER BY refusal_id LIMIT ?", refusal_id, limit
        )

    def counts(self) -> dict[str, int]:
        rows = self._session.query("SELECT code, times FROM refusal_counts")
        return {row["code"]: row["times"] for row in rows}

    def _select(self, clause: str, *values: int) -> list[StoredRefusal]:
        return self._session.read(
            _refusal, f"SELECT {_COLUMNS} FROM refused_alerts {clause}", values
        )


def _refusal(row: sqlite3.Row) -> StoredRefusal:
    return StoredRefusal(
        refusal_id=row["refusal_id"],
        refused=RefusedAlert(
            code=row["code"],
            reason=row["reason"],
            hint=row["hint"],
            http_status=row["http_status"],
            client=row["client"],
            body=row["body"],
        ),
        refused_at=datetime.fromisoformat(row["refused_at"]),
        times=row["times"],
    )
