"""A row of the file of instruments, and what it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from shoonya_platform.domain.days import INDIA
from shoonya_platform.domain.instruments import (
    Exchange,
    Instrument,
    Kind,
    Right,
    Source,
)
from shoonya_platform.errors import ShoonyaError

#: The lists are made before half past seven in the morning, in India.
PUBLISHED_AT = time(8, 0)

COLUMNS = (
    "exchange, tradingsymbol, token, lot_size, tick_size, price_factor, kind, "
    "underlying, expiry, strike, right, precision, instrument_type, source"
)
PLACES = ", ".join("?" * len(COLUMNS.split(",")))
SELECT = (
    "SELECT "  # noqa: S608 all of it is ours
    + ", ".join(f"i.{column.strip()}" for column in COLUMNS.split(","))
    + ", s.freeze_quantity, s.precision, s.asked_on, s.name FROM instruments i"
    " LEFT JOIN securities s ON s.exchange = i.exchange AND s.token = i.token "
)


class InstrumentsUnavailable(ShoonyaError):
    """The file is missing, damaged or locked; nothing is known of any instrument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What `GetSecurityInfo` adds to a row of the master."""

    asked_on: date
    #: In units; None if the broker names none.
    freeze_quantity: int | None = None
    precision: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A row of the file."""

    instrument: Instrument
    #: None until the broker was asked.
    security: Security | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterState:
    """How one exchange's list is."""

    exchange: Exchange
    #: When its rows were downloaded; None if there are none.
    loaded_at: datetime | None = None
    made_on: date | None = None  #: as the list itself says
    url: str = ""
    rows: int = 0
    skipped: str = ""  #: `3 tick size damaged`
    expired: int = 0
    tried_at: datetime | None = None
    problem: str = ""  #: why the last download was not used

    @property
    def is_loaded(self) -> bool:
        return self.loaded_at is not None

    @property
    def is_old(self) -> bool:
        """Return whether these very rows have a problem, and not a later download."""
        return bool(self.problem) and self.tried_at == self.loaded_at

    def is_current(self, now: datetime) -> bool:
        """Return whether it is the last list that was published before `now`."""
        return self.loaded_at is not None and self.loaded_at >= published_before(now)


def row_of(instrument: Instrument) -> tuple[object, ...]:
    """Return what is kept of an instrument, by `COLUMNS`."""
    return (
        str(instrument.exchange),
        instrument.tradingsymbol,
        instrument.token,
        instrument.lot_size,
        str(instrument.tick_size),
        str(instrument.price_factor),
        str(instrument.kind),
        instrument.underlying,
        None if instrument.expiry is None else instrument.expiry.isoformat(),
        None if instrument.strike is None else str(instrument.strike),
        None if instrument.right is None else str(instrument.right),
        instrument.precision,
        instrument.instrument_type,
        str(instrument.source),
    )


def listed_of(row: tuple[Any, ...]) -> Listed:
    """
    Return what a row of `SELECT` says.

    Raises:
        ValueError, ArithmeticError: It is damaged.
    """
    security = None
    if row[16] is not None:
        security = Security(
            asked_on=date.fromisoformat(str(row[16])),
            freeze_quantity=_whole(row[14]),
            precision=_whole(row[15]),
            name=str(row[17]),
        )
    return Listed(
        instrument=Instrument(
            exchange=Exchange(row[0]),
            tradingsymbol=str(row[1]),
            token=str(row[2]),
            lot_size=int(str(row[3])),
            tick_size=Decimal(str(row[4])),
            freeze_quantity=None if security is None else security.freeze_quantity,
            price_factor=Decimal(str(row[5])),
            kind=Kind(row[6]),
            underlying=str(row[7]),
            expiry=_day(row[8]),
            strike=None if row[9] is None else Decimal(str(row[9])),
            right=None if row[10] is None else Right(row[10]),
            precision=_whole(row[15 if row[11] is None else 11]),
            instrument_type=str(row[12]),
            source=Source(row[13]),
        ),
        security=security,
    )


def state_of(row: tuple[Any, ...]) -> MasterState:
    """
    Return how a list is.

    Raises:
        ValueError: The row is damaged.
    """
    return MasterState(
        exchange=Exchange(row[0]),
        loaded_at=_moment(row[1]),
        made_on=_day(row[2]),
        url=str(row[3] or ""),
        rows=_whole(row[4]) or 0,
        skipped=str(row[5] or ""),
        expired=_whole(row[6]) or 0,
        tried_at=_moment(row[7]),
        problem=str(row[8] or ""),
    )


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))


def _day(value: object) -> date | None:
    return None if value is None else date.fromisoformat(str(value))


def _moment(value: object) -> datetime | None:
    return None if value is None else datetime.fromisoformat(str(value))


def published_before(moment: datetime) -> datetime:
    """Return when the lists that are current at a moment were published, in UTC."""
    local = moment.astimezone(INDIA)
    at = datetime.combine(local.date(), PUBLISHED_AT, tzinfo=INDIA)
    return (at if at <= local else at - timedelta(days=1)).astimezone(UTC)
