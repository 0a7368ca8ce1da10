"""The keys of an alert: their other names, and what is not taken for one."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping

from shoonya_platform.errors import AlertRefused

ALIASES = {
    "symbol": "tradingsymbol",
    "ticker": "tradingsymbol",
    "action": "direction",
    "side": "direction",
    "contracts": "qty",
    "quantity": "qty",
    "product": "product_type",
    "type": "order_type",
    "pricetype": "order_type",
    "trigger": "trigger_price",
    "strategy": "strategy_name",
    "secret": "secret_key",
    "id": "dedupe_id",
    "alerttimestamp": "dedupe_id",
    "alert_id": "dedupe_id",
}
#: Keys that describe the alert and ask for nothing: the original builder's, and what
#: TradingView's other placeholders are usually called.
DESCRIPTIVE = frozenset(
    {
        *("underlying", "expiry", "interval", "comment", "volume", "time"),
        *("open", "high", "low", "currency", "order_id"),
    }
)
#: Keys of the original builder that ask for something nothing here does.  Without a
#: value, as the builder sends them by default, they ask for nothing.
UNSUPPORTED = {
    "strategy_stoploss": "a loss limit of one strategy",
    "trailing_stoploss": "a trailing stop",
    "target": "a target",
    "when_price": "an order that waits for a price",
}
_CLOSE = 0.6


def canonical(key: str) -> str:
    """Return a key in lower case and under its first name."""
    name = key.strip().lower()
    return ALIASES.get(name, name)


def check_supported(fields: Mapping[str, object]) -> None:
    """
    Refuse what the original builder could ask for and nothing here does.

    Raises:
        AlertRefused: With the key.
    """
    for key, what in UNSUPPORTED.items():
        if fields.get(key) not in (None, 0, "0", "0.0", False):
            raise AlertRefused(
                "KEY_UNSUPPORTED",
                f"{key}: {what} is not supported",
                hint="send a stop order as a leg of its own, or leave the key out",
            )


def unknown_keys(fields: Mapping[str, object], known: Collection[str]) -> list[str]:
    """Return the keys that mean nothing, by name."""
    taken = {*known, *DESCRIPTIVE, *UNSUPPORTED}
    return sorted(key for key in fields if key not in taken)


def key_unknown(
    key: str, known: Collection[str], where: str, *, of_leg: bool
) -> AlertRefused:
    """
    Return the refusal of a key, with the known one that is nearest to it.

    Args:
        of_leg: Whether a leg may have it.
    """
    names = {*known, *(alias for alias, name in ALIASES.items() if name in known)}
    near = difflib.get_close_matches(key, sorted(names), n=1, cutoff=_CLOSE)
    unsupported = difflib.get_close_matches(key, UNSUPPORTED, n=1, cutoff=_CLOSE)
    hint = f"the keys are {', '.join(sorted(known))}"
    if of_leg:
        hint = f"'{key}' belongs into each of the legs"
    elif near:
        hint = f"did you mean '{near[0]}'?"
    elif unsupported:
        hint = f"'{unsupported[0]}' is not supported either: send a stop order as a leg"
    return AlertRefused(
        "KEY_UNKNOWN", f"{where}{key[:40]}: there is no such key", hint=hint
    )


def check_placeholders(value: object) -> None:
    """
    Refuse text in which TradingView has filled nothing in.

    Raises:
        AlertRefused: With the field, nested ones by their path.
    """
    for place, text in _texts(value, ""):
        if "{{" in text or "}}" in text:
            raise AlertRefused(
                "PLACEHOLDER_UNRESOLVED",
                f"{place}: the placeholder {text[:60]!r} was not filled in",
                hint="TradingView fills strategy placeholders in alerts of strategies "
                "only",
            )


def _texts(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{place}.{key}".lstrip("."), str(key)
            yield from _texts(inner, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{place}[{number}]")
