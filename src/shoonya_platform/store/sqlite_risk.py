"""The days that risk_manager remembers, in SQLite."""

from __future__ import annotations

import sqlite3
from datetime import date, datetime
from decimal import Decimal

from shoonya_platform.store._session import Session, text_of
from shoonya_platform.store.base import PnlSample, RiskDay

_SELECT = "SELECT day, best_pnl, last_pnl, warned, breached FROM risk_days "


class SqliteRisk:
    """The `RiskTable`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def day(self, day: date) -> RiskDay | None:
        rows = self._session.query(_SELECT + "WHERE day = ?", (day.isoformat(),))
        return _risk_day(rows[0]) if rows else None

    def days_before(self, day: date, *, limit: int) -> list[RiskDay]:
        rows = self._session.query(
            _SELECT + "WHERE day < ? ORDER BY day DESC LIMIT ?",
            (day.isoformat(), limit),
        )
        return [_risk_day(row) for row in rows]

    def save(self, day: RiskDay) -> None:
        self._session.execute(
            "INSERT INTO risk_days (day, best_pnl, last_pnl, warned, breached)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (day) DO UPDATE SET"
            " best_pnl = excluded.best_pnl, last_pnl = excluded.last_pnl,"
            " warned = excluded.warned, breached = excluded.breached",
            (
                day.day.isoformat(),
                str(day.best_pnl),
                str(day.last_pnl),
                day.warned,
                day.breached,
            ),
        )

    def note_pnl(self, sample: PnlSample) -> None:
        self._session.execute(
            "INSERT OR REPLACE INTO pnl (at, realised, unrealised) VALUES (?, ?, ?)",
            (text_of(sample.at), str(sample.realised), str(sample.unrealised)),
        )

    def pnl_since(self, since: datetime) -> list[PnlSample]:
        rows = self._session.query(
            "SELECT at, realised, unrealised FROM pnl WHERE at >= ? ORDER BY at",
            (text_of(since),),
        )
        return [
            PnlSample(
                at=datetime.fromisoformat(row["at"]),
                realised=Decimal(row["realised"]),
                unrealised=Decimal(row["unrealised"]),
            )
            for row in rows
        ]


def _risk_day(row: sqlite3.Row) -> RiskDay:
    return RiskDay(
        day=date.fromisoformat(row["day"]),
        best_pnl=Decimal(row["best_pnl"]),
        last_pnl=Decimal(row["last_pnl"]),
        warned=bool(row["warned"]),
        breached=bool(row["breached"]),
    )
