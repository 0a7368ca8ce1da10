"""
Reads the symbol masters: one zip for each exchange, published every morning.

Columns are found by their headings, which differ by exchange: NSE and BSE have no
expiry, MCX has `GNGD` and CDS `Multiplier` for the price factor.  Lines end with a
comma, most of them.  A row that cannot be used is counted and left out; it affects
nothing else.
"""

from __future__ import annotations

import csv
import functools
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from shoonya_platform.domain.catalogue import MONTHS
from shoonya_platform.domain.derivatives import bse_periods
from shoonya_platform.domain.instruments import Exchange, Instrument, Kind, Right
from shoonya_platform.domain.instruments import Source as From
from shoonya_platform.errors import ShoonyaError

#: NFO's, the largest, has 6.3 MB.
_MAX_BYTES = 200_000_000
#: Beyond these a figure is damaged; real lots reach 125,000, ticks 0.0001 to 10, and
#: factors 0.1 to 1000.
_MAX_LOT = 10**9
_TICKS = (Decimal("0.000001"), Decimal(10_000))
_FACTORS = (Decimal("0.000001"), Decimal(1_000_000_000))
#: Where the factor is: none of the other exchanges has one.
_FACTOR_HEADINGS = ("GNGD", "Multiplier")
_CASH_EXCHANGES = (Exchange.NSE, Exchange.BSE)
#: An index has no tick; it is quoted with two decimals and never traded.
_INDEX_TICK = Decimal("0.01")
_periods = functools.lru_cache(maxsize=128)(bse_periods)
_DATE = re.compile(r"(\d{1,2})-([A-Z]{3})-(\d{4})", re.ASCII)


class MasterDamaged(ShoonyaError):
    """A downloaded master cannot be used at all."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """What a master held; complete once its rows have been read."""

    #: When the list was made, by the clock of the zip; None if it does not say.
    made_on: date | None = None
    rows: int = 0
    #: By reason.
    skipped: Counter[str] = field(default_factory=Counter)
    dated: int = 0  #: rows with an expiry
    expired: int = 0  #: those of them that are past


def read_master(
    content: bytes, exchange: Exchange, reading: Reading, today: date
) -> Iterator[Instrument]:
    """
    Yield the instruments of a master.

    Args:
        content: The zip.

        reading: Gets the counts while the rows are read.

        today: In India: what is older counts as expired.

    Raises:
        MasterDamaged: It is not such a file, or it ends too early.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            member = archive.infolist()[0]
            if member.file_size > _MAX_BYTES:
                raise MasterDamaged(f"its list would have {member.file_size} bytes")
            reading.made_on = _made_on(member)
            with archive.open(member) as file:
                lines = io.TextIOWrapper(file, encoding="utf-8", errors="replace")
                yield from _instruments(lines, exchange, reading, today)
    except MasterDamaged:
        raise
    # A damaged zip raises nearly anything: zlib.error, EOFError, NotImplementedError.
    except Exception as e:
        raise MasterDamaged(f"{type(e).__name__}, {e}") from e


def _instruments(
    lines: io.TextIOWrapper, exchange: Exchange, reading: Reading, today: date
) -> Iterator[Instrument]:
    table = csv.DictReader(lines)
    missing = {"Token", "TradingSymbol", "LotSize", "TickSize"} - set(
        table.fieldnames or ()
    )
    if missing:
        raise MasterDamaged(f"it has no column {', '.join(sorted(missing))}")
    for row in table:
        reading.rows += 1
        try:
            instrument = _instrument(row, exchange)
        except _Unusable as e:
            reading.skipped[str(e)] += 1
            continue
        if instrument.expiry is not None:
            reading.dated += 1
            reading.expired += instrument.has_expired(today)
        yield instrument


def _made_on(member: zipfile.ZipInfo) -> date | None:
    try:
        made = date(*member.date_time[:3])
    except ValueError:
        return None
    # The zip format begins in 1980: an archiver without a clock writes that.
    return made if made.year > 1980 else None


class _Unusable(Exception):
    """A row that is left out; the message says why."""


