"""The line of JSON: what is in it, and that it is read back as it was written."""

import json
import logging
import os
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.logging import (
    bound_context,
    get_component_logger,
    parse_line,
    setup_application_logging,
)
from shoonya_platform.logging.entries import Entry
from shoonya_platform.logging.formats import escaped, fields_text
from shoonya_platform.logging.forms import form_of
from shoonya_platform.logging.jsonlines import RESERVED
from shoonya_platform.services.lastlines import last_lines

text = st.text(st.characters(codec="utf-8"), max_size=60) | st.text(
    'ab=|"\\ \n\r\x85\u2028{}', max_size=40
)
names = st.from_regex(r"[a-z0-9_]{1,10}", fullmatch=True) | st.sampled_from(
    [name + "_" * count for name in RESERVED for count in range(3)]
).filter(lambda name: name not in ("run", "seq", "logger", "component"))
fields = st.dictionaries(names, text, max_size=4)


def line_of(form, message, context, detail="", seq=7, name="RISK_MANAGER"):
    record = logging.makeLogRecord(
        {"name": name, "levelname": "INFO", "created": 1770540931.123456}
    )
    entry = Entry(message, detail, context, fields_text(context), "")
    return form_of(form, "risk_manager", "a1b2").line(record, entry, seq)


@given(text, fields, text, st.sampled_from(["RISK_MANAGER", "uvicorn.error"]))
def test_both_forms_are_read_back_as_the_same(message, context, detail, name):
    structured = line_of("json", message, context, detail, name=name)
    plain = line_of("text", message, context, detail, name=name).split("\n")[0]

    assert structured.count("\n") == 1
    assert len(structured.splitlines()) == 1
    found, expected = parse_line(structured), parse_line(plain)
    assert found is not None
    assert expected is not None
    assert found.detail == detail
    for attribute in ("at", "level", "name", "message", "fields", "run", "seq"):
        assert getattr(found, attribute) == getattr(expected, attribute), attribute
    assert found.message == escaped(message)


@given(text)
def test_whatever_looks_like_an_object_and_is_no_record_is_none(line):
    assert parse_line("{" + line) is None


@pytest.mark.parametrize("key", ["timestamp", "level", "message", "run", "seq"])
def test_object_without_one_of_our_keys_is_no_record(key):
    found = json.loads(line_of("json", "x", {}))
    del found[key]

    assert parse_line(json.dumps(found)) is None


@pytest.fixture
def dashboard(tmp_path):
    setup_application_logging(
        tmp_path,
        component="dashboard",
        journal=False,
        console=False,
        run_id="run-1",
        forms={"dashboard": "json"},
        secrets=["s3cr3t-key"],
    )
    return tmp_path / "dashboard.log"


def test_record_has_these_keys_and_no_others(dashboard):
    before = datetime.now().astimezone()
    get_component_logger("dashboard").info(
        "Order %s\nfilled", 5, order_id=5, event="filled", level="high"
    )

    (line,) = dashboard.read_text().splitlines()
    found = json.loads(line)
    at = datetime.fromisoformat(found.pop("timestamp"))
    assert before <= at <= datetime.now().astimezone()
    assert at.utcoffset() == before.utcoffset()
    assert found == {
        "level": "INFO",
        "component": "dashboard",
        "logger": "DASHBOARD",
        "message": "Order 5\nfilled",
        "order_id": "5",
        "event": "filled",
        "level_": "high",
        "run": "run-1",
        "pid": os.getpid(),
        "seq": 1,
    }


def test_exception_is_in_the_same_record_without_secrets(dashboard):
    try:
        raise ValueError("pwd=hunter2 s3cr3t-key")
    except ValueError:
        get_component_logger("dashboard").exception("Broken")

    (line,) = dashboard.read_text().splitlines()
    exception = json.loads(line)["exception"]
    assert exception.startswith("Traceback (most recent call last):\n")
    assert exception.endswith("\nValueError: pwd=*** ***")
    last = last_lines(dashboard.parent, "dashboard", "run-1", 5)
    assert last.traceback[-1] == "ValueError: pwd=*** ***"


def test_other_components_keep_the_form_of_all(dashboard):
    with bound_context(alert_id="A-9"):
        get_component_logger("risk_manager").info("x")

    (line,) = (dashboard.parent / "risk_manager.log").read_text().splitlines()
    assert line.endswith(" | RISK_MANAGER         | x | alert_id=A-9 run=run-1 seq=1")


def test_unknown_form_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ValueError, match="'xml', the forms are: text, json"):
        setup_application_logging(tmp_path, form="xml")
    with pytest.raises(ValueError, match="unknown component 'nobody'"):
        setup_application_logging(tmp_path, forms={"nobody": "json"})
