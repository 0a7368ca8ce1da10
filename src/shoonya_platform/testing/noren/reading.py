"""Reads PlaceOrder and ModifyOrder; what cannot be read is refused at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from shoonya_platform.testing.noren import orders
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.orders import Order
from shoonya_platform.testing.noren.words import number

_NEEDED = ("actid", "exch", "tsym", "qty", "prc", "prd", "trantype", "prctyp", "ret")
#: What std::string says of an empty price, as it was seen live.
_EMPTY_PRICE = "Invalid Input : basic_string::at: __n (which is 0) >= this->size()"
INVALID = 'Error Occurred : 2 "invalid input"'


class Refusal(Exception):
    """The request is answered with Not_Ok; the message is its emsg."""


def symbol_of(asked: Mapping[str, str]) -> str:
    """Return a request's `tsym`; the SDKs send what a URL would have."""
    return asked.get("tsym", "").replace("+", " ").replace("%26", "&")


def check_fields(asked: Mapping[str, str]) -> None:
    """
    Refuse a request without what it must have.

    Raises:
        Refusal: A field is missing.
    """
    missing = [name for name in _NEEDED if name not in asked]
    if missing:
        raise Refusal(f"Invalid Input : Missing {' or '.join(missing)}.")
    if asked["prc"] == "":
        raise Refusal(_EMPTY_PRICE)


def new_order(asked: Mapping[str, str], scrip: Scrip, key: int, now: datetime) -> Order:
    """
    Read PlaceOrder.

    Raises:
        Refusal: A figure or a word cannot be read, or does not fit the others.
    """
    try:
        order = Order(
            key=key,
            number=f"{key:014d}",
            exch=scrip.exchange,
            tsym=scrip.tradingsymbol,
            token=scrip.token,
            trantype=_one_of(("B", "S"), asked["trantype"]),
            prd=_one_of(orders.PRODUCTS, asked["prd"]),
            prctyp=_one_of(orders.PRICE_TYPES, asked["prctyp"]),
            ret=_one_of(orders.RETENTIONS, asked["ret"]),
            quantity=int(asked["qty"]),
            price=number(asked["prc"]),
            trigger=_figure(asked, "trgprc"),
            remarks=asked.get("remarks", ""),
            disclosed=asked.get("dscqty", "0"),
            is_amo=asked.get("amo", "").upper() == "YES",
            profit=_figure(asked, "bpprc"),
            loss=_figure(asked, "blprc"),
            trail=asked.get("trailprc", ""),
            placed_at=now,
            updated_at=now,
        )
    except ValueError as e:
        raise Refusal(INVALID) from e
    _settle(order)
    if order.prd == "B" and not (order.profit > 0 and order.loss > 0):
        raise Refusal("Invalid Input : Missing bpprc or blprc.")
    if order.prd == "H" and not order.loss > 0:
        raise Refusal("Invalid Input : Missing blprc.")
    return order


def changed_order(order: Order, asked: Mapping[str, str]) -> dict[str, object]:
    """
    Read ModifyOrder; return the fields of the order that change.

    What is not sent stays as it is: the SDKs never send `ret`.

    Raises:
        Refusal: A figure or a word cannot be read, or does not fit the others.
    """
    try:
        changes: dict[str, object] = {}
        if "prctyp" in asked:
            changes["prctyp"] = _one_of(orders.PRICE_TYPES, asked["prctyp"])
        if "ret" in asked:
            changes["ret"] = _one_of(orders.RETENTIONS, asked["ret"])
        if "qty" in asked:
            changes["quantity"] = int(asked["qty"])
        if asked.get("prc"):
            changes["price"] = number(asked["prc"])
        if "trgprc" in asked:
            changes["trigger"] = _figure(asked, "trgprc")
        for name, field in (("bpprc", "profit"), ("blprc", "loss")):
            if name in asked:
                changes[field] = _figure(asked, name)
    except ValueError as e:
        raise Refusal(INVALID) from e
    before = {name: getattr(order, name) for name in changes}
    try:
        put(order, changes)
        _settle(order)
        changes |= {"price": order.price, "trigger": order.trigger}
    finally:
        put(order, before)
    return changes


def put(order: Order, fields: Mapping[str, object]) -> None:
    for name, value in fields.items():
        setattr(order, name, value)


def _settle(order: Order) -> None:
    if order.quantity <= 0:
        raise Refusal("Invalid Input : Invalid quantity")
    if order.needs_price and order.price <= 0:
        raise Refusal("Invalid Input : Invalid price")
    if order.needs_trigger and order.trigger <= 0:
        raise Refusal(f"Trigger price invalid - {order.trigger:.2f}")
    if not order.needs_price:
        order.price = Decimal(0)
    if not order.needs_trigger:
        order.trigger = Decimal(0)


def _figure(asked: Mapping[str, str], name: str) -> Decimal:
    text = asked.get(name)
    # "None" is what the SDKs send for no trigger.
    return Decimal(0) if text in (None, "", "None") else number(text)


def _one_of(words: tuple[str, ...], text: str) -> str:
    if text not in words:
        raise ValueError(f"expected one of {', '.join(words)}, was {text!r}")
    return text
