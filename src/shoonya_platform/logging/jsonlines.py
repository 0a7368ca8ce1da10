"""
The line of JSON: one object a record, for Filebeat, Datadog, CloudWatch, Vector, Loki.

    {"timestamp":"2026-02-08T14:25:31.123456+05:30","level":"INFO","component":
    "dashboard","logger":"DASHBOARD","message":"…","order_id":"5","run":"…","pid":1,
    "seq":7}

The names in `RESERVED` mean the same in every record; all others are context, and
text.  An exception is one string in the record that it belongs to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

from shoonya_platform.logging.components import belongs, logger_name

#: What the library writes itself, in this order; `exception` only if there is one.
RESERVED = (
    "timestamp",
    "level",
    "component",
    "logger",
    "message",
    "exception",
    "run",
    "pid",
    "seq",
)


def quoted_json(text: str) -> str:
    """Return *text* as a JSON string on one line, whoever splits it into lines."""
    if text.isprintable():
        return encode_basestring(text)
    return encode_basestring_ascii(text)


def context_key(name: str) -> str:
    """Return the key of a context field: one that is taken gets an underscore more."""
    return f"{name}_" if name.rstrip("_") in RESERVED else name


def _context_name(key: str) -> str:
    return key[:-1] if key.rstrip("_") in RESERVED else key


def head_json(level: str, component: str, logger: str) -> str:
    """Return what stands between time and sentence."""
    return (
        f'","level":{quoted_json(level)},"component":{quoted_json(component)},'
        f'"logger":{quoted_json(logger)},"message":'
    )


def fields_json(fields: Mapping[str, str]) -> str:
    """Return `,"name":"value"` for each field, "" for none."""
    return "".join(
        f",{quoted_json(context_key(name))}:{quoted_json(value)}"
        for name, value in fields.items()
    )


class IsoStamp:
    """Turns a record's time into ISO 8601 with the machine's zone, microseconds."""

    def __init__(self) -> None:
        # One tuple, replaced whole: threads must never see half of it.
        self._second: tuple[int, str, str] = (-1, "", "")

    def text(self, created: float) -> str:
        """Return `2026-02-08T14:25:31.123456+05:30` for seconds since the epoch."""
        second = int(created)
        known, text, zone = self._second
        if known != second:
            local = time.localtime(second)
            text = time.strftime("%Y-%m-%dT%H:%M:%S", local)
            sign = "-" if local.tm_gmtoff < 0 else "+"
            hours, minutes = divmod(abs(local.tm_gmtoff) // 60, 60)
            zone = f"{sign}{hours:02d}:{minutes:02d}"
            self._second = (second, text, zone)
        return f"{text}.{int((created - second) * 1_000_000):06d}{zone}"


def parse_object(line: str) -> dict[str, Any] | None:
    """
    Take a line apart; None for what is no record of ours.

    Returns:
        What `ParsedLine` has, by name; `at` as written.
    """
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    seq = found.get("seq")
    texts = {key: value for key, value in found.items() if isinstance(value, str)}
    if (
        not isinstance(seq, int)
        or not {
            "timestamp",
            "level",
            "component",
            "logger",
            "message",
            "run",
        }
        <= texts.keys()
    ):
        return None
    fields = {
        _context_name(key): value for key, value in texts.items() if key not in RESERVED
    }
    component, logger = texts["component"], texts["logger"]
    if component and not belongs(logger, component):
        # As in the line of text: somebody else's record in this file.
        fields["logger"] = logger
    return {
        "at": texts["timestamp"],
        "level": texts["level"],
        "name": logger_name(component) or logger,
        "message": texts["message"],
        "fields": fields,
        "run": texts["run"],
        "seq": seq,
        "detail": texts.get("exception", ""),
    }
