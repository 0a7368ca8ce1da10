"""What may be changed of an order that works at the broker, and who asked for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shoonya_platform.domain.orders import NewOrder, Order, OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Quantity in units, with what is filled already; prices in rupees."""

    quantity: int
    price: Decimal | None
    trigger_price: Decimal | None

    @property
    def text(self) -> str:
        """`65 @ 101.50, trigger 101`, for log lines and events."""
        at = "" if self.price is None else f" @ {self.price}"
        trigger = (
            "" if self.trigger_price is None else f", trigger {self.trigger_price}"
        )
        return f"{self.quantity}{at}{trigger}"


def terms_of(order: NewOrder) -> Terms:
    return Terms(
        quantity=order.quantity, price=order.price, trigger_price=order.trigger_price
    )


def with_terms(order: Order, terms: Terms) -> Order:
    """Return the order as it would be under other terms."""
    return replace(
        order,
        quantity=terms.quantity,
        price=terms.price,
        trigger_price=terms.trigger_price,
    )


def asks_for_more(order: Order, changed: Order) -> bool:
    """Return whether other terms fill more, or sooner, than the order's own."""
    if changed.quantity > order.quantity or (
        changed.trigger_price != order.trigger_price
    ):
        return True
    if order.price is None or changed.price is None:
        return False
    return (changed.price - order.price) * order.side.sign > 0


class ModifyStage(StrEnum):
    """How far a request for other terms has come."""

    REQUESTED = "requested"  #: risk_manager is next
    RISK_PASSED = "risk_passed"  #: execution_guard is next
    GUARD_PASSED = "guard_passed"  #: command_service is next
    SENDING = "sending"  #: durable; the broker may know it
    SENT = "sent"  #: the broker took it; its report tells whether it holds
    UNKNOWN = "unknown"  #: no clear answer; recovery_service reads the books


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyRequest:
    """Somebody wants other terms for an order."""

    order_id: OrderId
    terms: Terms
    stage: ModifyStage
    requested_by: str
    requested_at: datetime
    result: str | None  #: what became of it; None while it is under way
