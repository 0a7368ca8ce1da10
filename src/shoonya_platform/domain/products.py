"""Which product an order gets where its alert names none."""

from __future__ import annotations

from collections.abc import Mapping

from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import Intent, Side

Allowed = Mapping[Exchange, frozenset[Product]]

_CASH = (Exchange.NSE, Exchange.BSE)

#: What a segment knows at all: delivery is of shares, NRML of derivatives.
OF_SEGMENT: Allowed = {
    exchange: frozenset(
        {Product.CNC if exchange in _CASH else Product.NRML, Product.MIS}
    )
    for exchange in Exchange
}


def default_product(exchange: Exchange, side: Side | None, intent: Intent) -> Product:
    """
    Return the product of a leg without one, before the account is known.

    Shares that are not held can be sold for the day only, so an entry that sells
    shares is MIS.
    """
    if exchange not in _CASH:
        return Product.NRML
    sells_short = intent is Intent.ENTRY and side is Side.SELL
    return Product.MIS if sells_short else Product.CNC


def allowed_default(product: Product, allowed: frozenset[Product]) -> Product:
    """Return a default that the account may use: itself, or MIS in its place."""
    if product not in allowed and Product.MIS in allowed:
        return Product.MIS
    return product
