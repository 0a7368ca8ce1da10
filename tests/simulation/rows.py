"""Orders, trades and positions as Noren writes them: all values are text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from shoonya_platform.brokers.base import BrokerOrder, BrokerPosition, BrokerTrade
from shoonya_platform.domain.days import INDIA
from shoonya_platform.domain.instruments import Instrument, Product
from shoonya_platform.domain.orders import Fill, OrderStatus, OrderType, Side

TYPES = {
    "LMT": OrderType.LIMIT,
    "MKT": OrderType.MARKET,
    "SL-LMT": OrderType.STOP_LIMIT,
    "SL-MKT": OrderType.STOP_MARKET,
}
PRODUCTS = {"C": Product.CNC, "M": Product.NRML, "I": Product.MIS}
SIDES = {"B": Side.BUY, "S": Side.SELL}
_PRODUCT_CODES = {product: code for code, product in PRODUCTS.items()}

Row = dict[str, str]


def request_time(moment: datetime) -> str:
    """`HH:MM:SS DD-MM-YYYY`, as in request_time and norentm."""
    return f"{moment.astimezone(INDIA):%H:%M:%S %d-%m-%Y}"


def exchange_time(moment: datetime) -> str:
    """`DD-MM-YYYY HH:MM:SS`, as in exch_tm and fltm."""
    return f"{moment.astimezone(INDIA):%d-%m-%Y %H:%M:%S}"


def money(value: Decimal) -> str:
    return f"{value:.2f}"


def status_word(status: OrderStatus, *, waits_for_trigger: bool = False) -> str:
    """Noren has no word for a partial fill: it is OPEN with `fillshares`."""
    if status is OrderStatus.FILLED:
        return "COMPLETE"
    if status is OrderStatus.REJECTED:
        return "REJECTED"
    if status in (OrderStatus.CANCELED, OrderStatus.EXPIRED):
        return "CANCELED"
    return "TRIGGER_PENDING" if waits_for_trigger else "OPEN"


def order_row(
    order: BrokerOrder,
    asked: Mapping[str, str],
    *,
    placed_at: datetime,
    waits_for_trigger: bool,
    instrument: Instrument | None,
    token: str,
) -> Row:
    """
    Return an order book's row.

    Args:
        asked: What PlaceOrder was sent.
    """
    row = {
        "stat": "Ok",
        "uid": asked["uid"],
        "actid": asked["actid"],
        "exch": str(order.exchange),
        "tsym": order.tradingsymbol,
        "token": token,
        "norenordno": order.broker_order_id,
        "prc": asked.get("prc", "0"),
        "qty": str(order.quantity),
        "prd": asked["prd"],
        "status": status_word(order.status, waits_for_trigger=waits_for_trigger),
        "trantype": asked["trantype"],
        "prctyp": asked["prctyp"],
        "ret": asked["ret"],
        "pp": "2",
        "ti": "0.05" if instrument is None else str(instrument.tick_size),
        "ls": "1" if instrument is None else str(instrument.lot_size),
        "prcftr": f"{1 if instrument is None else instrument.price_factor:.6f}",
        "dscqty": asked.get("dscqty", "0"),
        "norentm": request_time(placed_at),
        "ordenttm": str(int(placed_at.timestamp())),
        "exch_tm": exchange_time(order.updated_at),
        "rejreason": order.reason or " ",
    }
    if asked.get("remarks"):
        row["remarks"] = asked["remarks"]
    if asked.get("trgprc") not in (None, "None", ""):
        row["trgprc"] = asked["trgprc"]
    if order.status is not OrderStatus.REJECTED:
        row["exchordid"] = "11" + order.broker_order_id
    _add_fills(row, order)
    return row


def _add_fills(row: Row, order: BrokerOrder) -> None:
    # Both are absent until something has traded.
    if order.filled_quantity and order.average_price is not None:
        row["fillshares"] = str(order.filled_quantity)
        row["avgprc"] = money(order.average_price)
    if order.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED):
        row["cancelqty"] = str(order.quantity - order.filled_quantity)


def order_message(row: Row, report_type: str, status: str, fill: Fill | None) -> Row:
    """Return the `om` frame about a change; live ones say `pcode` for `prd`."""
    frame = {key: value for key, value in row.items() if key not in ("stat", "prd")}
    frame |= {
        "t": "om",
        "pcode": row["prd"],
        "status": status,
        "reporttype": report_type,
    }
    if fill is not None:
        frame |= fill_fields(fill)
    return frame


def fill_fields(fill: Fill) -> Row:
    return {
        "flid": str(int(fill.trade_id) % 10**8),
        "flqty": str(fill.quantity),
        "flprc": money(fill.price),
        "fltm": exchange_time(fill.filled_at),
    }


def trade_row(trade: BrokerTrade, row: Row) -> Row:
    """Return a trade book's row, out of the order's own row."""
    kept = (
        *("stat", "uid", "actid", "exch", "tsym", "token", "norenordno", "qty"),
        *("prd", "trantype", "prctyp", "ret", "prc", "remarks", "exchordid"),
        *("norentm", "exch_tm", "pp", "ti", "ls", "fillshares", "avgprc"),
    )
    return {key: row[key] for key in kept if key in row} | fill_fields(trade.fill)


def position_row(position: BrokerPosition, user_id: str, token: str) -> Row:
    last = position.last_price or Decimal(0)
    factor = position.price_factor or Decimal(1)
    unrealised = (last - position.average_price) * position.quantity * factor
    return {
        "stat": "Ok",
        "uid": user_id,
        "actid": user_id,
        "exch": str(position.exchange),
        "tsym": position.tradingsymbol,
        "token": token,
        "prd": _PRODUCT_CODES[position.product],
        "netqty": str(position.quantity),
        "netavgprc": money(position.average_price),
        "lp": money(last),
        "rpnl": money(position.realised_pnl),
        "urmtom": money(unrealised),
        "mult": "1",
        "prcftr": f"{factor:.6f}",
    }
