"""
Figures of a few dozen instruments, as the exchanges had them in 2026.

What the packaged masters are made of.  The prices are invented, near those of 2026;
lots, ticks, tokens and factors are the exchanges'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Freeze quantities of indices in units; the masters do not have them.
FREEZE = {
    "NIFTY": 1800,
    "BANKNIFTY": 600,
    "FINNIFTY": 1800,
    "MIDCPNIFTY": 2800,
    "NIFTYNXT50": 600,
    "SENSEX": 1000,
    "BANKEX": 900,
}
#: `Symbol`, `TradingSymbol`, token, price.
INDICES = (
    ("Nifty 50", "NIFTY INDEX", "26000", "25950"),
    ("Nifty Bank", "NIFTY BANK", "26009", "58400"),
    ("INDIAVIX", "INDIA VIX", "26017", "12.35"),
)
#: Symbol, NSE's token and tick, BSE's token and tick, price.
SHARES = (
    ("RELIANCE", "2885", "0.1", "500325", "0.05", "1430"),
    ("SBIN", "3045", "0.1", "500112", "0.05", "810"),
    ("INFY", "1594", "0.1", "500209", "0.05", "1490"),
    ("TCS", "11536", "0.1", "532540", "0.05", "3050"),
    ("M&M", "2031", "0.1", "500520", "0.05", "3450"),
    ("HDFCBANK", "1333", "0.05", "500180", "0.05", "985"),
    ("YESBANK", "11915", "0.01", "532648", "0.01", "22"),
    ("IDEA", "14366", "0.01", "532822", "0.01", "9"),
    ("MRF", "2277", "5", "500290", "0.05", "148000"),
    ("NIFTYBEES", "10576", "0.01", "590103", "0.01", "290"),
)


@dataclass(frozen=True, slots=True)
class Derivative:
    """What all futures and options of one underlying have in common."""

    exchange: str
    #: The name within the trading symbol.
    root: str
    #: `Symbol` of the options' and of the futures' rows.
    symbols: tuple[str, str]
    #: `OPTIDX`, `FUTIDX` …; blank where there are none.
    kinds: tuple[str, str]
    lot: int
    #: The options' and the futures' ticks.
    ticks: tuple[str, str]
    price: str
    #: Between two strikes.
    step: str
    #: "weekly" has a month's weeks too.
    expiries: Literal["weekly", "monthly"] = "monthly"
    factor: str = "1"
    #: The weekday of an expiry, 0 is Monday; or the day of the month on MCX.
    day: int = 1
    strikes: int = 10


def _stock(root: str, lot: int, future_tick: str, price: str, step: str) -> Derivative:
    kinds = ("OPTSTK", "FUTSTK")
    return Derivative(
        "NFO", root, (root, root), kinds, lot, ("0.05", future_tick), price, step
    )


def _index(
    root: str, lot: int, future_tick: str, price: str, step: str, expiries: str
) -> Derivative:
    kinds = ("OPTIDX", "FUTIDX")
    ticks = ("0.05", future_tick)
    return Derivative(
        *("NFO", root, (root, root), kinds, lot, ticks, price, step),
        expiries="weekly" if expiries == "weekly" else "monthly",
        strikes=20,
    )


def _bse(
    root: str, short: str, kind: str, lot: int, price: str, step: str, *, weekly: bool
) -> Derivative:
    symbols = (f"{short}OPT", f"{short}FUT")
    kinds = (f"OPT{kind}", f"FUT{kind}")
    return Derivative(
        *("BFO", root, symbols, kinds, lot, ("0.05", "0.05"), price, step),
        expiries="weekly" if weekly else "monthly",
        day=3,
    )


def _metal(
    root: str, lot: int, factor: str, ticks: tuple[str, str], price: str, day: int
) -> Derivative:
    kinds = ("OPTFUT" if ticks[0] else "", "FUTCOM")
    steps = {"GOLD": "500", "SILVER": "1000", "CRUDEOIL": "50", "ZINC": "2.5"}
    return Derivative(
        *("MCX", root, (root, root), kinds, lot, ticks, price, steps.get(root, "5")),
        factor=factor,
        day=day,
    )


def _currency(root: str, tick: str, price: str, step: str) -> Derivative:
    return Derivative(
        *("CDS", root, (root, root), ("OPTCUR", "FUTCUR"), 1, (tick, tick)),
        *(price, step),
        factor="1000",
        day=1,
    )


DERIVATIVES = (
    _index("NIFTY", 65, "0.1", "25950", "50", "weekly"),
    _index("BANKNIFTY", 30, "0.2", "58400", "100", "monthly"),
    _index("FINNIFTY", 65, "0.1", "27400", "50", "monthly"),
    _index("MIDCPNIFTY", 140, "0.05", "13700", "25", "monthly"),
    _stock("RELIANCE", 500, "0.1", "1430", "10"),
    _stock("SBIN", 750, "0.05", "810", "5"),
    _stock("INFY", 400, "0.1", "1490", "20"),
    _stock("M&M", 200, "0.1", "3450", "50"),
    _stock("YESBANK", 31100, "0.01", "22", "1"),
    _bse("SENSEX", "BSX", "IDX", 20, "84800", "100", weekly=True),
    _bse("BANKEX", "BKX", "IDX", 30, "65900", "100", weekly=False),
    _bse("ETERNAL", "ZOMA", "STK", 2425, "300", "5", weekly=False),
    _metal("GOLD", 1, "100", ("0.5", "1"), "150300", 5),
    _metal("GOLDM", 100, "0.1", ("0.5", "1"), "150100", 5),
    _metal("SILVER", 30, "1", ("0.5", "1"), "265000", 5),
    _metal("CRUDEOIL", 100, "1", ("0.1", "1"), "5470", 19),
    _metal("NATURALGAS", 1250, "1", ("0.05", "0.1"), "305", 26),
    _metal("ALUMINIUM", 5, "1000", ("", "0.05"), "276.35", 28),
    _metal("ZINC", 5, "1000", ("0.01", "0.05"), "302.4", 28),
    _metal("LEAD", 5, "1000", ("", "0.05"), "183.2", 28),
    _metal("COPPER", 2500, "1", ("0.01", "0.05"), "1085.6", 28),
    _metal("COTTONOIL", 5, "100", ("", "0.1"), "1301.2", 28),
    _currency("USDINR", "0.0025", "88.7525", "0.25"),
    _currency("EURINR", "0.0025", "103.105", "0.25"),
    _currency("GBPUSD", "0.0001", "1.3123", "0.005"),
    _currency("USDJPY", "0.01", "154.2", "0.5"),
)
#: The rows of CDS that have no figures.
UNDERLYINGS = (("USDINR", "1"), ("EURINR", "25"), ("GBPINR", "26"))
