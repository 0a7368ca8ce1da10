"""Asks for a login at the broker, once, wherever a service finds that one is needed."""

from __future__ import annotations

import contextlib

from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.errors import StoreError
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.store.base import OrderStore

#: The same for all services and reasons, so that it is reported once.
_TEXT = (
    "there is no session at the broker: orders wait, exits too, and its books are not "
    "read until a login"
)


def ask_for_login(store: OrderStore, logger: ServiceLogger, broker: str) -> None:
    """
    Note that a person has to log in; the next comparison of the books resolves it.

    The reason is in the log, where each service writes what it waits for.
    """
    with contextlib.suppress(StoreError), store.transaction(durable=True):
        Discrepancies(store, logger).note(
            DiscrepancyKind.LOGIN_NEEDED, broker, _TEXT, "shoonyactl broker login"
        )
