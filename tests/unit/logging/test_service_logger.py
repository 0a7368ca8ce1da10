import asyncio
import logging
import os
import sys

import pytest

from shoonya_platform.logging import (
    COMPONENTS,
    ServiceLogger,
    get_component_logger,
    setup_application_logging,
)
from tests.unit.logging.support import lines


@pytest.fixture
def log(tmp_path):
    setup_application_logging(
        tmp_path, component="trading_bot", journal=False, console=False, level="DEBUG"
    )
    return get_component_logger("trading_bot")


@pytest.fixture
def written(tmp_path):
    return lambda: lines(tmp_path / "trading_bot.log")


@pytest.mark.parametrize("make", [get_component_logger, ServiceLogger])
def test_unknown_name_is_refused_with_the_names_there_are(make):
    with pytest.raises(ValueError, match="'broker'") as caught:
        make("broker")

    assert all(name in str(caught.value) for name in COMPONENTS)


@pytest.mark.parametrize(
    ("method", "level"),
    [
        ("debug", "DEBUG"),
        ("info", "INFO"),
        ("warning", "WARNING"),
        ("error", "ERROR"),
        ("critical", "CRITICAL"),
        ("exception", "ERROR"),
        ("startup", "INFO"),
        ("shutdown", "INFO"),
        ("error_with_context", "ERROR"),
        ("debug_trace", "DEBUG"),
    ],
)
def test_each_method_logs_at_its_level_for_its_caller(
    log, written, caplog, method, level
):
    getattr(log, method)("x", symbol="INFY")

    (line,) = written()
    assert (line.level, line.message) == (level, "x")
    assert line.fields["symbol"] == "INFY"
    assert caplog.records[0].funcName.startswith("test_each_method")
    assert caplog.records[0].pathname == __file__


def test_events_are_told_by_a_field(log, written):
    log.event("order", "BUY 100%", symbol="INFY")
    log.startup("x")

    assert [line.fields for line in written()] == [
        {"symbol": "INFY", "event": "order"},
        {"event": "startup"},
    ]
    assert written()[0].message == "BUY 100%"


def test_stacklevel_names_the_callers_caller(log, caplog):
    def helper():
        log.info("x", stacklevel=2)

    helper()

    assert caplog.records[0].funcName == "test_stacklevel_names_the_callers_caller"


@pytest.mark.parametrize("level", [10_000, "no number", None])
def test_odd_stacklevel_breaks_nothing(log, written, level):
    log.info("x", stacklevel=level)

    assert written()[0].message == "x"


def test_wrong_arguments_are_shown_and_break_nothing(log, written):
    log.info("%d and %s", "one")
    log.info("no place", "extra")
    log.info("%(name)s", {"other": 1})
    log.info(None)

    messages = [line.message for line in written()]
    assert "one" in messages[0]
    assert "extra" in messages[1]
    assert "other" in messages[2]
    assert messages[3] == "None"


class Broken:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


class BrokenError(Exception):
    __str__ = __repr__ = Broken.__str__


def test_objects_that_cannot_be_printed_break_nothing(log, written):
    log.info("%s", Broken())
    log.info(Broken())
    log.info("x", value=Broken(), extra={"list": [Broken()]})
    try:
        raise BrokenError
    except BrokenError:
        log.exception("x")
    log.error("x", extra="no mapping")
    options = {"exc_info": "no exception"}
    log.error("x", **options)

    assert len(written()) == 6


def test_sentence_without_arguments_may_hold_percent_signs(log, written):
    log.info("100% done")

    assert written()[0].message == "100% done"


def test_sentence_of_a_level_that_is_off_is_not_made(log):
    log.setLevel(logging.INFO)

    log.debug("%s", Broken(), value=Broken())

    assert not log.isEnabledFor(logging.DEBUG)


def test_exception_may_be_handed_over(log, caplog):
    error = ValueError("boom")

    log.error("x", exc_info=error)

    assert caplog.records[0].exc_info[1] is error
    assert "ValueError: boom" in caplog.text


def test_exception_cannot_forge_a_record(log, written, tmp_path):
    log.info("forged")
    forged = (tmp_path / "trading_bot.log").read_text()
    try:
        raise ValueError(f"\n{forged}\r{forged}")
    except ValueError:
        log.exception("x")

    assert [line.message for line in written()] == ["forged", "x"]


def test_stack_begins_at_the_caller(log, tmp_path):
    log.info("x", stack_info=True)

    text = (tmp_path / "trading_bot.log").read_text()
    assert "Stack (most recent call last):" in text
    assert text.endswith('log.info("x", stack_info=True)\n')


def test_record_has_all_that_a_standard_one_has(log, caplog):
    logging.getLogger("other").warning("x %s", 1)
    log.warning("x %s", 1)

    standard, ours = caplog.records
    same = set(vars(standard)) - {"message", "asctime"}
    assert same <= set(vars(ours))
    unlike = {
        name
        for name in same
        if type(getattr(standard, name)) is not type(getattr(ours, name))
    }
    assert unlike == set()
    for name in (
        "processName",
        "threadName",
        "thread",
        "process",
        "module",
        "filename",
    ):
        assert getattr(standard, name) == getattr(ours, name)


def test_record_of_a_child_names_the_child(log, caplog):
    log.warning("x")

    child = os.fork()
    if not child:
        right = False
        try:
            log.warning("x")
            right = caplog.records[-1].process == os.getpid()
        finally:
            os._exit(not right)

    assert os.waitpid(child, 0)[1] == 0


def test_record_names_its_task(log, caplog):
    async def main():
        log.info("x")

    asyncio.run(main())

    if sys.version_info >= (3, 12):
        assert caplog.records[0].taskName.startswith("Task-")
    assert caplog.records[0].getMessage() == "x"


def test_record_factory_of_somebody_else_is_used(log, caplog):
    before = logging.getLogRecordFactory()

    def factory(*args, **kwargs):
        record = before(*args, **kwargs)
        record.trace_id = "t1"
        return record

    logging.setLogRecordFactory(factory)
    try:
        log.info("x")
    finally:
        logging.setLogRecordFactory(before)

    assert caplog.records[0].trace_id == "t1"


def test_fields_are_on_the_record_for_other_handlers(log, caplog):
    log.info("x", extra={"EVENT": "order_denied"}, ORDER_ID=1)

    assert (caplog.records[0].EVENT, caplog.records[0].ORDER_ID) == ("order_denied", 1)


def test_filter_of_somebody_else_is_asked(log, written):
    def no(record):
        return False

    log.logger.addFilter(no)
    try:
        log.info("x")
    finally:
        log.logger.removeFilter(no)
    log.info("y")

    assert [line.message for line in written()] == ["y"]


def test_disabled_logger_is_silent(log, written):
    log.logger.disabled = True
    try:
        log.error("x")
    finally:
        log.logger.disabled = False
    log.error("y")

    assert [line.message for line in written()] == ["y"]


def test_standard_logger_of_the_same_name_writes_to_the_same_file(log, written):
    logging.getLogger("TRADING_BOT").info("a")
    logging.getLogger("TRADING_BOT.LEGS").info("b")

    assert [(line.name, line.message) for line in written()] == [
        ("TRADING_BOT", "a"),
        ("TRADING_BOT", "b"),
    ]
