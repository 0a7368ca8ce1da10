"""
Records the alerts that the webhook refuses, without secrets and within bounds.

A body is stored only if it has the webhook's secret somewhere: its sender is known.
Any other refusal is a count for each reason, written at most once a second, so that
strangers fill no disk and keep no alert waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from shoonya_platform.clock import Clock
from shoonya_platform.domain.refused_alerts import RefusedAlert
from shoonya_platform.errors import AlertRefused, StoreError
from shoonya_platform.execution.gathered import Gathered
from shoonya_platform.logging import get_component_logger
from shoonya_platform.logging.redaction import REPLACEMENT, Redactor
from shoonya_platform.store.base import OrderStore

#: Of a stored body and of the text of a reason, in characters.
MOST_BODY = 2000
MOST_REASON = 500
#: Refusals written with one commit.
BATCH = 64
#: Between two writes of what strangers send.
STRANGERS_SECONDS = 1.0
#: A shorter secret is also part of ordinary words.
_SHORTEST = 8


class Secret:
    """The webhook's secret, and how it is taken out of what was sent."""

    def __init__(self, value: str) -> None:
        self._value = value
        self._redactor = Redactor([value])

    def is_in(self, body: bytes) -> bool:
        """Return whether a body proves that its sender knows the secret."""
        return bool(self._value) and self._value.encode() in body

    def taken_out(self, value: Any) -> Any:
        """Return decoded JSON with the secret replaced wherever it is."""
        if len(self._value) < _SHORTEST:
            return value
        if isinstance(value, str):
            return value.replace(self._value, REPLACEMENT)
        if isinstance(value, list):
            return [self.taken_out(inner) for inner in value]
        if isinstance(value, Mapping):
            return {
                self.taken_out(key): self.taken_out(inner)
                for key, inner in value.items()
            }
        return value

    def clean(self, text: str) -> str:
        return self._redactor.clean(text)


@dataclass(slots=True)
class _Strangers:
    """What was refused of unknown senders and is not written yet."""

    refused: RefusedAlert
    times: int


class Refusals:
    """
    Writes down what was refused.

    Args:
        executor: The store's thread.
    """

    def __init__(
        self,
        store: OrderStore,
        secret: Secret,
        clock: Clock,
        executor: ThreadPoolExecutor,
    ) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock
        self._writing = Gathered(executor, self._write, most=BATCH)
        self._strangers: dict[str, _Strangers] = {}
        self._is_due = True
        self._logger = get_component_logger("execution_service")

    async def note(self, error: AlertRefused, body: bytes, client: str) -> None:
        """Record a refusal; a store that does not answer is logged, and no more."""
        is_known = self._secret.is_in(body)
        refused = RefusedAlert(
            code=error.code,
            reason=self._secret.clean(error.message)[:MOST_REASON],
            hint=self._secret.clean(error.hint or "")[:MOST_REASON],
            http_status=error.status,
            client=client,
            body=self._without_secrets(body) if is_known else None,
        )
        if is_known:
            await self._try_to_write(refused, 1)
            return
        waiting = self._strangers.setdefault(error.code, _Strangers(refused, 0))
        waiting.refused, waiting.times = refused, waiting.times + 1
        if self._is_due:
            await self._write_strangers()

    async def _write_strangers(self) -> None:
        self._is_due = False
        asyncio.get_running_loop().call_later(STRANGERS_SECONDS, self._again)
        waiting, self._strangers = self._strangers, {}
        for each in waiting.values():
            await self._try_to_write(each.refused, each.times)

    def _again(self) -> None:
        self._is_due = True
        if self._strangers:
            self._task = asyncio.create_task(self._write_strangers())

    async def _try_to_write(self, refused: RefusedAlert, times: int) -> None:
        try:
            await self._writing((refused, times))
        except StoreError as e:
            self._logger.warning(
                "a refused alert is not recorded: %s",
                e.sentence,
                extra={"event": "refusal_not_recorded", "code": refused.code},
            )

    def _write(self, refused: Sequence[tuple[RefusedAlert, int]]) -> list[None]:
        # Not durable: no sender is answered differently after a power cut.
        with self._store.transaction(durable=False):
            for each, times in refused:
                self._store.refusals.add(each, at=self._clock.now(), times=times)
        return [None] * len(refused)

    def _without_secrets(self, body: bytes) -> str:
        text = body.decode(errors="replace").replace("\0", "�")
        return self._secret.clean(text)[:MOST_BODY]
