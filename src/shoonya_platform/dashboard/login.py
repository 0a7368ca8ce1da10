"""
The wall around everything but the door: who is logged in, and how one logs in.

Without a password the dashboard can be read by whoever reaches it, and changes
nothing; the service sees to it that this is this machine only.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shoonya_platform.clock import Clock
from shoonya_platform.dashboard.attempts import Attempts
from shoonya_platform.dashboard.forms import read_form
from shoonya_platform.dashboard.passwords import is_password
from shoonya_platform.dashboard.rendering import Renderer
from shoonya_platform.dashboard.sessions import (
    COOKIE,
    MAX_AGE_SECONDS,
    USER,
    Session,
    Sessions,
)
from shoonya_platform.logging import get_component_logger

#: What needs no session: how else would one get one.
_OPEN = ("/login", "/health", "/ready", "/static/")
#: What programs ask for, with the password itself.
_FOR_PROGRAMS = ("/api/", "/metrics")


class Door:
    """
    Tells who is who, by the session's cookie or, for programs, by the password.

    Args:
        password_hash: What `passwords.hash_password` made; None: nobody logs in.
    """

    def __init__(self, password_hash: str | None, clock: Clock) -> None:
        self._hash = password_hash
        self.sessions = Sessions(password_hash or "", clock)
        self._attempts = Attempts(clock)
        # One at a time: a check takes 12 MB.
        self._executor = ThreadPoolExecutor(1, "password")
        self._logger = get_component_logger("dashboard")

    @property
    def is_locked(self) -> bool:
        """Whether there is a password at all."""
        return self._hash is not None

    def session(self, connection: HTTPConnection) -> Session | None:
        if self._hash is None:
            return None
        return self.sessions.find(connection.cookies.get(COOKIE, ""))

    def wait_seconds(self, client: str) -> float:
        return self._attempts.wait_seconds(client)

    async def is_password(self, password: str, client: str) -> bool:
        """Check a password, and note a wrong one against *client*."""
        if self._hash is None or self.wait_seconds(client):
            return False
        right = await asyncio.get_running_loop().run_in_executor(
            self._executor, is_password, self._hash, password
        )
        if not right:
            self._attempts.note_failure(client)
            self._logger.warning(
                "wrong password from %s",
                client,
                extra={"event": "login_failed", "client": client},
            )
        return right


class Wall:
    """Lets through who is logged in; the session is `scope["session"]`."""

    def __init__(self, app: ASGIApp, *, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        session = self._door.session(connection)
        scope["session"] = session
        path = connection.url.path
        if (
            session is None
            and self._door.is_locked
            and not path.startswith(_OPEN)
            and not await self._is_program(connection)
        ):
            await _refusal(connection)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _is_program(self, connection: HTTPConnection) -> bool:
        """Say whether the API is asked with the password itself (HTTP Basic)."""
        scheme, _, text = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or not connection.url.path.startswith(
            _FOR_PROGRAMS
        ):
            return False
        try:
            user, _, password = (
                base64.b64decode(text, validate=True).decode().partition(":")
            )
        except (binascii.Error, UnicodeDecodeError):
            return False
        return user == USER and await self._door.is_password(
            password, client_of(connection)
        )


def _refusal(connection: HTTPConnection) -> Response:
    path = connection.url.path
    if path.startswith((*_FOR_PROGRAMS, "/fragments/", "/live")):
        return JSONResponse(
            {
                "code": "LOGIN_NEEDED",
                "reason": f"log in at /login, or send the user '{USER}' and the "
                "password (HTTP Basic) to /api/ and /metrics",
            },
            status_code=401,
            # Without a challenge: a browser would ask in a window of its own.
        )
    target = path + (f"?{connection.url.query}" if connection.url.query else "")
    back = urlencode({"next": target}) if connection.scope["method"] == "GET" else ""
    return RedirectResponse(f"/login?{back}" if back else "/login", status_code=303)


class Login:
    """The page to log in, and the way out."""

    def __init__(self, door: Door, render: Renderer) -> None:
        self._door = door
        self._render = render
        self._logger = get_component_logger("dashboard")

    def routes(self) -> list[Route]:
        return [
            Route("/login", self.page, methods=["GET"]),
            Route("/login", self.log_in, methods=["POST"]),
            Route("/logout", self.log_out, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        target = own_path(request.query_params.get("next", "/"))
        if not self._door.is_locked or request.scope["session"] is not None:
            return RedirectResponse(target, status_code=303)
        return self._form(target)

    async def log_in(self, request: Request) -> Response:
        form = await read_form(request)
        target = own_path(form.get("next", "/"))
        client = client_of(request)
        wait = self._door.wait_seconds(client)
        if wait:
            seconds = int(wait) + 1
            return self._form(
                target,
                f"Too many wrong passwords: try again in {seconds} s.",
                status=429,
                headers={"Retry-After": str(seconds)},
            )
        if not await self._door.is_password(form.get("password", ""), client):
            return self._form(target, "That is not the password.", status=401)
        self._logger.info(
            "%s logged in from %s",
            USER,
            client,
            extra={"event": "login", "user": USER, "client": client},
        )
        answer = RedirectResponse(target, status_code=303)
        answer.set_cookie(
            COOKIE,
            self._door.sessions.begin(),
            max_age=MAX_AGE_SECONDS,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    async def log_out(self, request: Request) -> Response:
        await read_form(request)
        session: Session | None = request.scope["session"]
        if session is not None:
            self._door.sessions.end(session)
            self._logger.info(
                "%s logged out", USER, extra={"event": "logout", "user": USER}
            )
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    def _form(
        self,
        target: str,
        problem: str = "",
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Response:
        html = self._render("login.html", target=target, problem=problem)
        return HTMLResponse(html, status_code=status, headers=headers)


def client_of(connection: HTTPConnection) -> str:
    """Return the address a request came from, as the proxy tells it."""
    return connection.client.host if connection.client else "unknown"


def own_path(text: str) -> str:
    """Return a path on this dashboard: nobody is led elsewhere from here."""
    parts = urlsplit(text)
    if parts.scheme or parts.netloc or not text.startswith("/") or "\\" in text:
        return "/"
    # A line break or `//host` would be read differently by a browser.
    if text.startswith("//") or not text.isprintable():
        return "/"
    return text
