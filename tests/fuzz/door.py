"""The webhook as an ASGI application over a real store, and what must hold there."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoonya_platform.brokers.base import (
    BrokerPosition,
    PlaceOrder,
    Quote,
    UnreadableRow,
)
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange, Instrument, PriceBand, Product
from shoonya_platform.domain.margins import Margin
from shoonya_platform.domain.orders import AlertId
from shoonya_platform.execution.exchange_rules import GuardRules
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.execution.trading_bot import TradingBot
from shoonya_platform.execution.webhook import Intake, create_app
from shoonya_platform.risk.limits import RiskLimits
from shoonya_platform.risk.supreme_risk import SupremeRiskManager
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.clock import FakeClock
from shoonya_platform.testing.tickers import packaged_tickers

SECRET = "correct-horse-battery"
MAX_BODY_BYTES = 4096

_REFUSALS = (400, 401, 413, 415)


class _Quotes:
    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None:
        return Decimal(100)

    def quote(self, exchange: Exchange, tradingsymbol: str) -> Quote | None:
        return Quote(last_price=Decimal(100), band=PriceBand())

    def instrument(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        return None

    def margin(self, orders: Sequence[PlaceOrder]) -> Margin:
        return Margin(required=Decimal(len(orders)), available=Decimal(10**9))

    def products(self) -> Mapping[Exchange, frozenset[Product]] | None:
        return None

    def positions(self) -> list[BrokerPosition]:
        return []

    def unreadable(self) -> list[UnreadableRow]:
        return []

    def note_price(
        self, exchange: Exchange, tradingsymbol: str, price: Decimal
    ) -> None:
        pass


class Door:
    """
    Posts bodies, and holds each answer against the store's rows.

    Args:
        folder: Where the store is made.
    """

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.store = SqliteOrderStore(
            folder / "orders.db", service="fuzz", run_id="fuzz", clock=self.clock
        )
        self._reader = sqlite3.connect(folder / "orders.db")
        self._executor = ThreadPoolExecutor(1)
        intake = Intake(
            self.store,
            SECRET,
            self.clock,
            lambda *_: None,
            max_body_bytes=MAX_BODY_BYTES,
            executor=self._executor,
            tickers=packaged_tickers(),
        )
        self._app = create_app(intake, dict)
        self._loop = asyncio.new_event_loop()
        self._rows = self._count()
        self.answers: dict[int, int] = {}

    def close(self) -> None:
        self._loop.close()
        self._reader.close()
        self._executor.shutdown()
        self.store.close()

    def post(self, body: bytes, content_type: str = "application/json") -> None:
        """Post a body; raise `AssertionError` if the answer breaks a promise."""
        status, answer = self._loop.run_until_complete(self._ask(body, content_type))
        self.answers[status] = self.answers.get(status, 0) + 1
        before, self._rows = self._rows, self._count()
        new = (self._rows[0] - before[0], self._rows[1] - before[1])
        seen = f"{status} {answer} to {body!r} as {content_type!r}, new rows: {new}"
        if status in _REFUSALS:
            assert answer["status"] == "refused", seen
            assert answer["code"], seen
            assert answer["reason"], seen
            assert new == (0, 0), seen
        elif status == 202:
            assert answer["status"] == "accepted", seen
            # The alert and the event that says why it is there.
            assert new == (1, 1), seen
            assert self.store.alerts.get(AlertId(answer["alert_id"])), seen
        else:
            assert status == 200, seen
            assert new == (0, 0), seen
            assert answer["status"] == "test" or self.store.alerts.get(
                AlertId(answer["alert_id"])
            ), seen

    def work(self) -> None:
        """Let the services behind take what was accepted as far as the broker."""

        def ring(*services: str) -> None:
            pass

        # No figure in an alert may be more than the sums behind can bear.
        limits = RiskLimits(
            max_daily_loss=Decimal(10) ** 12,
            max_exposure=Decimal(10) ** 18,
            max_open_positions=10**9,
            max_order_value=Decimal(10) ** 18,
        )
        rules = GuardRules(calendar=None, max_alert_age_seconds=10**9)
        instruments = Catalogue(catalogue_defaults())
        workers = (
            TradingBot(
                self.store,
                _Quotes(),
                self.clock,
                ring,
                instruments=instruments,
                replan_seconds=60,
            ),
            SupremeRiskManager(self.store, limits, self.clock, ring),
            ExecutionGuard(self.store, instruments, rules, self.clock, ring),
        )
        # An exit may wait for ever here, as nobody cancels: so many rounds are enough.
        for _ in range(5):
            for worker in workers:
                worker.step()
        self._rows = self._count()

    def _count(self) -> tuple[int, int]:
        """Return how many alerts and events there are."""
        (rows,) = self._reader.execute(
            "SELECT (SELECT count(*) FROM alerts), coalesce(max(event_id), 0)"
            " FROM events"
        ).fetchall()
        return tuple(rows)

    async def _ask(
        self, body: bytes, content_type: str
    ) -> tuple[int, Mapping[str, Any]]:
        asked = iter([{"type": "http.request", "body": body, "more_body": False}])
        sent: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            return next(asked)

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/webhook",
            "query_string": b"",
            "headers": [(b"content-type", content_type.encode("utf-8", "replace"))],
            "client": ("127.0.0.1", 1),
        }
        await self._app(scope, receive, send)  # type: ignore[arg-type]
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], json.loads(content)
