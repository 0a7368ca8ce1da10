"""Notes discrepancies in the store, and logs each one when it begins and ends."""

from __future__ import annotations

from collections.abc import Collection

from shoonya_platform.domain.discrepancies import Discrepancy, DiscrepancyKind
from shoonya_platform.domain.orders import Order
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.store.base import OrderStore


class Discrepancies:
    """
    The operator's view of what differs, as one service writes it.

    All methods are to be used inside a transaction of the store.
    """

    def __init__(self, store: OrderStore, logger: ServiceLogger) -> None:
        self._store = store
        self._logger = logger

    def note(
        self,
        kind: DiscrepancyKind,
        subject: str,
        text: str,
        action: str,
        order: Order | None = None,
    ) -> None:
        """Record that it is found now; log it if it is new or has changed."""
        found = Discrepancy(
            kind=kind,
            subject=subject,
            text=text,
            action=action,
            order_id=None if order is None else order.order_id,
        )
        if self._store.discrepancies.note(found):
            self._logger.error(
                "%s; %s",
                text,
                action,
                extra={
                    **({} if order is None else order.log_context),
                    "event": "discrepancy",
                    "kind": kind,
                },
            )

    def resolve(self, kind: DiscrepancyKind, subject: str) -> None:
        """Record that it is found no longer; log that if it was there."""
        if self._store.discrepancies.resolve(kind, subject):
            self._logger.info(
                "%s: no longer %s",
                subject,
                kind.replace("_", " "),
                extra={"event": "discrepancy_over", "kind": kind},
            )

    def keep_only(self, kind: DiscrepancyKind, subjects: Collection[str]) -> None:
        """Resolve what lasts of a kind, apart from these subjects."""
        for known in self._store.discrepancies.unresolved(kind):
            if known.subject not in subjects:
                self.resolve(kind, known.subject)
