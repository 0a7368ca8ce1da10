"""Holdings that an exit may have meant, though it names them otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.positions import Position

#: How alike two symbols have to be, from 0 to 1, where one of them does not exist.
_ALIKE = 0.75
#: What TradingView leaves out of a cash symbol.
_SERIES = ("EQ", "BE")


def similar_holdings(
    positions: Iterable[Position],
    strategy: str,
    exchange: Exchange,
    tradingsymbol: str,
    *,
    exists: bool,
) -> list[Position]:
    """
    Return what is held under nearly the same name.

    That is the same strategy in other letters, the same symbol on another exchange or
    in another spelling; not what another strategy holds, nor another strike.

    Args:
        exists: Whether there is such an instrument: then no other one is meant.
    """
    wanted = (strategy, exchange, tradingsymbol)
    return [
        position
        for position in positions
        if position.quantity
        and (position.strategy, position.exchange, position.tradingsymbol) != wanted
        and _folded(position.strategy) == _folded(strategy)
        and _is_alike(position.tradingsymbol, tradingsymbol, exists=exists)
    ]


def _is_alike(held: str, named: str, *, exists: bool) -> bool:
    ours, theirs = _plain(held), _plain(named)
    if ours == theirs:
        return True
    return not exists and SequenceMatcher(None, ours, theirs).ratio() >= _ALIKE


def _folded(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _plain(tradingsymbol: str) -> str:
    symbol, _, series = tradingsymbol.upper().rpartition("-")
    if series not in _SERIES or not symbol:
        symbol = tradingsymbol.upper()
    return "".join(filter(str.isalnum, symbol))
