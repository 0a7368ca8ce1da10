"""An alert, and the ids that are made from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    AlertId,
    ClientOrderId,
    Intent,
    OrderType,
    Side,
)

MAX_LEGS = 20


class AlertStatus(StrEnum):
    RECEIVED = "received"  #: durable; trading_bot is next
    PLANNED = "planned"  #: its orders exist
    SKIPPED = "skipped"  #: nothing to do, for example an exit when flat
    WATCHED = "watched"  #: a target whose price is watched, as its stop rests
    NOT_DONE = "not_done"  #: an exit that found nothing, and something similar is held
    COMPLETED = "completed"  #: every order is at an end


class MarketPosition(StrEnum):
    """What a strategy holds, in TradingView's words."""

    LONG = "long"
    SHORT = "short"
    FLAT = "flat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    tradingsymbol: str
    side: Side | None  #: None for an exit that names none; the position's decides
    #: Units, positive.  An exit's is the most it closes, None for all that is held.
    quantity: int | None
    order_type: OrderType
    price: Decimal | None
    trigger_price: Decimal | None
    product: Product
    #: Whether the alert names the product; else it is the segment's default.
    names_product: bool = True
    #: Exchange and symbol as the alert spelled them, `NSE:NIFTY1!`; empty if so too.
    received: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    strategy: str
    intent: Intent
    exchange: Exchange
    legs: tuple[Leg, ...]
    sent_at: datetime | None  #: TradingView's `{{timenow}}`
    dedupe_key: str
    duplicate_seconds: int
    ignored_keys: tuple[str, ...]
    is_test: bool
    body: str  #: the JSON as received, keys lower-cased, without the secret
    #: What the strategy states that it holds once this is done, and held before; sizes
    #: are units, not negative.  None where the alert does not say.
    market_position: MarketPosition | None = None
    market_position_size: int | None = None
    prev_market_position: MarketPosition | None = None
    prev_market_position_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """An alert as the store has it."""

    alert_id: AlertId
    alert: Alert
    status: AlertStatus
    outcome: str  #: a sentence, once there is one
    received_at: datetime


_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def alert_id(received_at: datetime, entropy: bytes) -> AlertId:
    """
    Return a new alert's id: `A`, the day, eight characters of entropy.

    Short enough that the ids made from it fit the broker's remarks (20 to 30
    characters), and free of letters that look like digits.

    Args:
        entropy: At least 5 random bytes.
    """
    number = int.from_bytes(entropy[:5], "big")
    text = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(35, -1, -5))
    return AlertId(f"A{received_at:%y%m%d}-{text}")


def client_order_id(
    alert: AlertId, leg: int, attempt: int, part: int = 1
) -> ClientOrderId:
    """Return the name of one leg's order, for example `O261124-7K3M9QXZ-1`."""
    name = f"O{alert[1:]}-{leg}"
    if part != 1:
        name += f"p{part}"
    return ClientOrderId(name if attempt == 1 else f"{name}r{attempt}")


_NAME = re.compile(
    rf"O(?P<alert>[0-9]{{6}}-[{_ALPHABET}]{{8}})-(?P<leg>[0-9]{{1,2}})"
    r"(?:p(?P<part>[0-9]{1,3}))?(?:r(?P<attempt>[0-9]{1,3}))?(?P<copy>d[0-9]+)?"
)


@dataclass(frozen=True, slots=True)
class NamedOrder:
    """What a `client_order_id` says."""

    alert_id: AlertId
    leg: int
    part: int
    attempt: int


def named_order(name: str) -> NamedOrder | None:
    """Return what a name made by `client_order_id` says; None for any other."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return NamedOrder(
        alert_id=AlertId(f"A{found['alert']}"),
        leg=int(found["leg"]),
        part=int(found["part"] or 1),
        attempt=int(found["attempt"] or 1),
    )


def copy_name(name: ClientOrderId, number: int) -> ClientOrderId:
    """Return our name for another broker order under the same name, from 1."""
    return ClientOrderId(f"{name}d{number}")


def sent_name(name: ClientOrderId) -> ClientOrderId:
    """Return the name under which the broker has an order, also for a copy."""
    found = _NAME.fullmatch(name)
    if found is None or found["copy"] is None:
        return name
    return ClientOrderId(name[: found.start("copy")])
