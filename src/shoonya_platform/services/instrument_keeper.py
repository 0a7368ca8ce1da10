"""
The thread beside recovery_service that loads the broker's lists of instruments.

One process loads them for all, once a trading day: recovery_service, as it may reach
the internet and no order waits for it.
"""

from __future__ import annotations

import threading

from shoonya_platform.clock import Clock
from shoonya_platform.config.loader import Config
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import ConfigError
from shoonya_platform.instruments.file import InstrumentsUnavailable
from shoonya_platform.instruments.refresh import RETRY_SECONDS, MasterRefresh
from shoonya_platform.instruments.rows import MasterState
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.services.parts import instrument_refresh

#: How often it is asked whether a list is due.
_LOOK_SECONDS = 20.0
#: Waited after a list that was used although it is old.
OLD_SECONDS = 1800.0
#: A download that is under way at the end is left behind.
STOP_SECONDS = 1.0


class InstrumentKeeper:
    """Keeps the lists of the day; does nothing for the paper broker."""

    def __init__(self, config: Config, clock: Clock, logger: ServiceLogger) -> None:
        self._config = config
        self._clock = clock
        self._logger = logger
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._retry_at: dict[Exchange, float] = {}
        self._failures: dict[Exchange, int] = {}
        self._reported: dict[Exchange, str] = {}

    def start(self) -> None:
        if self._config.settings.broker.name != "shoonya":
            return
        thread = threading.Thread(target=self._run, name="instruments")
        # The process ends when the service does, whatever a server far away does.
        thread.daemon = True
        thread.start()
        self._thread = thread

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                opened = instrument_refresh(self._config, self._clock)
                try:
                    while not self._stopping.is_set():
                        self.look(opened.masters)
                        self._stopping.wait(_LOOK_SECONDS)
                finally:
                    opened.close()
            except ConfigError as e:
                self._logger.error(
                    "%s, no lists of instruments are loaded",
                    e.sentence,
                    extra={"event": "instruments_unavailable"},
                )
                return
            except Exception:
                self._logger.exception(
                    "loading the lists of instruments failed, trying again in 60 s",
                    extra={"event": "instruments_unavailable"},
                )
                self._stopping.wait(60.0)

    def look(self, masters: MasterRefresh) -> None:
        """Load what is due, one exchange after the other."""
        for exchange in masters.due():
            if self._stopping.is_set():
                return
            if self._clock.monotonic() < self._retry_at.get(exchange, float("-inf")):
                continue
            began = self._clock.monotonic()
            try:
                state = masters.load(exchange)
            except InstrumentsUnavailable as e:
                state = MasterState(exchange=exchange, problem=e.message)
            self._note(state, self._clock.monotonic() - began)

    def _note(self, state: MasterState, seconds: float) -> None:
        exchange = state.exchange
        if not state.problem:
            self._failures.pop(exchange, None)
            self._retry_at.pop(exchange, None)
            self._reported.pop(exchange, None)
            self._logger.info(
                "list of %s loaded: %d instruments in %.1f s, rows left out: %s",
                exchange,
                state.rows,
                seconds,
                state.skipped or "none",
                extra={"event": "instruments_loaded"},
            )
            return
        failures = self._failures.get(exchange, 0)
        self._failures[exchange] = failures + 1
        wait = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
        if state.is_old:
            # It was used all the same: the next one comes tomorrow, or late.
            wait = OLD_SECONDS
        self._retry_at[exchange] = self._clock.monotonic() + wait
        if self._reported.get(exchange) == state.problem:
            return
        self._reported[exchange] = state.problem
        if state.loaded_at is None:
            self._logger.error(
                "no list of %s: %s; entries there are denied, retrying in %g s",
                exchange,
                state.problem,
                wait,
                extra={"event": "instruments_unavailable"},
            )
        else:
            self._logger.error(
                "no list of %s for today: %s; going on with the %d instruments "
                "loaded at %s, retrying in %g s",
                exchange,
                state.problem,
                state.rows,
                state.loaded_at.isoformat(timespec="seconds"),
                wait,
                extra={"event": "instruments_old"},
            )
