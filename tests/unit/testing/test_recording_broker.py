"""The broker of the unit tests keeps the port's promises where a test fills it."""

from datetime import UTC, datetime

from shoonya_platform.brokers.base import UnreadableRow
from shoonya_platform.testing.brokers import RecordingBroker
from shoonya_platform.testing.clock import FakeClock


def test_unreadable_rows_of_a_book_stay_and_unreadable_reports_are_returned_once():
    broker = RecordingBroker(FakeClock(datetime(2026, 11, 25, tzinfo=UTC)))
    row = UnreadableRow(book="order_book", subject="7", why="'prd' is 'F'")
    report = UnreadableRow(book="reports", subject="8", why="'qty' is missing")
    broker.passed_over += [row, report]

    assert broker.unreadable() == [row, report]
    assert broker.unreadable() == [row]

    broker.passed_over.clear()
    assert broker.unreadable() == []
