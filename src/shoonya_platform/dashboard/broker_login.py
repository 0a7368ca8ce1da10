"""
The daily login at the broker, for a user without a terminal.

The page shows the broker's own address, which the user opens in a browser, and takes
the code that it ends with.  As everything that changes something here, it needs the
dashboard's password; codes that fail are limited as wrong passwords are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from shoonya_platform.assessment.session import SessionVerdict
from shoonya_platform.clock import Clock
from shoonya_platform.dashboard import queries
from shoonya_platform.dashboard.attempts import Attempts
from shoonya_platform.dashboard.forms import check_session, read_form
from shoonya_platform.dashboard.login import client_of
from shoonya_platform.dashboard.rendering import Renderer
from shoonya_platform.dashboard.sessions import USER
from shoonya_platform.errors import NotFound
from shoonya_platform.logging import get_component_logger

MAX_CODE_LENGTH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginResult:
    """What became of a code."""

    problem: str = ""  #: empty if the session began
    hint: str = ""
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAccess:
    """How the dashboard reaches the login of the configured broker."""

    user_id: str
    address: str  #: where the user logs in
    verdict: Callable[[], SessionVerdict]  #: of the session there is; reads a file
    log_in: Callable[[str], LoginResult]  #: takes a code; may take seconds


class BrokerLogin:
    """
    The page and its form.

    Args:
        access: None: the broker needs no login with a browser.

        ring: Rings the named services' doorbells.
    """

    def __init__(
        self,
        access: BrokerAccess | None,
        render: Renderer,
        clock: Clock,
        ring: Callable[..., None],
    ) -> None:
        self._access = access
        self._render = render
        self._ring = ring
        self._attempts = Attempts(clock)
        self._busy = asyncio.Lock()
        self._logger = get_component_logger("dashboard")

    def routes(self) -> list[Route]:
        return [
            Route("/broker", self.page, methods=["GET"]),
            Route("/broker", self.log_in, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        check_session(request)
        return await self._answer(request, self._needed(), None)

    async def log_in(self, request: Request) -> Response:
        check_session(request)
        access = self._needed()
        form = await read_form(request)
        client = client_of(request)
        wait = self._attempts.wait_seconds(client)
        if wait:
            seconds = int(wait) + 1
            result = LoginResult(
                problem=f"too many codes that were refused: try again in {seconds} s"
            )
            return await self._answer(request, access, result, 429, seconds)
        # One at a time: each ends the session before it at the broker.
        async with self._busy:
            result = await asyncio.to_thread(
                access.log_in, form.get("code", "")[:MAX_CODE_LENGTH]
            )
        if result.problem:
            self._attempts.note_failure(client)
        else:
            self._ring("command_service", "order_watcher", "recovery_service")
        self._logger.log(
            logging.WARNING if result.problem else logging.INFO,
            "%s %s at the broker as %s from %s%s",
            USER,
            "could not log in" if result.problem else "logged in",
            access.user_id,
            client,
            f": {result.problem}" if result.problem else "",
            extra={
                "event": "broker_login_failed" if result.problem else "broker_login",
                "user": USER,
                "client": client,
            },
        )
        return await self._answer(
            request, access, result, 422 if result.problem else 200
        )

    def _needed(self) -> BrokerAccess:
        if self._access is None:
            raise NotFound("the configured broker needs no login with a browser")
        return self._access

    async def _answer(
        self,
        request: Request,
        access: BrokerAccess,
        result: LoginResult | None,
        status: int = 200,
        wait_seconds: int = 0,
    ) -> Response:
        html = self._render.page(
            request,
            "broker.html",
            access=access,
            verdict=await asyncio.to_thread(access.verdict),
            result=result,
            max_length=MAX_CODE_LENGTH,
        )
        headers = {"Retry-After": str(wait_seconds)} if wait_seconds else None
        return HTMLResponse(html, status_code=status, headers=headers)
