"""
What a record says, worked out once for all copies.

    record ──RedactionFilter──▶ entry ──▶ line of text
                                  └─────▶ journal fields
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping

from shoonya_platform.logging.context import (
    CONTEXT_ATTRIBUTE,
    ENTRY_ATTRIBUTE,
    context_of,
    field_name,
    message_id_text,
    value_text,
)
from shoonya_platform.logging.formats import fields_text, quoted
from shoonya_platform.logging.redaction import Redactor

# Beyond the interpreter's limit for numbers as text str() raises.
_LARGE = 10**100


class Entry:
    """
    The final content of one record, without secrets.

    Attributes:
        message: The sentence, arguments filled in; may hold line breaks.

        detail: Traceback and stack as text of several lines, or "".

        fields: Context by its lower-case name; never holds `message_id`.

        fields_text: The same as ` name=value name=value`, or "".

        message_id: 32 hex digits for the journal's catalog, or "".
    """

    __slots__ = (
        "detail",
        "fields",
        "fields_text",
        "message",
        "message_id",
    )

    def __init__(
        self,
        message: str,
        detail: str,
        fields: Mapping[str, str],
        fields_text: str,
        message_id: str,
    ) -> None:
        self.message = message
        self.detail = detail
        self.fields = fields
        self.fields_text = fields_text
        self.message_id = message_id


class RedactionFilter(logging.Filter):
    """
    Takes secrets out of a record, for every handler that comes after.

    Lets all records pass.  Afterwards `record.msg` is the final sentence,
    `record.args` is empty, and the exception is kept as text only if it had to
    be changed.

    Args:
        redactor: Knows the secrets.  May be replaced at run time.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self.redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean *record* in place and keep it."""
        prepare(record, self.redactor)
        return True


def prepare(record: logging.LogRecord, redactor: Redactor) -> Entry:
    """
    Return the entry of *record*, working it out and cleaning it if need be.

    Never raises for what a caller logs, be it wrong arguments or a broken
    `__str__`: the record then says so.
    """
    attributes = record.__dict__
    known: Entry | None = attributes.get(ENTRY_ATTRIBUTE)
    if known is not None:
        return known

    message = _sentence(record)
    context = context_of(record)
    message_id = ""
    if "message_id" in context:
        message_id = message_id_text(context["message_id"])
        if message_id:
            context = {k: v for k, v in context.items() if k != "message_id"}
    fields: dict[str, str] = {}
    text = ""
    probe = message
    for name, value in context.items():
        if type(value) is int and -_LARGE < value < _LARGE:
            # Needs no quotes, and is always printable.
            fields[name] = shown = str(value)
            text += f" {name}={shown}"
        # None is how a caller says that there is no such value.
        elif value is not None:
            fields[name] = shown = value_text(value)
            in_line = quoted(shown)
            text += f" {name}={in_line}"
            if in_line is not shown:
                # Quotes and escapes could hide a secret from the search.
                probe += f"\n{name}={shown}"
    probe += text
    detail = ""
    # Most records have none of them: look before working.
    if record.exc_info or record.exc_text or record.stack_info:
        detail = _detail(record)
        probe += f"\n{detail}"

    if redactor.suspects(probe):
        message = redactor.clean(message)
        fields = dict(redactor.clean_field(*field) for field in fields.items())
        text = fields_text(fields)
        _clean_attributes(record, redactor)
        if detail:
            detail = _clean_detail(record, detail, redactor)
    record.msg = message
    record.args = ()
    entry = Entry(message, detail, fields, text, message_id)
    attributes[ENTRY_ATTRIBUTE] = entry
    return entry


def _sentence(record: logging.LogRecord) -> str:
    message = record.msg
    text = message if type(message) is str else value_text(message)
    if text.endswith("\n"):
        # The warnings module ends its texts so.
        text = text.rstrip("\n")
    arguments = record.args
    if not arguments:
        return text
    try:
        return text % arguments
    except Exception as e:  # noqa: BLE001 - a caller's mistake must not break the caller
        if isinstance(arguments, Mapping):
            shown = value_text(arguments)
        else:
            shown = ", ".join(value_text(argument) for argument in arguments)
        return f"{text} [wrong arguments: {shown}] ({type(e).__name__})"


def _detail(record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and not record.exc_text:
        record.exc_text = _traceback_text(record.exc_info)
    if record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def _traceback_text(exc_info: object) -> str:
    if isinstance(exc_info, BaseException):
        error: object = exc_info
    elif isinstance(exc_info, tuple) and len(exc_info) == 3:
        error = exc_info[1]
    else:
        error = sys.exc_info()[1]
    if not isinstance(error, BaseException):
        return ""
    try:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    except Exception as e:  # noqa: BLE001 - as above
        return f"<traceback of {type(error).__name__} failed: {type(e).__name__}>"


def _clean_detail(record: logging.LogRecord, detail: str, redactor: Redactor) -> str:
    cleaned = redactor.clean(detail)
    if cleaned == detail:
        return detail
    if record.exc_text:
        record.exc_text = redactor.clean(record.exc_text)
    if record.stack_info:
        record.stack_info = redactor.clean(record.stack_info)
    # The exception object still holds the secret: nobody may format it again.
    record.exc_info = None
    return cleaned


def _clean_attributes(record: logging.LogRecord, redactor: Redactor) -> None:
    """Clean what `extra=` put on the record, for handlers that send all of it."""
    attributes = record.__dict__
    for key, value in list(attributes.items()):
        if key in _PLAIN_ATTRIBUTES:
            continue
        _, text = redactor.clean_field(field_name(key), value_text(value))
        if redactor.clean_name(key) != key:
            del attributes[key]
        elif text != value_text(value):
            attributes[key] = text
    attributes[CONTEXT_ATTRIBUTE] = {}


_PLAIN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    CONTEXT_ATTRIBUTE,
    ENTRY_ATTRIBUTE,
    "taskName",
}
