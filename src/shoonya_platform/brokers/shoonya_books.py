"""
The broker's books, row by row: one bad row never blocks the others.

A row that cannot be used is passed over and listed.  An answer of which no row is of
the book that was asked for is another request's, and no reading at all.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from shoonya_platform.brokers import shoonya_words as words
from shoonya_platform.brokers.base import UnreadableRow
from shoonya_platform.brokers.shoonya_answers import Answer
from shoonya_platform.brokers.shoonya_words import Row, Unreadable
from shoonya_platform.domain.alerts import named_order
from shoonya_platform.errors import BrokerUnavailable

#: More reports than these are not listed; the books have to be read anyway.
_MAX_REPORTS = 100


@dataclass(frozen=True, slots=True)
class Book:
    """One of the lists that the broker keeps."""

    name: str  #: the port's
    route: str  #: Noren's
    #: Fields that the rows of this list have, and those of others do not; one row with
    #: one of them identifies the list, as a row may lack any field.
    signs: frozenset[str]

    def has(self, row: object) -> bool:
        """Return whether a row is certainly of this list."""
        return isinstance(row, dict) and not self.signs.isdisjoint(row)


ORDERS = Book("order_book", "OrderBook", frozenset({"status", "rejreason", "dscqty"}))
TRADES = Book("trade_book", "TradeBook", frozenset({"flid", "flqty", "flprc"}))
POSITIONS = Book(
    "positions", "PositionBook", frozenset({"netqty", "netavgprc", "daybuyqty"})
)


class Rows:
    """Reads rows, and remembers which of each book were passed over."""

    def __init__(self) -> None:
        self._passed_over: dict[str, list[UnreadableRow]] = {}
        self._reports: deque[UnreadableRow] = deque(maxlen=_MAX_REPORTS)

    def usable(
        self, book: Book, answer: Answer, read: Callable[[Row], words.T]
    ) -> list[words.T]:
        """
        Return what the rows of an answer say, without those that cannot be used.

        Raises:
            BrokerUnavailable: The answer is not of this book.
        """
        if not isinstance(answer, list) or (
            answer and not any(book.has(row) for row in answer)
        ):
            raise BrokerUnavailable(
                f"the broker answered {book.route} with something else"
            )
        found, passed_over = [], []
        for row in answer:
            try:
                if not isinstance(row, dict):
                    raise Unreadable(f"it is a {type(row).__name__}, not an object")
                found.append(read(row))
            except Unreadable as e:
                passed_over.append(unreadable(book.name, row, e))
        self._passed_over[book.name] = passed_over
        return found

    def is_empty(self, book: Book) -> None:
        """Note that the book was read and has no rows."""
        self._passed_over[book.name] = []

    def add_report(self, frame: object, why: Exception | str) -> None:
        """Note a report that could not be used.  May be called by any thread."""
        self._reports.append(unreadable("reports", frame, why))

    def unreadable(self) -> list[UnreadableRow]:
        """Return the rows of the last reading of each book, and the new reports."""
        found = [row for rows in self._passed_over.values() for row in rows]
        while self._reports:
            found.append(self._reports.popleft())
        return found


def unreadable(book: str, row: object, why: Exception | str) -> UnreadableRow:
    """Describe a row that cannot be used."""
    return UnreadableRow(
        book=book,
        subject=_subject(row),
        why=str(why),
        may_be_ours=_may_be_ours(book, row),
        tradingsymbol=_symbol(row),
    )


def _may_be_ours(book: str, row: object) -> bool:
    if not isinstance(row, dict):
        return True
    if book == POSITIONS.name:
        return words.may_be_our_product(row)
    remarks = row.get("remarks", "")
    return not isinstance(remarks, str) or named_order(remarks) is not None


def _symbol(row: object) -> str:
    if not isinstance(row, dict):
        return ""
    try:
        return words.shown(words.symbol_of(row))
    except Unreadable:
        return ""


def _subject(row: object) -> str:
    if isinstance(row, dict):
        for subject in (words.number_of, words.symbol_of, words.scrip_key_of):
            try:
                return words.shown(subject(row))
            except Unreadable:
                continue
    if isinstance(row, bytes):
        return hashlib.sha256(row).hexdigest()[:12]
    # At most as deep as `decode` lets it be.
    text = json.dumps(row, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
