"""The message to paste into an alert of TradingView."""

from __future__ import annotations

import json

#: What TradingView fills in for a strategy, by the keys of an alert.
STRATEGY_FIELDS = {
    "ticker": "{{ticker}}",
    "exchange": "{{exchange}}",
    "action": "{{strategy.order.action}}",
    "contracts": "{{strategy.order.contracts}}",
    "close": "{{close}}",
    "market_position": "{{strategy.market_position}}",
    "market_position_size": "{{strategy.market_position_size}}",
    "prev_market_position": "{{strategy.prev_market_position}}",
    "prev_market_position_size": "{{strategy.prev_market_position_size}}",
    "timenow": "{{timenow}}",
}
#: What it fills in for any alert, of an indicator too.
_ANY_FIELDS = ("ticker", "exchange", "close", "timenow")


def template(
    *,
    strategy: str,
    secret: str,
    product: str | None = None,
    action: str | None = None,
    quantity: int | None = None,
) -> str:
    """
    Return the message, one key a line.

    Args:
        action: BUY, SELL or EXIT for an alert of an indicator, which does not say what
            to do; None for a strategy's.

        quantity: In units, of such an alert; an exit without one closes all.
    """
    fields: dict[str, object] = {"secret_key": secret, "strategy_name": strategy}
    if action is None:
        fields |= STRATEGY_FIELDS
    else:
        fields["execution_type"] = "exit" if action == "EXIT" else "entry"
        fields |= {key: STRATEGY_FIELDS[key] for key in _ANY_FIELDS}
        if action != "EXIT":
            fields["action"] = action.lower()
        if quantity is not None:
            fields["contracts"] = quantity
    if product is not None:
        fields["product"] = product
    return json.dumps(fields, indent=1, ensure_ascii=False)
