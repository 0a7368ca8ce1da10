"""
execution_service's door: takes alerts, stores them durably, answers at once.

A refusal that no second try can cure is a 4xx with a code: TradingView re-sends
after a 5xx.  A 503 says that the store did not answer and asks for just that.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alert_form import decode, parse, without_secret
from shoonya_platform.domain.alerts import Alert
from shoonya_platform.domain.alerts import alert_id as new_alert_id
from shoonya_platform.domain.orders import AlertId
from shoonya_platform.domain.ticker_map import TickerMap
from shoonya_platform.errors import AlertRefused, StoreError
from shoonya_platform.execution.gathered import Gathered
from shoonya_platform.execution.openapi import document
from shoonya_platform.execution.refusing import Refusals, Secret
from shoonya_platform.execution.resolving import resolved
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

_CONTENT_TYPES = ("application/json", "text/plain", "")

#: Alerts written with one commit.
BATCH = 64

_Result = tuple[AlertId, bool] | AlertRefused | None


class Intake:
    """
    Takes one alert after the other.

    Args:
        secret: What an alert must carry as `secret_key`.

        ring: Rings the named services' doorbells.

        executor: One thread, the store's: its commits wait for the disk, and the
            event loop must not.

        tickers: Finds the instruments of an alert; used in that thread.
    """

    def __init__(
        self,
        store: OrderStore,
        secret: str,
        clock: Clock,
        ring: Callable[..., None],
        *,
        max_body_bytes: int,
        executor: ThreadPoolExecutor,
        tickers: TickerMap,
    ) -> None:
        self._store = store
        self._value = secret.encode()
        self._secret = Secret(secret)
        self._refusals = Refusals(store, self._secret, clock, executor)
        self._clock = clock
        self._ring = ring
        self._tickers = tickers
        self._max_body_bytes = max_body_bytes
        self._storing = Gathered(executor, self._store_alerts, most=BATCH)
        self.accepted = 0
        self.refused = 0
        self._logger = get_component_logger("execution_service")

    async def webhook(self, request: Request) -> Response:
        """`POST /webhook`: 202 with the alert's id, or a 4xx with the reason."""
        body = b""
        try:
            body = await self._body(request)
            alert = self._authenticated(body)
            result = await self._storing(alert)
            if isinstance(result, AlertRefused):
                raise result
            if result is None:
                return JSONResponse({"status": "test", "legs": len(alert.legs)})
            stored, is_new = result
        except AlertRefused as e:
            return await self._refuse(request, body, e)
        except StoreError as e:
            self._logger.error(
                "alert not stored: %s", e.sentence, extra={"event": "alert_not_stored"}
            )
            return JSONResponse(
                {
                    "status": "unavailable",
                    "code": "STORE_UNAVAILABLE",
                    "reason": "the alert was not stored, send it again",
                },
                status_code=503,
                headers={"Retry-After": "5"},
            )
        except ClientDisconnect:
            return Response(status_code=400)
        answer: dict[str, object] = {
            "status": "accepted" if is_new else "duplicate",
            "alert_id": stored,
        }
        if alert.ignored_keys:
            answer["ignored_keys"] = list(alert.ignored_keys)
        return JSONResponse(answer, status_code=202 if is_new else 200)

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind.lower() not in _CONTENT_TYPES:
            raise AlertRefused(
                "CONTENT_TYPE",
                f"expected application/json or text/plain, was '{kind[:60]}'",
                status=415,
            )
        limit = self._max_body_bytes
        too_large = AlertRefused(
            "BODY_TOO_LARGE", f"the body exceeds {limit} bytes", status=413
        )
        length = request.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise AlertRefused("CONTENT_LENGTH", "content-length: expected a number")
        # Python reads no number of thousands of digits.
        if len(length) > 18 or int(length) > limit:
            raise too_large
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large
        return bytes(body)

    def _authenticated(self, body: bytes) -> Alert:
        fields = decode(body)
        given = fields.get("secret_key", "")
        # Compared before anything else is looked at, and in constant time.
        if not isinstance(given, str) or not hmac.compare_digest(
            given.encode(), self._value
        ):
            raise AlertRefused(
                "SECRET_WRONG",
                "'secret_key' is missing or wrong",
                status=401,
                hint="put the webhook secret into the alert's message",
            )
        # In a wrong field too: what is stored and answered never has it.
        return parse(self._secret.taken_out(without_secret(fields)))

    def _store_alerts(self, alerts: Sequence[Alert]) -> list[_Result]:
        """
        Store alerts with one durable commit; those after it may be answered.

        Returns:
            For each its id and whether it is new, its refusal, or None for a test.
        """
        # Before the transaction, which keeps all others from writing.
        found = [self._with_instruments(alert) for alert in alerts]
        real = [
            alert
            for alert in found
            if not isinstance(alert, AlertRefused) and not alert.is_test
        ]
        if not real:
            return [a if isinstance(a, AlertRefused) else None for a in found]
        with self._store.transaction(durable=True):
            stored = [self._add(alert) for alert in real]
            # Before the commit: killed in between, the sender is not answered and
            # sends again; after it, nobody would ever tell.
            for alert, (alert_id, is_new) in zip(real, stored, strict=True):
                self._tell(alert, alert_id, is_new=is_new)
        new = sum(is_new for _, is_new in stored)
        self.accepted += new
        if new:
            self._ring("trading_bot")
        results = iter(stored)
        return [
            alert
            if isinstance(alert, AlertRefused)
            else None
            if alert.is_test
            else next(results)
            for alert in found
        ]

    def _with_instruments(self, alert: Alert) -> Alert | AlertRefused:
        try:
            return resolved(alert, self._store, self._tickers, self._clock.now())
        except AlertRefused as e:
            return e

    def _add(self, alert: Alert) -> tuple[AlertId, bool]:
        received_at = self._clock.now()
        new_id = new_alert_id(received_at, secrets.token_bytes(5))
        return self._store.alerts.add(alert, new_id, received_at=received_at)

    def _tell(self, alert: Alert, stored: AlertId, *, is_new: bool) -> None:
        context = {"alert_id": stored, "strategy": alert.strategy}
        if not is_new:
            self._logger.warning(
                "duplicate of alert %s, not taken again",
                stored,
                extra={**context, "event": "alert_duplicate"},
            )
            return
        self._logger.info(
            "Alert %s accepted: %s for '%s', %d leg%s",
            stored,
            alert.intent,
            alert.strategy,
            len(alert.legs),
            "s" * (len(alert.legs) != 1),
            extra={**context, "event": "alert_accepted"},
        )
        if alert.ignored_keys:
            self._logger.warning(
                "Alert %s has keys that mean nothing here: %s, ignoring",
                stored,
                ", ".join(alert.ignored_keys),
                extra={**context, "event": "alert_keys_ignored"},
            )

    async def _refuse(
        self, request: Request, body: bytes, error: AlertRefused
    ) -> Response:
        self.refused += 1
        client = request.client.host if request.client else "unknown"
        self._logger.warning(
            "alert from %s refused: %s: %s",
            client,
            error.code,
            error.sentence,
            extra={"event": "alert_refused", "code": error.code},
        )
        await self._refusals.note(error, body, client)
        answer = {"status": "refused", "code": error.code, "reason": error.message}
        if error.hint:
            answer["hint"] = error.hint
        return JSONResponse(answer, status_code=error.status)


def create_app(intake: Intake, health: Callable[[], dict[str, object]]) -> Starlette:
    """
    Return the application.

    Args:
        health: What `GET /health` says; `ok` decides between 200 and 503.
    """

    async def get_health(request: Request) -> Response:
        del request
        answer = health()
        return JSONResponse(answer, status_code=200 if answer["ok"] else 503)

    described = JSONResponse(document())

    async def get_document(request: Request) -> Response:
        del request
        return described

    return Starlette(
        routes=[
            Route("/webhook", intake.webhook, methods=["POST"]),
            Route("/health", get_health),
            Route("/openapi.json", get_document),
        ]
    )
