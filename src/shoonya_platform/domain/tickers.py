"""
TradingView's names of instruments, taken apart.

TradingView names a share by its name alone, with `_` for `&` and `-` (`M_M`), the nth
future of an underlying as `NIFTY1!`, a future of one month as `NIFTYZ2026`, and an
option as `NIFTY261229C26000`.  Delayed data comes from `NSE_DLY`.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shoonya_platform.domain.instruments import Kind, Right

#: What TradingView adds to the name of an exchange whose data is delayed.
DELAYED = "_DLY"
#: BSE's product codes, by which TradingView lists the derivatives of its indices:
#: the column `Symbol` of BFO's list.
_PRODUCT_CODES = {"BSX": "SENSEX", "BKX": "BANKEX", "SX50": "SENSEX50"}
_MONTH_CODES = "FGHJKMNQUVXZ"

_CONTINUOUS = re.compile(r"([A-Z0-9&_-]+?)([1-9])!")
_MONTH = re.compile(rf"([A-Z0-9&_-]*[A-Z0-9])([{_MONTH_CODES}])(20\d\d)")
_OPTION = re.compile(
    r"([A-Z0-9&_-]*?[A-Z&_-]\d*?)(\d\d)(\d\d)(\d\d)([CP])(\d+(?:\.\d+)?)"
)
#: More signs than any name has, and 3 to the power of them are looked up.
_MOST_SIGNS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """What TradingView's ticker asks for."""

    root: str
    kind: Kind
    #: Of a continuous future: 1 is the front one.
    number: int | None = None
    #: Of a future of one month: year and month.
    month: tuple[int, int] | None = None
    expiry: date | None = None  #: of an option; None if there is no such day
    strike: Decimal | None = None
    right: Right | None = None


def _root(text: str) -> str:
    return _PRODUCT_CODES.get(text, text)


def read_ticker(text: str) -> Ticker:
    """Take a ticker apart; what has no other form is a share's name."""
    if found := _CONTINUOUS.fullmatch(text):
        root, number = found.groups()
        return Ticker(root=_root(root), kind=Kind.FUTURE, number=int(number))
    if found := _OPTION.fullmatch(text):
        root, year, month, day, right, strike = found.groups()
        try:
            expiry = date(2000 + int(year), int(month), int(day))
        except ValueError:
            return Ticker(root=_root(root), kind=Kind.OPTION)
        return Ticker(
            root=_root(root),
            kind=Kind.OPTION,
            expiry=expiry,
            strike=Decimal(strike),
            right=Right(f"{right}E"),
        )
    if found := _MONTH.fullmatch(text):
        root, code, year = found.groups()
        named = (int(year), _MONTH_CODES.index(code) + 1)
        return Ticker(root=_root(root), kind=Kind.FUTURE, month=named)
    return Ticker(root=text, kind=Kind.CASH)


def spellings(root: str) -> list[str]:
    """Return what a root may be in the broker's lists, `M&M` and `M-M` for `M_M`."""
    many = root.count("_")
    if not 0 < many <= _MOST_SIGNS:
        return [root]
    pattern = root.replace("_", "{}")
    return [pattern.format(*signs) for signs in itertools.product("&-_", repeat=many)]


def tradingview_root(root: str) -> str:
    """Return how TradingView writes the name of a share or of an underlying."""
    return re.sub("[&-]", "_", root)
