"""What a command_service in tests asks before it sends: the trading state alone."""

from shoonya_platform.domain.denials import Denial
from shoonya_platform.domain.orders import Order
from shoonya_platform.execution.preconditions import SendPreconditions
from shoonya_platform.store.base import OrderStore


class AnyMoment:
    """Every moment is right, for every order."""

    def moment(self, order: Order) -> Denial | None:
        return None

    def awaits_market(self, order: Order) -> bool:
        return False


def at_any_moment(store: OrderStore) -> SendPreconditions:
    return SendPreconditions(store, AnyMoment(), awaits_reconciliation=False)
