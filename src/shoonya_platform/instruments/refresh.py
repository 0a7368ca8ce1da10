"""
Loads the masters once a trading day, each exchange by itself.

A list that cannot be had, cannot be read, is older than the last trading day or lacks
most of its rows changes nothing: the rows at hand stay in use, the reason is kept
beside them, and the next try follows.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from shoonya_platform.clock import Clock
from shoonya_platform.domain.calendar import MarketCalendar
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.instruments.file import InstrumentsUnavailable
from shoonya_platform.instruments.masters import MasterDamaged, Reading, read_master
from shoonya_platform.instruments.rows import MasterState
from shoonya_platform.instruments.writer import InstrumentWriter

#: Waited after a download that was not used, and after each that follows.
RETRY_SECONDS = (60.0, 120.0, 300.0, 600.0)
#: A list made so long before its download is old: no holidays last longer.
_MAX_AGE = timedelta(days=5)
#: Of the rows that have an expiry, how many a list of the day may have behind it: none,
#: but for damaged rows.
_EXPIRED_SHARE = 0.001
#: A list with fewer of the rows than the one before is only a part of one, unless both
#: are small.  After a month's last expiry about six tenths are left.
_LEFT_SHARE = 0.25
_FEW_ROWS = 1000


class MasterRefresh:
    """
    Brings the file up to date.

    Args:
        base_url: Where the lists are; `NSE_symbols.txt.zip` is added.

        calendar: Knows the last trading day.

        download: Returns a file's content, or raises `BrokerUnavailable`.
    """

    def __init__(
        self,
        file: InstrumentWriter,
        base_url: str,
        calendar: MarketCalendar,
        clock: Clock,
        *,
        download: Callable[[str], bytes],
    ) -> None:
        self._file = file
        self._base_url = base_url
        self._calendar = calendar
        self._clock = clock
        self._download = download

    def due(self) -> list[Exchange]:
        """Return the exchanges that have no list of today, or an old one."""
        try:
            states = self._file.states()
        except InstrumentsUnavailable:
            return list(Exchange)
        now = self._clock.now()
        return [
            state.exchange
            for state in states
            if state.is_old or not state.is_current(now) or state.url != self._base_url
        ]

    def load(self, exchange: Exchange, *, only_if_due: bool = True) -> MasterState:
        """
        Download and keep an exchange's list.

        Returns:
            How the list is now; its `problem` says why the new one was not used.

        Raises:
            InstrumentsUnavailable: The file cannot be written.
        """
        with _alone(self._file.path):
            self._file.create()
            if only_if_due and exchange not in self.due():
                # Another process was faster.
                return self._state(exchange)
            try:
                return self._load(exchange)
            except (BrokerUnavailable, MasterDamaged, _Unusable) as e:
                problem = e.message if not isinstance(e, _Unusable) else str(e)
                self._file.note_problem(exchange, self._clock.now(), problem)
                return self._state(exchange)

    def _load(self, exchange: Exchange) -> MasterState:
        content = self._download(f"{self._base_url}{exchange}_symbols.txt.zip")
        now = self._clock.now()
        last_open = self._last_open(exchange, trading_day(now))
        reading = Reading()
        held = self._state(exchange)

        def accept(new: int, old: int, doubled: int) -> MasterState:
            if doubled:
                reading.skipped["symbol not unique"] += doubled
            if not new:
                raise _Unusable("no row of the list can be used")
            is_other = held.url not in ("", self._base_url)
            if not is_other and old > _FEW_ROWS and new < old * _LEFT_SHARE:
                raise _Unusable(f"the list has {new} rows only, {old} before")
            problem = _age_problem(reading, last_open)
            # An old list is better than none, and worse than one of yesterday.
            if problem and old and not is_other and held.expired <= reading.expired:
                raise _Unusable(problem)
            return MasterState(
                exchange=exchange,
                loaded_at=now,
                made_on=reading.made_on,
                url=self._base_url,
                rows=new,
                skipped=", ".join(
                    f"{count} {why}" for why, count in reading.skipped.most_common()
                ),
                expired=reading.expired,
                tried_at=now,
                problem=problem,
            )

        return self._file.replace(
            exchange, read_master(content, exchange, reading, last_open), accept=accept
        )

    def _state(self, exchange: Exchange) -> MasterState:
        states = {state.exchange: state for state in self._file.states()}
        return states[exchange]

    def _last_open(self, exchange: Exchange, day: date) -> date:
        """Return the last trading day up to a day: lists are made for those."""
        for back in range(_MAX_AGE.days + 1):
            earlier = day - timedelta(days=back)
            if self._calendar.window(exchange, earlier) is not None:
                return earlier
        return day


class _Unusable(Exception):
    """A list that was read, and is not used; the message says why."""


def _age_problem(reading: Reading, last_open: date) -> str:
    made_on = reading.made_on
    if made_on is not None and last_open - made_on > _MAX_AGE:
        return f"the list is old: it was made on {made_on}"
    if reading.expired > max(_EXPIRED_SHARE * reading.dated, 1):
        return (
            f"the list is old: {reading.expired} of its {reading.rows} rows "
            f"expired before {last_open}"
        )
    return ""


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process at a time load."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
