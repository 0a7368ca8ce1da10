import enum
import logging
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shoonya_platform.logging import (
    COMPONENTS,
    bound_context,
    get_component_logger,
    in_bound_context,
    setup_application_logging,
)
from tests.unit.logging.support import lines


@pytest.fixture
def log(tmp_path, journald):
    setup_application_logging(
        tmp_path, component="risk_manager", journal=str(journald.path), console=False
    )
    return get_component_logger("risk_manager")


@pytest.fixture
def fields(tmp_path, journald):
    """Fields of the only record in the text; the journal must have the same."""

    def read():
        (line,) = lines(tmp_path / "risk_manager.log")
        (entry,) = journald.entries()
        in_journal = {
            name.removeprefix("SHOONYA_").lower(): value
            for name, value in entry.items()
            if name.startswith("SHOONYA_")
        }
        assert in_journal.pop("component") == "risk_manager"
        assert in_journal.pop("run") == line.run
        assert in_journal.pop("seq") == str(line.seq)
        foreign = line.fields.pop("logger", "RISK_MANAGER")
        assert entry["LOGGER"] == foreign
        assert in_journal == line.fields
        return line.fields

    return read


@pytest.mark.parametrize("name", ["order_id", "ORDER_ID", "Order_Id"])
def test_field_has_one_name_however_it_is_spelt(log, fields, name):
    log.info("x", extra={name: 12345})

    assert fields() == {"order_id": "12345"}


def test_the_nearer_binding_wins(log, fields):
    bound = log.bind(alert_id="logger", strategy="logger", order_id="logger")

    with bound_context(alert_id="flow", strategy="flow", order_id="flow", event="flow"):
        bound.info("x", order_id="call", extra={"STRATEGY": "extra", "ORDER_ID": 0})

    assert fields() == {
        "alert_id": "logger",
        "strategy": "extra",
        "order_id": "call",
        "event": "flow",
    }


def test_bind_leaves_the_original_as_it_was(log, fields):
    log.bind(order_id=1)

    log.info("x")

    assert fields() == {}


def test_bindings_of_blocks_nest_and_end(log, tmp_path):
    with bound_context(order_id=1):
        with bound_context(alert_id=2):
            log.info("inner")
        log.info("outer")
    log.info("after")

    inner, outer, after = lines(tmp_path / "risk_manager.log")
    assert inner.fields == {"order_id": "1", "alert_id": "2"}
    assert outer.fields == {"order_id": "1"}
    assert after.fields == {}


def test_binding_of_a_block_stays_out_of_other_threads(log, fields):
    with bound_context(order_id=1):
        thread = threading.Thread(target=log.info, args=("x",))
        thread.start()
        thread.join()

    assert fields() == {}


def test_binding_of_a_block_reaches_loggers_of_libraries(log, fields):
    with bound_context(order_id=1):
        logging.getLogger("some.library").warning("x", extra={"attempt": 2})

    assert fields() == {"order_id": "1", "attempt": "2"}


def test_bound_context_goes_along_into_a_thread_if_told_to(log, tmp_path):
    def work(number):
        with bound_context(number=number):
            log.info("x")

    with ThreadPoolExecutor(1) as executor:
        with bound_context(order_id=1):
            carried = in_bound_context(work)
            executor.submit(work, 1).result()
        # Also where it is no longer bound, and a second time.
        executor.submit(carried, 2).result()
        executor.submit(carried, 3).result()
        # The thread keeps nothing.
        executor.submit(work, 4).result()

    assert [line.fields for line in lines(tmp_path / "risk_manager.log")] == [
        {"number": "1"},
        {"order_id": "1", "number": "2"},
        {"order_id": "1", "number": "3"},
        {"number": "4"},
    ]


def test_field_that_is_none_is_left_out(log, fields):
    log.info("x", broker_order_id=None, order_id=1)

    assert fields() == {"order_id": "1"}


class Color(enum.StrEnum):
    RED = "red"


class Broken:
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(True, "True", id="bool"),
        pytest.param(Color.RED, "red", id="enum"),
        pytest.param(-7, "-7", id="negative"),
        pytest.param(10**5000, "<unprintable int>", id="huge"),
        pytest.param(signal.SIGTERM, "15", id="number-enum"),
        pytest.param("", "", id="empty"),
        pytest.param('say "hi"\n\\n = | x', 'say "hi"\n\\n = | x', id="awkward"),
        pytest.param(ValueError("boom"), "ValueError: boom", id="exception"),
        pytest.param({"a": [1]}, "{'a': [1]}", id="nested"),
        pytest.param(Broken(), "<unprintable Broken>", id="broken"),
        pytest.param("Größe 💥", "Größe 💥", id="unicode"),
    ],
)
def test_value_is_read_back_as_it_was(log, fields, value, text):
    log.info("x", value=value)

    assert fields() == {"value": text}


@pytest.mark.parametrize("name", ["run", "seq", "component", "logger"])
def test_field_cannot_take_the_place_of_the_librarys_own(log, fields, name):
    log.info("x", **{name: "forged"})

    assert fields() == {f"{name}_": "forged"}


@pytest.mark.parametrize("name", ["name", "msg", "args", "message", "levelname"])
def test_field_may_have_a_name_that_a_record_has_too(log, fields, name):
    log.info("sentence", extra={name: "mine"})

    assert fields() == {name: "mine"}


def test_any_key_becomes_a_name_that_the_journal_takes(log, fields):
    log.info("x", **{"Größe of-it=\n": 1, "y" * 100: 2, "": 3})

    assert fields() == {"gr__e_of_it__": "1", "y" * 56: "2", "_": "3"}


def test_there_are_eight_components():
    assert len(set(COMPONENTS)) == 8
