"""Rows of the order, trade, position and holding book, and order messages."""

from __future__ import annotations

from decimal import Decimal

from shoonya_platform.testing.noren import orders
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.orders import Order, Position, Trade
from shoonya_platform.testing.noren.words import (
    Row,
    exchange_time,
    money,
    plain,
    request_time,
)

_ZERO = Decimal(0)


def figures_row(scrip: Scrip) -> Row:
    """Return the figures that each row has of its instrument."""
    return {
        "exch": scrip.exchange,
        "tsym": scrip.tradingsymbol,
        "token": scrip.token,
        "pp": str(scrip.precision),
        "ti": price_text(scrip, scrip.tick_size),
        "ls": str(scrip.lot_size),
    }


def price_text(scrip: Scrip, price: Decimal) -> str:
    return money(price, scrip.precision)


def order_row(order: Order, scrip: Scrip, user_id: str) -> Row:
    """Return an order book's row."""
    row = {
        "stat": "Ok",
        "uid": user_id,
        "actid": user_id,
        **figures_row(scrip),
        "norenordno": order.number,
        "prc": price_text(scrip, order.price),
        "qty": str(order.quantity),
        "prd": order.prd,
        "status": order.status,
        "trantype": order.trantype,
        "prctyp": order.prctyp,
        "ret": order.ret,
        "mult": "1",
        "prcftr": money(scrip.factor, 6),
        "dscqty": order.disclosed,
        "amo": "Yes" if order.is_amo else "No",
        "norentm": request_time(order.placed_at),
        "ordenttm": str(int(order.placed_at.timestamp())),
        "exch_tm": exchange_time(order.updated_at),
        "rejreason": order.reason or " ",
    }
    if order.remarks:
        row["remarks"] = order.remarks
    if order.trigger:
        row["trgprc"] = price_text(scrip, order.trigger)
    for name, distance in (("bpprc", order.profit), ("blprc", order.loss)):
        if distance:
            row[name] = price_text(scrip, distance)
    if order.trail:
        row["trailprc"] = order.trail
    if order.parent:
        row |= {"snonum": order.parent, "snoordt": order.leg}
    if order.status != orders.REJECTED:
        row["exchordid"] = f"11{order.key}"
    # Both are absent until something has traded.
    if order.filled:
        row["fillshares"] = str(order.filled)
        row["avgprc"] = price_text(scrip, order.average)
    if order.status == orders.CANCELED:
        row["cancelqty"] = str(order.leaves)
    return row


def order_message(row: Row, report_type: str, status: str, trade: Row | None) -> Row:
    """Return the `om` frame about a change; live ones say `pcode` for `prd`."""
    frame = {key: value for key, value in row.items() if key not in ("stat", "prd")}
    frame |= {
        "t": "om",
        "pcode": row["prd"],
        "status": status,
        "reporttype": report_type,
    }
    if status != orders.CANCELED:
        frame.pop("cancelqty", None)
    if status != orders.REJECTED:
        frame["rejreason"] = row["rejreason"] if status == orders.CANCELED else " "
    return frame if trade is None else frame | trade


def fill_fields(trade: Trade, scrip: Scrip) -> Row:
    return {
        "flid": str(trade.number % 10**8),
        "flqty": str(trade.quantity),
        "flprc": price_text(scrip, trade.price),
        "fltm": exchange_time(trade.at),
    }


def trade_row(row: Row, fill: Row) -> Row:
    """Return a trade book's row, out of the order's own row."""
    kept = (
        *("stat", "uid", "actid", "exch", "tsym", "token", "norenordno", "qty"),
        *("prd", "trantype", "prctyp", "ret", "prc", "remarks", "exchordid"),
        *("norentm", "exch_tm", "pp", "ti", "ls", "fillshares", "avgprc"),
        *("snonum", "snoordt"),
    )
    found = {key: row[key] for key in kept if key in row}
    return found | {"cstFrm": "0", "ordersource": "API"} | fill


def position_row(position: Position, scrip: Scrip, last: Decimal, user_id: str) -> Row:
    def text(value: Decimal) -> str:
        return price_text(scrip, value)

    def average(value: Decimal, quantity: int) -> str:
        return text(value / quantity if quantity else _ZERO)

    unrealised = (last - position.average) * position.net * scrip.factor
    bought, sold = position.buy_value, position.sell_value
    row = {
        "stat": "Ok",
        "uid": user_id,
        "actid": user_id,
        **figures_row(scrip),
        "prd": position.prd,
        "netqty": str(position.net),
        "netavgprc": text(position.average),
        "bep": text(position.average),
        "daybuyqty": str(position.buy_quantity),
        "daysellqty": str(position.sell_quantity),
        "daybuyamt": money(bought),
        "daysellamt": money(sold),
        "daybuyavgprc": average(bought, position.buy_quantity),
        "daysellavgprc": average(sold, position.sell_quantity),
        "totbuyavgprc": average(bought, position.buy_quantity),
        "totsellavgprc": average(sold, position.sell_quantity),
        "lp": text(last),
        "rpnl": money(position.realised),
        "urmtom": money(unrealised),
        "mult": "1",
        "prcftr": money(scrip.factor, 6),
        "cforgavgprc": "0.00",
    }
    for name in ("cfbuy", "cfsell", "openbuy", "opensell"):
        row |= {f"{name}qty": "0", f"{name}amt": "0.00", f"{name}avgprc": "0.00"}
    return row


def holding_row(scrip: Scrip, quantity: int, price: Decimal) -> dict[str, object]:
    """Return a holding: the same scrip may be held on two exchanges."""
    none = ("dpqty", "npoadqty", "colqty", "benqty", "unplgdqty", "brkcolqty")
    return {
        "stat": "Ok",
        "exch_tsym": [figures_row(scrip)],
        "holdqty": str(quantity),
        **dict.fromkeys(none, "0"),
        "btstqty": "0",
        "btstcolqty": "0",
        "usedqty": "0",
        "upldprc": price_text(scrip, price),
        "sell_amt": "0.00",
    }


def factor_text(scrip: Scrip) -> str:
    """Return `prcftr_d`: numerators and denominators of the price factor."""
    return f"({plain(scrip.factor)} / 1 ) * (1 / 1)"
