"""
What a comparison with the broker's books leaves for the operator to see.

Each comparison notes what differs now and resolves what does not any more, so what
`shoonyactl discrepancy list` shows is never older than the last comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from shoonya_platform.brokers.base import UnreadableRow
from shoonya_platform.clock import Clock
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import WORKING
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.execution.reconciling import STALE_SECONDS, Found, Holding
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.store.base import OrderStore

K = DiscrepancyKind

#: Orders looked at for a fill that the position book may not have yet.
RECENT = 500


class PositionDifferences:
    """
    Tells a difference that lasts from a fill that one book has and one has not.

    A difference that was shown stays until the books agree: a fill in between may
    explain that it changes, and not that it is over.
    """

    def __init__(self, store: OrderStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        #: Our quantity and the broker's.
        self.confirmed: dict[Holding, tuple[int, int]] = {}
        #: How much they differ by, and since when.
        self._since: dict[Holding, tuple[int, float]] = {}

    def look(self, differences: Mapping[Holding, tuple[int, int]]) -> None:
        """Take in what the newest comparison found."""
        now = self._clock.monotonic()
        moved = self._moved_lately()
        shown = {
            row.subject
            for row in self._store.discrepancies.unresolved(K.POSITION_DIFFERS)
        }
        before, self._since = self._since, {}
        self.confirmed = {}
        for key, (own, theirs) in differences.items():
            known, since = before.get(key, (theirs - own, now))
            if known != theirs - own:
                since = now
            self._since[key] = (theirs - own, since)
            if (
                key not in moved
                or now - since >= STALE_SECONDS
                or _subject(key) in shown
            ):
                self.confirmed[key] = (own, theirs)

    def _moved_lately(self) -> set[Holding]:
        since = self._clock.now() - timedelta(seconds=STALE_SECONDS)
        orders = self._store.orders
        return {
            (order.exchange, order.tradingsymbol, order.product)
            for order in (
                *orders.recent(limit=RECENT),
                *orders.in_status(*sorted(WORKING)),
            )
            if order.updated_at > since
        }


def _subject(key: Holding) -> str:
    exchange, tradingsymbol, product = key
    return f"{exchange}:{tradingsymbol} {product}"


class Conditions:
    """Notes and resolves the conditions that comparisons find."""

    def __init__(self, store: OrderStore, logger: ServiceLogger) -> None:
        self._store = store
        self._discrepancies = Discrepancies(store, logger)

    def note(
        self, found: Found, differences: Mapping[Holding, tuple[int, int]]
    ) -> None:
        """Bring the store's list to what this comparison found."""
        with self._store.transaction(durable=True):
            self._note_contradicted(found)
            self._note_missing(found)
            self._note_positions(differences)
            self._note_factors(found)
            self._note_unreadable(found.unreadable)
            self._discrepancies.keep_only(
                K.FOREIGN_CLAIM,
                {row.claim.broker_order_id for row in found.foreign},
            )
            self._resolve_closed(K.CANCEL_IGNORED)
            # The books were read, so there is a session.
            self._discrepancies.keep_only(K.LOGIN_NEEDED, ())

    def _note_contradicted(self, found: Found) -> None:
        for order, claim, why in found.contradicted:
            self._discrepancies.note(
                K.ORDER_CONTRADICTED,
                claim.broker_order_id,
                f"order {order.order_id} is {order.status} here, and the broker claims "
                f"{claim.broker_order_id} {claim.status}: {why}",
                f"compare 'shoonyactl trace {order.order_id}' with the broker's books",
                order,
            )
        self._discrepancies.keep_only(
            K.ORDER_CONTRADICTED,
            {claim.broker_order_id for _, claim, _ in found.contradicted},
        )

    def _note_missing(self, found: Found) -> None:
        for order in found.missing:
            self._discrepancies.note(
                K.ORDER_MISSING,
                order.client_order_id,
                f"order {order.order_id} works here, and the broker's order book lacks "
                "it",
                f"look for it in the broker's terminal, then "
                f"'shoonyactl order cancel {order.order_id}'",
                order,
            )
        self._discrepancies.keep_only(
            K.ORDER_MISSING, {order.client_order_id for order in found.missing}
        )

    def _note_positions(self, differences: Mapping[Holding, tuple[int, int]]) -> None:
        subjects = set()
        for key, (own, theirs) in differences.items():
            subject = _subject(key)
            subjects.add(subject)
            self._discrepancies.note(
                K.POSITION_DIFFERS,
                subject,
                f"{subject}: we hold {own}, the broker says {theirs}",
                "find out which is right; if the broker is: shoonyactl position adopt",
            )
        self._discrepancies.keep_only(K.POSITION_DIFFERS, subjects)

    def _note_factors(self, found: Found) -> None:
        subjects = set()
        for key, (own, theirs) in found.factors.items():
            subject = _subject(key)
            subjects.add(subject)
            self._discrepancies.note(
                K.PRICE_FACTOR_DIFFERS,
                subject,
                f"{subject}: a price of 1 is {own:f} rupees here, and {theirs:f} at "
                "the broker: P&L and limits of one of us are wrong",
                "compare the P&L with the broker's; [instruments] in the configuration "
                "can set price_factor",
            )
        self._discrepancies.keep_only(K.PRICE_FACTOR_DIFFERS, subjects)

    def _note_unreadable(self, rows: Iterable[UnreadableRow]) -> None:
        subjects = set()
        for row in rows:
            subject = f"{row.book} {row.subject}"
            subjects.add(subject)
            self._discrepancies.note(
                K.ROW_UNREADABLE,
                subject,
                f"a row of the broker's {row.book} ({row.subject}) cannot be read: "
                f"{row.why}",
                "compare it with the broker's terminal: it may be of this platform"
                if row.may_be_ours
                else "nothing has to be done: it is of another program or a product "
                "that is not traded here, and stays in your hands",
            )
        self._discrepancies.keep_only(K.ROW_UNREADABLE, subjects)

    def _resolve_closed(self, kind: DiscrepancyKind) -> None:
        for known in self._store.discrepancies.unresolved(kind):
            order = (
                None
                if known.order_id is None
                else self._store.orders.get(known.order_id)
            )
            if order is None or order.is_closed:
                self._discrepancies.resolve(kind, known.subject)
