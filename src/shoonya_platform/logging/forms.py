"""The two forms of a line in a file: text for people, JSON for programs."""

from __future__ import annotations

import logging
import os
from typing import Protocol

from shoonya_platform.logging.components import belongs, logger_name
from shoonya_platform.logging.entries import Entry
from shoonya_platform.logging.formats import (
    Stamp,
    detail_text,
    escaped,
    head_text,
    quoted,
)
from shoonya_platform.logging.jsonlines import (
    IsoStamp,
    fields_json,
    head_json,
    quoted_json,
)

#: The names of the forms, as in `[log] form`.
FORMS = ("text", "json")

_HEADS_KEPT = 1000
_stamp = Stamp()
_iso_stamp = IsoStamp()


class Form(Protocol):
    """Makes the lines of one component in one run."""

    def line(self, record: logging.LogRecord, entry: Entry, seq: int) -> str:
        """Return the record with all its line breaks, the last one too."""


def form_of(name: str, component: str, run_id: str) -> Form:
    """
    Return the form of that name.

    Args:
        name: One of `FORMS`.

        component: Whose file it is for; "" for everybody else's records.

        run_id: Stands in every line.
    """
    kind = JsonForm if name == "json" else TextForm
    return kind(component, run_id)


class TextForm:
    """`formats.py` describes the line."""

    def __init__(self, component: str, run_id: str) -> None:
        self._component = component
        self._name = logger_name(component)
        self._heads: dict[tuple[str, str], str] = {}
        self._tail = f" run={run_id} seq="

    def line(self, record: logging.LogRecord, entry: Entry, seq: int) -> str:
        """Return the record as text."""
        fields = entry.fields_text
        logger, own = record.name, self._name
        if logger != own and own and not belongs(logger, self._component):
            # Somebody else's record in our file: say whose.
            fields += f" logger={quoted(logger)}"
        message = entry.message
        if not message.isprintable():
            message = escaped(message)
        key = (record.levelname, own or logger)
        head = self._heads.get(key) or self._head(*key)
        line = (
            f"{_stamp.text(record.created)}{head}{message} |{fields}{self._tail}{seq}\n"
        )
        return line + detail_text(entry.detail) if entry.detail else line

    def _head(self, level: str, name: str) -> str:
        head = head_text(level, name)
        if len(self._heads) < _HEADS_KEPT:
            self._heads[level, name] = head
        return head


class JsonForm:
    """`jsonlines.py` describes the line."""

    def __init__(self, component: str, run_id: str) -> None:
        self._component = component
        self._heads: dict[tuple[str, str], str] = {}
        self._tail = f',"run":{quoted_json(run_id)},"pid":{os.getpid()},"seq":'

    def line(self, record: logging.LogRecord, entry: Entry, seq: int) -> str:
        """Return the record as an object."""
        key = (record.levelname, record.name)
        head = self._heads.get(key) or self._head(*key)
        detail = f',"exception":{quoted_json(entry.detail)}' if entry.detail else ""
        return (
            f'{{"timestamp":"{_iso_stamp.text(record.created)}{head}'
            f"{quoted_json(entry.message)}{fields_json(entry.fields)}{detail}"
            f"{self._tail}{seq}}}\n"
        )

    def _head(self, level: str, name: str) -> str:
        head = head_json(level, self._component, name)
        if len(self._heads) < _HEADS_KEPT:
            self._heads[level, name] = head
        return head
