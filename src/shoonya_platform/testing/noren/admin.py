"""
`/_simulator/…`: what a test or an operator orders from outside.

    POST   faults   {"kind", "count", "seconds", "on", "share", "words"}
    DELETE faults   clears all
    POST   price    {"exchange", "tradingsymbol", "price"}
    POST   rules    {"market_orders", "is_open", "session_hours", "expiry", "band",
                     "orders_per_second", "cash_products", "derivative_products"}
    POST   fills    {"quantity"}: at most this much of an order in one step
    POST   expire   {"at": "HH:MM[:SS]"} ends the session at the next such time in
                    India, {} at once
    POST   arrive   lets all that a late_arrival holds arrive now
    GET    state    faults, log-ins, how often each route was asked, open feeds, and
                    how many requests are yet to arrive
    GET    orders, trades, positions: the books, without a session
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from datetime import time, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from shoonya_platform.errors import NotAllowed
from shoonya_platform.testing.noren.account import AccountRules
from shoonya_platform.testing.noren.feed import tell_price
from shoonya_platform.testing.noren.words import india_day, india_moment

if TYPE_CHECKING:
    from shoonya_platform.testing.noren.app import NorenApp


def administer(app: NorenApp, method: str, parts: list[str], body: str) -> Response:
    what = "/".join(parts)
    try:
        asked = json.loads(body) if body else {}
        if method == "GET":
            return JSONResponse(_look(app, what))
        if (method, what) == ("DELETE", "faults"):
            clear_faults(app)
        elif method == "POST":
            _order(app, what, asked)
        else:
            raise NotAllowed(f"no '{method}' of '{what}'")
    except (
        KeyError,
        TypeError,
        ValueError,
        InvalidOperation,
        NotAllowed,
    ) as e:
        return JSONResponse({"error": f"{type(e).__name__}: {e}"}, 400)
    return JSONResponse({"done": True})


def clear_faults(app: NorenApp) -> None:
    app.faults.clear()
    app.account.release()


def expire_session(app: NorenApp) -> None:
    app.expire_session()


def expire_session_at(app: NorenApp, at: time) -> None:
    """End the session when it is next this time in India."""
    now = app.clock.now()
    moment = india_moment(india_day(now), at)
    app.access.ends_at = moment if moment > now else moment + timedelta(days=1)


def set_price(app: NorenApp, exchange: str, tradingsymbol: str, price: Decimal) -> None:
    app.account.set_price(exchange, tradingsymbol, price)
    tell_price(app, exchange, tradingsymbol)


def _order(app: NorenApp, what: str, asked: dict[str, Any]) -> None:
    if what == "faults":
        app.faults.add(**asked)
    elif what == "price":
        set_price(
            app,
            str(asked["exchange"]),
            asked["tradingsymbol"],
            Decimal(asked["price"]),
        )
    elif what == "rules":
        known = {field.name for field in fields(AccountRules)}
        if not known.issuperset(asked):
            raise NotAllowed(f"expected some of {', '.join(sorted(known))}")
        app.account.rules = replace(app.account.rules, **asked)
    elif what == "fills":
        app.account.limit_fills(int(asked["quantity"]))
    elif what == "expire" and "at" in asked:
        expire_session_at(app, time.fromisoformat(asked["at"]))
    elif what == "expire":
        expire_session(app)
    elif what == "arrive":
        app.late.arrive()
    else:
        raise NotAllowed(f"nothing is called '{what}'")


def _look(app: NorenApp, what: str) -> object:
    books = {
        "orders": app.account.order_book,
        "trades": app.account.trade_book,
        "positions": app.account.positions,
    }
    if what in books:
        return books[what]()
    if what != "state":
        raise NotAllowed(f"nothing is called '{what}'")
    return {
        "faults": [asdict(fault) for fault in app.faults.waiting()],
        "logins": app.access.logins,
        "asked": app.asked,
        "feeds": len(app.hub.connections()),
        "late": app.late.count,
    }
