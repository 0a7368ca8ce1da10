"""
What is in front of the operator at the end: `check`, ERROR lines, notifications.

All three have to show a discrepancy: the log is read by one person, the phone by
another, and `check` by the monitoring.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from shoonya_platform.assessment.assess import assess
from shoonya_platform.assessment.conditions import Condition, ConditionKind, Rules
from shoonya_platform.domain.discrepancies import (
    INCIDENTS,
    DiscrepancyKind,
    StoredDiscrepancy,
    refused_holding,
)
from shoonya_platform.notify.discrepancies import read_discrepancies
from shoonya_platform.store.base import OrderStore
from tests.simulation.exchange import FOREIGN_SYMBOL
from tests.simulation.ledger import Ledger
from tests.simulation.promises import Failure, Promise

_MORE = 100_000

K = DiscrepancyKind
C = ConditionKind

#: Last until a person does something about them, and not only until all is well.
_LASTING = INCIDENTS | {
    K.FOREIGN_CLAIM,
    K.POSITION_DIFFERS,
    K.ORDER_CONTRADICTED,
    K.BELIEF_DIFFERS,
}


class Attention:
    """
    The store's discrepancies, and where each of them was shown.
    """

    def __init__(
        self,
        store: OrderStore,
        ledger: Ledger,
        now: datetime,
        rules: Rules,
    ) -> None:
        self.conditions = assess(store, now, rules=rules)
        self._began = store.discrepancies.recent(limit=_MORE)
        self._errors = [text for _, text in ledger.errors]
        self._news = list(_news(store))
        by_hand = {symbol for symbol, *_ in ledger.closed_by_hand}
        self._not_ours = {FOREIGN_SYMBOL, *by_hand}
        self._held = {
            refused_holding(
                held.strategy, held.exchange, held.tradingsymbol, held.product
            )
            for held in store.positions.open()
        }

    def names(self, words: set[str], *kinds: DiscrepancyKind) -> bool:
        """Return whether an open discrepancy of these kinds has one of the words."""
        return any(
            word in f"{row.subject} {row.text}"
            for row in self._began
            if row.is_open and row.kind in kinds
            for word in words
        )

    def names_position(self, subject: str) -> bool:
        return any(
            row.kind is K.POSITION_DIFFERS
            and row.resolved_at is None
            and row.subject == subject
            for row in self._began
        )

    def failures(self) -> Iterator[Failure]:
        """Yield each discrepancy that one of the three ways does not show."""
        named = {condition.discrepancy_id for condition in self.conditions}
        for row in self._began:
            if row.is_open and row.discrepancy_id not in named:
                yield Failure(Promise.NO_CONDITION, _words(row))
            if not any(text.startswith(row.text) for text in self._errors):
                yield Failure(Promise.NO_ERROR, _words(row))
            if not any(row.text in text for text in self._news):
                yield Failure(Promise.NO_NOTIFICATION, _words(row))
        for condition in self.conditions:
            if not self._may_last(condition):
                yield Failure(Promise.STILL_NAMED, f"{condition.key}: {condition.text}")

    def _may_last(self, condition: Condition) -> bool:
        if condition.kind is K.POSITION_DIFFERS:
            return any(symbol in condition.subject for symbol in self._not_ours)
        if condition.kind is K.EXIT_FAILED:
            return condition.subject in self._held
        # What was slow until the faults ended is named for a minute.
        return condition.kind in _LASTING or condition.kind is C.BROKER_SLOW


def _news(store: OrderStore) -> Iterator[str]:
    """Yield the sentences that a reader from the beginning sends out."""
    number, reported = 0, dict[str, str]()
    while True:
        before = number
        found, number, reported = read_discrepancies(store, number, reported)
        yield from (text for _, text in found)
        if number == before:
            return


def _words(row: StoredDiscrepancy) -> str:
    return f"{row.kind} {row.subject}: {row.text}"
