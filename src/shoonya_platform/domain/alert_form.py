"""
Reads what TradingView posts, strictly, into an alert with legs.

Two forms are taken, keys in any case.  The original one has `legs`; the flat one
is a single leg made of TradingView's placeholders (`{{ticker}}`,
`{{strategy.order.action}}`, `{{strategy.order.contracts}}` …).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from shoonya_platform.domain.alert_keys import (
    canonical,
    check_placeholders,
    check_supported,
    key_unknown,
    unknown_keys,
)
from shoonya_platform.domain.alerts import MAX_LEGS, Alert, Leg, MarketPosition
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    Intent,
    OrderType,
    Side,
)
from shoonya_platform.domain.products import default_product
from shoonya_platform.domain.tickers import DELAYED
from shoonya_platform.errors import AlertRefused

_T = TypeVar("_T")

#: An alert is three levels deep.  What is read once near the interpreter's limit may
#: not be readable where the stack is deeper, so nothing comes near it.
MAX_DEPTH = 16

#: TradingView re-sends after 5 s, up to three times, so a copy without a time or
#: an id of its own is a duplicate only this long; a strategy may well repeat the
#: same order a minute later.
ANONYMOUS_DUPLICATE_SECONDS = 30
#: An alert that names itself or its moment is the same alert all day.
NAMED_DUPLICATE_SECONDS = 86_400

ORDER_TYPES = {
    "MKT": OrderType.MARKET,
    "MARKET": OrderType.MARKET,
    "LMT": OrderType.LIMIT,
    "LIMIT": OrderType.LIMIT,
    "SL": OrderType.STOP_LIMIT,
    "SL-LMT": OrderType.STOP_LIMIT,
    "STOP_LIMIT": OrderType.STOP_LIMIT,
    "SL-M": OrderType.STOP_MARKET,
    "SL-MKT": OrderType.STOP_MARKET,
    "STOP_MARKET": OrderType.STOP_MARKET,
}
PRODUCTS = {
    "C": Product.CNC,
    "CNC": Product.CNC,
    "M": Product.NRML,
    "NRML": Product.NRML,
    "I": Product.MIS,
    "MIS": Product.MIS,
}
#: Far enough from the calendar's ends for every zone.
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_SYMBOL = re.compile(r"[A-Z0-9&._!-]{1,40}")
_STRATEGY = re.compile(r"[\w .:@/+-]{1,64}")


class LegFields(msgspec.Struct):
    tradingsymbol: str
    #: An exit needs neither: both come from the position.
    direction: str | None = None
    qty: Decimal | None = None
    order_type: str = "MKT"
    price: Decimal | None = None
    close: Decimal | None = None
    trigger_price: Decimal | None = None
    product_type: str | None = None


class AlertFields(msgspec.Struct):
    legs: list[LegFields]
    strategy_name: str = "default"
    execution_type: str | None = None
    exchange: str = "NFO"
    product_type: str | None = None
    market_position: str | None = None
    prev_market_position: str | None = None
    market_position_size: Decimal | None = None
    prev_market_position_size: Decimal | None = None
    timenow: datetime | None = None
    dedupe_id: str | int | None = None
    test_mode: object = None


_LEG_KEYS = frozenset(LegFields.__struct_fields__)
_ALERT_KEYS = frozenset(AlertFields.__struct_fields__) | {"secret_key"}


def decode(body: bytes) -> dict[str, object]:
    """
    Read an alert's body into a mapping with lower-case, canonical keys.

    Raises:
        AlertRefused: It is not a JSON object, is nested too deeply, or has one key
            twice.
    """
    try:
        raw = json.loads(body, object_pairs_hook=_object)
        # JSON can spell half a character (a lone surrogate), which can be neither
        # stored nor sent back.
        json.dumps(raw, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as e:
        raise AlertRefused(
            "BODY_NOT_JSON",
            f"the body is not JSON: {e}",
            hint="put one JSON object into the alert's message",
        ) from e
    if not isinstance(raw, dict):
        raise AlertRefused(
            "BODY_NOT_AN_OBJECT",
            f"expected a JSON object, was {type(raw).__name__}",
        )
    if _is_deeper(raw, MAX_DEPTH):
        raise AlertRefused(
            "BODY_TOO_DEEP", f"expected at most {MAX_DEPTH} levels of brackets"
        )
    fields = _canonical(raw, "")
    legs = fields.get("legs")
    if isinstance(legs, list):
        fields["legs"] = [
            _canonical(leg, f"legs[{n}].") if isinstance(leg, dict) else leg
            for n, leg in enumerate(legs)
        ]
    return fields


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # Of two values JSON's reader silently takes the last; the sender meant one.
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise AlertRefused("KEY_TWICE", f"{twice[:40]!r} is given twice")
    return fields


def _is_deeper(value: object, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(value, dict | list) for value in level)


def _canonical(raw: Mapping[str, object], where: str) -> dict[str, object]:
    fields: dict[str, object] = {}
    for key, value in raw.items():
        name = canonical(key)
        if name in fields:
            raise AlertRefused("KEY_TWICE", f"'{where}{name}' is given twice")
        # An empty placeholder is a field that was not given.
        if value != "" and value is not None:
            fields[name] = value
    return fields


def parse(fields: Mapping[str, object]) -> Alert:
    """
    Turn what `decode` returned into an alert.

    Raises:
        AlertRefused: With a code, the key and what would be right.
    """
    content = without_secret(fields)
    check_placeholders(content)
    check_supported(content)
    return _alert(content)


def parse_stored(fields: Mapping[str, object]) -> Alert:
    """Read an alert that an earlier version took, which did not look at all keys."""
    words = {*MarketPosition, *(position.upper() for position in MarketPosition)}
    stated = ("market_position", "prev_market_position")
    return _alert(
        {
            key: value
            for key, value in fields.items()
            if key in _ALERT_KEYS | _LEG_KEYS
            and not key.endswith("_size")
            and (key not in stated or value in words)
        }
    )


def _alert(content: dict[str, Any]) -> Alert:
    fields = content
    body = json.dumps(content, sort_keys=True, separators=(",", ":"))
    nested = "legs" in content
    if not nested:
        content = _as_one_leg(content)
    try:
        read = msgspec.convert(content, AlertFields, strict=False)
    except msgspec.ValidationError as e:
        raise AlertRefused("FIELD_INVALID", _readable(str(e))) from e
    if not 1 <= len(read.legs) <= MAX_LEGS:
        raise AlertRefused(
            "LEGS_COUNT", f"expected 1 to {MAX_LEGS} legs, was {len(read.legs)}"
        )
    # Delayed data is of the same exchange.
    named = read.exchange.strip().upper().removesuffix(DELAYED)
    exchange = _word(named, {e.value: e for e in Exchange}, "exchange")
    if not _STRATEGY.fullmatch(read.strategy_name):
        raise AlertRefused(
            "FIELD_INVALID",
            "strategy_name: expected 1 to 64 letters, digits, blanks or .:@/+-",
        )
    if read.timenow is not None and read.timenow.tzinfo is None:
        raise AlertRefused("FIELD_INVALID", "timenow: expected a time with its zone")
    if read.timenow is not None and not _EARLIEST <= read.timenow < _LATEST:
        raise AlertRefused("FIELD_INVALID", "timenow: expected a time of this century")
    key, seconds = _dedupe(read, body)
    now = _stated(read, "market_position")
    before = _stated(read, "prev_market_position")
    intent = _intent(read, now, before, nested=nested)
    return Alert(
        strategy=read.strategy_name,
        intent=intent,
        exchange=exchange,
        legs=tuple(
            _leg(leg, read, exchange, intent, f"legs[{n}]." if nested else "")
            for n, leg in enumerate(read.legs)
        ),
        sent_at=read.timenow,
        dedupe_key=key,
        duplicate_seconds=seconds,
        market_position=now,
        market_position_size=_size(read, "market_position", now),
        prev_market_position=before,
        prev_market_position_size=_size(read, "prev_market_position", before),
        ignored_keys=_unknown(fields, intent),
        is_test=_is_test(read.test_mode),
        body=body,
    )


def without_secret(value: Any) -> Any:
    """Drop the secret wherever it stands: nobody looks for it in a leg."""
    if isinstance(value, Mapping):
        return {
            key: without_secret(inner)
            for key, inner in value.items()
            if canonical(key) != "secret_key"
        }
    if isinstance(value, list):
        return [without_secret(inner) for inner in value]
    return value


def _as_one_leg(content: dict[str, object]) -> dict[str, object]:
    if "tradingsymbol" not in content:
        raise AlertRefused(
            "LEGS_MISSING",
            "the alert has neither 'legs' nor a 'tradingsymbol' of its own",
            hint='send "legs": [{"tradingsymbol": …, "direction": …, "qty": …}]',
        )
    leg = {key: value for key, value in content.items() if key in _LEG_KEYS}
    rest = {key: value for key, value in content.items() if key not in _LEG_KEYS}
    return rest | {"legs": [leg]}


def _intent(
    read: AlertFields,
    now: MarketPosition | None,
    before: MarketPosition | None,
    *,
    nested: bool,
) -> Intent:
    if read.execution_type is not None:
        words = {intent.value.upper(): intent for intent in Intent}
        return _word(read.execution_type, words, "execution_type")
    if nested:
        raise AlertRefused(
            "FIELD_MISSING", "execution_type: expected entry, exit or adjust"
        )
    if now is MarketPosition.FLAT:
        return Intent.EXIT
    if before in (None, MarketPosition.FLAT):
        return Intent.ENTRY
    # Adding to, trimming or reversing a position: the order's own figures hold.
    return Intent.ADJUST


def _stated(read: AlertFields, name: str) -> MarketPosition | None:
    text = getattr(read, name)
    if text is None:
        return None
    words = {position.upper(): position for position in MarketPosition}
    return _word(text, words, name)


def _size(read: AlertFields, name: str, stated: MarketPosition | None) -> int | None:
    value = getattr(read, f"{name}_size")
    if value is None:
        return None
    size = _whole(value, f"{name}_size", least=0)
    if stated is not None and (size == 0) is not (stated is MarketPosition.FLAT):
        raise AlertRefused(
            "FIELD_INVALID", f"{name}_size: {size} does not go with '{stated}'"
        )
    return size


def _leg(
    read: LegFields, alert: AlertFields, exchange: Exchange, intent: Intent, where: str
) -> Leg:
    symbol = read.tradingsymbol.strip().upper()
    if not _SYMBOL.fullmatch(symbol):
        raise AlertRefused(
            "FIELD_INVALID",
            f"{where}tradingsymbol: expected 1 to 40 of A-Z 0-9 & . _ - !",
        )
    order_type = _word(read.order_type, ORDER_TYPES, f"{where}order_type")
    price = _price(read.price, f"{where}price")
    if price is None and not order_type.needs_price:
        price = _price(read.close, f"{where}close")
    trigger = _price(read.trigger_price, f"{where}trigger_price")
    if order_type.needs_price and price is None:
        raise AlertRefused(
            "FIELD_MISSING", f"{where}price: a {order_type} order needs one"
        )
    if order_type.needs_trigger and trigger is None:
        raise AlertRefused(
            "FIELD_MISSING", f"{where}trigger_price: a {order_type} order needs one"
        )
    side, quantity = _side(read, where), _quantity(read, where)
    for name, value in (("direction", side), ("qty", quantity)):
        if value is None and intent is not Intent.EXIT:
            raise AlertRefused(
                "FIELD_MISSING", f"{where}{name}: all but an exit needs one"
            )
    product = read.product_type or alert.product_type
    return Leg(
        tradingsymbol=symbol,
        side=side,
        quantity=quantity,
        order_type=order_type,
        price=price,
        trigger_price=trigger if order_type.needs_trigger else None,
        product=(
            default_product(exchange, side, intent)
            if product is None
            else _word(product, PRODUCTS, f"{where}product_type")
        ),
        names_product=product is not None,
    )


def _word(text: str, words: Mapping[str, _T], where: str) -> _T:
    try:
        return words[text.strip().upper()]
    except KeyError:
        raise AlertRefused(
            "FIELD_INVALID",
            f"{where}: expected one of {', '.join(sorted(words))}, was {text[:40]!r}",
        ) from None


def _side(read: LegFields, where: str) -> Side | None:
    if read.direction is None:
        return None
    return _word(read.direction, {s.value: s for s in Side}, f"{where}direction")


def _quantity(read: LegFields, where: str) -> int | None:
    return None if read.qty is None else _whole(read.qty, f"{where}qty", least=1)


def _whole(value: Decimal, where: str, *, least: int) -> int:
    if not value.is_finite() or value != value.to_integral_value():
        raise AlertRefused(
            "FIELD_INVALID", f"{where}: expected a whole number of units, was {value}"
        )
    if not least <= value <= 10_000_000:
        raise AlertRefused(
            "FIELD_INVALID",
            f"{where}: expected {least} to 10000000 units, was {value}",
        )
    return int(value)


def _price(value: Decimal | None, where: str) -> Decimal | None:
    # The original form sends 0.0 for "at the market".
    if value is None or value.is_zero():
        return None
    if not value.is_finite() or value.is_signed() or value > 100_000_000:
        raise AlertRefused(
            "FIELD_INVALID", f"{where}: expected a price in rupees, was {value}"
        )
    return value


def _dedupe(read: AlertFields, body: str) -> tuple[str, int]:
    if read.dedupe_id is not None:
        return f"id:{read.strategy_name}:{str(read.dedupe_id)[:128]}", (
            NAMED_DUPLICATE_SECONDS
        )
    digest = hashlib.sha256(body.encode()).hexdigest()
    named = read.timenow is not None
    return f"body:{digest}", (
        NAMED_DUPLICATE_SECONDS if named else ANONYMOUS_DUPLICATE_SECONDS
    )


def _is_test(value: object) -> bool:
    # Whatever it says is a test, as it has always been, but for a plain no.
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "false", "no", "off")
    return bool(value)


def _unknown(fields: Mapping[str, object], intent: Intent) -> tuple[str, ...]:
    """
    Return the keys that mean nothing, of an exit: it is not held up for them.

    Raises:
        AlertRefused: There are some in another alert.
    """
    known = _ALERT_KEYS if "legs" in fields else _ALERT_KEYS | _LEG_KEYS - {"legs"}
    found = [(fields, known, "")]
    legs = fields.get("legs")
    for number, leg in enumerate(legs if isinstance(legs, list) else ()):
        found.append((leg, _LEG_KEYS, f"legs[{number}]."))
    ignored = []
    for keys, names, where in found:
        for key in unknown_keys(keys, names):
            if intent is not Intent.EXIT:
                raise key_unknown(key, names, where, of_leg=key in _LEG_KEYS)
            ignored.append(f"{where}{key[:40]}")
    return tuple(ignored)


def _readable(text: str) -> str:
    """Turn msgspec's "Expected `int`, got `str` - at `$.legs[0].qty`" round."""
    sentence, _, place = text.partition(" - at ")
    place = place.strip("`").removeprefix("$.").removeprefix("$")
    sentence = sentence[:1].lower() + sentence[1:].replace("`", "'")
    return f"{place}: {sentence}" if place else sentence
