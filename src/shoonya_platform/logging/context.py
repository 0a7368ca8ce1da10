"""
The fields that come along with a sentence: names, values, and where from.

A field has one name in every copy: `order_id` in the text, `SHOONYA_ORDER_ID` in
the journal, however the caller spelt it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_NO_CONTEXT: Mapping[str, object] = {}
_BOUND: ContextVar[Mapping[str, object]] = ContextVar(
    "shoonya_log_context", default=_NO_CONTEXT
)

#: Attributes under which our own parts travel on a record.
CONTEXT_ATTRIBUTE = "shoonya_context"
ENTRY_ATTRIBUTE = "shoonya_entry"

#: What is no field although it is on the record.
STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    CONTEXT_ATTRIBUTE,
    ENTRY_ATTRIBUTE,
    # uvicorn repeats its message here, with escape sequences.
    "color_message",
}
# Written by the library itself; a caller's field of that name gets an underscore.
_RESERVED = frozenset({"component", "run", "seq", "logger", "logged_at_usec"})
# 64 is the longest name journald takes, "SHOONYA_" is 8 of them.
_NAME_LENGTH = 56
_NAMES_KEPT = 1000
_names: dict[str, str] = {}


def call_context(
    own: Mapping[str, object],
    given: Mapping[str, object],
    attributes: dict[str, object],
) -> dict[str, object]:
    """
    Collect the fields of one call: bound ones, the logger's, those given with it.

    Args:
        own: The logger's, by their names in a line.

        given: The call's, as the caller spelt them.

        attributes: Of the record; gets the given ones too, as with `extra=` of the
            standard library.  Unlike there a name that is taken is no error.
    """
    fields = {**_BOUND.get(), **own}
    known = _names
    for key, value in given.items():
        fields[known.get(key) or field_name(key)] = value
        if key not in STANDARD_ATTRIBUTES:
            attributes[key] = value
    return fields


@contextlib.contextmanager
def bound_context(**context: object) -> Iterator[None]:
    """
    Give every record of the block these fields, whoever writes it.

    The binding follows the flow of control: a task or a thread started with a
    copied context has it, a neighbour does not.  Blocks nest, the inner value
    wins; fields of the logger and of the call win over both.  `in_bound_context`
    takes it along into a thread.
    """
    token = _BOUND.set({**_BOUND.get(), **normalized(context)})
    try:
        yield
    finally:
        _BOUND.reset(token)


def in_bound_context(function: Callable[P, R]) -> Callable[P, R]:
    """
    Return *function* with what is bound here, wherever it will be called.

    For threads and executors, which begin without it:
    `Thread(target=in_bound_context(work))`, `executor.map(in_bound_context(work), …)`.
    May be called many times and by several threads at once.
    """
    bound = _BOUND.get()

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        token = _BOUND.set({**_BOUND.get(), **bound})
        try:
            return function(*args, **kwargs)
        finally:
            _BOUND.reset(token)

    return called


def field_name(key: object) -> str:
    """Return the lower-case name under which *key* stands in a line."""
    text = key if type(key) is str else str(key)
    name = _names.get(text)
    if name is None:
        name = re.sub(r"[^a-z0-9_]", "_", text.lower())[:_NAME_LENGTH] or "_"
        if name in _RESERVED:
            name += "_"
        # Keys made from data must not fill the memory.
        if len(_names) < _NAMES_KEPT:
            _names[text] = name
    return name


def normalized(context: Mapping[str, object]) -> dict[str, object]:
    """Return *context* with the names that its fields will have."""
    return {field_name(key): value for key, value in context.items()}


def context_of(record: logging.LogRecord) -> Mapping[str, object]:
    """Collect the fields of *record*: bound ones, then those of `extra=`."""
    attributes = record.__dict__
    own: Mapping[str, object] | None = attributes.get(CONTEXT_ATTRIBUTE)
    if own is not None:
        return own
    bound = _BOUND.get()
    extra = {
        field_name(key): value
        for key, value in attributes.items()
        if key not in STANDARD_ATTRIBUTES
    }
    if not extra:
        return bound
    return {**bound, **extra}


def value_text(value: object) -> str:
    """Return *value* as it will be read; never raises for a broken `__str__`."""
    if type(value) is str:
        return value
    try:
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return str(value)
    except Exception:  # noqa: BLE001 - a caller's object must not break the caller
        return f"<unprintable {type(value).__name__}>"


def message_id_text(value: object) -> str:
    """Return a journal message id as 32 hex digits, "" if it is none."""
    if isinstance(value, uuid.UUID):
        return value.hex
    try:
        return uuid.UUID(value_text(value)).hex
    except ValueError:
        return ""
