"""
What the broker says of an instrument: the list of the day, and `GetSecurityInfo`.

The list has no freeze quantity, so each instrument that is traded is asked for once a
day, and the answer is kept in the file that all processes read.  What was listed after
the list was made is found by a search and kept there as well.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

from shoonya_platform.brokers import shoonya_words as words
from shoonya_platform.brokers.shoonya_words import Row, Unreadable
from shoonya_platform.clock import Clock
from shoonya_platform.domain.catalogue import parse_symbol
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange, Instrument, Source
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.instruments.file import InstrumentsUnavailable
from shoonya_platform.instruments.rows import Listed, Security
from shoonya_platform.instruments.writer import InstrumentWriter

#: After a failed question the figures at hand serve this long.
RETRY_SECONDS = 60.0
#: Exchanges on which one unit gains another amount than the price.
_WITH_FACTOR = (Exchange.MCX, Exchange.CDS)
#: `prcftr_d`: "(1 / 1 ) * (100 / 1)".
_FACTOR = re.compile(
    r"\(\s*([\d.]+)\s*/\s*([\d.]+)\s*\)\s*\*\s*\(\s*([\d.]+)\s*/\s*([\d.]+)\s*\)"
)


class ShoonyaInstruments:
    """
    Finds instruments, asking the broker for what the list lacks.

    Args:
        search: Returns the token of a symbol, None if the broker knows none.

        ask: Returns `GetSecurityInfo`'s answer for a token, empty if it has none.
    """

    def __init__(
        self,
        file: InstrumentWriter,
        clock: Clock,
        *,
        search: Callable[[Exchange, str], str | None],
        ask: Callable[[Exchange, str], Row],
    ) -> None:
        self._file = file
        self._clock = clock
        self._search = search
        self._ask = ask
        #: What was asked here: the file may be locked or on a full disk.
        self._securities: dict[tuple[Exchange, str], Security] = {}
        self._failed_at: dict[tuple[Exchange, str], float] = {}
        #: Of today, and in no list, by symbol.
        self._found: dict[tuple[Exchange, str], tuple[date, Instrument]] = {}

    def token(self, exchange: Exchange, tradingsymbol: str) -> str | None:
        """Return the broker's number for a symbol, None if it knows none."""
        listed = self._listed(exchange, tradingsymbol)
        if listed is not None:
            return listed.instrument.token
        # Listed since this morning, or there is no list at all.
        return self._search(exchange, tradingsymbol)

    def find(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        """
        Return an instrument with its freeze quantity, None if there is none.

        Raises:
            BrokerUnavailable: It is in no list, and the broker cannot be asked.
        """
        listed = self._listed(exchange, tradingsymbol)
        if listed is None:
            return self._unlisted(exchange, tradingsymbol)
        security = self._security(listed)
        if security is None:
            return listed.instrument
        return replace(
            listed.instrument,
            freeze_quantity=security.freeze_quantity,
            precision=listed.instrument.precision or security.precision,
        )

    def close(self) -> None:
        self._file.close()

    def _listed(self, exchange: Exchange, tradingsymbol: str) -> Listed | None:
        try:
            return self._file.find(exchange, tradingsymbol)
        except InstrumentsUnavailable:
            return None

    def _security(self, listed: Listed) -> Security | None:
        """Return today's answer; an older one, or none, where it cannot be had."""
        key = (listed.instrument.exchange, listed.instrument.token)
        known = self._securities.get(key) or listed.security
        now = self._clock.monotonic()
        if (known is not None and known.asked_on == self._today()) or (
            now - self._failed_at.get(key, float("-inf")) < RETRY_SECONDS
        ):
            return known
        try:
            row = self._ask(*key)
            found = self._security_of(row)
        except (BrokerUnavailable, Unreadable):
            self._failed_at[key] = self._clock.monotonic()
            return known
        self._securities[key] = found
        with contextlib.suppress(InstrumentsUnavailable):
            self._file.note_security(*key, found)
        return found

    def _unlisted(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        key = (exchange, tradingsymbol)
        day, known = self._found.get(key, (None, None))
        if known is not None and day == self._today():
            return known
        token = self._search(exchange, tradingsymbol)
        if token is None:
            return None
        try:
            row = self._ask(exchange, token)
            if not row:
                return None
            security = self._security_of(row)
            found = self._instrument_of(exchange, tradingsymbol, token, row)
        except Unreadable as e:
            raise BrokerUnavailable(
                f"the broker's answer to GetSecurityInfo cannot be read: {e}"
            ) from e
        # Without a list the guard denies entries, whatever is known of one symbol.
        with contextlib.suppress(InstrumentsUnavailable):
            if self._file.has_list(exchange):
                self._file.add(found)
                self._file.note_security(exchange, token, security)
        found = replace(
            found,
            freeze_quantity=security.freeze_quantity,
            precision=security.precision,
        )
        self._found[key] = (self._today(), found)
        return found

    def _security_of(self, row: Row) -> Security:
        """
        Raises:
            Unreadable: A figure is damaged.
        """
        return Security(
            asked_on=self._today(),
            freeze_quantity=words.whole_of(row, "frzqty") or None,
            precision=words.whole_of(row, "pp") or None,
            name=words.text_of(row, "cname"),
        )

    def _instrument_of(
        self, exchange: Exchange, tradingsymbol: str, token: str, row: Row
    ) -> Instrument:
        """
        Raises:
            Unreadable: A figure is missing or damaged.
        """
        symbol = parse_symbol(exchange, tradingsymbol)
        lot_size, tick_size = words.whole_of(row, "ls"), words.price_of(row, "ti")
        if symbol is None or lot_size < 1 or tick_size is None or tick_size <= 0:
            raise Unreadable("lot or tick is missing")
        return Instrument(
            exchange=exchange,
            tradingsymbol=tradingsymbol,
            token=token,
            lot_size=lot_size,
            tick_size=tick_size,
            price_factor=self._price_factor(exchange, symbol.root, row),
            kind=symbol.kind,
            underlying=symbol.root,
            expiry=symbol.expiry,
            strike=symbol.strike,
            right=symbol.right,
            instrument_type=words.text_of(row, "instname"),
            source=Source.SECURITY_INFO,
        )

    def _price_factor(self, exchange: Exchange, underlying: str, row: Row) -> Decimal:
        if exchange not in _WITH_FACTOR:
            return Decimal(1)
        with contextlib.suppress(InstrumentsUnavailable):
            # The list's own figure for the same commodity or pair.
            factor = self._file.price_factor(exchange, underlying)
            if factor is not None:
                return factor
        factor = _factor_of(words.text_of(row, "prcftr_d"))
        if factor is None:
            raise Unreadable("the price factor is missing")
        return factor

    def _today(self) -> date:
        return trading_day(self._clock.now())


def _factor_of(text: str) -> Decimal | None:
    match = _FACTOR.fullmatch(text.strip())
    if match is None:
        return None
    try:
        a, b, c, d = (Decimal(part) for part in match.groups())
        factor = a / b * c / d
    except ArithmeticError:
        return None
    return factor if factor > 0 else None
