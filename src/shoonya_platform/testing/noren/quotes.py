"""GetQuotes, GetSecurityInfo and the fields of the price feed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from shoonya_platform.testing.noren.books import factor_text, price_text
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.prices import Prices
from shoonya_platform.testing.noren.rules import freeze_quantity
from shoonya_platform.testing.noren.words import INDIA, Row, plain

_SEGMENTS = {"NSE": "EQT", "BSE": "EQT", "NFO": "DER", "BFO": "DER"}
_LEVELS = 5
#: Invented: how much rests at each level of the book, in lots.
_LOTS_A_LEVEL = 20
_TRADED_LOTS = 12_500
_MARGINS = (
    *("elmbmrg", "elmsmrg", "addbmrg", "addsmrg", "splbmrg", "splsmrg"),
    *("delmrg", "tenmrg", "elmmrg", "varmrg", "expmrg"),
)


def quote(scrip: Scrip, prices: Prices, now: datetime) -> Row:
    """Return GetQuotes' fields."""
    row = {
        "exch": scrip.exchange,
        "tsym": scrip.tradingsymbol,
        **_names(scrip),
        **_figures(scrip),
        **prices_of(scrip, prices, now),
        "token": scrip.token,
        "prcftr_d": factor_text(scrip),
        "und_exch": "NSE" if scrip.exchange == "NFO" else scrip.exchange,
        "cutof_all": "false",
        "lut": str(int(now.timestamp())),
    }
    return row | depth_of(scrip, prices)


def security_info(scrip: Scrip) -> Row:
    """Return GetSecurityInfo's fields."""
    row = {
        "exch": scrip.exchange,
        "tsym": scrip.tradingsymbol,
        **_names(scrip),
        **_figures(scrip),
        "gp_nd": plain(scrip.factor),
        "prcunt": "",
        "prcqqty": "1",
        "trdunt": "",
        "delunt": scrip.symbol,
        "frzqty": str(freeze_quantity(scrip) or 0),
        "gsmind": "",
        "token": scrip.token,
        "prcftr_d": factor_text(scrip),
        "issue_d": "",
        "listing_d": "",
        "last_trd_d": "" if scrip.expiry is None else f"{scrip.expiry:%d-%m-%Y}",
    }
    row |= dict.fromkeys(_MARGINS, "0.00")
    row |= dict.fromkeys(("tenstrd", "tenendd", "exestrd", "exeendd"), "")
    return row


def search_row(scrip: Scrip) -> Row:
    """Return a row of SearchScrip and of GetOptionChain."""
    row = {
        "exch": scrip.exchange,
        "token": scrip.token,
        "tsym": scrip.tradingsymbol,
        "instname": scrip.instrument,
        "symname": scrip.symbol,
        "pp": str(scrip.precision),
        "ti": price_text(scrip, scrip.tick_size),
        "ls": str(scrip.lot_size),
    }
    if scrip.expiry is not None:
        row["exd"] = f"{scrip.expiry:%d-%b-%Y}".upper()
        row["dname"] = f"{scrip.root} {scrip.expiry:%d%b} {scrip.right}".upper()
    if scrip.strike is not None:
        row |= {"optt": scrip.right, "strprc": price_text(scrip, scrip.strike)}
    return row


def prices_of(scrip: Scrip, prices: Prices, now: datetime) -> Row:
    """Return the fields of a touchline that tell prices and quantities."""
    last, close = prices.last(scrip), prices.close(scrip)
    high, low = max(last, close), min(last, close)
    row = {
        "lp": price_text(scrip, last),
        "c": price_text(scrip, close),
        "o": price_text(scrip, close),
        "h": price_text(scrip, high),
        "l": price_text(scrip, low),
        "ap": price_text(scrip, (high + low) / 2),
        "v": str(_TRADED_LOTS * scrip.lot_size),
        "ltq": str(scrip.lot_size),
        "ltt": f"{now.astimezone(INDIA):%H:%M:%S}",
        "ltd": f"{now.astimezone(INDIA):%d-%m-%Y}",
        "wk52_h": price_text(scrip, high * 2),
        "wk52_l": price_text(scrip, low / 2),
    }
    if scrip.is_derivative:
        row |= {"oi": str(2 * _TRADED_LOTS * scrip.lot_size), "poi": "0", "toi": "0"}
    lower, upper = prices.band(scrip) if scrip.is_traded else (None, None)
    if lower is not None:
        row["lc"] = price_text(scrip, lower)
    if upper is not None:
        row["uc"] = price_text(scrip, upper)
    return row


