"""
Noren's dialect and ours: no word of theirs gets beyond this file and its caller.

Read tolerant: fields may be absent or blank, numbers have commas, `prd` is called
`pcode` in order messages, and statuses are spelt in many ways.  But not lax: a value
that is there and cannot be what it should be makes its row `Unreadable`, as a wrong
number that is booked is worse than a row that is reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from shoonya_platform.brokers.base import (
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    ExecutionReport,
    Limits,
    ModifyOrder,
    PlaceOrder,
    Quote,
)
from shoonya_platform.brokers.shoonya_bytes import printable
from shoonya_platform.brokers.shoonya_http import encode_symbol
from shoonya_platform.domain.days import INDIA
from shoonya_platform.domain.instruments import Exchange, PriceBand, Product
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
#: Not among them: `F` is margin funding, and `B` and `H` are bracket and cover orders,
#: which have positions of their own that only ExitSNOOrder closes.
_OUR_PRODUCTS = {code: product for product, code in _PRODUCTS.items()}
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
#: An order that still works; servers spell it in a dozen ways.
_WORKING = re.compile(
    r"PENDING|OPEN|NEW|REPLACED|MODIFIED|RECEIVED|TRIGGER|PARTIAL|INVALID STATUS TYPE"
)
#: Larger figures, and exponents, are none of a broker's.
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})")
#: What a C++ server writes for an average of nothing, and the SDKs for no trigger.
_NO_NUMBER = re.compile(r"[+-]?(?:nan|inf|infinity)|none|null|-+", re.IGNORECASE)
_ORDER_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,40}")
#: How much of a field is shown to a person, or passed on as a reason.
_SHOWN = 40
_REASON_LENGTH = 500
#: A clock may differ, but not by so much.
_LATEST = timedelta(days=1)
_REQUEST_TIME = re.compile(r"\d\d:\d\d:\d\d \d\d-\d\d-\d{4}")
#: Older servers write this year where they know no time.
_NO_YEAR = 1980

Row = Mapping[str, object]
T = TypeVar("T")


class Unreadable(ValueError):
    """A row lacks what it must have, or has what it cannot have."""


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
    quantity = _quantity(row, "qty")
    filled = _whole(row, "fillshares") or 0
    if filled < 0:
        raise Unreadable(f"'fillshares' is {filled}")
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
        status=_status(_needed(row, "status"), filled),
        filled_quantity=filled,
        average_price=average if filled else None,
        reason=printable(_text(row, "rejreason"), _REASON_LENGTH),
        updated_at=_time(row, now, "exch_tm", "fltm", "norentm"),
        price=price_of(row, "prc"),
        trigger_price=price_of(row, "trgprc"),
    )


def report_of(row: Row, *, now: datetime) -> ExecutionReport:
    """Read an order message, with the fill if it tells one."""
    order = order_of(row, now=now)
    fill = None
    if _text(row, "flid") and _whole(row, "flqty"):
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
    if not trade:
        raise Unreadable("'flid' is missing")
    if price is None:
        raise Unreadable("'flprc' is missing")
    return Fill(
        # A trade's number is the exchange's; with the order's it is unique.
        trade_id=TradeId(f"{number_of(row)}-{trade}"),
        quantity=_quantity(row, "flqty"),
        price=price,
        filled_at=_time(row, now, "fltm", "filltm", "exch_tm"),
    )


def position_of(row: Row) -> BrokerPosition:
    """Read a position book's row; `netavgprc` is 0 for one that is closed."""
    quantity = _whole(row, "netqty")
    if quantity is None:
        raise Unreadable("'netqty' is missing")
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
        price_factor=_price_factor(row),
    )


def _price_factor(row: Row) -> Decimal | None:
    """Read the factor; it is only compared, so a damaged one is left out."""
    try:
        factor = _decimal(row, "prcftr")
        multiplier = _decimal(row, "mult")
    except Unreadable:
        return None
    # Whether `prcftr` contains a multiplier that is not 1 is not verified.
    if factor is None or factor <= 0 or multiplier not in (None, 1):
        return None
    return factor


def limits_of(row: Row) -> Limits:
    """Read the account's money: what was paid in today counts, and out does not."""
    if not any(_text(row, name) for name in ("cash", "payin", "marginused")):
        raise Unreadable("'cash' is missing")
    zero = Decimal(0)
    return Limits(
        cash=(_decimal(row, "cash") or zero)
        + (_decimal(row, "payin") or zero)
        - (_decimal(row, "payout") or zero),
        margin_used=_decimal(row, "marginused") or zero,
    )


