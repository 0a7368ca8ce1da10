"""
What every answer carries, and which names the dashboard answers to.

A page of somebody else's that resolves its own name to 127.0.0.1 (DNS rebinding)
could read everything here; its requests carry that name as `Host`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
#: Listening on every address: which name is right cannot be known.
_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on

HEADERS = {
    # No inline script or style anywhere: escaping has a second wall behind it.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": a form would come from the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeaders:
    """Adds the headers to every answer; figures are kept by nobody on the way."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class TrustedHosts:
    """
    Answers only to its own names.

    Args:
        host: Where the dashboard listens.

        names: What else it is called, by a proxy's visitors.
    """

    def __init__(self, app: ASGIApp, *, host: str, names: Collection[str]) -> None:
        self._app = app
        known = _LOCAL | {_plain(name) for name in (host, *names)}
        self._names = None if host in _ANY else known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._names is None:
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("host", "")
        if host_name(given) in self._names:
            await self._app(scope, receive, send)
            return
        answer = JSONResponse(
            {
                "code": "HOST_UNKNOWN",
                "reason": f"'{given[:80]}' is not a name of this dashboard; "
                f"use one of {', '.join(sorted(self._names))}",
            },
            status_code=400,
        )
        await answer(scope, receive, send)


def is_this_machine(host: str) -> bool:
    """Say whether only this machine reaches what listens on *host*."""
    return _plain(host) in _LOCAL


def host_name(header: str) -> str:
    """Return the name in a `Host` header, lower case, without the port."""
    if header.startswith("["):
        return _plain(header[1:].partition("]")[0])
    return _plain(header.rpartition(":")[0] if ":" in header else header)


def _plain(name: str) -> str:
    name = name.lower().removesuffix(".")
    try:
        # An address has several spellings; a name only one.
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name