def depth_of(scrip: Scrip, prices: Prices) -> Row:
    """Return five levels of bids and offers around the last price."""
    row: Row = {}
    last = prices.last(scrip)
    lots = _LOTS_A_LEVEL if scrip.is_traded else 0
    for level in range(1, _LEVELS + 1):
        bid = last - scrip.tick_size * level
        offer = last + scrip.tick_size * level
        for side, price in (("b", bid), ("s", offer)):
            there = lots and price > 0
            row[f"{side}p{level}"] = price_text(scrip, price if there else Decimal(0))
            row[f"{side}q{level}"] = str(lots * level * scrip.lot_size if there else 0)
            row[f"{side}o{level}"] = str(2 * level if there else 0)
    total = sum(int(row[f"bq{level}"]) for level in range(1, _LEVELS + 1))
    return row | {"tbq": str(total), "tsq": str(total)}


def touchline(scrip: Scrip, prices: Prices, now: datetime) -> Row:
    """Return what a touchline subscription gets at first, without its type."""
    wanted = ("lp", "c", "o", "h", "l", "ap", "v", "oi", "poi", "toi")
    row = prices_of(scrip, prices, now)
    depth = depth_of(scrip, prices)
    first = ("bp1", "bq1", "sp1", "sq1")
    return {
        **_feed_names(scrip),
        **{name: row[name] for name in wanted if name in row},
        "pc": percent(scrip, prices),
        **{name: depth[name] for name in first},
        "ft": str(int(now.timestamp())),
    }


def depth(scrip: Scrip, prices: Prices, now: datetime) -> Row:
    """Return what a depth subscription gets at first, without its type."""
    row = prices_of(scrip, prices, now)
    row |= {"52h": row.pop("wk52_h"), "52l": row.pop("wk52_l")}
    row.pop("ltd")
    return {
        **_feed_names(scrip),
        **row,
        "pc": percent(scrip, prices),
        **depth_of(scrip, prices),
        "ft": str(int(now.timestamp())),
    }


def percent(scrip: Scrip, prices: Prices) -> str:
    close = prices.close(scrip)
    return f"{(prices.last(scrip) / close - 1) * 100:.2f}"


def _feed_names(scrip: Scrip) -> Row:
    return {
        "e": scrip.exchange,
        "tk": scrip.token,
        "ts": scrip.tradingsymbol,
        "pp": str(scrip.precision),
        "ti": price_text(scrip, scrip.tick_size),
        "ls": str(scrip.lot_size),
    }


def _names(scrip: Scrip) -> Row:
    row = {
        "cname": scrip.tradingsymbol if scrip.is_derivative else scrip.symbol,
        "symname": scrip.symbol,
        "seg": _SEGMENTS.get(scrip.exchange, scrip.exchange),
        "instname": scrip.instrument,
        "isin": "",
    }
    if scrip.expiry is not None:
        row["exd"] = f"{scrip.expiry:%d-%b-%Y}".upper()
        row["optt"] = scrip.right
    if scrip.strike is not None:
        row["strprc"] = price_text(scrip, scrip.strike)
    return row


def _figures(scrip: Scrip) -> Row:
    return {
        "pp": str(scrip.precision),
        "ls": str(scrip.lot_size),
        "ti": price_text(scrip, scrip.tick_size),
        "mult": "1",
    }
