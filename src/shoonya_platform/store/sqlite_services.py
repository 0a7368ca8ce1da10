"""Service heartbeats and the trading state in SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from shoonya_platform.domain.trading import TradingState, TradingStatus
from shoonya_platform.store._session import Session, text_of
from shoonya_platform.store.base import ServiceBeat
from shoonya_platform.store.sendlock import SendLock


class SqliteServices:
    """The `ServiceTable`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def beat(
        self,
        *,
        pid: int,
        status: str,
        started_at: datetime,
        slow_answer_seconds: float = 0.0,
    ) -> None:
        session = self._session
        session.execute(
            "INSERT INTO services (service, run_id, pid, status, started_at, beat_at,"
            " slow_answer_seconds)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (service) DO UPDATE SET"
            " run_id = excluded.run_id, pid = excluded.pid, status = excluded.status,"
            " started_at = excluded.started_at, beat_at = excluded.beat_at,"
            " slow_answer_seconds = excluded.slow_answer_seconds,"
            " ended_at = NULL, crashes = services.crashes + (services.ended_at IS NULL"
            " AND services.run_id <> excluded.run_id)",
            (
                session.service,
                session.run_id,
                pid,
                status,
                text_of(started_at),
                session.now(),
                slow_answer_seconds,
            ),
        )

    def end(self) -> None:
        session = self._session
        session.execute(
            "UPDATE services SET ended_at = ? WHERE service = ? AND run_id = ?",
            (session.now(), session.service, session.run_id),
        )

    def all(self) -> list[ServiceBeat]:
        rows = self._session.query(
            "SELECT service, run_id, pid, status, started_at, beat_at, ended_at,"
            " crashes, slow_answer_seconds FROM services ORDER BY service"
        )
        return [
            ServiceBeat(
                service=row["service"],
                run_id=row["run_id"],
                pid=row["pid"],
                status=row["status"],
                started_at=datetime.fromisoformat(row["started_at"]),
                beat_at=datetime.fromisoformat(row["beat_at"]),
                crashes=row["crashes"],
                slow_answer_seconds=row["slow_answer_seconds"],
                ended_at=row["ended_at"] and datetime.fromisoformat(row["ended_at"]),
            )
            for row in rows
        ]


class SqliteTrading:
    """The `TradingTable`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = SendLock(session.path)

    @contextmanager
    def sending(self) -> Iterator[TradingStatus]:
        with self._lock.held():
            yield self.status()

    def wait_for_sending(self, seconds: float) -> bool:
        return self._lock.wait(seconds)

    def close(self) -> None:
        self._lock.close()

    def status(self) -> TradingStatus:
        rows = self._session.query(
            "SELECT state, reason, set_by, set_at FROM trading"
            " ORDER BY trading_id DESC LIMIT 1"
        )
        if not rows:
            return TradingStatus(
                state=TradingState.ACTIVE,
                reason="never changed",
                set_by="",
                set_at=datetime.fromtimestamp(0, UTC),
            )
        row = rows[0]
        return TradingStatus(
            state=TradingState(row["state"]),
            reason=row["reason"],
            set_by=row["set_by"],
            set_at=datetime.fromisoformat(row["set_at"]),
        )

    def set(self, state: TradingState, *, reason: str, by: str) -> bool:
        if self.status().state is state:
            return False
        self._session.execute(
            "INSERT INTO trading (state, reason, set_by, set_at) VALUES (?, ?, ?, ?)",
            (state, reason, by, self._session.now()),
        )
        return True
