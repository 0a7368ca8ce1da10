"""
The many ways in which a session is refused, or a request for there being too many.

Seen at this broker and at others with the same server; which of them comes when is
not known, so that a client must understand each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EXPIRED = "Session Expired :  Invalid Session Key"


@dataclass(frozen=True, slots=True)
class Wording:
    """A status, and an `emsg` for JSON or a text that is not JSON."""

    status: int
    emsg: str | None = None
    text: str = ""


_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"

UNAUTHORIZED: Mapping[str, Wording] = {
    "two_blanks": Wording(401, EXPIRED),
    "one_blank": Wording(401, "Session Expired : Invalid Session Key"),
    "status_200": Wording(200, EXPIRED),
    "status_400": Wording(400, EXPIRED),
    "status_403": Wording(403, EXPIRED),
    "invalid_access_token": Wording(401, "Invalid Access Token"),
    "invalid_token": Wording(401, "Invalid Token"),
    "session_token_expired": Wording(401, "Session Token Expired"),
    "html": Wording(401, None, _HTML.format("401 Authorization Required")),
    "text": Wording(401, None, "Unauthorized"),
    "empty": Wording(401, None, ""),
}
TOO_MANY: Mapping[str, Wording] = {
    "json": Wording(429, "Too Many Requests"),
    "html": Wording(429, None, _HTML.format("429 Too Many Requests")),
    "text": Wording(429, None, "Too Many Requests"),
    "empty": Wording(429, None, ""),
    "unavailable": Wording(503, None, _HTML.format("503 Service Unavailable")),
    "gateway_timeout": Wording(504, None, _HTML.format("504 Gateway Time-out")),
}


def wording(of: Mapping[str, Wording], name: str, turn: int) -> Wording:
    """Return a wording by its name, or the next one by turns."""
    return of[name] if name else list(of.values())[turn % len(of)]
