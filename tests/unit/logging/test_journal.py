import logging
import uuid

import pytest

pytest.importorskip("systemd.journal", reason="systemd-python is not installed")

from systemd.journal import JournalHandler

from shoonya_platform.logging import get_component_logger, setup_application_logging
from shoonya_platform.logging.journal import ServiceJournalHandler
from shoonya_platform.logging.transport import JournalTransport
from tests.unit.logging.support import entry_of


@pytest.fixture
def log(tmp_path, journald):
    setup_application_logging(
        tmp_path,
        component="risk_manager",
        journal=str(journald.path),
        console=False,
        run_id="run-1",
        level="DEBUG",
    )
    return get_component_logger("risk_manager")


def test_entry_has_these_fields_and_no_others(log, journald):
    log.info("Order %s passed", 5, order_id=5, event="order_passed")

    (entry,) = journald.entries()
    assert entry.pop("CODE_FILE") == __file__
    assert int(entry.pop("CODE_LINE")) > 0
    assert entry == {
        "MESSAGE": "Order 5 passed",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "shoonya@risk_manager",
        "LOGGER": "RISK_MANAGER",
        "CODE_FUNC": "test_entry_has_these_fields_and_no_others",
        "SHOONYA_COMPONENT": "risk_manager",
        "SHOONYA_RUN": "run-1",
        "SHOONYA_SEQ": "1",
        "SHOONYA_ORDER_ID": "5",
        "SHOONYA_EVENT": "order_passed",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, "7"),
        (logging.DEBUG + 1, "6"),
        (logging.INFO, "6"),
        (logging.INFO + 1, "4"),
        (logging.WARNING, "4"),
        (logging.WARNING + 1, "3"),
        (logging.ERROR, "3"),
        (logging.ERROR + 1, "2"),
        (logging.CRITICAL, "2"),
        (logging.CRITICAL + 1, "1"),
    ],
)
def test_priority_follows_the_level_at_its_borders(log, journald, level, priority):
    log.log(level, "x")

    assert journald.entries()[0]["PRIORITY"] == priority


def test_same_place_may_log_at_several_levels(log, journald):
    for level in (logging.INFO, logging.ERROR, logging.INFO):
        log.log(level, "x")

    assert [entry["PRIORITY"] for entry in journald.entries(3)] == ["6", "3", "6"]


def test_message_is_the_sentence_with_the_exception(log, journald):
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("Two\nlines")

    message = journald.entries()[0]["MESSAGE"]
    assert message.startswith("Two\nlines\nTraceback (most recent call last):\n")
    assert message.endswith("\nValueError: boom")


@pytest.mark.parametrize(
    "value",
    [
        uuid.UUID("0123456789abcdef0123456789abcdef"),
        "0123456789abcdef0123456789abcdef",
        "01234567-89AB-CDEF-0123-456789ABCDEF",
    ],
)
def test_message_id_has_the_journals_own_form(log, journald, value):
    log.info("x", message_id=value)

    (entry,) = journald.entries()
    assert entry["MESSAGE_ID"] == "0123456789abcdef0123456789abcdef"
    assert "SHOONYA_MESSAGE_ID" not in entry


def test_message_id_that_is_none_is_an_ordinary_field(log, journald):
    log.info("x", message_id="nonsense")

    (entry,) = journald.entries()
    assert entry["SHOONYA_MESSAGE_ID"] == "nonsense"
    assert "MESSAGE_ID" not in entry


def test_handler_is_a_journal_handler():
    assert issubclass(ServiceJournalHandler, JournalHandler)


def test_handler_works_alone(journald):
    handler = ServiceJournalHandler(JournalTransport(str(journald.path)))
    logger = logging.getLogger("alone")
    logger.addHandler(handler)
    try:
        logger.error("pwd=%s", "hunter2", extra={"ORDER_ID": 1, "lower": 2})
    finally:
        logger.removeHandler(handler)
        handler.close()

    (entry,) = journald.entries()
    assert entry["MESSAGE"] == "pwd=***"
    assert entry["SYSLOG_IDENTIFIER"] == "shoonya"
    assert (entry["SHOONYA_ORDER_ID"], entry["SHOONYA_LOWER"]) == ("1", "2")
    assert "SHOONYA_COMPONENT" not in entry


def test_sender_can_be_replaced_as_with_the_base_class():
    sent: list[bytes] = []
    handler = ServiceJournalHandler()
    handler.send = sent.append

    handler.handle(logging.makeLogRecord({"name": "DASHBOARD", "levelno": 20}))
    handler.close()

    assert entry_of(sent[0])["SHOONYA_COMPONENT"] == "dashboard"


def test_call_sites_without_end_do_not_fill_the_memory(log, journald):
    handler = ServiceJournalHandler(JournalTransport(str(journald.path)))

    for line in range(4001):
        place = {"name": "x", "lineno": line, "levelno": 20}
        handler.handle(logging.makeLogRecord(place))
        handler.flush()
        assert journald.entries(1)[0]["CODE_LINE"] == str(line)
    handler.close()

    assert len(handler._constant) == 1
