"""Reads a request's parameters strictly: a misspelt one is refused, not passed over."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.dashboard.logview import LogQuery
from shoonya_platform.dashboard.results import DEFAULT_LIMIT, OrderQuery
from shoonya_platform.domain.orders import CLOSED, OPEN, OrderId, OrderStatus
from shoonya_platform.errors import ShoonyaError
from shoonya_platform.logging.reading.records import LEVELS

MAX_LIMIT = 500

#: What `status` may be, and what it stands for.
STATUS_WORDS: dict[str, frozenset[OrderStatus]] = {
    "open": OPEN,
    "closed": CLOSED,
    **{status.value: frozenset({status}) for status in OrderStatus},
}

#: Longer than any strategy's or instrument's name.
_MAX_WORD = 100

#: The largest number SQLite holds.
_MAX_ID = (1 << 63) - 1


class BadRequest(ShoonyaError):
    """
    The request cannot be answered as it stands.

    Args:
        code: A stable word for programs.

        message: Names the parameter and what would be right.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def order_query(parameters: Mapping[str, str]) -> OrderQuery:
    # A form sends what was left empty, too.
    given = {name: value for name, value in parameters.items() if value}
    _check_names(given, ("status", "strategy", "symbol", "limit", "before"))
    return OrderQuery(
        limit=_limit(given),
        status=given.get("status", ""),
        statuses=_statuses(given.get("status")),
        strategy=given.get("strategy", "")[:_MAX_WORD],
        symbol=given.get("symbol", "").upper()[:_MAX_WORD],
        before=_number(given, "before", 1, _MAX_ID) or 0,
    )


def log_query(parameters: Mapping[str, str]) -> LogQuery:
    given = {name: value for name, value in parameters.items() if value}
    _check_names(given, ("component", "level", "text"))
    return LogQuery(
        component=_one_of(given, "component", COMPONENTS),
        level=_one_of(given, "level", LEVELS),
        text=given.get("text", "")[:_MAX_WORD],
    )


def limit_query(parameters: Mapping[str, str]) -> int:
    _check_names(parameters, ("limit",))
    return _limit(parameters)


def id_query(parameters: Mapping[str, str]) -> str:
    _check_names(parameters, ("id",))
    found = parameters.get("id", "").strip()
    if not found:
        raise BadRequest(
            "PARAMETER_INVALID", "id: expected an order's or an alert's, of any kind"
        )
    return found


def picture_query(parameters: Mapping[str, str]) -> None:
    """`events` changes with the picture, so that a browser asks for it anew."""
    _check_names(parameters, ("events",))


def no_query(parameters: Mapping[str, str]) -> None:
    _check_names(parameters, ())


def order_id(text: str) -> OrderId:
    number = _whole(text)
    if not 0 < number <= _MAX_ID:
        raise BadRequest(
            "ORDER_ID_INVALID", f"order_id: expected our number, was {text[:40]!r}"
        )
    return OrderId(number)


def discrepancy_id(text: str) -> int:
    number = _whole(text)
    if not 0 < number <= _MAX_ID:
        raise BadRequest(
            "DISCREPANCY_ID_INVALID",
            f"discrepancy_id: expected a number, was {text[:40]!r}",
        )
    return number


def _statuses(word: str | None) -> frozenset[OrderStatus]:
    if word is None:
        return frozenset()
    return STATUS_WORDS[_one_of({"status": word}, "status", STATUS_WORDS)]


def _one_of(parameters: Mapping[str, str], name: str, words: Collection[str]) -> str:
    """Return the parameter, "" if it is not given."""
    word = parameters.get(name, "")
    if word and word not in words:
        raise BadRequest(
            "PARAMETER_INVALID",
            f"{name}: expected one of {', '.join(words)}, was {word[:40]!r}",
        )
    return word


def _limit(parameters: Mapping[str, str]) -> int:
    return _number(parameters, "limit", 1, MAX_LIMIT) or DEFAULT_LIMIT


def _number(
    parameters: Mapping[str, str], name: str, least: int, most: int
) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    number = _whole(text)
    if not least <= number <= most:
        raise BadRequest(
            "PARAMETER_INVALID",
            f"{name}: expected a whole number from {least} to {most}, "
            f"was {text[:40]!r}",
        )
    return number


def _whole(text: str) -> int:
    """Return the number, or -1 for what is none; 19 digits hold any id."""
    return int(text) if re.fullmatch("[0-9]{1,19}", text) else -1


def _check_names(parameters: Mapping[str, str], known: tuple[str, ...]) -> None:
    for name in parameters:
        if name not in known:
            right = f"known: {', '.join(known)}" if known else "there are none here"
            raise BadRequest(
                "PARAMETER_UNKNOWN", f"no parameter {name[:40]!r}; {right}"
            )