def _instrument(row: Mapping[str, str | None], exchange: Exchange) -> Instrument:
    symbol, token = _text(row, "TradingSymbol"), _text(row, "Token")
    if not symbol or not token:
        raise _Unusable("no symbol or token")
    if _text(row, "Exchange") not in ("", exchange):
        raise _Unusable("of another exchange")
    kind = _kind(row, exchange)
    expiry = _expiry(row, kind)
    right, strike = _option(row, kind)
    return Instrument(
        exchange=exchange,
        tradingsymbol=symbol,
        token=token,
        lot_size=_lot_size(row),
        tick_size=_tick_size(row, kind),
        price_factor=_price_factor(row),
        kind=kind,
        underlying=_underlying(row, exchange, symbol, expiry),
        expiry=expiry,
        strike=strike,
        right=right,
        precision=_precision(row),
        instrument_type=_text(row, "Instrument"),
        source=From.MASTER,
    )


def _text(row: Mapping[str, str | None], heading: str) -> str:
    return (row.get(heading) or "").strip()


def _kind(row: Mapping[str, str | None], exchange: Exchange) -> Kind:
    word = _text(row, "Instrument")
    if word == "INDEX" or word.startswith("UND"):
        return Kind.INDEX
    if exchange in _CASH_EXCHANGES:
        return Kind.CASH
    if word.startswith("FUT"):
        return Kind.FUTURE
    if word.startswith("OPT"):
        return Kind.OPTION
    raise _Unusable("instrument type unknown")


def _lot_size(row: Mapping[str, str | None]) -> int:
    text = _text(row, "LotSize")
    # `int` takes "1_0" and digits of other scripts too.
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= _MAX_LOT):
        raise _Unusable("lot size damaged")
    return int(text)


def _tick_size(row: Mapping[str, str | None], kind: Kind) -> Decimal:
    tick_size = _decimal(row, "TickSize")
    if kind is Kind.INDEX and not tick_size:
        return _INDEX_TICK
    if not tick_size or not _TICKS[0] <= tick_size <= _TICKS[1]:
        raise _Unusable("tick size damaged")
    return tick_size


def _price_factor(row: Mapping[str, str | None]) -> Decimal:
    heading = next((each for each in _FACTOR_HEADINGS if each in row), None)
    if heading is None:
        return Decimal(1)
    factor = _decimal(row, heading)
    # Rupees follow from it: a guess could be wrong by 1000.
    if factor is None or not _FACTORS[0] <= factor <= _FACTORS[1]:
        raise _Unusable("price factor damaged")
    return factor


def _expiry(row: Mapping[str, str | None], kind: Kind) -> date | None:
    if kind not in (Kind.FUTURE, Kind.OPTION):
        return None
    expiry = _date(_text(row, "Expiry"))
    if expiry is None:
        raise _Unusable("expiry damaged")
    return expiry


@functools.lru_cache(maxsize=128)
def _date(text: str) -> date | None:
    """Return the date of `24-SEP-2026`, whatever the machine's language is."""
    match = _DATE.fullmatch(text.upper())
    try:
        return match and date(int(match[3]), MONTHS.index(match[2]) + 1, int(match[1]))
    except ValueError:
        return None


def _option(
    row: Mapping[str, str | None], kind: Kind
) -> tuple[Right | None, Decimal | None]:
    # A future has a strike of 0, -0.01 or -1e-07, by exchange.
    if kind is not Kind.OPTION:
        return None, None
    word = _text(row, "OptionType")
    strike = _decimal(row, "StrikePrice")
    if word not in list(Right) or strike is None or strike <= 0:
        raise _Unusable("strike or right damaged")
    return Right(word), strike


def _precision(row: Mapping[str, str | None]) -> int | None:
    text = _text(row, "Precision")
    return int(text) if len(text) == 1 and text in "0123456789" else None


def _decimal(row: Mapping[str, str | None], heading: str) -> Decimal | None:
    try:
        value = Decimal(_text(row, heading))
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _underlying(
    row: Mapping[str, str | None],
    exchange: Exchange,
    tradingsymbol: str,
    expiry: date | None,
) -> str:
    symbol = _text(row, "Symbol")
    if exchange is not Exchange.BFO or expiry is None:
        return symbol
    # BSE's `Symbol` is a code of its own: ZOMAOPT for ETERNAL, BSXFUT for SENSEX.
    strike = _text(row, "StrikePrice") + _text(row, "OptionType")
    for period in _periods(expiry):
        for ending in (period + strike, f"{period}FUT"):
            if tradingsymbol.endswith(ending):
                return tradingsymbol[: -len(ending)] or symbol
    return symbol
