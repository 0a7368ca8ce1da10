"""
The broker's margin calculator, and the products of the account, in Noren's words.

No official SDK has `GetOrderMargin` and `GetBasketMargin`.  The request's fields are in
the documents of sister brokers, and so are `marginused` and `marginusedtrade`.  That
`ordermargin` is what one order needs, that `marginused` is the shortfall instead where
the money does not suffice, and that `cash` is what is there, is seen in one published
answer of Shoonya's.  All of it is unverified here: a reading that does not fit is a
failed question, and `guard.without_margin` decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.brokers.shoonya_words import (
    Row,
    Unreadable,
    amount_of,
    place_fields,
    text_of,
)
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.margins import Margin

#: Of a request for an order only these are asked about.
_FIELDS = ("exch", "tsym", "qty", "prc", "trgprc", "prd", "trantype", "prctyp")
_INSUFFICIENT = re.compile(r"insufficient|shortfall|exceeds", re.IGNORECASE)
_PRODUCTS = {"C": Product.CNC, "M": Product.NRML, "I": Product.MIS}


def margin_fields(
    orders: Sequence[PlaceOrder], user_id: str, account_id: str
) -> dict[str, object]:
    """Return GetOrderMargin's jData, or GetBasketMargin's for several orders."""
    first, *others = [_fields(order, user_id, account_id) for order in orders]
    fields: dict[str, object] = {"uid": user_id, "actid": account_id, **first}
    if others:
        fields["basketlists"] = others
    return fields


def _fields(order: PlaceOrder, user_id: str, account_id: str) -> dict[str, str]:
    # The calculator wants a price of every order.
    kind = "SL-LMT" if order.order_type.needs_trigger else "LMT"
    fields = place_fields(order, user_id, account_id)
    fields |= {"prctyp": kind, "prc": format(order.price or Decimal(0), "f")}
    return {name: fields[name] for name in _FIELDS if name in fields}


def order_margin(row: Row) -> Margin:
    """Read GetOrderMargin's answer."""
    is_refused = _is_refused(row)
    available = _needed(row, "cash")
    if is_refused:
        # Then `cash` has what is blocked already in it.
        available -= amount_of(row, "marginusedprev") or Decimal(0)
    return Margin(
        required=_needed(row, "ordermargin"),
        available=available,
        is_refused=is_refused,
    )


def basket_margin(row: Row, limits: Row) -> Margin:
    """
    Read GetBasketMargin's answer, and the account's money from Limits.

    `marginusedtrade` is what is blocked once all have traded, with what was blocked
    before; `marginused` lacks the benefit that the legs give each other.
    """
    before = amount_of(row, "marginusedprev") or Decimal(0)
    return Margin(
        required=max(Decimal(0), _needed(row, "marginusedtrade") - before),
        available=_available(limits),
        is_refused=_is_refused(row),
    )


def _available(row: Row) -> Decimal:
    """Return what Limits leaves for new orders: pledged collateral counts."""
    zero = Decimal(0)
    if amount_of(row, "cash") is None:
        raise Unreadable("'cash' is missing")
    collateral = amount_of(row, "collateral") or amount_of(row, "brkcollamt") or zero
    plus = sum(((amount_of(row, name) or zero) for name in ("cash", "payin")), zero)
    minus = sum(
        ((amount_of(row, name) or zero) for name in ("payout", "marginused")), zero
    )
    return plus + collateral - minus


def _needed(row: Row, name: str) -> Decimal:
    amount = amount_of(row, name)
    if amount is None:
        raise Unreadable(f"'{name}' is missing")
    return amount


def _is_refused(row: Row) -> bool:
    return _INSUFFICIENT.search(text_of(row, "remarks")) is not None


def products_of(row: Row) -> dict[Exchange, frozenset[Product]] | None:
    """
    Read `prarr` of a login's answer or of UserDetails.

    Products and exchanges that are not ours are passed over: `F` is margin funding, `B`
    and `H` are kinds of orders.

    Returns:
        None if it is not there, or lists nothing of ours.
    """
    entries = row.get("prarr")
    found: dict[Exchange, frozenset[Product]] = {}
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping):
            continue
        code, exchanges = entry.get("prd"), entry.get("exch")
        product = _PRODUCTS.get(code.strip().upper()) if isinstance(code, str) else None
        if product is None or not isinstance(exchanges, list):
            continue
        for name in exchanges:
            if name in list(Exchange):
                exchange = Exchange(name)
                found[exchange] = found.get(exchange, frozenset()) | {product}
    return found or None
