"""
Noren's dialect and ours: no word of theirs gets beyond this file and its caller.

Read tolerant: fields may be absent or blank, numbers have commas, `prd` is called
`pcode` in order messages, and statuses are spelt in many ways.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from shoonya_platform.brokers.base import (
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    ExecutionReport,
    Limits,
    ModifyOrder,
    PlaceOrder,
)
from shoonya_platform.brokers.shoonya_http import encode_symbol
from shoonya_platform.domain.days import INDIA
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    Fill,
    OrderStatus,
    OrderType,
    Side,
    TradeId,
)

_TYPES = {
    OrderType.LIMIT: "LMT",
    OrderType.MARKET: "MKT",
    OrderType.STOP_LIMIT: "SL-LMT",
    OrderType.STOP_MARKET: "SL-MKT",
}
_PRODUCTS = {Product.CNC: "C", Product.NRML: "M", Product.MIS: "I"}
#: Bracket and cover orders are intraday ones.
_OUR_PRODUCTS = {code: product for product, code in _PRODUCTS.items()} | {
    "B": Product.MIS,
    "H": Product.MIS,
}
_SIDES = {Side.BUY: "B", Side.SELL: "S"}
_OUR_SIDES = {code: side for side, code in _SIDES.items()}
_ENDS = {
    "COMPLETE": OrderStatus.FILLED,
    "COMPLETED": OrderStatus.FILLED,
    "FILLED": OrderStatus.FILLED,
    "REJECTED": OrderStatus.REJECTED,
    "REJECT": OrderStatus.REJECTED,
    "CANCELED": OrderStatus.CANCELED,
    "CANCELLED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
}
_REQUEST_TIME = re.compile(r"\d\d:\d\d:\d\d \d\d-\d\d-\d{4}")
#: Older servers write this year where they know no time.
_NO_YEAR = 1980

Row = Mapping[str, object]
T = TypeVar("T")


class Unreadable(ValueError):
    """A row lacks what it must have."""


def place_fields(order: PlaceOrder, user_id: str, account_id: str) -> dict[str, str]:
    """Return PlaceOrder's jData."""
    fields = {
        "uid": user_id,
        "actid": account_id,
        "exch": str(order.exchange),
        "tsym": encode_symbol(order.tradingsymbol),
        "qty": str(order.quantity),
        # An empty price breaks the server.
        "prc": _price(order.price if order.order_type.needs_price else None),
        "dscqty": "0",
        "prd": _PRODUCTS[order.product],
        "trantype": _SIDES[order.side],
        "prctyp": _TYPES[order.order_type],
        "ret": str(order.time_in_force),
        "remarks": order.client_order_id,
        "ordersource": "API",
    }
    if order.order_type.needs_trigger:
        fields["trgprc"] = _price(order.trigger_price)
    return fields


def modify_fields(change: ModifyOrder, user_id: str, account_id: str) -> dict[str, str]:
    """Return ModifyOrder's jData; `qty` is the total, with what is filled."""
    fields = {
        "uid": user_id,
        "actid": account_id,
        "norenordno": change.broker_order_id,
        "exch": str(change.exchange),
        "tsym": encode_symbol(change.tradingsymbol),
        "qty": str(change.quantity),
        "prc": _price(change.price if change.order_type.needs_price else None),
        "prctyp": _TYPES[change.order_type],
        "ret": str(change.time_in_force),
    }
    # A trigger of 0 for a plain limit order is refused.
    if change.order_type.needs_trigger:
        fields["trgprc"] = _price(change.trigger_price)
    return fields


def _price(price: Decimal | None) -> str:
    return "0" if price is None else format(price, "f")


def order_of(row: Row, *, now: datetime) -> BrokerOrder:
    """
    Read an order book's row or an order message.

    Args:
        now: Counts where the row tells no time.

    Raises:
        Unreadable: It lacks what it must have.
    """
    quantity = _whole(row, "qty")
    filled = _whole(row, "fillshares")
    average = _decimal(row, "avgprc")
    remarks = _text(row, "remarks")
    return BrokerOrder(
        broker_order_id=number_of(row),
        client_order_id=ClientOrderId(remarks) if remarks else None,
        exchange=_exchange(row),
        tradingsymbol=symbol_of(row),
        side=_known(_OUR_SIDES, row, "trantype"),
        product=_product(row),
        quantity=quantity,
        status=_status(_text(row, "status"), filled),
        filled_quantity=filled,
        average_price=average if filled else None,
        reason=_text(row, "rejreason"),
        updated_at=_time(row, "exch_tm", "fltm", "norentm") or now,
        price=price_of(row, "prc"),
        trigger_price=price_of(row, "trgprc"),
    )


