"""
What takes the places of the machine's parts while a history is lived through.

All that is not named here is the platform's own code.
"""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import httpcore
import websockets.sync.client

from shoonya_platform.brokers import shoonya, shoonya_feed, shoonya_session
from shoonya_platform.domain.calendar import MarketCalendar
from shoonya_platform.domain.instruments import Exchange, Instrument, Source
from shoonya_platform.instruments.rows import Listed
from shoonya_platform.logging.components import logger_name
from shoonya_platform.logging.context import CONTEXT_ATTRIBUTE
from shoonya_platform.services import parts, runtime
from shoonya_platform.store import sendlock
from shoonya_platform.store import sqlite as sqlite_store
from tests.simulation.exchange import INSTRUMENTS, TICK
from tests.simulation.ledger import Ledger
from tests.simulation.network import Network
from tests.simulation.noren import Noren
from tests.simulation.platform import BUILDERS, INTAKE, Platform
from tests.simulation.world import SimulatedTime, Threading, World

#: Read from the disk once, and not with each start of a service.
_migrations = cache(sqlite_store.migrations)


class _Unlimited:
    """Takes the place of the rate limiter: what it does is tested elsewhere."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def take(self, *_: Any, **__: Any) -> None:
        """There is always room."""

    def close(self) -> None:
        """Nothing is held."""


class _Instruments:
    """Takes the place of the broker's lists: the instruments of the exchange."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def find(self, exchange: Exchange, tradingsymbol: str) -> Listed | None:
        known = INSTRUMENTS.get(tradingsymbol)
        if known is None:
            return None
        return Listed(
            instrument=Instrument(
                exchange=exchange,
                tradingsymbol=tradingsymbol,
                token=known[0],
                lot_size=65,
                tick_size=TICK,
                source=Source.MASTER,
            )
        )

    def note_security(self, *_: Any) -> None:
        """It is asked for again."""

    def close(self) -> None:
        """No descriptor is held."""


class _Recorder(logging.Handler):
    """Takes all log records into the history."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        super().__init__(logging.INFO)
        self._world = world
        self._ledger = ledger

    def emit(self, record: logging.LogRecord) -> None:
        world = self._world
        text = record.getMessage()
        world.note(record.name.lower(), f"{record.levelname[0]} {text}"[:400])
        if record.levelno >= logging.ERROR:
            context = record.__dict__.get(CONTEXT_ATTRIBUTE, {})
            ids = {
                key: record.__dict__[key]
                for key in ("client_order_id", "broker_order_id")
                if key in record.__dict__
            }
            self._ledger.errors.append((world.time, f"{text} {context} {ids}"))


@contextmanager
def in_place(
    world: World, platform: Platform, network: Network, noren: Noren, ledger: Ledger
) -> Iterator[None]:
    """Put the simulated parts in the places of the machine's."""
    chance = random.Random(world.random.random())
    simulated_time = SimulatedTime(world)
    with ExitStack() as stack:
        put = [
            (secrets, "token_bytes", chance.randbytes),
            (secrets, "token_hex", lambda n=16: chance.randbytes(n).hex()),
            (MarketCalendar, "why_closed", _why_closed(world)),
            (runtime, "time", simulated_time),
            (runtime, "Doorbell", platform.bell),
            (runtime, "open_store", platform.open_store),
            (runtime, "open_broker", platform.open_broker),
            (runtime, "_lock", lambda *_: _Nothing()),
            (sqlite_store, "time", simulated_time),
            (sqlite_store, "migrations", _migrations),
            (sendlock, "time", simulated_time),
            (shoonya_session, "time", simulated_time),
            (shoonya_feed, "time", simulated_time),
            (shoonya_feed, "random", chance),
            (shoonya_feed, "threading", Threading(world, platform.thread_started)),
            (shoonya, "RateLimiter", _Unlimited),
            (shoonya, "InstrumentWriter", _Instruments),
            (parts, "InstrumentFile", _Instruments),
            (httpcore, "ConnectionPool", network.pool),
            (websockets.sync.client, "connect", noren.connect),
        ]
        for place, name, part in put:
            stack.enter_context(patch.object(place, name, part))
        recorder = _Recorder(world, ledger)
        for component in (*BUILDERS, INTAKE):
            logger = logging.getLogger(logger_name(component))
            before = (logger.level, logger.propagate)
            logger.addHandler(recorder)
            logger.setLevel(logging.INFO)
            logger.propagate = False

            def put_back(
                logger: logging.Logger = logger, before: tuple[int, bool] = before
            ) -> None:
                logger.removeHandler(recorder)
                logger.level, logger.propagate = before

            stack.callback(put_back)
        yield


def _why_closed(world: World) -> Callable[..., str]:
    why_closed = MarketCalendar.why_closed

    def answer(calendar: MarketCalendar, exchange: Any, at: Any) -> str:
        if world.is_closed():
            return "closed by the simulation"
        return why_closed(calendar, exchange, at)

    return answer


class _Nothing:
    """Nothing that would have to be closed."""

    def close(self) -> None:
        """Nothing is held."""
