"""Option chains and the scrips that belong to another."""

from __future__ import annotations

from itertools import groupby

from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.quotes import search_row
from shoonya_platform.testing.noren.reading import INVALID, Refusal, symbol_of
from shoonya_platform.testing.noren.scrips import Scrips
from shoonya_platform.testing.noren.words import Row, number


def option_chain(scrips: Scrips, asked: Row) -> list[Row]:
    """
    Return the options around a price: so many strikes on each side of it.

    Raises:
        Refusal: There is no such contract, or a figure cannot be read.
    """
    scrip = scrips.named(asked.get("exch", ""), symbol_of(asked))
    if scrip is None:
        raise Refusal("Invalid Input : Invalid Trading Symbol")
    try:
        middle = number(asked["strprc"])
        count = int(asked["cnt"])
    except (KeyError, ValueError) as e:
        raise Refusal(INVALID) from e
    of = scrip if scrip.is_option else scrips.nearest_expiry(scrip)
    options = [] if of is None else scrips.chain(of)
    strikes = sorted({option.strike for option in options if option.strike is not None})
    below = [strike for strike in strikes if strike <= middle][-max(count, 0) or None :]
    above = [strike for strike in strikes if strike > middle][: max(count, 0)]
    wanted = {*(below if count > 0 else ()), *above}
    found = [search_row(option) for option in options if option.strike in wanted]
    if not found:
        raise Refusal("No Data :  ")
    return found


def linked_scrips(scrips: Scrips, scrip: Scrip) -> dict[str, list[Row]]:
    """Return a share's or an index's futures, the expiries of its options, its twin."""
    root = {"NIFTY INDEX": "NIFTY", "NIFTY BANK": "BANKNIFTY"}.get(
        scrip.tradingsymbol, scrip.root
    )
    exchange = {"NSE": "NFO", "BSE": "BFO"}.get(scrip.exchange, scrip.exchange)
    derived = [each for each in scrips.all(exchange) if each.root == root]
    futures = [search_row(each) for each in derived if each.right == "XX"]
    options = sorted(
        (each for each in derived if each.is_option), key=lambda each: str(each.expiry)
    )
    firsts = [next(group) for _, group in groupby(options, lambda each: each.expiry)]
    other = {"NSE": ("BSE", root), "BSE": ("NSE", f"{root}-EQ")}.get(scrip.exchange)
    twin = None if other is None else scrips.named(*other)
    return {
        "equls": [] if twin is None else [search_row(twin)],
        "fut": futures,
        "opt_exp": [
            {"exd": row["exd"], "exch": row["exch"], "tsym": row["tsym"]}
            for row in map(search_row, firsts)
        ],
    }
