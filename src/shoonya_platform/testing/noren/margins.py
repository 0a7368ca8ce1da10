"""Limits, order and basket margins, and SPAN; the shares are invented ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from shoonya_platform.testing.noren.account import Account
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.reading import (
    INVALID,
    Refusal,
    new_order,
    symbol_of,
)
from shoonya_platform.testing.noren.words import Row, money, number

_ZERO = Decimal(0)
#: What this account has nothing of.
_NOTHING = (
    *("payin", "payout", "brkcollamt", "unclearedcash", "daycash", "mtomcurper"),
    *("cbu", "csc", "marprt", "span", "expo", "premium", "varelm", "grexpo"),
    *("greexpo_d", "scripbskmar", "addscripbskmrg", "brokerage", "collateral"),
    *("grcoll", "turnover"),
)
#: Of a short option's or a future's value.
_SPAN, _EXPOSURE = Decimal("0.12"), Decimal("0.03")


def limits(account: Account, asked: Row) -> Row:
    """Return Limits' fields."""
    market = account.market
    positions = account.positions()
    unrealised = sum((Decimal(row["urmtom"]) for row in positions), _ZERO)
    pending = sum((order.blocked for order in market.working()), _ZERO)
    row = {
        "actid": account.user_id,
        "prfname": "SIMULATED",
        **dict.fromkeys(_NOTHING, "0.00"),
        "cash": money(market.cash),
        "marginused": money(market.margin_used),
        "rpnl": money(market.realised),
        "urmtom": money(unrealised),
        "unmtom": money(unrealised),
        "turnoverlmt": "50000000000.00",
        "pendordvallmt": "20000000000.00",
        "pendordval": money(pending),
        "peak_mar": money(market.margin_used),
    }
    # What was asked for is said again.
    return row | {name: asked[name] for name in ("prd", "seg", "exch") if name in asked}


def order_margin(account: Account, asked: Row, now: datetime) -> Row:
    """
    Return GetOrderMargin's fields.

    Raises:
        Refusal: The order cannot be read.
    """
    market = account.market
    needed = _needed(account, asked, now)
    used = market.margin_used
    after = used + needed
    return {
        "cash": money(market.cash),
        # What is missing, as one published answer has it, if anything is.
        "marginused": money(after - market.cash if after > market.cash else after),
        "marginusedprev": money(used),
        "ordermargin": money(needed),
        "remarks": _remarks(needed, market.cash - used),
    }


def basket_margin(account: Account, asked: Mapping[str, Any], now: datetime) -> Row:
    """
    Return GetBasketMargin's fields: each order alone, and all once they have traded.

    Raises:
        Refusal: One of the orders cannot be read.
    """
    market = account.market
    others = asked.get("basketlists") or []
    if not isinstance(others, Sequence) or isinstance(others, str):
        raise Refusal(INVALID)
    legs = [asked, *others]
    if not all(isinstance(leg, Mapping) for leg in legs):
        raise Refusal(INVALID)
    alone = [_needed(account, {**_WHOLE, **leg}, now) for leg in legs]
    bought, sold = _ZERO, _ZERO
    for leg, needed in zip(legs, alone, strict=True):
        if leg.get("trantype") == "B":
            bought += needed
        else:
            sold += needed
    used = market.margin_used
    # A bought leg covers the sold one beside it up to its own value.
    after = bought + max(_ZERO, sold - bought)
    return {
        "marginused": money(used + sum(alone, _ZERO)),
        "marginusedtrade": money(used + after),
        "marginusedprev": money(used),
        "remarks": _remarks(after, market.cash - used),
    }


#: A leg of a basket has none of these.
_WHOLE = {"ret": "DAY", "prctyp": "LMT"}


def span(account: Account, asked: Mapping[str, Any]) -> Row:
    """
    Return SpanCalc's fields for the positions that were asked about.

    Raises:
        Refusal: They cannot be read.
    """
    held = asked.get("pos")
    if not isinstance(held, list):
        raise Refusal(INVALID)
    total_span = total_exposure = _ZERO
    for each in held:
        try:
            exchange, net = str(each["exch"]), int(float(each.get("netqty") or 0))
            root = str(each.get("symname", ""))
            strike = number(str(each.get("strprc") or 0))
        except (AttributeError, KeyError, TypeError, ValueError) as e:
            raise Refusal(INVALID) from e
        scrip = _position_scrip(account, exchange, root, strike, str(each.get("optt")))
        if scrip is None:
            raise Refusal('Error Occurred : 5 "no data"')
        spot = scrip.strike or account.market.prices.last(scrip)
        value = abs(net) * spot * scrip.factor
        if net < 0 or not scrip.is_option:
            total_span += value * _SPAN
            total_exposure += value * _EXPOSURE
    return {
        "span": money(total_span),
        "expo": money(total_exposure),
        "span_trade": money(total_span),
        "expo_trade": money(total_exposure),
    }


def _position_scrip(
    account: Account, exchange: str, root: str, strike: Decimal, right: str
) -> Scrip | None:
    for scrip in account.scrips.all(exchange):
        if root in (scrip.root, scrip.symbol) and scrip.is_traded:
            wanted = scrip.strike == strike and scrip.right == right
            if wanted or (scrip.right == "XX" and right in ("XX", "", "None")):
                return scrip
    return None


def _needed(account: Account, asked: Mapping[str, Any], now: datetime) -> Decimal:
    fields = {
        name: value
        for name, value in {**_WHOLE, **asked}.items()
        if isinstance(value, str)
    }
    scrip = account.scrips.named(fields.get("exch", ""), symbol_of(fields))
    if scrip is None or not scrip.is_traded:
        raise Refusal("Invalid Input : Invalid Trading Symbol")
    try:
        order = new_order(fields, scrip, 0, now)
    except KeyError as e:
        raise Refusal(f"Invalid Input : Missing {e.args[0]}.") from e
    return account.market.margin_needed(order, scrip)


def _remarks(needed: Decimal, available: Decimal) -> str:
    return "Insufficient Balance" if needed > available else ""