def scrip_of(row: Row) -> tuple[str, str]:
    """Return exchange and token of the scrip that an answer speaks of."""
    return _needed(row, "exch").upper(), _needed(row, "token")


def scrip_key_of(row: Row) -> str:
    """Return the scrip of a price frame, as it is subscribed to."""
    return f"{_needed(row, 'e')}|{_needed(row, 'tk')}"


def quote_of(row: Row) -> Quote:
    """Read price and band; a row without fields is a scrip that does not trade."""
    return Quote(
        last_price=price_of(row, "lp"),
        band=PriceBand(lower=price_of(row, "lc"), upper=price_of(row, "uc")),
    )


def price_of(row: Row, name: str) -> Decimal | None:
    """Read a price; 0 stands for none."""
    return _decimal(row, name) or None


def amount_of(row: Row, name: str) -> Decimal | None:
    """Read an amount of money, None if it is not there."""
    return _decimal(row, name)


def whole_of(row: Row, name: str) -> int:
    """Read a whole number, 0 if there is none."""
    return _whole(row, name) or 0


def text_of(row: Row, name: str) -> str:
    """Read a field, empty if it is not there."""
    return _text(row, name)


def may_be_our_product(row: Row) -> bool:
    """Return False if a row certainly is of a product that is not traded here."""
    code = row.get("prd") or row.get("pcode")
    is_readable = isinstance(code, str) and code.strip() != ""
    return not is_readable or str(code).strip().upper() in _OUR_PRODUCTS


def is_number(text: str) -> bool:
    """Return whether an order can have this number."""
    return _ORDER_NUMBER.fullmatch(text) is not None


def symbol_of(row: Row) -> str:
    return _needed(row, "tsym").replace("%26", "&")


def _status(text: str, filled: int) -> OrderStatus:
    word = text.upper().replace("_", " ")
    end = _ENDS.get(word)
    if end is not None:
        return end
    if not _WORKING.search(word):
        raise Unreadable(f"'status' is {_shown(text)}")
    return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED


def number_of(row: Row) -> BrokerOrderId:
    """Return the number of a row's order."""
    number = _text(row, "norenordno") or _text(row, "norenoordno")
    if not number:
        raise Unreadable("'norenordno' is missing")
    if not is_number(number):
        raise Unreadable(f"'norenordno' is {_shown(number)}")
    return BrokerOrderId(number)


def _product(row: Row) -> Product:
    return _known(_OUR_PRODUCTS, row, "prd" if _text(row, "prd") else "pcode")


def _exchange(row: Row) -> Exchange:
    text = _needed(row, "exch")
    try:
        return Exchange(text)
    except ValueError:
        raise Unreadable(f"'exch' is {_shown(text)}") from None


def _known(words: Mapping[str, T], row: Row, name: str) -> T:
    text = _needed(row, name)
    try:
        return words[text.upper()]
    except KeyError:
        raise Unreadable(f"'{name}' is {_shown(text)}") from None


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable(f"'{name}' is a {type(value).__name__}")
    return value.strip()


def shown(text: str) -> str:
    """Return text of the broker's as a person may see it: short, on one line."""
    return printable(text, _SHOWN)


def _shown(text: str) -> str:
    return f"'{shown(text)}'"


def _needed(row: Row, name: str) -> str:
    text = _text(row, name)
    if not text:
        raise Unreadable(f"'{name}' is missing")
    return text


def _decimal(row: Row, name: str) -> Decimal | None:
    text = _text(row, name).replace(",", "")
    if not text or _NO_NUMBER.fullmatch(text):
        return None
    if not _NUMBER.fullmatch(text):
        raise Unreadable(f"'{name}' is {_shown(text)}")
    return Decimal(text)


def _whole(row: Row, name: str) -> int | None:
    value = _decimal(row, name)
    if value is not None and value != int(value):
        raise Unreadable(f"'{name}' is {value}")
    return None if value is None else int(value)


def _quantity(row: Row, name: str) -> int:
    value = _whole(row, name)
    if value is None:
        raise Unreadable(f"'{name}' is missing")
    if value <= 0:
        raise Unreadable(f"'{name}' is {value}")
    return value


def _time(row: Row, now: datetime, *names: str) -> datetime:
    """Return the first of these times that can be one, in UTC; else *now*."""
    for name in names:
        text = _text(row, name)
        form = "%H:%M:%S %d-%m-%Y"
        if not _REQUEST_TIME.fullmatch(text):
            form = "%d-%m-%Y %H:%M:%S"
        try:
            moment = datetime.strptime(text, form).replace(tzinfo=INDIA)
        except ValueError:
            continue
        if moment.year > _NO_YEAR and moment < now + _LATEST:
            return moment.astimezone(UTC)
    return now