def report_of(row: Row, *, now: datetime) -> ExecutionReport:
    """Read an order message, with the fill if it tells one."""
    order = order_of(row, now=now)
    fill = None
    if _text(row, "flid") and _whole(row, "flqty") > 0:
        fill = _fill(row, now)
    return ExecutionReport(
        order=order,
        fill=fill,
        is_replace_refused=_text(row, "reporttype").lower() == "replacerejected",
    )


def is_only_asked(row: Row) -> bool:
    """Tell whether a message is about new terms that do not hold yet."""
    return _text(row, "reporttype").lower() in ("modack", "pendingreplace")


def trade_of(row: Row, *, now: datetime) -> BrokerTrade:
    """Read a trade book's row."""
    remarks = _text(row, "remarks")
    return BrokerTrade(
        broker_order_id=number_of(row),
        client_order_id=ClientOrderId(remarks) if remarks else None,
        fill=_fill(row, now),
    )


def _fill(row: Row, now: datetime) -> Fill:
    trade = _text(row, "flid")
    price = _decimal(row, "flprc")
    if not trade or price is None:
        raise Unreadable("a fill without its number or price")
    return Fill(
        # A trade's number is the exchange's; with the order's it is unique.
        trade_id=TradeId(f"{number_of(row)}-{trade}"),
        quantity=_whole(row, "flqty"),
        price=price,
        filled_at=_time(row, "fltm", "filltm", "exch_tm") or now,
    )


def position_of(row: Row) -> BrokerPosition:
    """Read a position book's row; `netavgprc` is 0 for one that is closed."""
    quantity = _whole(row, "netqty")
    average = _decimal(row, "netavgprc") or Decimal(0)
    last = _decimal(row, "lp")
    return BrokerPosition(
        exchange=_exchange(row),
        tradingsymbol=symbol_of(row),
        product=_product(row),
        quantity=quantity,
        average_price=average if quantity else Decimal(0),
        last_price=last or None,
        realised_pnl=_decimal(row, "rpnl") or Decimal(0),
    )


def limits_of(row: Row) -> Limits:
    """Read the account's money: what was paid in today counts, and out does not."""
    zero = Decimal(0)
    return Limits(
        cash=(_decimal(row, "cash") or zero)
        + (_decimal(row, "payin") or zero)
        - (_decimal(row, "payout") or zero),
        margin_used=_decimal(row, "marginused") or zero,
    )


def price_of(row: Row, name: str) -> Decimal | None:
    """Read a price; 0 stands for none."""
    return _decimal(row, name) or None


def whole_of(row: Row, name: str) -> int:
    return _whole(row, name)


def symbol_of(row: Row) -> str:
    return _needed(row, "tsym").replace("%26", "&")


def _status(word: str, filled: int) -> OrderStatus:
    end = _ENDS.get(word.upper().replace("_", " "))
    if end is not None:
        return end
    # PENDING, OPEN, TRIGGER PENDING, NEW, REPLACED, MODIFY PENDING and whatever
    # comes next: a word that is not known to be an end is none.
    return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED


def number_of(row: Row) -> BrokerOrderId:
    """Return the number of a row's order."""
    return BrokerOrderId(_text(row, "norenordno") or _needed(row, "norenoordno"))


def _product(row: Row) -> Product:
    return _known(_OUR_PRODUCTS, row, "prd" if _text(row, "prd") else "pcode")


def _exchange(row: Row) -> Exchange:
    try:
        return Exchange(_needed(row, "exch"))
    except ValueError as e:
        raise Unreadable(str(e)) from e


def _known(words: Mapping[str, T], row: Row, name: str) -> T:
    try:
        return words[_needed(row, name).upper()]
    except KeyError as e:
        raise Unreadable(f"'{name}' is {e}") from e


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


def _needed(row: Row, name: str) -> str:
    text = _text(row, name)
    if not text:
        raise Unreadable(f"'{name}' is missing")
    return text


def _decimal(row: Row, name: str) -> Decimal | None:
    text = _text(row, name).replace(",", "")
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _whole(row: Row, name: str) -> int:
    value = _decimal(row, name)
    return 0 if value is None else int(value)


def _time(row: Row, *names: str) -> datetime | None:
    """Return the first of these times that is one, in UTC."""
    for name in names:
        text = _text(row, name)
        form = "%H:%M:%S %d-%m-%Y"
        if not _REQUEST_TIME.fullmatch(text):
            form = "%d-%m-%Y %H:%M:%S"
        try:
            moment = datetime.strptime(text, form).replace(tzinfo=INDIA)
        except ValueError:
            continue
        if moment.year > _NO_YEAR:
            return moment.astimezone(UTC)
    return None
