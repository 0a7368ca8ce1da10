"""Puts the dashboard together: routes, answers to errors, and the walls around."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp

from shoonya_platform import __version__
from shoonya_platform.clock import Clock
from shoonya_platform.dashboard.actions import Actions
from shoonya_platform.dashboard.api import Api
from shoonya_platform.dashboard.broker_login import BrokerAccess, BrokerLogin
from shoonya_platform.dashboard.fragments import Fragments
from shoonya_platform.dashboard.live import Live
from shoonya_platform.dashboard.login import Door, Login, Wall
from shoonya_platform.dashboard.metrics import Metrics
from shoonya_platform.dashboard.pages import Pages
from shoonya_platform.dashboard.queries import BadRequest
from shoonya_platform.dashboard.rendering import Renderer, load_assets
from shoonya_platform.dashboard.security import SecurityHeaders, TrustedHosts
from shoonya_platform.dashboard.sources import Sources
from shoonya_platform.errors import NotFound, ShoonyaError, StoreError
from shoonya_platform.logging import get_component_logger


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The application, and how its open pages are told of the end."""

    app: ASGIApp
    close: Callable[[], None]


def create_app(
    sources: Sources,
    clock: Clock,
    *,
    host: str,
    names: Collection[str] = (),
    run_id: str,
    ring: Callable[..., None],
    password_hash: str | None = None,
    broker_access: BrokerAccess | None = None,
) -> Dashboard:
    """
    Put the application together.

    Args:
        host: Where it listens; other names in a request's `Host` are refused.

        names: But for these.

        run_id: What `/health` says of this process.

        ring: Rings the named services' doorbells.

        password_hash: Whose password opens it; None: readable, and only that.

        broker_access: The broker's login with a browser; None: there is none.
    """
    assets = load_assets()
    render = Renderer(clock, assets, __version__)
    errors = _Errors(render)
    door = Door(password_hash, clock)
    fragments = Fragments(
        sources,
        render,
        can_act=door.is_locked,
        can_log_in=broker_access is not None,
    )
    live = Live(fragments.get, clock)
    app = Starlette(
        routes=[
            *Api(sources, run_id).routes(),
            *Login(door, render).routes(),
            *Actions(sources, render, ring).routes(),
            *BrokerLogin(broker_access, render, clock, ring).routes(),
            *Metrics(sources).routes(),
            *live.routes(),
            *Pages(sources, fragments, render, assets).routes(),
        ],
        middleware=[
            Middleware(TrustedHosts, host=host, names=names),
            Middleware(Wall, door=door),
        ],
        exception_handlers={
            BadRequest: errors.bad_request,
            NotFound: errors.not_found,
            StoreError: errors.unavailable,
            HTTPException: errors.http,
            Exception: errors.crash,
        },
    )
    # Around all of it: Starlette answers to a crash outside its own middleware.
    return Dashboard(SecurityHeaders(app), live.close)


def _words(error: Exception) -> tuple[str, str | None]:
    """Return what an error says, and what to do about it."""
    if isinstance(error, ShoonyaError):
        return error.message, error.hint
    return str(error), None


class _Errors:
    """Answers in JSON to programs and with a page to people."""

    def __init__(self, render: Renderer) -> None:
        self._render = render
        self._logger = get_component_logger("dashboard")

    async def bad_request(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, BadRequest)  # noqa: S101 - what it is registered for
        return self._answer(request, 400, error.code, error.message)

    async def not_found(self, request: Request, error: Exception) -> Response:
        return self._answer(request, 404, "NOT_FOUND", *_words(error))

    async def unavailable(self, request: Request, error: Exception) -> Response:
        return self._answer(request, 503, "STORE_UNAVAILABLE", *_words(error))

    async def http(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        path = request.url.path[:80]
        code, reason = {
            404: ("NOT_FOUND", f"there is nothing at '{path}'"),
            405: (
                "METHOD_NOT_ALLOWED",
                f"'{path}' is not for {request.method}; try GET",
            ),
        }.get(status, ("HTTP_ERROR", f"status {status}"))
        headers = getattr(error, "headers", None)
        return self._answer(request, status, code, reason, headers=headers)

    async def crash(self, request: Request, error: Exception) -> Response:
        # The server logs the traceback, but not what was asked for.
        self._logger.error(
            "no answer to %s: %r",
            request.url.path,
            error,
            extra={"event": "request_crashed"},
        )
        return self._answer(
            request, 500, "CRASHED", "the dashboard made a mistake; its log has more"
        )

    def _answer(
        self,
        request: Request,
        status: int,
        code: str,
        reason: str,
        hint: str | None = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> Response:
        path = request.url.path
        if path.startswith(("/api/", "/health", "/ready", "/metrics")):
            body = {"code": code, "reason": f"{reason}; {hint}" if hint else reason}
            return JSONResponse(body, status_code=status, headers=headers)
        html = self._render.page(
            request, "error.html", status=status, code=code, reason=reason, hint=hint
        )
        return HTMLResponse(html, status_code=status, headers=headers)
