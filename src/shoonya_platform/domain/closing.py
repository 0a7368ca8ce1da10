"""The exit alerts that close positions: after a breach, by a person, at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from shoonya_platform.domain.alert_form import parse
from shoonya_platform.domain.alerts import MAX_LEGS, Alert
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import Intent
from shoonya_platform.domain.positions import Position


def closing_alerts(positions: Iterable[Position], key: str) -> list[Alert]:
    """
    Return an exit for each strategy and exchange, by the market, of all they hold.

    Args:
        key: Names the occasion: the same one twice makes duplicates, which the store
            does not take.
    """
    legs: dict[tuple[str, Exchange], list[dict[str, object]]] = defaultdict(list)
    for position in positions:
        if not position.quantity:
            continue
        legs[position.strategy, position.exchange].append(
            {
                "tradingsymbol": position.tradingsymbol,
                "product_type": position.product.value,
            }
        )
    return [
        parse(
            {
                "execution_type": Intent.EXIT.value,
                "strategy_name": strategy,
                "exchange": exchange.value,
                "dedupe_id": f"{key}-{exchange}-{begin}",
                "legs": all_legs[begin : begin + MAX_LEGS],
            }
        )
        for (strategy, exchange), all_legs in legs.items()
        for begin in range(0, len(all_legs), MAX_LEGS)
    ]
