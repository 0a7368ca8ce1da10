"""
What an answer of Noren's proves: the one place that knows its wordings.

    what came back                                     what it means
    stat Ok, or a list                                 done
    401; "Session Expired", "Invalid Token" …          the session is dead, not done
    429; "Too many requests", "Rate limit …"           wait, not done
    a time-out in the text                             unknown, may have been done
    500 and above (502, 503, 504, a gateway's page)    unknown, may have been done
    403 without a reason                               wait, not done
    stat Not_Ok                                        refused, not done
    all else                                           unknown, may have been done

The first line that fits counts.  "Not done" is said only where the request was
refused before anything could act on it, as an order is then sent again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shoonya_platform.brokers.shoonya_bytes import NotJson, decode, printable
from shoonya_platform.errors import BrokerUnavailable, OutcomeUnknown

#: Of a list the rows may be anything: `shoonya_books` sorts them.
Answer = dict[str, object] | list[object]

#: How much of an emsg is passed on.
_EMSG_LENGTH = 300
#: How much of an answer that is not JSON is looked at.
_PAGE_LENGTH = 2000

_SESSION_DEAD = re.compile(
    r"session\s+(?:key\s+|token\s+|id\s+)?(?:is\s+|has\s+|was\s+)?"
    r"(?:expired|invalid|ended|not\s+found|not\s+valid|timed?[\s-]?out)"
    r"|(?:expired|invalid)\s+session"
    r"|(?:access|session|auth\w*|bearer)\s+token\s+(?:is\s+|has\s+|was\s+)?"
    r"(?:expired|invalid|not\s+valid)"
    r"|(?:expired|invalid)\s+(?:access|session|auth\w*|bearer)\s+token"
    r"|invalid\s+jkey|not\s+logged\s*in",
    re.IGNORECASE,
)
#: The token of the session, or of an instrument: only the route tells which.
_TOKEN_DEAD = re.compile(
    r"(?:invalid|expired)\s+token|token\s+(?:is\s+|has\s+|was\s+)?(?:expired|invalid)",
    re.IGNORECASE,
)
#: Routes that are asked with an instrument's token.
_SCRIP_ROUTES = frozenset(
    {"GetQuotes", "GetSecurityInfo", "GetLinkedScrips", "TPSeries", "GetOptionChain"}
)
_TOO_MANY = re.compile(
    r"too\s+many\s+requests|requests?\s+(?:rate|limit)|rate[\s-]?limit|throttl",
    re.IGNORECASE,
)
#: The front took the request, and does not know what became of it behind.
_AMBIGUOUS = re.compile(r"time[\s-]?out|timed[\s-]?out", re.IGNORECASE)
_NO_DATA = re.compile(r"no\s+data", re.IGNORECASE)


class NotOk(Exception):
    """The broker said no; what was asked was not done."""

    def __init__(self, emsg: str) -> None:
        super().__init__(emsg)
        self.emsg = emsg

    @property
    def is_no_data(self) -> bool:
        return _NO_DATA.search(self.emsg) is not None


class SessionExpired(NotOk):
    """The token is dead; what was asked was not done."""


class TooManyRequests(BrokerUnavailable):
    """The broker wants fewer requests; what was asked was not done."""


def judge(route: str, status: int, content: bytes) -> Answer:
    """
    Return the answer to a request that has left.

    Raises:
        NotOk: It was refused; `SessionExpired` if for want of a session.
        TooManyRequests: It was refused for now.
        BrokerUnavailable: The gateway refused it.
        OutcomeUnknown: The answer proves nothing.
    """
    answer = _decoded(content)
    fields = _fields(answer)
    text = _text(answer, fields, content)
    is_ok = fields is not None and word(fields, "stat") == "ok"
    if is_ok and status != 200:
        # It contradicts itself.
        raise OutcomeUnknown(f"the broker answered HTTP {status} and 'Ok' to {route}")
    if not is_ok:
        _raise_if_dead(route, status, text)
        _raise_if_too_many(route, status, text)
    if status >= 500:
        raise OutcomeUnknown(f"the broker answered HTTP {status} to {route}")
    if fields is not None and word(fields, "stat") == "not_ok":
        if _AMBIGUOUS.search(text):
            raise OutcomeUnknown(f"the broker answered '{text}' to {route}")
        raise NotOk(text or f"refused, HTTP {status}")
    if status == 403:
        # The gate refused it; there is no saying why.
        raise BrokerUnavailable(
            f"the broker's gateway refused {route} with HTTP {status}",
            hint="is this machine's address registered for the API key? see: "
            "shoonyactl broker status",
        )
    if status == 200 and isinstance(answer, dict | list):
        return answer
    raise OutcomeUnknown(
        f"the broker answered {route} with HTTP {status} and nothing readable"
    )


def word(answer: Mapping[str, object], name: str) -> str:
    """Return a field that is one word, in lower case; empty if it is not text."""
    value = answer.get(name)
    return value.strip().lower() if isinstance(value, str) else ""


def _decoded(content: bytes) -> object:
    try:
        return decode(content)
    except NotJson:
        return None


def _fields(answer: object) -> dict[str, object] | None:
    """Return the object that says how it went; some servers put it into a list."""
    if isinstance(answer, list) and len(answer) == 1:
        (only,) = answer
        if isinstance(only, dict) and word(only, "stat") == "not_ok":
            return only
    return answer if isinstance(answer, dict) else None


def _text(answer: object, fields: dict[str, object] | None, content: bytes) -> str:
    """Return what the answer says about why it was not done."""
    if fields is not None:
        emsg = fields.get("emsg")
        return printable(emsg, _EMSG_LENGTH) if isinstance(emsg, str) else ""
    if answer is None:
        return content[:_PAGE_LENGTH].decode("utf-8", "replace")
    return ""


def _raise_if_dead(route: str, status: int, text: str) -> None:
    says_so = _SESSION_DEAD.search(text) or (
        route not in _SCRIP_ROUTES and _TOKEN_DEAD.search(text)
    )
    # A gateway's error page is about the gateway, whatever else it mentions.
    is_plain = status < 500 or not _is_page(text)
    if (says_so and is_plain) or (status == 401 and not _AMBIGUOUS.search(text)):
        raise SessionExpired(_shown(text, status))


def _raise_if_too_many(route: str, status: int, text: str) -> None:
    if status >= 500 or _AMBIGUOUS.search(text):
        return
    if status == 429 or _TOO_MANY.search(text):
        raise TooManyRequests(
            f"the broker wants fewer requests: {_shown(text, status)} to {route}"
        )


def _shown(text: str, status: int) -> str:
    if not text or _is_page(text):
        return f"HTTP {status}"
    return printable(text, _EMSG_LENGTH)


def _is_page(text: str) -> bool:
    return text.lstrip().startswith("<")
