"""Alerts in SQLite."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from shoonya_platform.domain.alert_form import parse_stored
from shoonya_platform.domain.alerts import Alert, AlertStatus, StoredAlert
from shoonya_platform.domain.orders import CLOSED, AlertId
from shoonya_platform.store._session import Session, text_of

_COLUMNS = "alert_id, body, content, status, outcome, received_at"
_CLOSED = ", ".join(f"'{status}'" for status in sorted(CLOSED))


class SqliteAlerts:
    """The `AlertTable`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self, alert: Alert, alert_id: AlertId, *, received_at: datetime
    ) -> tuple[AlertId, bool]:
        horizon = received_at - timedelta(seconds=alert.duplicate_seconds)
        earlier = self._session.query(
            "SELECT alert_id FROM alerts WHERE dedupe_key = ? AND received_at > ?"
            " ORDER BY received_at DESC LIMIT 1",
            (alert.dedupe_key, text_of(horizon)),
        )
        if earlier:
            return AlertId(earlier[0]["alert_id"]), False
        self._session.execute(
            "INSERT INTO alerts (alert_id, dedupe_key, received_at, strategy, body,"
            " content, status) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                alert_id,
                alert.dedupe_key,
                text_of(received_at),
                alert.strategy,
                alert.body,
                msgspec.json.encode(replace(alert, body="")).decode(),
                AlertStatus.RECEIVED,
            ),
        )
        legs = len(alert.legs)
        mapped = [
            f"; {leg.received} is {alert.exchange}:{leg.tradingsymbol}"
            for leg in alert.legs
            if leg.received
        ]
        self._event(
            alert_id,
            AlertStatus.RECEIVED,
            f"{alert.intent} for '{alert.strategy}', {legs} leg{'s' * (legs != 1)}"
            + "".join(mapped),
        )
        return alert_id, True

    def get(self, alert_id: AlertId) -> StoredAlert | None:
        rows = self._select("WHERE alert_id = ?", (alert_id,))
        return rows[0] if rows else None

    def in_status(self, status: AlertStatus, *, limit: int) -> list[StoredAlert]:
        return self._select(
            "WHERE status = ? ORDER BY received_at LIMIT ?", (status, limit)
        )

    def recent(self, *, limit: int) -> list[StoredAlert]:
        return self._select("ORDER BY received_at DESC LIMIT ?", (limit,))

    def last_of(self, strategy: str, *, until: datetime) -> StoredAlert | None:
        found = self._select(
            "WHERE strategy = ? AND received_at <= ? ORDER BY received_at DESC LIMIT 1",
            (strategy, text_of(until)),
        )
        return found[0] if found else None

    def received_between(self, begin: datetime, end: datetime) -> list[StoredAlert]:
        return self._select(
            "WHERE received_at >= ? AND received_at < ? ORDER BY received_at",
            (text_of(begin), text_of(end)),
        )

    def record(
        self, alert_id: AlertId, status: AlertStatus, *, outcome: str, text: str
    ) -> None:
        self._session.execute(
            "UPDATE alerts SET status = ?, outcome = ? WHERE alert_id = ?",
            (status, outcome, alert_id),
        )
        self._event(alert_id, status, text)

    def finished(self, *, limit: int) -> list[AlertId]:
        rows = self._session.query(
            "SELECT alert_id FROM alerts WHERE status = ? AND NOT EXISTS ("
            " SELECT 1 FROM orders WHERE orders.alert_id = alerts.alert_id"
            f" AND orders.status NOT IN ({_CLOSED}))"
            " ORDER BY received_at LIMIT ?",
            (AlertStatus.PLANNED, limit),
        )
        return [AlertId(row["alert_id"]) for row in rows]

    def _select(self, where: str, parameters: tuple[object, ...]) -> list[StoredAlert]:
        query = f"SELECT {_COLUMNS} FROM alerts {where}"
        return self._session.read(_alert, query, parameters)

    def _event(self, alert_id: AlertId, status: AlertStatus, text: str) -> None:
        session = self._session
        session.execute(
            "INSERT INTO events (alert_id, trigger, order_status, service, run_id,"
            " occurred_at, text) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                alert_id,
                f"alert_{status}",
                status,
                session.service,
                session.run_id,
                session.now(),
                text,
            ),
        )


# An alert is read before its transaction, in it, and while it waits.
@lru_cache(maxsize=1024)
def _read(content: str | None, body: str) -> Alert:
    if content is None:
        return replace(parse_stored(json.loads(body)), body=body)
    return replace(msgspec.json.decode(content, type=Alert), body=body)


def _alert(row: sqlite3.Row) -> StoredAlert:
    return StoredAlert(
        alert_id=AlertId(row["alert_id"]),
        alert=_read(row["content"], row["body"]),
        status=AlertStatus(row["status"]),
        outcome=row["outcome"],
        received_at=datetime.fromisoformat(row["received_at"]),
    )
