"""
The border: what the broker sent becomes plain values here, whatever it is.

    number, NaN, Infinity     its text; so nothing is rounded, and no digit limit fails
    lone surrogate            U+FFFD: such text can be neither logged nor stored
    bytes that are not UTF-8  U+FFFD
    nested deeper than Noren  None in its place

Noren writes all values as text, so nothing is lost by it.
"""

from __future__ import annotations

import json
import re
from types import NoneType

#: SearchScrip's rows are at depth 3, a log-in's `prarr` at 4.
_MAX_DEPTH = 6
_SIMPLE = {str, bool, NoneType}
_SURROGATES = re.compile("[\ud800-\udfff]")
#: Whether there can be one: only an escape makes it, or text that has it already.
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]|[" + "\ud800-\udfff" + "]")


class NotJson(ValueError):
    """It is not JSON, or nested too deep to be read."""


def decode(content: bytes | str) -> object:
    """
    Return the value that this JSON has.

    Returns:
        str, bool or None, or lists and dicts of them, at most six deep.

    Raises:
        NotJson: It has none.
    """
    if isinstance(content, bytes):
        content = content.decode("utf-8-sig", "replace")
    try:
        value = json.loads(content, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as e:
        raise NotJson(type(e).__name__) from e
    return _plain(value, _SURROGATE_ESCAPE.search(content) is not None, _MAX_DEPTH)


def printable(text: str, longest: int) -> str:
    """Return text of the broker's for a person: one line, of limited length."""
    text = " ".join(text[: 4 * longest].split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _plain(value: object, has_surrogates: bool, depth: int) -> object:
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value) if has_surrogates else value
    if not isinstance(value, dict | list):
        return value
    if not depth:
        return None
    depth -= 1
    if isinstance(value, list):
        return [_plain(each, has_surrogates, depth) for each in value]
    # A day's book has some hundred thousand values, nearly all of them text.
    if not has_surrogates and {*map(type, value.values())} <= _SIMPLE:
        return value
    return {
        _plain(key, has_surrogates, depth): _plain(each, has_surrogates, depth)
        for key, each in value.items()
    }
