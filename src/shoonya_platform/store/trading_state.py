"""Sets the trading state for an operator, and waits until it is obeyed."""

from __future__ import annotations

from shoonya_platform.domain.trading import TradingState
from shoonya_platform.store.base import OrderStore

#: Longer than one request to a broker takes at its time-out.
WAIT_SECONDS = 15.0


def set_trading_state(
    store: OrderStore, state: TradingState, *, reason: str, by: str
) -> tuple[bool, bool]:
    """
    Set the state; wait for an order that is being sent at this moment.

    Returns:
        Whether the state has changed, and whether it is obeyed from now on: False if
        a request was still on its way after WAIT_SECONDS.
    """
    with store.transaction(durable=True):
        changed = store.trading.set(state, reason=reason, by=by)
    if state is TradingState.ACTIVE:
        return changed, True
    return changed, store.trading.wait_for_sending(WAIT_SECONDS)
